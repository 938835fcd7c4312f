"""What a reader must know of how a table was read: types that were inferred, missing cells, thin levels, and every rule
counted on the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from auditor.modalities.tables.data.table_file import NOT_FINITE, TextColumn
from auditor.modalities.tables.expressions import Expression
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import COLUMN_TYPES, NUMBER, Codes, Table

READ_AS_MISSING = frozenset(
    [
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "None",
        "n/a",
        "nan",
        "null",
    ],
)
"""Words that pandas.read_csv takes for missing cells, and so perhaps the model's training did."""
_SHOWN = 6
MOSTLY = 0.5
"""Share of a column's cells that are numbers, from which on the others look like words for a missing cell."""


def notes_of(
    rules: Rules,
    x: Codes,
    cells: Mapping[str, TextColumn],
    *,
    inferred: Sequence[str],
    favourable: bool,
    classes: Sequence[str],
    by_place: bool,
) -> tuple[str, ...]:
    """Return the notes on rows x (n, columns), read from the file's cells; `inferred` are the columns whose type was
    not declared.
    """
    table = rules.table
    notes = [*_types(table, inferred)]
    if favourable:
        notes.append(
            f"no favourable class is declared: '{table.favourable}', the last of {len(classes)}, is taken for it"
        )
    if by_place:
        notes.append(f"the labels are numbers: 0 stands for '{classes[0]}', {len(classes) - 1} for '{classes[-1]}'")
    return (*notes, *_words(cells), *_gaps(table, len(x)), *_thin(table, x), *_outside(table, x), *rule_lint(rules, x))


def rule_lint(rules: Rules, x: Codes) -> Iterator[str]:
    """Yield for every rule how many rows break it, and how many rows break any."""
    if not rules.table.rules:
        return
    broken = rules.broken(x)
    for rule, count in zip(rules.table.rules, broken.sum(0).tolist(), strict=True):
        met = Expression(rule.when, rules.table).truth(x).holds.sum() if rule.when else len(x)
        idle = "" if met else "; its condition holds in none, so it forbids nothing here"
        yield f"rule '{rule.id}' is broken by {count} of {len(x)} rows{idle}"
    some = int(broken.any(1).sum())
    if some:
        yield f"{some} of {len(x)} rows break a rule themselves; searches leave them out"


def _types(table: Table, inferred: Sequence[str]) -> Iterator[str]:
    columns = [column for column in table.columns if column.name in set(inferred)]
    if columns:
        found = ((kind, [column.name for column in columns if column.kind == kind]) for kind in COLUMN_TYPES)
        listed = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in found if names)
        yield f"column types were inferred, confirm them under `data.columns`: {listed}"


def _words(cells: Mapping[str, TextColumn]) -> Iterator[str]:
    """Yield what looks like a word for a missing cell but was kept as it is."""
    for name, one in cells.items():
        counts = one.counts
        words = {text: count for text, count in counts.items() if text in READ_AS_MISSING}
        numbers = sum(count for text, count in counts.items() if NUMBER.fullmatch(text))
        others = {
            text: count
            for text, count in counts.items()
            if not NUMBER.fullmatch(text) and text.strip().lower() not in NOT_FINITE
        }
        odd = others if MOSTLY * len(one.places) < numbers < len(one.places) else words
        if odd:
            found = _few([f"'{text}' {count}" for text, count in sorted(odd.items(), key=lambda item: -item[1])])
            why = "which pandas.read_csv reads as missing" if odd is words else "though most cells are numbers"
            yield f"column '{name}' holds {found}, {why}; kept as it is unless `data.missing` names it"


def _gaps(table: Table, n: int) -> Iterator[str]:
    gaps = [f"{column.name} {column.missing}" for column in table.columns if column.missing]
    if gaps:
        yield f"missing cells of {n} rows, kept as they are and never written: {', '.join(gaps)}"


def _thin(table: Table, x: Codes) -> Iterator[str]:
    thin = []
    for place, column in enumerate(table.columns):
        if column.mutable and not column.numeric and len(column.allowed) < len(column.levels):
            counts = np.bincount(x[~np.isnan(x[:, place]), place].astype(np.int64), minlength=len(column.levels))
            left = [code for code in range(len(column.levels)) if code not in set(column.allowed)]
            thin.append(f"{column.name}: {_few([f'{column.levels[code]} ({counts[code]})' for code in left])}")
    if thin:
        yield (
            "levels that are never written (number of rows), since few rows have them or the audit file does not name"
            f" them: {'; '.join(thin)}"
        )


def _outside(table: Table, x: Codes) -> Iterator[str]:
    for place, column in enumerate(table.columns):
        beyond = int(((x[:, place] < column.low) | (x[:, place] > column.high)).sum()) if column.numeric else 0
        if beyond:
            yield f"column '{column.name}': {beyond} of {len(x)} rows lie outside the declared range"


def _few(parts: Sequence[str]) -> str:
    return ", ".join(parts[:_SHOWN]) + (f" and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else "")
