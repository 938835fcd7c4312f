"""Intervals and tests, thin and seeded, over scipy and statsmodels; samples that share a unit never count as independent."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats as sps
from scipy.optimize import brentq
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from auditor.records import Estimate, Verdict
from auditor.seeds import derive

Array = NDArray[np.float64]
Strata = Mapping[str, tuple[Sequence[float], Sequence[str]]]
RESAMPLES = 2000


def totals(values: Sequence[float], units: Sequence[str]) -> tuple[Array, Array]:
    """Return the sum and the count of values in each unit (m,), units in sorted order."""
    _, where = np.unique(np.asarray(units), return_inverse=True)
    numbers = np.asarray(values, dtype=float)
    return np.bincount(where, weights=numbers).astype(float), np.bincount(where).astype(float)


def effective_n(flags: Sequence[float], units: Sequence[str]) -> float:
    """Return how many independent samples n clustered 0/1 flags are worth, at most n.

    The variance between units gives the design effect, with the t quantile of the number of units (Korn and Graubard
    1998, Survey Methodology 24). Where all flags agree the variance says nothing, and each unit counts once.
    """
    sums, counts = totals(flags, units)
    n, m = float(counts.sum()), len(counts)
    if m == n:
        return n
    share = sums.sum() / n
    if m < 2 or share in (0.0, 1.0):
        return float(m)
    between = m / (m - 1) * float(((sums - share * counts) ** 2).sum()) / n**2
    simple = share * (1 - share) / n
    shrink = (sps.norm.ppf(0.975) / sps.t.ppf(0.975, m - 1)) ** 2
    return float(min(n, n * simple / max(between, simple) * shrink))


def proportion(flags: Sequence[float], units: Sequence[str] | None = None, *, unit: str = "share of samples", level: float = 0.95) -> Estimate | None:
    """Return the share of true flags with its Wilson interval (Wilson 1927), on the effective number of samples; None of no flags.

    >>> found = proportion([1.0] * 9 + [0.0])
    >>> round(found.low, 3), round(found.high, 3)
    (0.596, 0.982)
    """
    n = len(flags)
    if not n:
        return None
    names = list(units) if units is not None else [str(row) for row in range(n)]
    worth, share = effective_n(flags, names), float(np.mean(flags))
    low, high = wilson(share, worth, level)
    clustered = len(set(names)) < n
    method = "Wilson, effective sample size by unit" if clustered else "Wilson"
    return Estimate(share, low, high, n, unit, method, level, len(set(names)) if clustered else None)


def wilson(share: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval (1927) of a share seen in n independent samples; n need not be whole."""
    low, high = proportion_confint(share * n, n, alpha=1 - level, method="wilson")
    return max(0.0, min(share, float(low))), min(1.0, max(share, float(high)))


def proportion_p(flags: Sequence[float], units: Sequence[str], against: float) -> float:
    """Return the two-sided p-value of a share against a value: the score test that the Wilson interval inverts."""
    worth, share = effective_n(flags, units), float(np.mean(flags))
    spread = math.sqrt(against * (1 - against) / worth)
    if spread == 0:
        return 1.0 if share == against else 0.0
    return float(2 * sps.norm.sf(abs(share - against) / spread))


def difference(a: Sequence[float], b: Sequence[float], units_a: Sequence[str], units_b: Sequence[str], *, level: float = 0.95) -> Estimate:
    """Return the difference of two shares, a less b, with Newcombe's interval (1998, method 10) on effective numbers."""
    share_a, share_b = float(np.mean(a)), float(np.mean(b))
    low, high = _newcombe(share_a, effective_n(a, units_a), share_b, effective_n(b, units_b), level)
    units = len(set(units_a)) + len(set(units_b))
    n = len(a) + len(b)
    return Estimate(share_a - share_b, low, high, n, "difference of shares", "Newcombe, effective sample size by unit", level, units if units < n else None)


def _newcombe(share_a: float, n_a: float, share_b: float, n_b: float, level: float) -> tuple[float, float]:
    low, high = confint_proportions_2indep(share_a * n_a, n_a, share_b * n_b, n_b, method="newcomb", compare="diff", alpha=1 - level)
    return float(low), float(high)


