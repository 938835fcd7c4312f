"""What is known of a table's columns, and rows as numbers: one code per raw column, which loses nothing and is never
one-hot.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError, nearest
from auditor.core.records import digest

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["integer", "real", "ordinal", "categorical", "boolean", "date", "text"]
Role = Literal["relevant", "irrelevant", "protected", "proxy"]
Dtype = Literal["int64", "float64", "bool", "str"]
COLUMN_TYPES: tuple[Kind, ...] = get_args(Kind)
ROLES: tuple[Role, ...] = get_args(Role)
NUMERIC: tuple[Kind, ...] = ("integer", "real", "date")
"""Kinds whose code is the value itself; a date's is its number of days since 1970-01-01. The others' code is the
position of the level.
"""
EPOCH = date(1970, 1, 1)
DIGITS = 9
"""Digits behind the point to which values on a column's grid are rounded."""

NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
"""How a file writes a number; Python itself would also take 'nan', 'inf' and '1_000'."""

Codes = NDArray[np.float64]
"""(n, columns): value or position of the level; NaN where the cell is missing."""


@dataclass(frozen=True)
class Column:
    """One raw column of a table, and what an attacker may do with it."""

    name: str
    kind: Kind
    role: Role = "relevant"
    levels: tuple[str, ...] = ()
    """Texts by code, as the file holds them; in their order where the column is ordinal."""
    dtype: Dtype = "str"
    """What a reader of the file makes of it, and so what the model is used to."""
    mutable: bool = True
    low: float = float("-inf")
    """Smallest and largest value that may be written; of an ordinal column, code."""
    high: float = float("inf")
    least: float = float("-inf")
    """Smallest and largest change of a row's own value, in the column's units; of an ordinal column, in levels."""
    most: float = float("inf")
    cost: float = 1.0
    """Of one unit of a numeric column, of one level of an ordinal one, of any change of another."""
    step: float = 1.0
    """Grid of the values that may be written to a numeric column."""
    allowed: tuple[int, ...] = ()
    """Codes that may be written to a column with levels."""
    missing: int = 0
    """Number of missing cells in the data."""

    @property
    def numeric(self) -> bool:
        """Return whether the code is the value itself."""
        return self.kind in NUMERIC

    def text(self, code: float) -> str:
        """Return a cell as a file holds it; '' where it is missing."""
        if math.isnan(code):
            return ""
        if not self.numeric:
            return self.levels[int(code)]
        if self.kind == "date":
            return (EPOCH + timedelta(days=int(code))).isoformat()
        return str(int(code)) if self.kind == "integer" and float(code).is_integer() else repr(float(code))

    def code(self, text: str) -> float:
        """Return a cell's code (DataError: neither a value nor a level of the column)."""
        if text == "":
            return float("nan")
        try:
            if not self.numeric:
                return float(self.position[text])
            if self.kind == "date" and DAY.fullmatch(text):
                return float((date.fromisoformat(text) - EPOCH).days)
            if self.kind != "date" and NUMBER.fullmatch(text) and np.isfinite(value := float(text)):
                return value
            raise ValueError(text)
        except (ValueError, KeyError):
            if self.levels:
                raise DataError(
                    f"column '{self.name}': expected one of its levels, got '{text}'; {nearest(text, self.levels)}"
                ) from None
            raise DataError(f"column '{self.name}': expected a value of kind {self.kind}, got '{text}'.") from None

    @cached_property
    def position(self) -> dict[str, int]:
        """Return level -> code."""
        return {level: code for code, level in enumerate(self.levels)}

    def on_grid(self, values: Codes) -> Codes:
        """Return values rounded to the column's grid."""
        return rounded(np.round(values / self.step) * self.step)


