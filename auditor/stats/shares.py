"""Intervals and tests, thin and seeded, over scipy and statsmodels; samples that share a unit never count as
independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats as sps
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv
from statsmodels.stats.proportion import proportion_confint

from auditor.core.records import Estimate

Array = NDArray[np.float64]
PRIOR = 0.25
"""Units of either kind that are added where units share samples."""
ROUNDING = 1e-9
"""A smaller part of a count is none."""


def totals(values: Sequence[float], units: Sequence[str]) -> tuple[Array, Array]:
    """Return the sum and the count of values in each unit (m,), units in sorted order."""
    _, where = np.unique(np.asarray(units), return_inverse=True)
    numbers = np.asarray(values, dtype=float)
    return np.bincount(where, weights=numbers).astype(float), np.bincount(where).astype(float)


def effective_n(flags: Sequence[float], units: Sequence[str]) -> float:
    """Return how many independent samples n clustered 0/1 flags are worth, at most n.

    The variance between units gives the design effect, with the t quantile of the number of units (Korn and Graubard
    1998, Survey Methodology 24). A quarter of a unit without and one with nothing but true flags are added: where few
    units
    have any, they differ too little by chance, and the interval covers 0.90 (benchmarks/coverage.py). Where all flags
    agree
    the variance says nothing, and each unit counts once.
    """
    if len(set(units)) == len(flags):
        return float(len(flags))
    sums, counts = totals(flags, units)
    n, m = float(counts.sum()), len(counts)
    if m < 2 or sums.sum() in (0.0, n):
        return float(m)
    more, size = m + 2 * PRIOR, n / m
    share, whole = (sums.sum() + PRIOR * size) / (more * size), more * size
    squares = float(((sums - share * counts) ** 2).sum()) + PRIOR * size**2 * (share**2 + (1 - share) ** 2)
    between, simple = more / (more - 1) * squares / whole**2, share * (1 - share) / whole
    shrink = (sps.norm.ppf(0.975) / sps.t.ppf(0.975, m - 1)) ** 2
    return float(min(n, n * simple / max(between, simple) * shrink))


def proportion(
    flags: Sequence[float], units: Sequence[str] | None = None, *, unit: str = "share of samples", level: float = 0.95
) -> Estimate | None:
    """Return the share of true flags with its interval (see `share_interval`), on the effective number of samples; None
    of no flags.

    >>> found = proportion([1.0] * 9 + [0.0])
    >>> round(found.low, 3), round(found.high, 3)
    (0.596, 0.995)
    """
    n = len(flags)
    if not n:
        return None
    names = list(units) if units is not None else [str(row) for row in range(n)]
    share, (low, high) = _seen(flags, names, level)
    clustered = len(set(names)) < n
    return Estimate(
        share,
        low,
        high,
        n,
        unit,
        method_name("Wilson and mid-P", clustered),
        level,
        len(set(names)) if clustered else None,
        share=True,
    )


def method_name(method: str, clustered: bool) -> str:
    """Return a method's name, with what was done where units share samples."""
    return method + (", effective sample size by unit" if clustered else "")


def worth_of(share: float, spread: float, n: int, *, among: int) -> float:
    """Return how many independent samples, at most n, a share of this variance is worth; as many as there are units
    (`among`) where nothing varies.
    """
    return min(n, share * (1 - share) / spread) if spread > 0 else min(n, among)


