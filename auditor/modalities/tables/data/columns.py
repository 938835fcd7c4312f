"""A table file -> columns: the cells as texts, what kind each column is, its limits, and rows as codes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError, nearest
from auditor.modalities.tables.data.declared import CellValue, ColumnSpec, declared_text
from auditor.modalities.tables.table import DIGITS, NUMBER, NUMERIC, Codes, Column, Dtype, Kind

if TYPE_CHECKING:
    pass
from auditor.modalities.tables.data.table_file import NOT_FINITE, TextColumn

_CODE = re.compile(r"\s*0\d+\s*")
"""What begins with a zero is a code, such as a postal one, which a number would lose."""
_WHOLE = re.compile(r"\s*[+-]?\d+\s*")
TRUTHS = {"True", "TRUE", "true", "False", "FALSE", "false"}
_EXACT = 2**53
"""Whole numbers from here on are names, not amounts: float64 cannot tell neighbours apart."""
FEW, PER_LEVEL = 20, 20
"""A column of words is text where it has more levels than the first, and fewer rows a level than the second."""
MIN_SUPPORT = 30


def read_type(cells: TextColumn) -> Dtype:
    """Return what pandas.read_csv makes of a column; missing cells turn whole numbers into float64."""
    if cells.said_text or any(_CODE.fullmatch(text) for text in cells.texts):
        return "str"
    if cells.texts and all(text in TRUTHS for text in cells.texts):
        return "bool"
    if cells.texts and all(_WHOLE.fullmatch(text) for text in cells.texts) and not (cells.places < 0).any():
        return "int64" if all(-(2**63) <= int(text) < 2**63 for text in cells.texts) else "str"
    return (
        "float64"
        if all(NUMBER.fullmatch(text) or text.strip().lower() in NOT_FINITE for text in cells.texts)
        else "str"
    )


def inferred_kind(cells: TextColumn) -> Kind:
    """Return what kind a column seems to be; 'ordinal' is never inferred."""
    dtype = read_type(cells)
    if dtype == "bool" or (
        dtype != "str" and len(cells.texts) == 2 and {float(text) for text in cells.texts} == {0.0, 1.0}
    ):
        return "boolean"
    if dtype != "str":
        values = [float(text) for text in cells.texts if text.strip().lower() not in NOT_FINITE]
        whole = bool(values) and all(value.is_integer() for value in values)
        return ("text" if max(map(abs, values)) >= _EXACT else "integer") if whole else "real"
    if cells.texts and all(_fits("date", text) for text in cells.texts):
        return "date"
    return "text" if len(cells.texts) > max(FEW, len(cells.places) / PER_LEVEL) else "categorical"


def make_column(name: str, cells: TextColumn, rows: NDArray[np.int64], *, spec: ColumnSpec) -> tuple[Column, Codes]:
    """Return a column and the codes (rows,) of the rows kept: kind and levels of the whole file, limits of the rows
    (DataError).
    """
    kind = spec.type or inferred_kind(cells)
    kept = cells.at(rows)
    if kind == "text":  # names and remarks: only those that are audited
        kept = _without_unused(kept)
    declared = [_as_seen(level, cells.texts) for level in spec.levels or ()]
    bare = Column(name, kind, spec.role or "relevant", _levels(name, kind, kept, declared=declared), read_type(cells))
    _check_cells(bare, cells)
    by_text = np.array([*(bare.code(text) for text in kept.texts), np.nan])
    codes = by_text[kept.places]
    mutable = spec.mutable if spec.mutable is not None else bare.role != "protected" and kind not in ("text", "date")
    step = spec.step or (float(f"1e-{_digits(kept.texts)}") if kind == "real" else 1.0)
    column = replace(bare, mutable=mutable, step=step, cost=spec.cost or _cost(bare, codes), missing=kept.missing)
    return _limited(column, codes, spec, counts=kept.counts, declared=declared), codes


def _without_unused(cells: TextColumn) -> TextColumn:
    used, places = np.unique(cells.places, return_inverse=True)
    first = int((used < 0).any())
    return replace(
        cells, texts=tuple(cells.texts[place] for place in used[first:]), places=(places - first).astype(np.int64)
    )


def _as_seen(level: CellValue, texts: Sequence[str]) -> str:
    """Return a declared level as the file writes it: YAML's `true` is the file's 'TRUE', its 1 the file's '1.0'."""
    text = declared_text(level)
    return (
        text
        if text in texts
        else next((seen for seen in texts if canonical_label(seen) == canonical_label(text)), text)
    )


def canonical_label(text: str) -> str:
    """Return what texts that mean the same have in common: '1', '1.0' and 'True' (DataError never)."""
    bare = text.strip()
    if bare.lower() in ("true", "false"):
        return "1" if bare.lower() == "true" else "0"
    return f"{float(bare) + 0.0:.17g}" if NUMBER.fullmatch(bare) else bare


