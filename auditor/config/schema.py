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
    schema["properties"]["model"] = _model_schema(schema["$defs"])
    return schema


def _model_schema(definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of `model`: the settings of each source. What they share is put into the definitions."""
    # sources import torch, which reading an audit file alone does not need
    from auditor.models import classifiers

    kinds = []
    for entry in classifiers:
        settings = classifiers.settings_model(entry.name, entry.modality).model_json_schema()
        definitions.update(settings.pop("$defs", {}))
        own = settings.get("properties", {})
        name = {"anyOf": [{"type": kind} for kind in ("string", "number", "boolean")]}
        names = {"anyOf": [{"type": "array", "items": name}, {"type": "null"}], "default": None}
        kinds.append(
            {
                "title": entry.name,
                "description": entry.summary,
                "type": "object",
                "properties": {
                    "source": {"const": entry.name},
                    "weights": {"type": "string"},
                    "path": {"type": "string"},
                    **own,
                    **({"classes": names} if "classes" in own else {}),
                    "draws": {"type": "integer", "minimum": 1, "default": 1},
                },
                "required": settings.get("required", []),
                "oneOf": [{"required": ["weights"]}, {"required": ["path"]}],
                "additionalProperties": False,
            }
        )
    return {"type": "object", "description": "The model; `source` follows from the ending of its file.", "anyOf": kinds}


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
