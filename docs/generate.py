"""Write docs/commands.md and docs/audit-file.md from the live commands, types and plug-ins: `make docs`.

A setting is described where it is declared: by the docstring under a field, or by the `Parameters` of a function.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from click.testing import CliRunner

from auditor.cli.list import KINDS
from auditor.cli.main import COMMANDS, cli

HERE = Path(__file__).resolve().parent
NOTE = "<!-- Written by docs/generate.py: run `make docs`, do not edit. -->"
INTRO = {
    "checks": "Under `checks`, each check has its settings by name; `name: false` leaves it out, and a check that is not named runs with its defaults.",
    "attacks": "Under `attack`, `name` chooses one and `settings` holds its settings. `auditor plan` says where a model offers less than an attack needs.",
    "explanations": "Under `checks.attribution`, `methods` names them.",
    "probes": "What the checks ask to be measured. An audit file does not name them; they appear in `auditor plan` and in the ledger.",
    "models": "Under `model`, `source` chooses one; `weights` (or `path`) names the file, and every other setting stands beside them.",
    "data": "Under `data`, `source` chooses one (`images` when not given); every other setting stands beside it.",
    "masks": "A mask file is read by its ending. A table needs no mask file: there, the `role` of each column is the mask.",
}
SHARED = {
    "classes": "Names of the classes, in the order of the model's outputs.",
    "input": "What the model takes, and what happens before it: see [`model.input`](#modelinput).",
    "low": "Smallest value of an input, in the units that the model takes.",
    "high": "Largest value of an input.",
}
"""Settings that several model sources have in common."""


def commands_page() -> str:
    """Return docs/commands.md: the help of `auditor` and of every command."""
    parts = ["# Commands", NOTE, "What each command says when it is asked with `--help`. Results go to stdout or into files, progress to stderr."]
    for call in ([], *([name] for name in COMMANDS)):
        ended = CliRunner().invoke(cli, [*call, "--help"], prog_name="auditor", terminal_width=100)
        assert ended.exit_code == 0, ended.output
        parts += [f"## {' '.join(['auditor', *call])}", f"```text\n{ended.output.rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


def audit_file_page() -> str:
    """Return docs/audit-file.md: every key of an audit file, and every registered name with its settings."""
    from auditor import Audit

    parts = ["# The audit file: every key", NOTE, INTRODUCTION, "## At the top"]
    parts += [_settings(Audit.model_json_schema()["properties"], documented(Audit))]
    for name, section in _sections(Audit):
        parts += [f"### `{name}`", documented_class(section), _settings(section.model_json_schema()["properties"], documented(section))]
    for kind, (module, attribute) in KINDS.items():
        parts += [f"## {kind.capitalize()}", INTRO[kind], *_entries(getattr(import_module(module), attribute))]
    return "\n\n".join(part for part in parts if part) + "\n"


INTRODUCTION = """An audit file is YAML. Only `model` and `data` are needed; everything else has a default. Budgets may be written as fractions (`2/255`)
and the guard band as a percentage (`2 %`). Paths are relative to the audit file. An unknown key is refused, with its line and the nearest valid name.
[Images](images.md) and [tables](tables.md) show whole audit files; `auditor schema` prints the JSON Schema for an editor."""


def _sections(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every part of the audit file that is a type of its own, by its path."""
    for name, field in model.model_fields.items():
        for part in _models(field.annotation):
            yield f"{prefix}{name}", part
            yield from _sections(part, f"{prefix}{name}.")


def _models(annotation: Any) -> list[Any]:
    """Return the types with fields inside an annotation."""
    if hasattr(annotation, "model_fields"):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models(part)]


def _entries(registry: Any) -> Iterator[str]:
    """Yield every plug-in of one kind: its name, what it is, what it needs, its settings and their types."""
    seen: set[Any] = set()
    for entry in registry:
        yield f"### `{entry.name}`"
        yield " ".join([_sentence(entry.summary), *_facts(entry.facts)])
        model = registry.settings_model(entry.name) if registry.kind != "probe" else None
        if model is not None and model.model_fields and registry.kind != "mask format":
            described = {**SHARED, **documented(entry.make)} if registry.kind == "model source" else documented(entry.make)
            yield _settings(model.model_json_schema()["properties"], described)
        parts = [part for field in (model.model_fields.values() if model else ()) for part in _models(field.annotation)]
        for part in [part for found in parts for part in (found, *(inner for _, inner in _sections(found)))]:
            if part not in seen:
                seen.add(part)
                yield f"#### `{TITLES[part.__name__]}`"
                yield documented_class(part)
                yield _settings(part.model_json_schema()["properties"], documented(part))


