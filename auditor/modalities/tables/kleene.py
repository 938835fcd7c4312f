"""Kleene's logic of three values, for thousands of rows at once: something holds, does not, or is not known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TruthValues = NDArray[np.bool_]


class Truth(NamedTuple):
    """Whether something holds in each row (n,), and whether that is known."""

    holds: TruthValues
    known: TruthValues


def conjunction(parts: Sequence[Truth]) -> Truth:
    """Return Kleene's conjunction: false as soon as one part is known to be false."""
    false = np.any([part.known & ~part.holds for part in parts], axis=0)
    every = np.all([part.known for part in parts], axis=0)
    return Truth(every & ~false, every | false)


def negated(part: Truth) -> Truth:
    """Return Kleene's negation: what is not known stays so."""
    return Truth(part.known & ~part.holds, part.known)
