"""Means and ratios of sums over whole units: their bootstrap intervals and tests."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
from scipy import stats as sps

from auditor.core.records import Estimate
from auditor.core.seeds import derive
from auditor.stats.shares import Array, totals

RESAMPLES = 2000


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

    for method in ("BCa", "percentile"):  # BCa has no answer where nearly all resamples are equal
        low, high = _resampled(tops, bottoms, method, level=wide, seed=derive(seed, "ratio", n))
        if math.isfinite(low) and math.isfinite(high):
            named = f"{method} bootstrap over units, widened for few"
            return Estimate(value, low, high, n, unit, named, level, clustered, share=share)
    return None


def _resampled(tops: Array, bottoms: Array, method: str, *, level: float, seed: int) -> tuple[float, float]:
    """Return the bootstrap interval of sum(tops) / sum(bottoms), the sums of whole units (m,)."""

    def quotient(top: Array, bottom: Array, axis: int = -1) -> Array:
        return np.asarray(top.sum(axis=axis) / bottom.sum(axis=axis))

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
            confidence_level=level,
            method=method,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return float(found.low), float(found.high)


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


def ratio_p(above: Sequence[float], below: Sequence[float], units: Sequence[str], *, against: float) -> float:
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