TITLES = {"Input": "model.input", "Encoding": "model.input.columns.*", "ColumnSpec": "data.columns.*", "RuleSpec": "data.rules[]"}
"""Type -> where it stands in the audit file."""


def _facts(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a plug-in declares of itself, in sentences."""
    if "modality" in facts:
        yield f"For data of the kind {facts['modality']}" + (f", under the name `{facts['check']}`." if "check" in facts else ".")
    if "needs" in facts:
        yield f"Needs a model that gives its {facts['needs']}."
    if "norms" in facts:
        yield f"Serves {'the norm' if len(facts['norms']) == 1 else 'the norms'} {', '.join(f'`{norm}`' for norm in facts['norms'])}."
    if "endings" in facts:
        yield f"Endings: {', '.join(f'`{ending}`' for ending in facts['endings'])}."


def _settings(properties: Mapping[str, Any], described: Mapping[str, str]) -> str:
    """Return a table of settings: name, kind of value, default, meaning."""
    rows = [
        f"| `{name}` | {_cell(kind_of(one))} | {'**needed**' if 'default' not in one else _cell(_default(one['default']))} | {_cell(described.get(name, ''))} |"
        for name, one in properties.items()
    ]
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *rows])


def kind_of(schema: Mapping[str, Any]) -> str:
    """Return a JSON Schema in words."""
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if options := [kind_of(one) for one in schema.get("anyOf", []) if one.get("type") != "null"]:
        return " or ".join(dict.fromkeys("a cell" if one in CELL and {*options} >= CELL else one for one in options))
    if "$ref" in schema or "allOf" in schema:
        return "keys of its own, see below"
    kind = schema.get("type", "any")
    if kind == "array":
        inside = schema.get("items") or {"anyOf": schema.get("prefixItems", [])}
        return f"list of {kind_of(inside)}"
    if kind == "object":
        inside = schema.get("additionalProperties")
        return f"name: {kind_of(inside)}" if isinstance(inside, dict) and inside else "keys of its own"
    words = {"string": "text", "boolean": "`true` or `false`", "integer": "whole number", "any": "any value"}.get(str(kind), str(kind))
    return " ".join([words, *(f"{said} {_number(schema[key])}" for key, said in LIMITS.items() if key in schema)])


CELL = {"text", "whole number", "number", "`true` or `false`"}
"""What a cell of a table may be."""
LIMITS = {"exclusiveMinimum": "above", "minimum": "from", "exclusiveMaximum": "below", "maximum": "up to"}


def _default(value: Any) -> str:
    """Return a default as an audit file would write it."""
    if isinstance(value, list) and value and all(isinstance(one, float) for one in value):
        return f"`[{', '.join(map(_number, value))}]`"
    if isinstance(value, dict) and value:
        return "see below"
    return "none" if value is None else f"`{json.dumps(value) if not isinstance(value, str) or not value else value}`"


def _number(value: float) -> str:
    """Return a number, as a fraction of 255 where it is one."""
    grey = Fraction(value).limit_denominator(255)
    return f"{grey.numerator}/255" if grey.denominator == 255 and abs(float(grey) - value) < 1e-12 else f"{value:g}"


def documented(target: Any) -> dict[str, str]:
    """Return setting -> what it means: of a class by the docstring under each field, of a function by its `Parameters`."""
    if not inspect.isclass(target):
        return _parameters(target)
    body = ast.parse(textwrap.dedent(inspect.getsource(target))).body[0]
    assert isinstance(body, ast.ClassDef)
    pairs = zip(body.body, body.body[1:], strict=False)
    found = {
        (target.model_fields[field.target.id].alias if hasattr(target, "model_fields") else None) or field.target.id: _line(text.value.value)
        for field, text in pairs
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }
    return found


def _parameters(function: Callable[..., Any]) -> dict[str, str]:
    text = (inspect.getdoc(function) or "").partition("Parameters\n----------\n")[2]
    blocks = re.findall(r"^(\w[\w, ]*)\n((?:    .*\n?|\n)+)", text, re.MULTILINE)
    return {name.strip(): _line(said) for names, said in blocks for name in names.split(",")}


def documented_class(target: type) -> str:
    """Return the first paragraph of a type's docstring."""
    return _line((inspect.getdoc(target) or "").partition("\n\n")[0])


def _line(text: str) -> str:
    return " ".join(text.split())


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES = {"commands.md": commands_page, "audit-file.md": audit_file_page}

if __name__ == "__main__":
    for page, written in PAGES.items():
        (HERE / page).write_text(written(), encoding="utf-8")
        print(f"docs/{page} written")