def paired_difference(a: Sequence[float], b: Sequence[float], units: Sequence[str], *, level: float = 0.95) -> Estimate | None:
    """Return the difference of two shares of the same samples, a less b, with Newcombe's interval for pairs; None of no samples.

    Newcombe 1998 (Statistics in Medicine 17, 2635-2650, method 10): Wilson's intervals of both shares, less what their correlation takes
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
    down, up = (one.value - one.low, two.high - two.value), (one.high - one.value, two.value - two.low)
    low, high = (math.sqrt(max(0.0, x**2 - 2 * bound * x * y + y**2)) for x, y in (down, up))
    value = one.value - two.value
    method = "Newcombe for pairs" + (", effective sample size by unit" if one.units else "")
    return Estimate(value, max(-1.0, value - low), min(1.0, value + high), one.n, "difference of shares", method, level, one.units)


def paired_p(a: Sequence[float], b: Sequence[float], units: Sequence[str]) -> float:
    """Return the exact two-sided p-value that two flags of the same samples are equally frequent.

    McNemar's exact test (1947) where each sample is a unit of its own. Else units are turned over whole: the sum of their differences
    against its distribution when each could as well have the other sign (Fisher's randomisation), counted without simulation.

    >>> round(paired_p([1.0] * 12 + [0.0] * 2, [0.0] * 12 + [1.0] * 2, [str(row) for row in range(14)]), 4)
    0.0129
    """
    nets = np.rint(totals([one - two for one, two in zip(a, b, strict=True)], units)[0]).astype(int)
    chance = np.ones(1)
    for step in np.abs(nets[nets != 0]).tolist():
        chance = (np.pad(chance, (0, 2 * step)) + np.pad(chance, (2 * step, 0))) / 2
    sums = np.arange(len(chance)) - (len(chance) - 1) // 2
    return min(1.0, float(chance[np.abs(sums) >= abs(int(nets.sum()))].sum()))


def median(values: Sequence[float], units: Sequence[str], *, unit: str = "", level: float = 0.95) -> Estimate | None:
    """Return the smallest value that half of all do not exceed, with its interval by order statistics, on the effective number of samples.

    Infinite values stand for what lies beyond a search; None where the median or an end of its interval does, or of too few values.
    """
    n, ordered = len(values), np.sort(np.asarray(values, dtype=float))
    if not n:
        return None
    value = float(ordered[(n - 1) // 2])
    worth = int(effective_n([float(one <= value) for one in values], units))
    rank = int(sps.binom.ppf((1 - level) / 2, worth, 0.5))
    place = rank * n // worth - 1
    low, high = (float(ordered[place]), float(ordered[n - 1 - place])) if rank else (math.nan, math.nan)
    if not all(map(math.isfinite, (low, value, high))):
        return None
    clustered = len(set(units)) < n
    method = "order statistics" + (", effective sample size by unit" if clustered else "")
    return Estimate(value, low, high, n, unit, method, level, len(set(units)) if clustered else None)


def ratio(above: Sequence[float], below: Sequence[float], units: Sequence[str], *, seed: int = 0, unit: str = "", level: float = 0.95) -> Estimate | None:
    """Return sum(above) / sum(below) with its BCa bootstrap interval (Efron 1987), whole units resampled; None of too few units."""
    n = len(above)
    (tops, _), (bottoms, _) = totals(above, units), totals(below, units)
    m = len(tops)
    if m < 2 or not bottoms.sum():
        return None
    value, clustered = float(tops.sum() / bottoms.sum()), m if m < n else None
    if np.ptp(tops - value * bottoms) < 1e-12:
        return Estimate(value, value, value, n, unit, "all units equal", level, clustered)

    def quotient(top: Array, bottom: Array, axis: int = -1) -> Array:
        return np.asarray(top.sum(axis=axis) / bottom.sum(axis=axis))

    for method in ("BCa", "percentile"):  # BCa has no answer where nearly all resamples are equal
        rng = np.random.default_rng(derive(seed, "ratio", n))
        with warnings.catch_warnings(action="ignore", category=sps.DegenerateDataWarning), np.errstate(divide="ignore", invalid="ignore"):
            found = sps.bootstrap(
                (tops, bottoms), quotient, paired=True, vectorized=True, batch=200, n_resamples=RESAMPLES, confidence_level=level, method=method, rng=rng
            ).confidence_interval
        if math.isfinite(found.low) and math.isfinite(found.high):
            return Estimate(value, float(found.low), float(found.high), n, unit, f"{method} bootstrap over units", level, clustered)
    return None


def mean(values: Sequence[float], units: Sequence[str], *, seed: int = 0, unit: str = "", level: float = 0.95) -> Estimate | None:
    """Return the mean with its BCa bootstrap interval, whole units resampled; None of fewer than two units."""
    return ratio(values, [1.0] * len(values), units, seed=seed, unit=unit, level=level)


def ratio_p(above: Sequence[float], below: Sequence[float], units: Sequence[str], against: float) -> float:
    """Return the two-sided p-value of sum(above) / sum(below) against a value: a t test over units of above - against * below."""
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


def stratified_difference(a: Strata, b: Strata, *, level: float = 0.95) -> tuple[float, float, float] | None:
    """Return the difference of two shares with its interval, standardised to the same mix of strata; None without a common stratum.

    Strata map a name to (flags, units). Each stratum weighs as much as it has samples in both groups together; Newcombe's
    intervals of the strata are combined by the method of variance estimates recovery (Zou and Donner 2008), and widened where
    one unit has samples in several strata.
    """
    common = sorted(set(a) & set(b))
    weight = {name: float(len(a[name][0]) + len(b[name][0])) for name in common}
    total = sum(weight.values())
    if not total:
        return None
    value, down, up = 0.0, 0.0, 0.0
    for name in common:
        part = difference(a[name][0], b[name][0], a[name][1], b[name][1], level=level)
        share = weight[name] / total
        value += share * part.value
        down += (share * (part.value - part.low)) ** 2
        up += (share * (part.high - part.value)) ** 2
    shared = _sharing(a, b, {name: weight[name] / total for name in common})
    return value, max(-1.0, value - math.sqrt(shared * down)), min(1.0, value + math.sqrt(shared * up))


def _sharing(a: Strata, b: Strata, weight: Mapping[str, float]) -> float:
    """Return by how much the variance grows because units take part in several strata or in both groups; at least 1."""
    pulls: dict[str, list[float]] = {}
    for group, sign in ((a, 1.0), (b, -1.0)):
        for name, share in weight.items():
            flags, units = group[name]
            sums, counts = totals(flags, units)
            pull = sign * share * (sums - sums.sum() / counts.sum() * counts) / counts.sum()
            for unit, one in zip(sorted(set(units)), pull.tolist(), strict=True):
                pulls.setdefault(unit, []).append(one)
    apart, together = sum(one**2 for parts in pulls.values() for one in parts), sum(sum(parts) ** 2 for parts in pulls.values())
    return max(1.0, together / apart) if apart > 0 else sum(map(len, pulls.values())) / len(pulls)


def stratified_difference_p(a: Strata, b: Strata, against: float) -> float:
    """Return the two-sided p-value of a standardised difference against a value, by inverting its interval."""

    def reach(alpha: float) -> float:
        found = stratified_difference(a, b, level=1 - alpha)
        assert found is not None
        value, low, high = found
        return against - low if value >= against else high - against

    if reach(1e-12) <= 0:
        return 1e-12
    return 1.0 if reach(1 - 1e-9) >= 0 else float(brentq(reach, 1e-12, 1 - 1e-9))


def bootstrap_p(draws: Array, against: float) -> float:
    """Return the two-sided p-value of a bootstrap distribution (b,) against a value."""
    return float(min(1.0, 2 * (1 + min((draws <= against).sum(), (draws >= against).sum())) / (1 + len(draws))))


def decide(estimate: Estimate | None, tolerance: float, *, worse: str = "above") -> Verdict:
    """Return the verdict of an estimate, on its whole interval, never on the point.

    `worse` says on which side of the tolerance the defect lies: 'above' or 'below'.
    """
    if estimate is None:
        return "not_measured"
    low, high, bound = (estimate.low, estimate.high, tolerance) if worse == "above" else (-estimate.high, -estimate.low, -tolerance)
    if low > bound:
        return "fail"
    return "pass" if high <= bound else "inconclusive"


def needed_n(estimate: Estimate, tolerance: float) -> int | None:
    """Return about how many samples would decide if the estimate stays where it is; None where it lies on the tolerance.

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
    return [bool(kept) for kept in multipletests(list(p_values), alpha=alpha, method="holm")[0]] if len(p_values) else []
