"""A first audit.yaml from one table: types and ranges as seen, roles and rules as comments for the
expert to confirm.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from auditor.config.draft import drafts, quoted, yaml_list
from auditor.modalities.tables.data.columns import make_column
from auditor.modalities.tables.data.declared import ColumnSpec
from auditor.modalities.tables.data.table_file import TableFile, TextColumn
from auditor.modalities.tables.draft.guess import PROTECTED, Guess, guess_roles
from auditor.modalities.tables.mining import Candidate, mine
from auditor.modalities.tables.table import Codes, Column, Table

_TABLES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")
MODELS = {".skops": "sklearn", ".onnx": "onnx", ".joblib": "sklearn", ".pkl": "sklearn", ".pickle": "sklearn"}
PROXY = (
    r"(^|[^a-z])(marital|married|personal_status|relationship|famil|zip|post_?code|postal|surname"
    r"|(first|last)_?name|language|accent|neighbou?rhood|district|dependents)"
)
NO_MODEL = "no model file was found"
MOST_RULES = 25
MOST_SHOWN = 6
_JUDGED = (
    "threat:",
    (
        "  epsilon: [1, 2, 4]   # costs: of a numeric column its interquartile range costs 1, of another any"
        " change; `cost` under a column says otherwise"
    ),
    "  primary: 1   # verdicts are taken here, the others draw the curve",
    "  # max_changes: 3   # most columns that may be changed at once",
    (
        "# checks: {exposure: {tolerance: 0.10}}   # a check that is not named runs with its defaults, `name:"
        " false` leaves it out"
    ),
    'report: {organisation: "", reviewer: ""}',
    "seed: 0",
)
"""What an attacker may do, and what is held against which tolerance."""


def find_table(folder: Path) -> Path | None:
    """Return the first table in a folder."""
    return next(
        (file for file in sorted(folder.iterdir()) if file.is_file() and file.name.lower().endswith(_TABLES)), None
    )


@drafts.register("tables", order=2, wanted="a table with a row for each person")
def tables_draft(place: Path) -> str | None:
    """Draft an audit of a table: the file itself, or the first one in a folder."""
    table = place if place.is_file() else find_table(place)
    return None if table is None else draft_table(table)


def draft_table(path: Path) -> str:
    """Return the text of a commented audit.yaml beside a table (DataError: unreadable)."""
    file = TableFile(path)
    cells = {name: file.cells(name, "table") for name in file.names}
    guess = guess_roles(cells, len(file))
    names = [
        name for name in file.names if name not in (guess.label, guess.id, guess.unit, guess.split and guess.split[0])
    ]
    made = [make_column(name, cells[name], np.arange(len(file)), spec=ColumnSpec()) for name in names]
    columns = [column for column, _ in made]
    codes: Codes = np.stack([one for _, one in made], 1) if made else np.zeros((len(file), 0))
    lines = [
        "# What is audited, by whom it is read, and what counts as too much: decide before the run.",
        "title: Audit of my classifier",
        'intended_use: ""   # one sentence: who uses the answer, and for what',
        *_model(path, guess),
        *_data(path, guess),
        (
            "  columns:   # confirm every type; `role: irrelevant` marks what should not matter, `proxy` what stands in"
            " for a protected column"
        ),
        *(
            f"    {quoted(column.name)}: {_declared(column)}   # {_seen(column, cells[column.name])}"
            for column in columns
        ),
        *_rules(mine(Table(tuple(columns)), codes)),
        *_JUDGED,
    ]
    return "\n".join(lines) + "\n"


def _model(path: Path, guess: Guess) -> list[str]:
    model = next(
        (one for one in sorted(path.parent.rglob("*")) if one.suffix.lower() in MODELS and one.is_file()), None
    )
    place = quoted(model.relative_to(path.parent).as_posix()) if model else f"model.skops   # FILL IN: {NO_MODEL}"
    return [
        "model:",
        f"  source: {MODELS[model.suffix.lower()] if model else 'sklearn'}   # see `auditor list models`",
        f"  path: {place}",
        "  # trusted: [numpy.dtype]   # types inside a .skops file that you have reviewed",
        f"  # classes: {yaml_list(guess.classes or ('no', 'yes'))}   # other names for the model's classes, in order",
    ]


def _data(path: Path, guess: Guess) -> list[str]:
    where = (
        f"  where: {{{quoted(guess.split[0])}: {yaml_list(guess.split[1])}}}"
        "   # FILL IN: keep the rows that the model has not learned from"
        if guess.split
        else ""
    )
    asked = "check: the true class" if guess.sure else "FILL IN: the column with the true class; this is a guess"
    wanted = (
        f"FILL IN: which of {', '.join(guess.classes)} do people want?"
        if guess.classes
        else "FILL IN: the class that people want"
    )
    return [
        "data:",
        "  source: table",
        f"  table: {quoted(path.name)}",
        f"  label: {quoted(guess.label or 'label')}   # {asked}",
        f"  favourable: {quoted(guess.classes[-1] if guess.classes else 'yes')}   # {wanted}",
        (
            f"  id: {quoted(guess.id)}"
            if guess.id
            else "  # id: applicant_id   # column with a name for every row; its number otherwise"
        ),
        (
            f"  unit: {quoted(guess.unit)}"
            if guess.unit
            else "  # unit: person_id   # column saying which rows belong together"
        ),
        (
            f"  groups: {yaml_list(guess.groups)}   # check: columns to compare people by"
            if guess.groups
            else "  # groups: [sex, age]   # columns to compare people by"
        ),
        where or "  # where: {split: [test]}   # only some rows, such as those that the model has not learned from",
        "  # drop: []   # columns that the model is not given; a model that knows its columns needs no list",
        "  # missing: ['?']   # further words that stand for a missing cell",
    ]


def _declared(column: Column) -> str:
    """Return what the draft declares of a column."""
    ends = (
        f", range: [{_end(column, column.low)}, {_end(column, column.high)}]"
        if column.numeric and np.isfinite(column.low)
        else ""
    )
    return f"{{type: {column.kind}{ends}}}"


def _end(column: Column, code: float) -> str:
    return json.dumps(column.text(code)) if column.kind == "date" else column.text(code)


def _seen(column: Column, cells: TextColumn) -> str:
    """Return what was seen in a column, and the role that its name suggests."""
    parts = [f"{len(cells.texts)} values"]
    if column.levels and column.kind != "text":
        common = sorted(cells.counts.items(), key=lambda item: -item[1])
        shown = ", ".join(f"{level} {count}" for level, count in common[:MOST_SHOWN])
        parts = [f"{len(common)} levels: {shown}{', ...' if len(common) > MOST_SHOWN else ''}"]
    if column.missing:
        parts.append(f"{column.missing} missing")
    role = next(
        (
            role
            for role, pattern in (("protected", PROTECTED), ("proxy", PROXY))
            if re.search(pattern, column.name, re.IGNORECASE)
        ),
        None,
    )
    # a cell may hold line breaks
    return " ".join("; ".join([*parts, *([f"confirm role: {role}"] if role else [])]).split())


def _rules(candidates: Sequence[Candidate]) -> Iterator[str]:
    yield (
        "  # rules:   # what must hold within every row. Candidates that these data suggest: take the # from what is"
        " true, delete what is chance"
    )
    for one in candidates[:MOST_RULES]:
        rule = one.rule
        if rule.defines:
            says = (
                f"define: {json.dumps(f'{rule.defines} = {rule.then}', ensure_ascii=False)}, tolerance:"
                f" {rule.tolerance:g}"
            )
        elif rule.when:
            says = f"if: {json.dumps(rule.when, ensure_ascii=False)}, then: {json.dumps(rule.then, ensure_ascii=False)}"
        else:
            says = f"require: {json.dumps(rule.then, ensure_ascii=False)}"
        if rule.swap:
            says += f", swap: {json.dumps(rule.swap, ensure_ascii=False)}"
        yield f"  #   - {{id: {quoted(rule.id)}, {says}}}   # broken by {one.violations} of {one.support} rows"
    if len(candidates) > MOST_RULES:
        yield (
            f"  #   # {len(candidates) - MOST_RULES} more were found, each of them broken by some rows or about fewer"
            " of them"
        )
    if not candidates:
        yield (
            "  #   - {id: husband, if: \"relationship == 'Husband'\", then: \"sex == 'Male'\"}   # an example: none was"
            " found"
        )
