"""The JSON Schemas: what the audit file and findings.json really look like passes, and mistakes do not."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from auditor.checks import checks
from auditor.records import Estimate, Finding
from auditor.schema import audit_schema, findings_schema

KINDS = {"object": dict, "array": (list, tuple), "string": str, "boolean": bool, "null": type(None)}
EXAMPLE = re.search(r'^EXAMPLE = """\\\n(.*?)"""', (Path(__file__).parent / "test_config.py").read_text(), re.DOTALL | re.MULTILINE).group(1)  # type: ignore[union-attr]


def problems(value: Any, schema: dict[str, Any], root: dict[str, Any], where: str = "") -> list[str]:
    """Return where a value breaks a schema: the part of JSON Schema that ours use."""
    if "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return problems(value, target, root, where)
    if "anyOf" in schema:
        return [] if any(not problems(value, one, root, where) for one in schema["anyOf"]) else [f"{where}: fits none"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is none of {schema['enum']}"]
    kind = schema.get("type")
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = number if kind in ("number", "integer") else kind is None or isinstance(value, KINDS[kind])
    if not fits:
        return [f"{where}: expected {kind}, got {value!r}"]
    found = [f"{where}: too small" for key, low in schema.items() if (key == "exclusiveMinimum" and value <= low) or (key == "minimum" and value < low)]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{where}: {value!r} does not match")
    if isinstance(value, dict):
        found += [f"{where}: {key} is missing" for key in schema.get("required", []) if key not in value]
        for key, item in value.items():
            extra = schema.get("additionalProperties", True)
            if key in schema.get("properties", {}):
                found += problems(item, schema["properties"][key], root, f"{where}/{key}")
            elif extra is False:
                found.append(f"{where}: {key} is unknown")
            elif isinstance(extra, dict):
                found += problems(item, extra, root, f"{where}/{key}")
    if isinstance(value, (list, tuple)) and "items" in schema:
        for row, item in enumerate(value):
            found += problems(item, schema["items"], root, f"{where}/{row}")
    return found


def check_references(schema: Any, root: dict[str, Any]) -> None:
    if isinstance(schema, dict):
        if "$ref" in schema:
            problems({}, {"$ref": schema["$ref"]}, root)
        for item in schema.values():
            check_references(item, root)
    elif isinstance(schema, list):
        for item in schema:
            check_references(item, root)


def test_the_example_of_the_design_passes() -> None:
    schema = audit_schema()
    audit = YAML(typ="safe").load(EXAMPLE)
    assert problems(audit, schema, schema) == []
    assert problems({"model": {}, "data": {}}, schema, schema) == []


BAD = [
    ({"model": {}}, ": data is missing"),
    ({"model": {}, "data": {}, "treat": 1}, ": treat is unknown"),
    ({"model": {}, "data": {}, "threat": {"epsilom": [1]}}, "/threat: epsilom is unknown"),
    ({"model": {}, "data": {}, "threat": {"epsilon": [0]}}, "/threat/epsilon/0: fits none"),
    ({"model": {}, "data": {}, "threat": {"epsilon": ["small"]}}, "/threat/epsilon/0: fits none"),
    ({"model": {}, "data": {}, "checks": {"exposre": {}}}, "/checks: exposre is unknown"),
    ({"model": {}, "data": {}, "checks": {"exposure": {"tolerence": 1}}}, "/checks/exposure: fits none"),
]


@pytest.mark.parametrize(("audit", "where"), BAD)
def test_mistakes_do_not_pass(audit: dict[str, Any], where: str) -> None:
    schema = audit_schema()
    assert problems(audit, schema, schema) == [where]


def test_schemas_are_json_and_point_at_themselves() -> None:
    for schema in (audit_schema(), findings_schema()):
        assert json.loads(json.dumps(schema)) == schema
        check_references(schema, schema)
    assert set(audit_schema()["properties"]["checks"]["properties"]) == set(checks.names())


def test_findings_pass() -> None:
    schema = findings_schema()
    finding = Finding("a/b", "a", "fail", "claim", Estimate(0.1, 0.0, 0.2, 10, "share", "Wilson"), 0.1, details={"x": 1})
    content = {"audit": {}, "findings": [json.loads(json.dumps(one.as_dict())) for one in (finding, Finding("a/c", "a", "not_measured", "claim"))]}
    assert problems(content, schema, schema) == []
    content["findings"][0]["verdict"] = "fine"
    assert problems(content, schema, schema)