@dataclass(frozen=True)
class Rule:
    """What must hold within every row: `if` with `then`, `require`, or `define`."""

    id: str
    when: str = ""
    """Condition of an `if` rule; empty for the others."""
    then: str = ""
    """What must hold (under the condition); of a definition, the expression."""
    defines: str = ""
    """The column that a definition computes."""
    swap: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Coupled repair: column -> level -> the level that takes its place, both ways, where a change elsewhere breaks the
    rule.
    """
    tolerance: float = 0.0
    """Largest difference of a defined column from its expression; slack of an equality or inequality of numbers."""


@dataclass(frozen=True)
class Table:
    """The columns that the model takes, in its order, and the rules between them."""

    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    favourable: str = ""
    """The class that people want to get; of two classes the last one where none is named."""

    def __len__(self) -> int:
        return len(self.columns)

    @cached_property
    def index(self) -> dict[str, int]:
        """Return name -> position."""
        return {column.name: place for place, column in enumerate(self.columns)}

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple(column.name for column in self.columns)

    def zone(self, *roles: str) -> NDArray[np.bool_]:
        """Return which columns (columns,) have one of some roles."""
        return np.array([column.role in roles for column in self.columns], dtype=np.bool_)

    def frame(self, x: Codes) -> pd.DataFrame:
        """Return rows (n, columns) as a reader of the file would give them to the model: numbers, texts, NaN where
        missing.
        """
        import pandas as pd

        return pd.DataFrame(
            {column.name: _series(column, x[:, place]) for place, column in enumerate(self.columns)}, copy=False
        )

    def texts(self, x: Codes) -> list[tuple[str, ...]]:
        """Return rows (n, columns) as texts that a file can hold and `codes` reads again without loss."""
        return [tuple(column.text(code) for column, code in zip(self.columns, row, strict=True)) for row in x.tolist()]

    def codes(self, rows: Sequence[Sequence[str]]) -> Codes:
        """Return rows of texts as codes (n, columns) (DataError: a cell that the column cannot hold)."""
        found = [[column.code(text) for column, text in zip(self.columns, row, strict=True)] for row in rows]
        return np.array(found, dtype=np.float64).reshape(-1, len(self))

    def as_dict(self) -> dict[str, Any]:
        """Return the table as JSON-ready data: no infinities."""
        columns = [
            {
                name: value
                for name, value in asdict(column).items()
                if not (isinstance(value, float) and np.isinf(value))
            }
            for column in self.columns
        ]
        return {"columns": columns, "rules": [asdict(rule) for rule in self.rules], "favourable": self.favourable}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Table:
        """Return the table that `as_dict` wrote."""
        columns = tuple(
            Column(**{**one, "levels": tuple(one["levels"]), "allowed": tuple(one["allowed"])})
            for one in data["columns"]
        )
        return cls(columns, tuple(Rule(**one) for one in data["rules"]), data["favourable"])

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of everything that the table says."""
        return digest(self.as_dict())


def _series(column: Column, codes: Codes) -> Any:
    """Return a column's cells (n,) in the type that the file's reader gives them, whichever rows are asked for."""
    absent = np.isnan(codes)
    if column.numeric and column.kind != "date":
        whole = column.dtype == "int64" and not absent.any() and bool((codes == np.rint(codes)).all())
        return codes.astype(np.int64) if whole else codes.astype(np.float64)
    if column.kind == "date":
        return _words(np.array([column.text(code) or np.nan for code in codes], dtype=object), absent)
    places = np.where(absent, len(column.levels), codes).astype(np.int64)
    found = _level_values(column)[places]
    if column.dtype == "str":
        return _words(found, absent)
    if absent.any() or (column.dtype == "bool" and column.missing):
        return found.astype(np.float64) if column.dtype != "bool" else found
    return found.astype(column.dtype)


def _words(values: NDArray[Any], absent: NDArray[np.bool_]) -> Any:
    """Return texts (n,) as pandas holds texts, which it cannot tell where every cell is missing."""
    import pandas as pd

    return pd.Series(values, dtype=pd.Series(["text"]).dtype).array if absent.all() else values


def _level_values(column: Column) -> NDArray[Any]:
    """Return what each code stands for (levels + 1,), missing last."""
    read: dict[str, Any] = {"int64": int, "float64": float, "bool": is_true, "str": str}
    values = np.empty(len(column.levels) + 1, dtype=object)
    values[:-1] = [read[column.dtype](level) for level in column.levels]
    values[-1] = np.nan
    return values


def rounded(values: Codes) -> Codes:
    """Return values rounded to DIGITS; those that hold no such digits stay as they are."""
    fine = np.abs(values) < 2.0**53 / 10.0**DIGITS
    return np.where(fine, np.round(np.where(fine, values, 0.0), DIGITS), values)


def is_true(level: str) -> bool:
    """Return whether a boolean column's level stands for true."""
    return level.strip().lower() in ("true", "t", "yes", "y", "1", "1.0")
