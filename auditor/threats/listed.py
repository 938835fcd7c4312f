"""Threats of countable values: what may become of a row is listed, not projected."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.threats.threat import Threat

Numbers = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class JointValues:
    """Columns that rules tie together, with the joint values that one row may take in them: its own first, the others
    by rising cost.
    """

    columns: Integers
    """(m,) positions, those that definitions compute included."""
    values: Numbers
    """(k, m) codes; each row of them keeps every rule."""
    cost: Numbers
    """(k,)"""
    changes: Integers
    """(k,) number of columns written."""
    stride: Numbers
    """(k, m) the next value of a column, further from its own, less this one; 0 where this one stands for itself alone.
    """
    extent: Integers
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
    blocks: tuple[JointValues, ...]
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


class ListedThreat(Threat):
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
    def mended(self, rows: Numbers, x: Numbers, row: int) -> tuple[Numbers, Booleans, Numbers, Integers]:
        """Return rows (k, columns) with coupled levels repaired, whether each is feasible (k,), its cost (k,) and
        number of written columns (k,).
        """
