"""The contract that every threat keeps and every attack is written over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from auditor.core.seeds import Rows

if TYPE_CHECKING:
    from auditor.modalities.tables.table import Table

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Threat(ABC):
    """What an attacker may do to inputs x0 (n, *shape): where, how far, and within which values.

    Epsilon is a number, or one per row (n,), in the input's own units.
    """

    norm: str
    """The name of the norm in which sizes are measured."""
    zone: Tensor | None
    """Where the attacker may write (broadcasts to x); None for everywhere."""
    low: float | Tensor
    high: float | Tensor
    levels: int | None
    """Steps of the value grid that a file can hold; None where any value can be held."""

    @staticmethod
    def ball(
        norm: str = "linf",
        zone: Tensor | None = None,
        low: float | Tensor = 0.0,
        high: float | Tensor = 1.0,
        levels: int | None = None,
    ) -> Threat:
        """Return the threat of all points within epsilon of x0 in a norm ('linf', 'l2', 'l1', 'l0'), in the zone and
        between low and high.

        Under 'l0' epsilon is the number of values that may change (each colour channel of a pixel is one), rounded
        down.
        With `levels` only values that a file can hold count: that many steps from low to high (255 for 8-bit images).
        """
        from auditor.threats.ball import Ball

        return Ball(norm, zone, low, high, levels)

    @staticmethod
    def table(table: Table, zone: Tensor | None = None, max_changes: int | None = None) -> DiscreteThreat:
        """Return the threat of all feasible changes of a table's rows that cost at most epsilon, by the limits, levels
        and rules of the table.

        Rows are float64 codes (n, columns); the zone is (columns,) or (n, columns) bool. At most `max_changes` columns
        of a row change.
        """
        from auditor.modalities.tables.threats.threat import TableThreat

        return TableThreat(table, zone, max_changes)

    @property
    def stride(self) -> float:
        """Return the first step of an adaptive search, in epsilons: twice, so that it crosses the ball."""
        return 2.0

    @abstractmethod
    def over(self, x0: Tensor) -> Threat:
        """Return the same threat with its tensors broadcast to x0 and on its device, ready for `take`."""

    @abstractmethod
    def take(self, rows: Tensor) -> Threat:
        """Return the threat of some rows; `over` comes first."""

    @abstractmethod
    def start(self, x0: Tensor, rng: Rows, epsilon: float | Tensor) -> Tensor:
        """Return a random allowed point per row (n, *shape)."""

    @abstractmethod
    def step(self, x: Tensor, gradient: Tensor, x0: Tensor, size: float | Tensor) -> Tensor:
        """Return x moved by `size` (in the norm) up the gradient within the zone; not projected."""

    @abstractmethod
    def project(self, x: Tensor, x0: Tensor, epsilon: float | Tensor) -> Tensor:
        """Return the nearest allowed point (n, *shape)."""

    @abstractmethod
    def saved(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return the point that a file would hold, never further from x0 than x."""

    @abstractmethod
    def size(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return how far each row went (n,)."""

    @abstractmethod
    def allows(self, x: Tensor, x0: Tensor, epsilon: float | Tensor) -> Tensor:
        """Return whether each row (n,) keeps the whole constraint: outside the zone bit for bit equal to x0."""


@dataclass(frozen=True, eq=False)
class Block:
    """Columns that rules tie together, with the joint values that one row may take in them: its own first, the others
    by rising cost.
    """

    columns: Places
    """(m,) positions, those that definitions compute included."""
    values: Numbers
    """(k, m) codes; each row of them keeps every rule."""
    cost: Numbers
    """(k,)"""
    changes: Places
    """(k,) number of columns written."""
    stride: Numbers
    """(k, m) the next value of a column, further from its own, less this one; 0 where this one stands for itself alone.
    """
    extent: Places
    """(k, m) how many further values this one stands for: no threshold and no rule tells them apart."""
    rate: Numbers
    """(m,) cost of one stride"""
    complete: bool
    """Whether no permitted joint value within the budget is left out that a classifier with these thresholds could tell
    from all that are here.
    """

    def __len__(self) -> int:
        return len(self.cost)


@dataclass(frozen=True, eq=False)
class Space:
    """Everything that an attacker may make of one row x (columns,) within the budget: one joint value per block, free
    of one another.
    """

    x: Numbers
    blocks: tuple[Block, ...]
    epsilon: float
    most: int
    """Largest number of written columns."""
    loose: bool = False
    """Whether rules tie blocks together, since their joint values are too many to list: what is composed of them must
    be `mended`.
    """

    @property
    def complete(self) -> bool:
        """Return whether the joint values are all that matter."""
        return not self.loose and all(block.complete for block in self.blocks)


class DiscreteThreat(Threat):
    """A threat of countable values per column, tied by rules: what is searched is listed, not projected. Inputs are
    rows (n, columns).
    """

    @abstractmethod
    def space(
        self,
        x: Numbers,
        row: int,
        epsilon: float,
        thresholds: Mapping[str, Numbers] | None = None,
        centre: Numbers | None = None,
        many: int = 33,
    ) -> Space:
        """Return what may become of the original x (columns,) of one row.

        Parameters
        ----------
        thresholds
            Column -> values between which the classifier does not change: of each cell the cheapest value is listed,
            for all that lie in it.
            None: of columns with many values some are listed, ever wider apart.
        centre
            A row (columns,) around whose values those are listed; x itself where none is given.
        many
            A numeric column with at most this many permitted values is listed whole.
        """

    @abstractmethod
    def mended(self, rows: Numbers, x: Numbers, row: int) -> tuple[Numbers, Flags, Numbers, Places]:
        """Return rows (k, columns) with coupled levels repaired, whether each is feasible (k,), its cost (k,) and
        number of written columns (k,).
        """