@lru_cache(maxsize=65536)
def share_interval(share: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share seen in n independent samples, Wilson's (1927) and the mid-P one (Lancaster 1961)
    together; n need not be whole.

    Each end is the wider one. Alone, both miss shares near 0 and 1 too often: from n = 20 on the 95 % intervals cover
    0.90 and 0.92 at
    worst, together 0.93 (benchmarks/coverage.py).
    """
    low, high = proportion_confint(share * n, n, alpha=1 - level, method="wilson")
    below, above = _mid_p_low(share * n, n, (1 - level) / 2), 1 - _mid_p_low((1 - share) * n, n, (1 - level) / 2)
    return max(0.0, min(share, float(low), below)), min(1.0, max(share, float(high), above))


def _mid_p(k: float, n: float, share: float) -> float:
    """Return the chance of more than k of n, and of half of those with k; the binomial's distribution goes on between
    whole numbers.
    """
    as_many = float(betainc(k, n - k + 1, share)) if k > ROUNDING else 1.0
    return (as_many + (float(betainc(k + 1, n - k, share)) if n - k > ROUNDING else 0.0)) / 2


def _mid_p_low(k: float, n: float, tail: float) -> float:
    if k <= ROUNDING:
        return 0.0
    most = float(betaincinv(k + 1, n - k, tail)) if n - k > ROUNDING else 1.0
    return float(brentq(lambda share: _mid_p(k, n, share) - tail, 0.0, most))


def clopper_pearson(share: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval (Clopper and Pearson 1934) of a share seen in n independent samples: it never covers
    less than its level.
    """
    low, high = proportion_confint(share * n, n, alpha=1 - level, method="beta")
    return float(low), float(high)


def proportion_p(flags: Sequence[float], units: Sequence[str], against: float) -> float:
    """Return the two-sided p-value of a share against a value: the larger of the score test's and the mid-P one, which
    `share_interval` inverts.
    """
    worth, share = effective_n(flags, units), float(np.mean(flags))
    spread = math.sqrt(against * (1 - against) / worth)
    if spread == 0:
        return 1.0 if share == against else 0.0
    above = _mid_p(share * worth, worth, against)
    return float(max(2 * sps.norm.sf(abs(share - against) / spread), 2 * min(above, 1 - above)))


def difference(
    a: Sequence[float], b: Sequence[float], units_a: Sequence[str], *, units_b: Sequence[str], level: float = 0.95
) -> Estimate:
    """Return the difference of two shares, a less b, on effective numbers: Newcombe's interval (1998, method 10) from
    those of `share_interval`.

    With Wilson's intervals in it, as published, it covers 0.88 at worst (20 samples each, shares 0.02 and 0.98), with
    these 0.94.
    """
    (share_a, span_a), (share_b, span_b) = _seen(a, units_a, level), _seen(b, units_b, level)
    low, high = recovered(share_a, span_a, share_b, span_b)
    units, n = len(set(units_a)) + len(set(units_b)), len(a) + len(b)
    return Estimate(
        share_a - share_b,
        low,
        high,
        n,
        "difference of shares",
        method_name("Newcombe", units < n),
        level,
        units if units < n else None,
        share=True,
    )


def _seen(flags: Sequence[float], units: Sequence[str], level: float) -> tuple[float, tuple[float, float]]:
    share = float(np.mean(flags))
    return share, share_interval(share, effective_n(flags, units), level)


def recovered(
    a: float, span_a: tuple[float, float], b: float, span_b: tuple[float, float], alike: float = 0.0
) -> tuple[float, float]:
    """Return the interval of a - b from those of both, which correlate by `alike`: the method of variance estimates
    recovery (Zou and Donner 2008).
    """
    down, up = (a - span_a[0], span_b[1] - b), (span_a[1] - a, b - span_b[0])
    low, high = (math.sqrt(max(0.0, x**2 - 2 * alike * x * y + y**2)) for x, y in (down, up))
    return a - b - low, a - b + high


def recovered_ratio(
    a: float, span_a: tuple[float, float], b: float, span_b: tuple[float, float]
) -> tuple[float, float]:
    """Return the interval of a / b from those of both, by way of their logarithms; where a is 0 it ends at the quotient
    of the ends.
    """
    if not a:
        return 0.0, span_a[1] / span_b[0]
    a, low, high, b, down, up = (math.log(max(one, 1e-300)) for one in (a, *span_a, b, *span_b))
    least, most = recovered(a, (low, high), b, (down, up))
    return math.exp(least), math.exp(most)


def share_ratio(
    a: Sequence[float], b: Sequence[float], units_a: Sequence[str], *, units_b: Sequence[str], level: float = 0.95
) -> Estimate | None:
    """Return the ratio of two shares, a / b, on effective numbers; None where either has no samples, or b may be 0.

    The intervals of both logarithms recover that of the ratio (Zou and Donner 2008). The score interval of statsmodels
    0.15 has no answer,
    or one without the ratio in it, where a share is 1 or near 1.
    """
    if not len(a) or not sum(b):
        return None
    (share_a, span_a), (share_b, span_b) = _seen(a, units_a, level), _seen(b, units_b, level)
    if span_b[0] < ROUNDING:
        return None
    low, high = recovered_ratio(share_a, span_a, share_b, span_b)
    units, n = len(set(units_a)) + len(set(units_b)), len(a) + len(b)
    method = method_name("recovered from the logarithms", units < n)
    return Estimate(
        share_a / share_b, low, high, n, "ratio of shares", method, level, units if units < n else None, share=True
    )
