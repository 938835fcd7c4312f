"""Write docs/commands.md and docs/audit-file.md from the live commands, types and plug-ins: `make docs`.

A setting is described where it is declared: by the docstring under a field, or by the `Parameters` of a function.
"""

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import click
from click.testing import CliRunner

from auditor.cli.list import KINDS
from auditor.cli.main import COMMANDS, cli

NOTE = "<!-- Written by docs/generate.py: run `make docs`, do not edit. -->"
OPENING = """An audit file is YAML. Only `model` and `data` are needed; everything else has a default. Budgets may be
written as fractions (`2/255`), and the guard band in per cent (`2 %`). Paths are relative to the audit file. An unknown
key is refused, with its line and the nearest valid name. [Images](images.md) and [tables](tables.md) show whole audit
files; `auditor schema` prints the JSON Schema for an editor."""
KINDS_SAID = {
    "checks": "Under `checks`, a check has its settings by name; `false` leaves it out; one not named has defaults.",
    "attacks": "Under `attack`, `name` chooses one and `settings` holds its settings.",
    "explanations": "Under `checks.attribution`, `methods` names them, with their settings or without.",
    "probes": "What the checks ask to be measured. An audit file does not name them; `auditor plan` does.",
    "models": "Under `model`, `source` chooses one, `weights` or `path` names the file, and every other setting stands "
    "beside them. `draws: 16` declares a model that answers at random: its answers are means over that many draws.",
    "data": "Under `data`, `source` chooses one (`images` when not given); every other setting stands beside it.",
    "engines": "Where an audit is measured: `auditor run --engine NAME`. An audit file does not name one.",
    "masks": "Image masks are read by the ending of the file. The mask of a table is the `role` of each column.",
}
SHARED = {
    "classes": "Names of the classes, in the order of the model's outputs.",
    "input": "What the model takes, and what happens before it: see [`model.input`](#modelinput).",
    "output": "What comes out, where it is not one logit per class: `logit`, `sigmoid` or `softmax`; of several outputs"
    " the place or name of the one that counts; or the keys of [`model.output`](#modeloutput).",
    "low": "Smallest value of an input, in the units that the model takes.",
    "high": "Largest value of an input.",
}
"""Settings that several model sources have in common."""
LIMITS = {"exclusiveMinimum": "above", "minimum": "from", "exclusiveMaximum": "below", "maximum": "up to"}
WORDS = {"string": "text", "boolean": "`true` or `false`", "integer": "whole number", "any": "any value"}
CELL = {"text", "whole number", "number", "`true` or `false`"}
"""What a cell of a table may be."""


