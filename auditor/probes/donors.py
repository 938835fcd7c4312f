"""Who may give to whom: donors of the same or of another class, never from the recipient's own unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.samples.samples import Samples

ARMS = {"A": (0, 1), "B": (0, 2), "C": (2, 1), "D": (2, 3)}
"""Whose inside and whose outside: 0 the recipient, 1 a donor of its class, 2 and 3 donors of another class."""


@dataclass(frozen=True)
class Pool:
    """What is known of every possible donor; made once per chunk."""

    y: NDArray[np.int64]
    units: NDArray[np.int64]
    """Number of each sample's unit."""
    gives: NDArray[np.bool_]
    """A class whose samples have masks gives masked samples only; a class without masks gives any."""

    @classmethod
    def of(cls, samples: Samples) -> Pool:
        """Return the pool of a data set."""
        y = np.array(samples.y)
        masked = np.array([share is not None and 0 < share < 1 for share in samples.mask_share])
        bare = ~np.isin(y, y[masked])
        return cls(y, samples.unit_numbers(), masked | bare)

    def draw(
        self,
        rng: np.random.Generator,
        *,
        position: int,
        same: bool,
        avoid: tuple[int, ...],
        among: NDArray[np.bool_] | None = None,
    ) -> int | None:
        """Return a donor of the same or of another class as `position`, of none of the units to avoid; None where there
        is none.
        """
        pool = self.gives & ((self.y == self.y[position]) == same) & ~np.isin(self.units, self.units[list(avoid)])
        candidates = np.flatnonzero(pool if among is None else pool & among)
        return int(rng.choice(candidates)) if len(candidates) else None

    def rivals(self, rng: np.random.Generator, *, position: int, avoid: tuple[int, ...]) -> tuple[int, int] | None:
        """Return two donors of one other class from different units; None where no other class has two."""
        open_classes = np.ones(len(self.y), dtype=bool)
        while True:
            first = self.draw(rng, position=position, same=False, avoid=avoid, among=open_classes)
            if first is None:
                return None
            alike = self.y == self.y[first]
            second = self.draw(rng, position=position, same=False, avoid=(*avoid, first), among=alike)
            if second is not None:
                return first, second
            open_classes &= ~alike

    def donors(self, rng: np.random.Generator, position: int) -> tuple[int, int, int] | None:
        """Return a donor of the same class and two of another, all from different units; None where there are none."""
        same = self.draw(rng, position=position, same=True, avoid=(position,))
        others = None if same is None else self.rivals(rng, position=position, avoid=(position, same))
        return None if same is None or others is None else (same, *others)
