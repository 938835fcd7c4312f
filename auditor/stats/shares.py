"""Intervals and tests, thin and seeded, over scipy and statsmodels; samples that share a unit never count as
independent.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats as sps
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from auditor.core.records import Estimate, Verdict
from auditor.core.seeds import derive

Array = NDArray[np.float64]
RESAMPLES = 2000
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
    a: Sequence[float], b: Sequence[float], units_a: Sequence[str], units_b: Sequence[str], *, level: float = 0.95
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


def paired_difference(
    a: Sequence[float], b: Sequence[float], units: Sequence[str], *, level: float = 0.95
) -> Estimate | None:
    """Return the difference of two shares of the same samples, a less b, with Newcombe's interval for pairs; None of no
    samples.

    Newcombe 1998 (Statistics in Medicine 17, 2635-2650, method 10): the intervals of both shares, less what their
    correlation takes
    away. Where samples share a unit, both have effective sample sizes and the correlation is that of the units' totals.
    """
    one, two = (proportion(flags, units, level=level) for flags in (a, b))
    if one is None or two is None:
        return None
    (above, counts), (below, _) = totals(a, units), totals(b, units)
    above, below = above - one.value * counts, below - two.value * counts
    shared, scale = float((above * below).sum()), math.sqrt(float((above**2).sum() * (below**2).sum()))
    shared = max(0.0, shared - 0.5) if shared > 0 else shared
    bound = shared / scale if scale else 0.0
    low, high = recovered(one.value, (one.low, one.high), two.value, (two.low, two.high), bound)
    method = method_name("Newcombe for pairs", one.units is not None)
    return Estimate(
        one.value - two.value,
        max(-1.0, low),
        min(1.0, high),
        one.n,
        "difference of shares",
        method,
        level,
        one.units,
        share=True,
    )


def paired_p(a: Sequence[float], b: Sequence[float], units: Sequence[str]) -> float:
    """Return the exact two-sided p-value that two flags of the same samples are equally frequent.

    McNemar's exact test (1947) where each sample is a unit of its own. Else units are turned over whole: the sum of
    their differences
    against its distribution when each could as well have the other sign (Fisher's randomisation), counted without
    simulation.

    >>> round(paired_p([1.0] * 12 + [0.0] * 2, [0.0] * 12 + [1.0] * 2, [str(row) for row in range(14)]), 4)
    0.0129
    """
    nets = np.rint(totals([one - two for one, two in zip(a, b, strict=True)], units)[0]).astype(int)
    chance = np.ones(1)
    for step in np.abs(nets[nets != 0]).tolist():
        chance = (np.pad(chance, (0, 2 * step)) + np.pad(chance, (2 * step, 0))) / 2
    sums = np.arange(len(chance)) - (len(chance) - 1) // 2
    return min(1.0, float(chance[np.abs(sums) >= abs(int(nets.sum()))].sum()))


def ratio(
    above: Sequence[float],
    below: Sequence[float],
    units: Sequence[str],
    *,
    seed: int = 0,
    unit: str = "",
    share: bool = False,
    level: float = 0.95,
) -> Estimate | None:
    """Return sum(above) / sum(below) with its BCa bootstrap interval (Efron 1987), whole units resampled; None of too
    few units.

    Its level is widened as a t interval is beside a normal one (Hesterberg 2015, arXiv:1411.5279, section 3.3): without
    that, 20 units
    cover 0.90 of normal means in place of 0.95.
    """
    n = len(above)
    (tops, _), (bottoms, _) = totals(above, units), totals(below, units)
    m = len(tops)
    if m < 2 or not bottoms.sum():
        return None
    value, clustered = float(tops.sum() / bottoms.sum()), m if m < n else None
    wide = float(1 - 2 * sps.norm.sf(math.sqrt(m / (m - 1)) * sps.t.isf((1 - level) / 2, m - 1)))
    if np.ptp(tops - value * bottoms) < 1e-12:
        return Estimate(value, value, value, n, unit, "all units equal", level, clustered, share=share)

    def quotient(top: Array, bottom: Array, axis: int = -1) -> Array:
        return np.asarray(top.sum(axis=axis) / bottom.sum(axis=axis))

    for method in ("BCa", "percentile"):  # BCa has no answer where nearly all resamples are equal
        rng = np.random.default_rng(derive(seed, "ratio", n))
        with (
            warnings.catch_warnings(action="ignore", category=sps.DegenerateDataWarning),
            np.errstate(divide="ignore", invalid="ignore"),
        ):
            found = sps.bootstrap(
                (tops, bottoms),
                quotient,
                paired=True,
                vectorized=True,
                batch=200,
                n_resamples=RESAMPLES,
                confidence_level=wide,
                method=method,
                rng=rng,
            ).confidence_interval
        if math.isfinite(found.low) and math.isfinite(found.high):
            return Estimate(
                value,
                float(found.low),
                float(found.high),
                n,
                unit,
                f"{method} bootstrap over units, widened for few",
                level,
                clustered,
                share=share,
            )
    return None


def mean(
    values: Sequence[float],
    units: Sequence[str],
    *,
    seed: int = 0,
    unit: str = "",
    share: bool = False,
    level: float = 0.95,
) -> Estimate | None:
    """Return the mean with its BCa bootstrap interval, whole units resampled; None of fewer than two units."""
    return ratio(values, [1.0] * len(values), units, seed=seed, unit=unit, share=share, level=level)


def ratio_p(above: Sequence[float], below: Sequence[float], units: Sequence[str], against: float) -> float:
    """Return the two-sided p-value of sum(above) / sum(below) against a value: a t test over units of above - against *
    below.
    """
    return mean_p([top - against * bottom for top, bottom in zip(above, below, strict=True)], units, 0.0)


def mean_p(values: Sequence[float], units: Sequence[str], against: float) -> float:
    """Return the two-sided p-value of a mean against a value: a t test over units, weighted by their size."""
    sums, counts = totals(values, units)
    m, n = len(counts), float(counts.sum())
    if m < 2:
        return 1.0
    value = sums.sum() / n
    spread = math.sqrt(m / (m - 1) * float(((sums - value * counts) ** 2).sum())) / n
    if spread == 0:
        return 1.0 if value == against else 0.0
    return float(2 * sps.t.sf(abs(value - against) / spread, m - 1))


def bootstrap_p(draws: Array, against: float) -> float:
    """Return the two-sided p-value of a bootstrap distribution (b,) against a value."""
    return float(min(1.0, 2 * (1 + min((draws <= against).sum(), (draws >= against).sum())) / (1 + len(draws))))


def decide(estimate: Estimate | None, tolerance: float, *, worse: str = "above") -> Verdict:
    """Return the verdict of an estimate, on its whole interval, never on the point.

    `worse` says on which side of the tolerance the defect lies: 'above' or 'below'.
    """
    if estimate is None:
        return "not_measured"
    low, high, bound = (
        (estimate.low, estimate.high, tolerance) if worse == "above" else (-estimate.high, -estimate.low, -tolerance)
    )
    if low > bound:
        return "fail"
    return "pass" if high <= bound else "inconclusive"


def needed_n(estimate: Estimate, tolerance: float) -> int | None:
    """Return about how many samples would decide if the estimate stays where it is; None where it lies on the
    tolerance.

    The interval shrinks with the square root of the number of samples.
    """
    gap = abs(estimate.value - tolerance)
    half = estimate.high - estimate.value if estimate.value < tolerance else estimate.value - estimate.low
    if gap < 1e-9 or not math.isfinite(half):
        return None
    wanted = math.ceil(estimate.n * (half / gap) ** 2 - 1e-6)  # what rounding adds is not a sample
    return wanted if wanted <= 1_000_000 else None


def holm(p_values: Sequence[float], alpha: float = 0.05) -> list[bool]:
    """Return which claims hold after Holm's correction (1979) over all of them."""
    return (
        [bool(kept) for kept in multipletests(list(p_values), alpha=alpha, method="holm")[0]] if len(p_values) else []
    )


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values of Benjamini and Hochberg (1995): claims below q are false in a share of at most q,
    on average.
    """
    return [float(q) for q in multipletests(list(p_values), method="fdr_bh")[1]] if len(p_values) else []
