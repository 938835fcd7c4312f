"""The joint values of columns that rules tie together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from auditor.modalities.tables.threats.values import Choices
from auditor.threats.listed import Booleans, Integers, Numbers

JOINT = 3000
"""Most joint values of one block; where there are more, its columns are moved one by one and mended."""
DRAFT = 200_000
"""Most joint values that are listed on the way, before rules thin them out."""


@dataclass(frozen=True, eq=False)
class Frame:
    """What a space is asked for: the budget, and which values of long columns are listed; see ListedThreat.space."""

    epsilon: float
    most: int
    thresholds: Mapping[str, Numbers] | None
    centre: Numbers
    many: int


class Joint:
    """Joint values under way: whole rows, and which choice of each free column made them."""

    def __init__(self, x: Numbers, free: int) -> None:
        self.rows, self.cost, self.changes = x[None].copy(), np.zeros(1), np.zeros(1, np.int64)
        self.picks = np.zeros((1, free), np.int64)

    def __len__(self) -> int:
        return len(self.cost)

    def extended(self, place: int, column: int, one: Choices) -> Joint:
        """Return every joint value with every choice of one more column."""
        count, more = len(self), len(one.values)
        self.only(np.repeat(np.arange(count), more))
        chosen = np.tile(np.arange(more), count)
        self.rows[:, column], self.picks[:, place] = one.values[chosen], chosen
        self.cost, self.changes = self.cost + one.cost[chosen], self.changes + (chosen > 0)
        return self

    def only(self, kept: Booleans | Integers) -> Joint:
        """Return some of the joint values, in an order."""
        self.rows, self.cost, self.changes, self.picks = (
            self.rows[kept],
            self.cost[kept],
            self.changes[kept],
            self.picks[kept],
        )
        return self
