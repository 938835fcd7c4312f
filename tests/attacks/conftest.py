"""Small made-up tables under rules, with classifiers of every kind and brute force over all that may be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from auditor.modalities.tables.classifier import Structure, TableClassifier
from auditor.modalities.tables.table import Column, Rule, Table

LEVELS = ("a", "b", "c", "d")
RULES: dict[str, tuple[Rule, Callable[[NDArray[np.float64]], bool]]] = {
    "tied": (Rule("tied", "k == 'a'", "l == 'b'"), lambda r: not (r[0] == 0 and not np.isnan(r[1])) or r[1] == 1),
    "either": (Rule("either", then="i == 0 or j == 0"), lambda r: np.isnan(r[3]) or r[3] == 0 or r[4] == 0),
    "ordered": (Rule("ordered", then="i <= j + 3"), lambda r: np.isnan(r[3]) or r[3] <= r[4] + 3),
    "low": (Rule("low", "m == 'c'", "j < 4"), lambda r: r[2] != 2 or r[4] < 4),
    "chain": (Rule("chain", "l == 'c'", "m in ['a', 'b']"), lambda r: r[1] != 2 or r[2] in (0, 1)),
    "sum": (Rule("sum", then="i + j", defines="t"), lambda r: np.isnan(r[3]) or r[6] == r[3] + r[4]),
}
"""Rule by name, and the same in Python on a row (k, l, m, i, j, o, t); a rule with a missing cell is not broken."""


@dataclass(frozen=True)
class Case:
    """A table with one row, a zone, and a classifier."""

    table: Table
    x: NDArray[np.float64]
    zone: NDArray[np.bool_]
    most: int | None
    classifier: TableClassifier

    def every(self, epsilon: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return every feasible row (n, columns) within the budget, and its cost (n,): slowly, and from the rules'
        twins in Python.
        """
        names = [rule.id for rule in self.table.rules]
        free = [
            place
            for place, column in enumerate(self.table.columns)
            if self.zone[place]
            and column.mutable
            and not np.isnan(self.x[place])
            and not ("sum" in names and column.name == "t")
            and not ("sum" in names and column.name in "ij" and not self.zone[6])
        ]
        values = [self._values(place) if place in free else [self.x[place]] for place in range(7)]
        rows, costs = [], []
        for row in self._within(values, epsilon):
            one = np.array(row)
            if "sum" in names and not np.isnan(one[3]) and (one[3:5] != self.x[3:5]).any():
                one[6] = one[3] + one[4]
            written = [place for place in free if one[place] != self.x[place]]
            cost = sum(self._price(place, one[place]) for place in written)
            if (
                cost <= epsilon + 1e-9
                and len(written) <= (self.most or 7)
                and all(RULES[name][1](one) for name in names)
            ):
                rows.append(one)
                costs.append(cost)
        return np.array(rows), np.array(costs)

    def _within(self, values: list[list[float]], left: float, place: int = 0) -> Iterator[tuple[float, ...]]:
        if place == len(values):
            yield ()
            return
        for value in values[place]:
            price = 0.0 if np.isnan(value) or value == self.x[place] else self._price(place, value)
            if price <= left + 1e-9:
                yield from ((value, *rest) for rest in self._within(values, left - price, place + 1))

    def _values(self, place: int) -> list[float]:
        column, own = self.table.columns[place], self.x[place]
        if not column.numeric:
            low, high = (own + column.least, own + column.most) if column.kind == "ordinal" else (-np.inf, np.inf)
            return sorted({own, *(float(one) for one in column.allowed if low <= one <= high)})
        grid = np.arange(round(column.low / column.step), round(column.high / column.step) + 1) * column.step
        return sorted(
            {own, *(float(round(one, 9)) for one in grid if column.least - 1e-9 <= one - own <= column.most + 1e-9)}
        )

    def _price(self, place: int, value: float) -> float:
        column = self.table.columns[place]
        return column.cost * (abs(value - self.x[place]) if column.numeric or column.kind == "ordinal" else 1)


