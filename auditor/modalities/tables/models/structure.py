"""What an exact solver may use of an estimator: that it is linear, or constant between thresholds; confirmed on random
rows, else nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.modalities.tables.classifier import Structure, TableClassifier
from auditor.modalities.tables.models.answers import EstimatorAnswers
from auditor.modalities.tables.models.passage import (
    MOST_CELLS,
    THRESHOLD_WIDTH,
    Encode,
    ends,
    lines,
    passage,
    random_rows,
    reaching,
    tested_values,
)
from auditor.modalities.tables.models.trees import Splits, splits_of
from auditor.modalities.tables.table import Codes, Column, Table

PAIRS = 32
"""Pairs of random rows on which changes of single columns must add up."""
_AGREEMENT = 1e-7
"""Largest gap between log odds and their linear form, relative to the largest."""
_Thresholds = dict[str, NDArray[np.float64]]


def structure_of(answers: EstimatorAnswers) -> Callable[[TableClassifier], Structure | None]:
    """Return the function (classifier over a table) -> its structure, None where nothing is confirmed."""

    def found(classifier: TableClassifier) -> Structure | None:
        table = classifier.table
        assert table is not None
        try:
            steps = passage(answers)
            if hasattr(steps.last, "coef_"):
                return Structure("linear") if is_linear(classifier, table) else None
            splits = splits_of(steps.last)
            made = None if splits is None else thresholds_of(lambda x: steps.encode(table.frame(x)), splits, table)
            return None if made is None else Structure("trees", lambda _: made)
        except Exception:  # whatever the steps of a user's pipeline raise at rows that no data hold
            return None

    return found


def is_linear(classifier: TableClassifier, table: Table) -> bool:
    """Return whether log odds are seen to be a sum of one function per column, straight in numeric columns."""
    draw = np.random.default_rng(0)

    def odds(x: Codes) -> NDArray[np.float64]:
        scores = classifier.scores(table.frame(x))
        return scores[:, 1:] - scores[:, :1]

    first, second = random_rows(table, PAIRS, draw), random_rows(table, PAIRS, draw)
    second = np.where(np.isnan(first), np.nan, second)
    second = np.where(np.isnan(second), first, second)
    alone = np.repeat(first[None], len(table), 0)
    for place in range(len(table)):
        alone[place, :, place] = second[:, place]
    start, end = odds(first), odds(second)
    steps = odds(alone.reshape(-1, len(table))).reshape(len(table), PAIRS, -1) - start
    if not _close(start + steps.sum(0), end):
        return False
    return all(_straight(odds, table, place, draw=draw) for place, column in enumerate(table.columns) if column.numeric)


def _straight(
    odds: Callable[[Codes], NDArray[np.float64]], table: Table, place: int, *, draw: np.random.Generator
) -> bool:
    values = tested_values(table.columns[place], draw)
    rows = np.repeat(random_rows(table, 1, draw), len(values), 0)
    rows[:, place] = values
    found = odds(rows)
    if len(values) < 3:
        return True
    share = ((values - values[0]) / (values[-1] - values[0]))[:, None]
    return _close(found[0] + share * (found[-1] - found[0]), found)


def _close(got: NDArray[np.float64], expected: NDArray[np.float64]) -> bool:
    return bool((np.abs(got - expected) <= _AGREEMENT * max(1.0, float(np.abs(expected).max()))).all())


def thresholds_of(encode: Encode, splits: Splits, table: Table) -> _Thresholds | None:
    """Return the rising thresholds of every numeric and ordinal column; None: of a column that somebody may write they
    are not known.

    A whole-numbered column that reaches the trees by no straight line (bins, levels, products) gets a threshold between
    all its values.
    """
    draw = np.random.default_rng(0)
    single = splits.single or encode(random_rows(table, 1, draw)).dtype == np.float32
    jumps = splits.jumps(single=single)
    features = sorted({*jumps, *splits.levels})
    reached = reaching(encode, table, features, draw=draw)
    made: _Thresholds = {}
    for place, column in enumerate(table.columns):
        mine = [(feature, at) for at, feature in enumerate(features) if reached[place, at]]
        if not (column.numeric or column.kind == "ordinal"):
            continue
        alone = all(reached[:, at].sum() == 1 and feature not in splits.levels for feature, at in mine)
        straight = (
            lines(encode, table, place, features=[feature for feature, _ in mine], draw=draw)
            if mine and alone and column.numeric
            else None
        )
        raw = (
            None
            if straight is None
            else [line.back(jumps[feature], exact=single) for (feature, _), line in zip(mine, straight, strict=True)]
        )
        sure = not single and all(line.identity for line in straight or ())
        found = _cells(column, raw, sure=sure) if mine else np.zeros(0)
        if found is not None:
            made[column.name] = found
        elif _written(table, column):
            return None
    return made


def _cells(column: Column, raw: Sequence[NDArray[np.float64]] | None, *, sure: bool) -> NDArray[np.float64] | None:
    """Return the rising thresholds of a column from those of its features in its own units; None: they are not known
    and there are too many values.
    """
    if not column.numeric:
        return np.arange(len(column.levels) - 1, dtype=np.float64) + 0.5
    if raw is not None:
        found = np.concatenate(raw)
        return np.unique(found) if column.kind == "real" else _between_whole(found, sure=sure)
    low, high = ends(column)
    return (
        np.arange(np.floor(low), np.ceil(high), dtype=np.float64) + 0.5
        if column.kind != "real" and high - low <= MOST_CELLS
        else None
    )


def _between_whole(found: NDArray[np.float64], *, sure: bool) -> NDArray[np.float64]:
    """Return thresholds midway between whole numbers; `sure`: a value on one belongs below it, else rounding may put it
    on either side.
    """
    near = np.round(found)
    close = np.abs(found - near) <= (-1.0 if sure else THRESHOLD_WIDTH) * np.maximum(1.0, np.abs(found))
    return np.unique(np.concatenate([np.floor(found[~close]) + 0.5, near[close] - 0.5, near[close] + 0.5]))


def _written(table: Table, column: Column) -> bool:
    return column.mutable or any(rule.defines == column.name for rule in table.rules)