def commands_page() -> str:
    """Return docs/commands.md: the help of `auditor` and of every command."""
    parts = [
        "# Commands",
        NOTE,
        "What each command says to `--help`. Results go to stdout or files, progress to stderr.",
    ]
    for call in ([], *(call for name in COMMANDS for call in _calls(name))):
        ended = CliRunner().invoke(cli, [*call, "--help"], prog_name="auditor", terminal_width=100)
        assert ended.exit_code == 0, ended.output
        parts += [f"## {' '.join(['auditor', *call])}", f"```text\n{ended.output.rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _calls(name: str) -> Iterator[list[str]]:
    """Yield a command, and then what it is a group of."""
    yield [name]
    command = cli.get_command(click.Context(cli), name)
    yield from ([name, inner] for inner in getattr(command, "commands", ()))


def audit_file_page() -> str:
    """Return docs/audit-file.md: every key of an audit file, and every registered name with its settings."""
    from auditor import Audit

    parts = ["# The audit file: every key", NOTE, OPENING, "## At the top", _table(Audit), *_parts(Audit, "")]
    for kind, (module, attribute) in KINDS.items():
        parts += [
            f"## {kind.capitalize()}",
            KINDS_SAID[kind],
            *_entries(kind, getattr(import_module(module), attribute)),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _entries(kind: str, registry: Any) -> Iterator[str]:
    """Yield every plug-in of one kind: its name, what it is and needs, its settings and their types, each type once."""
    seen: dict[str, None] = {}
    for entry in registry:
        several = entry.modality and sum(other.name == entry.name for other in registry) > 1
        yield f"### `{entry.name}`" + (f" for {entry.modality.removesuffix('s')}s" if several else "")
        yield " ".join([entry.summary, *_declared(entry.facts)])
        if kind in ("probes", "masks", "engines"):
            continue
        model = registry.settings_model(entry.name, entry.modality)
        yield _table(model, {**(SHARED if kind == "models" else {}), **described(entry.make)})
        yield from (part for part in _parts(model, f"{kind.removesuffix('s')}.") if part not in seen)
        seen |= dict.fromkeys(_parts(model, f"{kind.removesuffix('s')}."))


def _declared(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a plug-in declares of itself, in sentences."""
    if "modality" in facts:
        yield f"For {facts['modality'].removesuffix('s')}s."
    if "needs" in facts:
        yield f"Needs the model's {facts['needs']}."
    for key, said in (("norms", "Norms"), ("endings", "Endings")):
        if key in facts:
            yield f"{said}: {', '.join(f'`{one}`' for one in facts[key])}."


def _parts(model: Any, prefix: str) -> Iterator[str]:
    """Yield a heading, a sentence and a table for every type with fields inside a type, by the path of its key."""
    for name, field in model.model_fields.items():
        for part in _types(field.annotation):
            said = " ".join((inspect.getdoc(part) or "").partition("\n\n")[0].split())
            yield f"#### `{prefix}{name}`\n\n{said}\n\n{_table(part)}"
            yield from _parts(part, f"{prefix}{name}.")


def _types(annotation: Any) -> list[Any]:
    return (
        [annotation]
        if hasattr(annotation, "model_fields")
        else [one for part in get_args(annotation) for one in _types(part)]
    )


def _table(model: Any, meanings: Mapping[str, str] | None = None) -> str:
    """Return a table of settings: name, kind of value, default, meaning; '' where there are none."""
    meanings = described(model) if meanings is None else meanings
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name, one in model.model_json_schema().get("properties", {}).items():
        cells = _kind(one), _default(one["default"]) if "default" in one else "**needed**", meanings.get(name, "")
        lines.append(f"| `{name}` | " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) if lines[2:] else ""


def _kind(schema: Mapping[str, Any]) -> str:
    """Return a JSON Schema in words."""
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if options := [_kind(one) for one in schema.get("anyOf", []) if one.get("type") != "null"]:
        return " or ".join(dict.fromkeys("a cell" if one in CELL and {*options} >= CELL else one for one in options))
    kind = schema.get("type", "object" if "$ref" in schema or "allOf" in schema else "any")
    if kind == "array":
        inner = _kind(schema.get("items") or {"anyOf": schema.get("prefixItems", [])})
        return "list of " + re.sub(r"^(?:a )?(list|whole number|number|text|cell)\b", r"\1s", inner)
    if kind == "object":
        inside = schema.get("additionalProperties")
        return f"name: {_kind(inside)}" if isinstance(inside, dict) and inside else "keys of its own"
    limits = [f"{said} {_number(schema[key])}" for key, said in LIMITS.items() if key in schema]
    return f"{WORDS.get(kind, kind)} {' and '.join(limits)}".strip()


def _default(value: Any) -> str:
    """Return a default as an audit file would write it."""
    if isinstance(value, dict) and value:
        return "see below"
    if isinstance(value, list) and value and all(isinstance(one, float) for one in value):
        return f"`[{', '.join(map(_number, value))}]`"
    return "none" if value is None else f"`{value if isinstance(value, str) and value else json.dumps(value)}`"


def _number(value: float) -> str:
    """Return a number, as a fraction of 255 where it is one."""
    grey = Fraction(value).limit_denominator(255)
    return f"{grey.numerator}/255" if grey.denominator == 255 and abs(float(grey) - value) < 1e-12 else f"{value:g}"


def described(target: Any) -> dict[str, str]:
    """Return setting -> meaning: of a class by the docstring under each field, its own or inherited, of a function by
    its `Parameters`.
    """
    if not inspect.isclass(target):
        text = (inspect.getdoc(target) or "").partition("Parameters\n----------\n")[2]
        blocks = re.findall(r"^(\w[\w, ]*)\n((?:    .*\n?|\n)+)", text, re.MULTILINE)
        return {name.strip(): " ".join(said.split()) for names, said in blocks for name in names.split(",")}
    (body,) = (
        one for one in ast.parse(textwrap.dedent(inspect.getsource(target))).body if isinstance(one, ast.ClassDef)
    )
    inherited = [described(base) for base in target.__bases__ if is_dataclass(base)]
    alias = {name: field.alias or name for name, field in getattr(target, "model_fields", {}).items()}
    own = {
        alias.get(field.target.id, field.target.id): " ".join(text.value.value.split())
        for field, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }
    return {name: said for part in (*inherited, own) for name, said in part.items()}


PAGES = {"commands.md": commands_page, "audit-file.md": audit_file_page}

if __name__ == "__main__":
    for page, written in PAGES.items():
        Path(__file__).with_name(page).write_text(written(), encoding="utf-8")
        print(f"docs/{page} written")