def codes(table: Table, frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return a frame's rows (n, columns) as codes, slowly."""
    parts = [
        frame[column.name].map(column.position) if column.levels else frame[column.name] for column in table.columns
    ]
    return np.column_stack([part.astype(float) for part in parts])


def classifier(
    table: Table,
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    structure: Structure | None = None,
    *,
    labels: bool = False,
) -> TableClassifier:
    """Return a classifier from a function of codes (n, columns) to scores (n, classes)."""

    def scores(frame: pd.DataFrame) -> NDArray[np.float64]:
        found = function(codes(table, frame))
        return np.eye(found.shape[1])[found.argmax(1)] if labels else found

    classes = tuple("xyz"[: function(np.zeros((1, 7))).shape[1]])
    offers = frozenset({"labels"} if labels else {"labels", "scores"})
    return TableClassifier(scores, "made up", "d", classes, offers, structure=structure).over(table)


def function(
    kind: str, rng: np.random.Generator, classes: int
) -> tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], Structure | None]:
    """Return random scores of one kind: 'additive', 'trees' or 'network'; a missing cell counts as its column's -1."""
    effects, slopes = rng.normal(size=(4, 4, classes)), rng.normal(size=(7, classes)) / 4
    hidden, out = rng.normal(size=(18, 6)), rng.normal(size=(6, classes))
    splits = [
        (int(rng.integers(0, 7)), float(rng.integers(0, 6)) + 0.5, rng.normal(size=(2, classes))) for _ in range(12)
    ]

    def known(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.nan_to_num(x, nan=-1)

    def additive(x: NDArray[np.float64]) -> NDArray[np.float64]:
        x = known(x)
        levels = sum(effects[number][x[:, place].astype(int)] for number, place in enumerate((0, 1, 2, 5)))
        return np.asarray(levels + x[:, [3, 4, 6]] @ slopes[[3, 4, 6]] - 0.5)

    def trees(x: NDArray[np.float64]) -> NDArray[np.float64]:
        x = known(x)
        pairs = zip(splits[::2], splits[1::2], strict=True)
        return np.asarray(
            sum(np.where(((x[:, a] > s) & (x[:, b] > t))[:, None], v[0], w[1]) for (a, s, v), (b, t, w) in pairs)
        )

    def network(x: NDArray[np.float64]) -> NDArray[np.float64]:
        x = known(x)
        shown = np.column_stack([np.eye(5)[x[:, place].astype(int)] for place in (0, 1, 2)] + [x[:, [3, 4, 6]] / 6])
        return np.asarray(np.tanh(shown @ hidden) @ out)

    thresholds = {
        name: np.unique([t for place, t, _ in splits if place == at])
        for name, at in (("i", 3), ("j", 4), ("t", 6), ("o", 5))
    }
    chosen = {
        "additive": (additive, Structure("linear")),
        "trees": (trees, Structure("trees", lambda _: thresholds)),
        "network": (network, None),
    }
    return chosen[kind]


def made(
    seed: int, kind: str, *, classes: int = 2, labels: bool = False, wide: int = 6, structured: bool = True
) -> Case:
    """Return a random case; its row keeps every rule."""
    rng = np.random.default_rng(seed)
    price = lambda: float(rng.choice([0.5, 1.0, 1.5]))  # noqa: E731

    def levels(name: str, **more: object) -> Column:
        allowed = tuple(sorted(int(one) for one in rng.permutation(4)[: rng.integers(2, 5)]))
        return Column(
            name, "categorical", levels=LEVELS, allowed=allowed, cost=price(), mutable=bool(rng.random() < 0.9), **more
        )  # type: ignore[arg-type]

    def numbers(name: str, dtype: str = "float64") -> Column:
        least, most = (
            (-float(rng.integers(0, wide + 1)), float(rng.integers(1, wide + 1)))
            if rng.random() < 0.5
            else (-np.inf, np.inf)
        )
        return Column(name, "integer", low=0, high=wide, least=least, most=most, cost=price() / 3, dtype=dtype)  # type: ignore[arg-type]

    ordinal = Column("o", "ordinal", levels=LEVELS, allowed=(0, 1, 2, 3), cost=price() / 2, least=-1, most=2)
    columns = (
        levels("k"),
        levels("l"),
        levels("m"),
        numbers("i"),
        numbers("j"),
        ordinal,
        Column("t", "integer", low=0, high=2 * wide, dtype="float64", cost=1 / 3),
    )
    names = [name for name in RULES if rng.random() < 0.5]
    table = Table(columns, tuple(RULES[name][0] for name in names))
    while True:
        x = np.concatenate(
            [rng.integers(0, 4, 3), rng.integers(0, wide + 1, 2), rng.integers(0, 4, 1), rng.integers(0, 2 * wide, 1)]
        ).astype(np.float64)
        if rng.random() < 0.2:
            x[3] = np.nan
        if "sum" in names:
            x[6] = x[3] + x[4] if not np.isnan(x[3]) else x[6]
        if all(RULES[name][1](x) for name in names):
            break
    made, structure = function(kind, rng, classes)
    zone, most = rng.random(7) < 0.8, None if rng.random() < 0.6 else int(rng.integers(1, 4))
    return Case(table, x, zone, most, classifier(table, made, structure if structured else None, labels=labels))


@pytest.fixture
def case() -> Callable[..., Case]:
    """Return the maker of random cases."""
    return made