def _levels(name: str, kind: Kind, cells: TextColumn, *, declared: Sequence[str]) -> tuple[str, ...]:
    if kind in NUMERIC:
        if declared:
            raise DataError(
                f"column '{name}': expected no `levels`, since it is {kind}; declare it categorical or ordinal, or give"
                " a `range`."
            )
        return ()
    if kind != "ordinal":
        levels = tuple(sorted({*cells.texts, *declared}))
        if kind == "boolean" and len(levels) > 2:
            raise DataError(
                f"column '{name}': expected at most two levels, since it is declared boolean, got {len(levels)}:"
                f" {', '.join(levels[:5])}."
            )
        return levels
    if not declared and all(NUMBER.fullmatch(text) for text in cells.texts):
        return tuple(sorted(cells.texts, key=float))
    if not declared:
        raise DataError(
            f"column '{name}': expected `levels` in their order, since it is declared ordinal, got none; it has"
            f" {', '.join(cells.texts[:20])}."
        )
    strange = next((text for text in cells.texts if text not in declared), None)
    if strange is not None:
        raise DataError(
            f"column '{name}': expected every level's place in the order of `levels`, got none for '{strange}';"
            f" {nearest(strange, declared)}"
        )
    return tuple(dict.fromkeys(declared))


def _fits(kind: Kind, text: str) -> bool:
    """Return whether a text can be a cell of some kind."""
    if kind == "date":
        try:
            return date.fromisoformat(text).isoformat() == text
        except ValueError:
            return False
    if kind in ("integer", "real"):
        return (
            bool(NUMBER.fullmatch(text)) and np.isfinite(float(text)) and (kind == "real" or float(text).is_integer())
        )
    return True


def _check_cells(column: Column, cells: TextColumn) -> None:
    wrong = next((text for text in cells.texts if not _fits(column.kind, text)), None)
    if wrong is not None:
        expected = {"integer": "a whole number", "real": "a finite number", "date": "a date such as 2020-12-31"}[
            column.kind
        ]
        found = cells.counts[wrong]
        raise DataError(
            f"column '{column.name}': expected {expected} in every cell, since it is {column.kind}, got '{wrong}' in"
            f" {found} row{'s' * (found != 1)}; if that means a missing cell, write `missing: ['{wrong}']` under"
            " `data`."
        )


def _digits(texts: Iterable[str]) -> int:
    """Return the largest number of digits behind the point."""
    exponents = (Decimal(text.strip()).normalize().as_tuple().exponent for text in texts)
    return (
        min(DIGITS, max((-exponent for exponent in exponents if isinstance(exponent, int)), default=0, key=int))
        if texts
        else 0
    )


def _cost(column: Column, codes: Codes) -> float:
    """Return the price of one unit: a numeric column's interquartile range costs 1."""
    known = codes[~np.isnan(codes)]
    if not column.numeric or not len(known):
        return 1.0
    low, high = np.percentile(known, [25, 75])
    spread = float(high - low) or float(known.std())
    return 1.0 / spread if spread else 1.0


def _limited(
    column: Column, codes: Codes, spec: ColumnSpec, *, counts: dict[str, int], declared: Sequence[str]
) -> Column:
    """Return the column with what may be written to it."""
    ordered = column.numeric or column.kind == "ordinal"
    given = [
        key
        for key, value in (("range", spec.range), ("change", spec.change), ("direction", spec.direction != "both"))
        if value
    ]
    given += ["step"] if spec.step and not column.numeric else []
    if given and (not ordered or given == ["step"]):
        raise DataError(
            f"column '{column.name}': expected no `{given[0]}`, since it is"
            f" {column.kind}{'' if ordered else ' and has no order'}."
        )
    allowed = () if column.numeric else _allowed(column, spec, counts, declared=declared)
    if not ordered:
        return replace(column, allowed=allowed)
    known = codes[~np.isnan(codes)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (float("-inf"), float("inf"))
    if column.kind == "ordinal":
        low, high = 0.0, float(len(column.levels) - 1)
    if spec.range is not None:
        low, high = (column.code(_as_seen(end, column.levels)) for end in spec.range)
        if low > high:
            raise DataError(
                f"column '{column.name}': expected a `range` from the smallest to the largest value, got"
                f" {list(spec.range)}."
            )
    least, most = spec.change or (float("-inf"), float("inf"))
    least, most = (0.0 if spec.direction == "up" else least), (0.0 if spec.direction == "down" else most)
    return replace(column, allowed=allowed, low=low, high=high, least=least, most=most)


def _allowed(column: Column, spec: ColumnSpec, counts: dict[str, int], *, declared: Sequence[str]) -> tuple[int, ...]:
    """Return the codes of the levels that may be written: declared ones of an unordered column, otherwise those with
    enough rows.
    """
    named = set(declared) if declared and column.kind != "ordinal" else set(column.levels)
    least = (
        spec.min_support
        if spec.min_support is not None
        else (0 if declared and column.kind != "ordinal" else MIN_SUPPORT)
    )
    return tuple(code for code, level in enumerate(column.levels) if level in named and counts.get(level, 0) >= least)
