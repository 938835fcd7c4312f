"""Sizes of which some lie beyond a search: censored there, never infinite."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats as sps
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from auditor.core.records import Estimate
from auditor.stats.exchange import exchange_p
from auditor.stats.means import mean
from auditor.stats.shares import Array, effective_n, method_name, proportion, share_interval

Reach = float | Sequence[float]
"""How far the search went: for all samples, or for each (n,)."""
MOST_STEPS = 60
"""A curve has at most this many steps."""


def _seen(sizes: Sequence[float], reach: Reach) -> tuple[Array, NDArray[np.bool_], Array]:
    """Return what is known of each sample (n,): its size or how far was searched, whether it was found, and the reach.

    What was found beyond the reach counts as found, where it was found.
    """
    reaches = np.broadcast_to(np.asarray(reach, dtype=float), (len(sizes),))
    known = np.asarray(sizes, dtype=float)
    found = np.isfinite(known)
    return np.where(found, known, reaches), found, reaches


def flipped_curve(
    sizes: Sequence[float], reach: Reach, units: Sequence[str], *, unit: str = "share of samples", level: float = 0.95
) -> list[tuple[float, Estimate]]:
    """Return the share of samples flipped at or below each distinct size, smallest first, with pointwise intervals; at
    most 60 steps.

    `sizes` (n,) are infinite where nothing was found. Up to the smallest reach this is the share of flags; beyond it
    Kaplan and Meier's
    estimate (1958), with the interval of a share of as many samples as its variance between units is worth.
    """
    times, found, reaches = _seen(sizes, reach)
    steps = np.unique(times[found])
    picked = (
        steps[np.unique(np.linspace(0, len(steps) - 1, min(len(steps), MOST_STEPS)).round().astype(int))]
        if len(steps)
        else steps
    )
    whole = float(reaches.min(initial=math.inf, where=~found))
    curve = []
    for step in picked.tolist():
        one = (
            proportion((found & (times <= step)).astype(float).tolist(), units, unit=unit, level=level)
            if step <= whole
            else _kaplan_meier(times, found, units, step=step, unit=unit, level=level)
        )
        assert one is not None
        curve.append((step, one))
    return curve


def _kaplan_meier(
    times: Array, found: NDArray[np.bool_], units: Sequence[str], *, step: float, unit: str, level: float
) -> Estimate:
    """Return the share found at or below a size: Kaplan and Meier's, its variance from what each sample adds (Greenwood
    1926), summed by unit.
    """
    curve = SurvfuncRight(times, found.astype(int))
    at = curve.surv_times <= step
    left, risk, events = float(curve.surv_prob[at][-1]), curve.n_risk[at], curve.n_events[at]
    n, (_, owner) = len(times), np.unique(np.asarray(units), return_inverse=True)
    m = int(owner.max()) + 1
    worth = float(m)
    if left > 0:
        hazard = np.concatenate([[0.0], np.cumsum(events / (risk * (risk - events)))])
        past = np.searchsorted(curve.surv_times[at], np.minimum(times, step), side="right")
        pull = hazard[past]
        hit = found & (times <= step)
        pull[hit] -= 1 / (risk - events)[past[hit] - 1]
        spread = float((np.bincount(owner, weights=left * pull) ** 2).sum())
        worth = _worth(left, spread, curve, at=at, n=n, m=m)
    share = 1 - left
    low, high = share_interval(share, worth, level)
    return Estimate(
        share,
        low,
        high,
        n,
        unit,
        method_name("Kaplan-Meier, Wilson and mid-P", m < n),
        level,
        m if m < n else None,
        share=True,
    )


def _worth(left: float, spread: float, curve: SurvfuncRight, *, at: NDArray[np.bool_], n: int, m: int) -> float:
    """Return how many uncensored samples a Kaplan-Meier estimate is worth: as in `effective_n` where units share
    samples.
    """
    plain = float(curve.surv_prob_se[at][-1]) ** 2
    worth = left * (1 - left) / plain
    if m == n or m < 2:
        return worth if m == n else 1.0
    shrink = (sps.norm.ppf(0.975) / sps.t.ppf(0.975, m - 1)) ** 2
    return float(min(worth, worth * plain / max(m / (m - 1) * spread, plain) * shrink))


def median(values: Sequence[float], units: Sequence[str], *, unit: str = "", level: float = 0.95) -> Estimate | None:
    """Return the smallest value that half of all do not exceed, with its interval by order statistics, on the effective
    number of samples.

    Infinite values stand for what lies beyond a search; None where the median or an end of its interval does, or of too
    few values.
    """
    n, ordered = len(values), np.sort(np.asarray(values, dtype=float))
    if not n:
        return None
    value = float(ordered[(n - 1) // 2])
    # two units that disagree are worth less than one sample
    worth = max(1, int(effective_n([float(one <= value) for one in values], units)))
    rank = int(sps.binom.ppf((1 - level) / 2, worth, 0.5))
    place = rank * n // worth - 1
    low, high = (float(ordered[place]), float(ordered[n - 1 - place])) if rank else (math.nan, math.nan)
    if not all(map(math.isfinite, (low, value, high))):
        return None
    clustered = len(set(units)) < n
    return Estimate(
        value,
        low,
        high,
        n,
        unit,
        method_name("order statistics", clustered),
        level,
        len(set(units)) if clustered else None,
        share=False,
    )


def restricted_mean(
    sizes: Sequence[float], reach: Reach, units: Sequence[str], *, seed: int = 0, unit: str = "", level: float = 0.95
) -> Estimate | None:
    """Return the mean size, what lies beyond the smallest reach counted as that reach, with its BCa interval by whole
    units; None of too few units.

    It is the area above the curve of `flipped_curve` up to there (Royston and Parmar 2013): every sample was searched
    that far, so nothing is censored.
    """
    if not len(sizes):
        return None
    _, found, reaches = _seen(sizes, reach)
    limit = float(reaches.min())
    return mean([min(size, limit) for size in sizes], units, seed=seed, unit=unit, level=level)


def log_rank_p(
    sizes: Sequence[float],
    reach: Reach,
    values: Sequence[str],
    y: Sequence[int],
    units: Sequence[str],
    *,
    seed: int,
    draws: int = 2000,
) -> float | None:
    """Return the p-value that the sizes of all groups (n,) are alike within each class: the stratified log-rank test
    (Mantel 1966).

    Where units share samples, whole units exchange their groups instead, and the statistic is the sum over groups of
    the squared sum of log-rank scores by the number of samples (Peto and Peto 1972). What is unknown, '', stays out.
    None with fewer than two groups, or where nothing was found or nobody could be compared.
    """
    known = np.array([bool(value) for value in values], dtype=bool)
    times, found, _ = _seen(sizes, reach)
    group, label, owner = (np.asarray(one)[known] for one in (values, y, units))
    times, found = times[known], found[known]
    if len(set(group.tolist())) < 2 or not found.any():
        return None
    scores = np.zeros(len(times))
    for one in np.unique(label):
        scores[label == one] = _scores(times[label == one], found[label == one])
    if not scores.any():
        return None
    if len(set(owner.tolist())) == len(owner):
        return _chi_square(times, found.astype(int), group, label=label)
    return exchange_p(
        np.stack([scores, np.ones(len(times))], 1),
        group.tolist(),
        label.tolist(),
        units=owner.tolist(),
        statistic=lambda sums: (sums[..., 0] ** 2 / sums[..., 1]).sum(-1),
        seed=seed,
        draws=draws,
    )


def _chi_square(
    times: Array, status: NDArray[np.int64], group: NDArray[np.str_], *, label: NDArray[np.int64]
) -> float | None:
    try:
        p = float(survdiff(times, status, group, strata=label)[1])
    except np.linalg.LinAlgError:  # a group that no class compares with another
        return None
    return p if math.isfinite(p) else None


def _scores(times: Array, found: NDArray[np.bool_]) -> Array:
    """Return each sample's log-rank score (n,): found or not, less the hazard up to its size (Nelson 1972)."""
    curve = SurvfuncRight(times, found.astype(int))
    hazard = np.concatenate([[0.0], np.cumsum(curve.n_events / curve.n_risk)])
    return np.asarray(found - hazard[np.searchsorted(curve.surv_times, times, side="right")])
