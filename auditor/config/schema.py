"""JSON Schemas of what goes in and what comes out, made from the types themselves."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from auditor.checks import checks
from auditor.config.config import Audit
from auditor.core.displays import FORMAT
from auditor.core.records import Finding


def audit_schema() -> dict[str, Any]:
    """Return the JSON Schema of audit.yaml, with the settings of every check."""
    schema = Audit.model_json_schema()
    each: dict[str, Any] = {}
    for entry in checks:
        kinds = each.setdefault(entry.name, {"anyOf": [{"type": "boolean"}]})["anyOf"]
        kinds.append(checks.settings_model(entry.name, entry.modality).model_json_schema())
    schema["properties"]["checks"] = {
        "type": "object",
        "properties": each,
        "additionalProperties": False,
        "default": {},
    }
    return schema


def findings_schema() -> dict[str, Any]:
    """Return the JSON Schema of findings.json."""
    finding = TypeAdapter(Finding).json_schema(ref_template="#/$defs/{model}")
    definitions = finding.pop("$defs", {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "findings.json",
        "type": "object",
        "required": ["format", "audit", "findings"],
        "properties": {
            "format": {"const": FORMAT},
            "audit": {"type": "object"},
            "findings": {"type": "array", "items": finding},
        },
        "$defs": definitions,
    }
