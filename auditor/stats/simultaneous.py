"""Levels and p-values that hold for all pairs of groups at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy import stats as sps
from scipy.optimize import brentq

LEAST_P = 1e-12
"""Smaller p-values are not told apart."""


def inverted(ends: Callable[[float], tuple[float, float]], value: float, against: float) -> float:
    """Return 1 less the level at which an interval's end meets a value."""

    def reach(alpha: float) -> float:
        low, high = ends(1 - alpha)
        return against - low if value >= against else high - against

    if reach(LEAST_P) <= 0:
        return LEAST_P
    return 1.0 if reach(1 - 1e-9) >= 0 else float(brentq(reach, LEAST_P, 1 - 1e-9, xtol=1e-13, rtol=1e-6))


def bonferroni_level(k: int) -> float:
    """Return the level of each of k intervals at which 95 in 100 times all of them hold together, however they
    depend (Bonferroni).
    """
    return 1 - 0.05 / k


@lru_cache(maxsize=1024)
def simultaneous_level(k: int, level: float = 0.95) -> float:
    """Return the level of each pair's interval at which those of all pairs of k groups hold together.

    Tukey and Kramer's studentised range over the square root of 2, as a normal quantile; for unequal sizes and
    variances it errs on the
    safe side (Hayter 1984, Annals of Statistics 12).

    >>> round(simultaneous_level(2), 3), round(simultaneous_level(3), 3)
    (0.95, 0.981)
    """
    return level if k <= 2 else float(1 - 2 * sps.norm.sf(sps.studentized_range.ppf(level, k, np.inf) / math.sqrt(2)))


def simultaneous_p(p: float, k: int) -> float:
    """Return what a pair's two-sided p-value is worth when it is one of all pairs of k groups."""
    if k <= 2:
        return p
    together = float(sps.studentized_range.sf(sps.norm.isf(p / 2) * math.sqrt(2), k, np.inf))
    return min(1.0, p * k * (k - 1) / 2, max(p, together))
