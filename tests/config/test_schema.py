"""The JSON Schemas: what the audit file and findings.json really look like passes, and mistakes do not."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from auditor.checks import checks
from auditor.config.schema import audit_schema, findings_schema
from auditor.core.displays import Null
from auditor.core.records import Estimate, Finding

KINDS = {"object": dict, "array": (list, tuple), "string": str, "boolean": bool, "null": type(None)}
LIMITS: dict[str, Callable[[Any, Any], bool]] = {
    "enum": lambda value, names: value in names,
    "const": lambda value, only: value == only,
    "exclusiveMinimum": lambda value, low: value > low,
    "exclusiveMaximum": lambda value, high: value < high,
    "minimum": lambda value, low: value >= low,
    "pattern": lambda value, pattern: re.search(pattern, value) is not None,
}
EXAMPLE = re.search(
    r'^EXAMPLE = """\\\n(.*?)"""', (Path(__file__).parent / "test_config.py").read_text(), re.DOTALL | re.MULTILINE
).group(1)  # type: ignore[union-attr]


def problems(value: Any, schema: dict[str, Any], root: dict[str, Any], where: str = "") -> list[str]:
    """Return where a value breaks a schema: the part of JSON Schema that ours use."""
    if "$ref" in schema:
        return problems(value, resolve(schema["$ref"], root), root, where)
    if "anyOf" in schema:
        return [] if any(not problems(value, one, root, where) for one in schema["anyOf"]) else [f"{where}: fits none"]
    if "oneOf" in schema:
        rest = {key: item for key, item in schema.items() if key != "oneOf"}
        fitting = sum(not problems(value, one, root, where) for one in schema["oneOf"])
        return problems(value, rest, root, where) or ([] if fitting == 1 else [f"{where}: fits {fitting} of several"])
    kind, number = schema.get("type"), isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number if kind in ("number", "integer") else kind is None or isinstance(value, KINDS[kind])):
        return [f"{where}: expected {kind}, got {value!r}"]
    found = [
        f"{where}: {value!r} breaks {key}"
        for key, limit in schema.items()
        if not LIMITS.get(key, lambda value, limit: True)(value, limit)
    ]
    if isinstance(value, dict):
        found += [f"{where}: {key} is missing" for key in schema.get("required", []) if key not in value]
        found += [one for key, item in value.items() for one in of_key(key, item, schema, root, where)]
    if isinstance(value, (list, tuple)):
        found += [
            one
            for row, item in enumerate(value)
            for one in problems(item, schema.get("items", {}), root, f"{where}/{row}")
        ]
    return found


def of_key(key: str, item: Any, schema: dict[str, Any], root: dict[str, Any], where: str) -> list[str]:
    extra = schema.get("additionalProperties", True)
    known = schema.get("properties", {}).get(key, extra)
    return (
        [f"{where}: {key} is unknown"]
        if known is False
        else []
        if known is True
        else problems(item, known, root, f"{where}/{key}")
    )


def resolve(pointer: str, root: dict[str, Any]) -> dict[str, Any]:
    target: Any = root
    for part in pointer.removeprefix("#/").split("/"):
        target = target[part]
    assert isinstance(target, dict)
    return target


def check_references(schema: Any, root: dict[str, Any]) -> None:
    if isinstance(schema, dict):
        if "$ref" in schema:
            resolve(schema["$ref"], root)
        for item in schema.values():
            check_references(item, root)
    elif isinstance(schema, list):
        for item in schema:
            check_references(item, root)


def test_the_example_of_the_design_passes() -> None:
    schema = audit_schema()
    audit = YAML(typ="safe").load(EXAMPLE)
    assert problems(audit, schema, schema) == []
    assert problems({"model": {"weights": "m.onnx"}, "data": {}}, schema, schema) == []
    for guard in (0.02, 0, "2 %", "2%", "1/50", "0.5 %"):
        assert problems({"model": {"weights": "m.onnx"}, "data": {}, "threat": {"guard": guard}}, schema, schema) == []


BAD = [
    ({"model": {"weights": "m.onnx"}}, ": data is missing"),
    ({"model": {"weights": "m.onnx"}, "data": {}, "treat": 1}, ": treat is unknown"),
    ({"model": {"weights": "m.onnx"}, "data": {}, "threat": {"epsilom": [1]}}, "/threat: epsilom is unknown"),
    ({"model": {"weights": "m.onnx"}, "data": {}, "threat": {"epsilon": [0]}}, "/threat/epsilon/0: fits none"),
    ({"model": {"weights": "m.onnx"}, "data": {}, "threat": {"epsilon": ["small"]}}, "/threat/epsilon/0: fits none"),
    ({"model": {"weights": "m.onnx"}, "data": {}, "threat": {"guard": 0.5}}, "/threat/guard: fits none"),
    ({"model": {"weights": "m.onnx"}, "data": {}, "threat": {"guard": "wide"}}, "/threat/guard: fits none"),
    ({"model": {"weights": "m.onnx"}, "data": {}, "checks": {"exposre": {}}}, "/checks: exposre is unknown"),
    (
        {"model": {"weights": "m.onnx"}, "data": {}, "checks": {"exposure": {"tolerence": 1}}},
        "/checks/exposure: fits none",
    ),
]


@pytest.mark.parametrize(("audit", "where"), BAD)
def test_mistakes_do_not_pass(audit: dict[str, Any], where: str) -> None:
    schema = audit_schema()
    assert problems(audit, schema, schema) == [where]


def test_schemas_are_json_and_point_at_themselves() -> None:
    for schema in (audit_schema(), findings_schema()):
        assert json.loads(json.dumps(schema)) == schema
        check_references(schema, schema)
    assert set(audit_schema()["properties"]["checks"]["properties"]) == {*checks.names("image"), *checks.names("table")}


def test_findings_pass() -> None:
    schema = findings_schema()
    estimate = Estimate(0.1, 0.0, 0.2, 10, "share", "Wilson", share=True)
    shown = (Null(method="exchange", permutations=9, p=0.1),)
    finding = Finding("a/b", "a", "fail", "claim", estimate, 0.1, displays=shown)
    content = {
        "format": 1,
        "audit": {},
        "findings": [
            json.loads(json.dumps(one.as_dict())) for one in (finding, Finding("a/c", "a", "not_measured", "claim"))
        ],
    }
    assert problems(content, schema, schema) == []
    content["findings"][0]["verdict"] = "fine"
    assert problems(content, schema, schema)


NET = {"source": "torchscript", "weights": "net.pt", "classes": ["a", "b"], "input": {"size": 32, "channels": 1}}


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"output": "sigmoid"}, True),
        ({"output": 0}, True),
        ({"output": {"kind": "logit", "threshold": 0.3}}, True),
        ({"classes": [0, 1]}, True),
        ({"draws": 3}, True),
        ({"source": "timm", "name": "resnet18", "checkpoint": "ema"}, True),
        ({"source": "torchscrip"}, False),
        ({"nmae": "x"}, False),
        ({"name": "resnet18"}, False),
        ({"path": "net.pt"}, False),
        ({"draws": 0}, False),
        ({"output": {"knd": "logit"}}, False),
        ({"output": {"threshold": 2}}, False),
    ],
)
def test_the_model_has_the_settings_of_its_source(change: dict[str, Any], fits: bool) -> None:
    schema = audit_schema()
    found = problems({"model": {**NET, **change}, "data": {"folder": "images"}}, schema, schema)
    assert (found == []) == fits
