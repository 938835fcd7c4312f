"""How raw columns reach the features that an estimator's last step reads: seen by showing rows to the steps before
it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from auditor.modalities.tables.models.answers import EstimatorAnswers, opened_wholly, quiet
from auditor.modalities.tables.table import Codes, Column, Table

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 48
"""Random rows in which each column is changed."""
POINTS = 256
"""Values of a numeric column at which a line is tested, where it has more."""
MOST_CELLS = 1024
"""Whole values of a column up to which each may be a cell of its own."""
THRESHOLD_WIDTH = 1e-9
"""Relative width around a threshold within which rounding decides on which side of it a value falls."""
_REACH = 100.0
"""Half width of the values tried where a column has no range."""


Encode = Callable[[Codes], NDArray[Any]]
"""function (codes (n, columns)) -> features (n, features)"""


@dataclass(frozen=True)
class Line:
    """feature = slope * column + shift"""

    slope: float
    shift: float

    @property
    def identity(self) -> bool:
        """Return whether the feature is the column."""
        return self.slope == 1 and self.shift == 0

    def back(self, jumps: NDArray[np.float64], *, exact: bool) -> NDArray[np.float64]:
        """Return where the column's own values cross jumps of the feature; `exact`: no value lies on one, else one on
        either side of what is rounded.
        """
        raw = (jumps - self.shift) / self.slope
        if exact or self.identity:
            return raw
        room = THRESHOLD_WIDTH * np.maximum(1.0, np.abs(raw))
        return np.concatenate([raw - room, raw + room])


@dataclass(frozen=True)
class Passage:
    """The steps before the last one.

    Parameters
    ----------
    encode
        function (frame with n rows) -> features (n, features), float32 or float64
    """

    encode: Callable[[pd.DataFrame], NDArray[Any]]
    last: Any


def passage(answers: EstimatorAnswers) -> Passage:
    """Return the steps of an estimator; a pipeline in a search, or under a threshold, is taken apart too."""
    steps, last = opened_wholly(answers.estimator)
    if getattr(last, "_preprocessor", None) is not None and type(last).__name__ == "HistGradientBoostingClassifier":
        steps.append(last._preprocessor)  # it puts categorical columns first

    def encode(frame: pd.DataFrame) -> NDArray[Any]:
        rows = answers.taken(frame)
        with quiet():
            for step in steps:
                rows = step.transform(rows)
        return matrix(rows)

    return Passage(encode, last)


def matrix(rows: Any) -> NDArray[Any]:
    """Return features as numbers (n, features): a text becomes some number of its own, since only whether it changes
    matters.
    """
    if hasattr(rows, "toarray"):
        rows = rows.toarray()
    if hasattr(rows, "columns"):
        return np.stack([_numbers(rows[name].to_numpy()) for name in rows], 1)
    rows = np.asarray(rows)
    if rows.dtype.kind in "OUS":
        return np.stack([_numbers(rows[:, place]) for place in range(rows.shape[1])], 1)
    return np.asarray(rows, dtype=np.float32 if rows.dtype == np.float32 else np.float64)


def _numbers(column: Any) -> NDArray[np.float64]:
    import pandas as pd

    try:
        return np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        found = pd.util.hash_array(np.asarray(column, dtype=object).astype(str)) >> np.uint64(12)
        return np.asarray(found, dtype=np.float64)


def random_rows(table: Table, n: int, draw: np.random.Generator) -> Codes:
    """Return rows of codes (n, columns), every column by itself; cells are missing where the data have
    missing cells.
    """
    rows = np.stack([_random(column, n, draw) for column in table.columns], 1)
    gaps = np.array([column.missing > 0 for column in table.columns])
    return np.where(gaps & (draw.random(rows.shape) < 0.15), np.nan, rows)


def ends(column: Column) -> tuple[float, float]:
    """Return the smallest and largest value that is tried of a numeric column."""
    low = column.low if np.isfinite(column.low) else min(-_REACH, column.high - 2 * _REACH)
    high = column.high if np.isfinite(column.high) else max(_REACH, low + 2 * _REACH)
    return float(low), float(high)


def tested_values(column: Column, draw: np.random.Generator) -> NDArray[np.float64]:
    """Return values of a numeric column at which a line is tested: all whole ones where there are few, its ends in any
    case.
    """
    low, high = ends(column)
    if column.kind != "real" and high - low <= MOST_CELLS:
        return np.arange(np.ceil(low), np.floor(high) + 1)
    drawn = draw.uniform(low, high, POINTS)
    return np.unique(np.concatenate([[low, high], drawn if column.kind == "real" else np.floor(drawn)]))


def _random(column: Column, n: int, draw: np.random.Generator) -> Codes:
    if not column.numeric:
        return draw.integers(0, len(column.levels), n).astype(np.float64)
    low, high = ends(column)
    return (
        draw.uniform(low, high, n)
        if column.kind == "real"
        else draw.integers(int(np.ceil(low)), int(np.floor(high)) + 1, n).astype(np.float64)
    )


def reaching(encode: Encode, table: Table, features: Sequence[int], *, draw: np.random.Generator) -> NDArray[np.bool_]:
    """Return which columns are seen to reach which features (columns, features)."""
    rows, others = random_rows(table, _ROWS, draw), random_rows(table, _ROWS, draw)
    changed = np.repeat(rows[None], len(table), 0)
    for place in range(len(table)):
        kept = np.isnan(rows[:, place]) | np.isnan(others[:, place])
        changed[place, :, place] = np.where(kept, rows[:, place], others[:, place])
    chosen = list(features)
    before = encode(rows)[:, chosen]
    after = encode(changed.reshape(-1, len(table)))[:, chosen].reshape(len(table), _ROWS, -1)
    same = (after == before) | (np.isnan(after) & np.isnan(before))
    return np.asarray(~same.all(1), dtype=np.bool_)


def lines(
    encode: Encode, table: Table, place: int, *, features: Sequence[int], draw: np.random.Generator
) -> list[Line] | None:
    """Return how a numeric column becomes features that depend on it alone; None: some are no straight line."""
    values = tested_values(table.columns[place], draw)
    row = random_rows(table, 1, draw)
    rows = np.repeat(row, len(values), 0)
    rows[:, place] = values
    found = encode(rows)[:, list(features)]
    tolerance = 1e-5 if found.dtype == np.float32 else 1e-9
    if len(values) < 2:
        return None
    found = found.astype(np.float64)
    slopes = (found[-1] - found[0]) / (values[-1] - values[0])
    shifts = found[0] - slopes * values[0]
    straight = np.abs(found - (values[:, None] * slopes + shifts)) <= tolerance * np.abs(found).max(0).clip(1e-12)
    if not straight.all() or not (slopes != 0).all():
        return None
    return [Line(float(slope), float(shift)) for slope, shift in zip(slopes, shifts, strict=True)]
