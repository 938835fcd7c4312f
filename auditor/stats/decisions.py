"""Verdicts from intervals, and claims corrected for being several."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import false_discovery_control

from auditor.core.records import Estimate, Verdict


def decide(estimate: Estimate | None, tolerance: float, *, worse: str = "above") -> Verdict:
    """Return the verdict of an estimate, on its whole interval, never on the point.

    `worse` says on which side of the tolerance the defect lies: 'above', 'below', or 'either', where what counts is how
    far the estimate lies from zero, in whichever direction.
    """
    if estimate is None:
        return "not_measured"
    if worse == "either":
        beyond = estimate.low > tolerance or estimate.high < -tolerance
        within = -tolerance <= estimate.low and estimate.high <= tolerance
        return "fail" if beyond else "pass" if within else "inconclusive"
    low, high, bound = (
        (estimate.low, estimate.high, tolerance) if worse == "above" else (-estimate.high, -estimate.low, -tolerance)
    )
    if low > bound:
        return "fail"
    return "pass" if high <= bound else "inconclusive"


def needed_n(estimate: Estimate, tolerance: float, *, either: bool = False) -> int | None:
    """Return about how many samples would decide if the estimate stays where it is; None where it lies on the
    tolerance.

    The interval shrinks with the square root of the number of samples. `either` is for an estimate with a sign, which
    is held against the tolerance on both sides of zero.
    """
    if not either:
        return _needed(estimate.n, (estimate.value, estimate.low, estimate.high), tolerance)
    ends = ((estimate.value, estimate.low, estimate.high), (-estimate.value, -estimate.high, -estimate.low))
    crossed = [_needed(estimate.n, one, tolerance) for one in ends if one[1] <= tolerance < one[2]]
    return None if None in crossed else max((n for n in crossed if n is not None), default=None)


def _needed(n: int, interval: tuple[float, float, float], tolerance: float) -> int | None:
    value, low, high = interval
    gap = abs(value - tolerance)
    half = high - value if value < tolerance else value - low
    if gap < 1e-9 or not math.isfinite(half):
        return None
    wanted = math.ceil(n * (half / gap) ** 2 - 1e-6)  # what rounding adds is not a sample
    return wanted if wanted <= 1_000_000 else None


def holm(p_values: Sequence[float], alpha: float = 0.05) -> list[bool]:
    """Return which claims hold after Holm's correction (1979) over all of them."""
    found = np.asarray(p_values, dtype=float)
    order = np.argsort(found, kind="stable")
    # statsmodels' own collects garbage at every call, which takes a third of a second beside a large model
    held = np.empty(len(found), dtype=np.bool_)
    held[order] = np.logical_and.accumulate(found[order] <= alpha / np.arange(len(found), 0, -1))
    return [bool(one) for one in held]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values of Benjamini and Hochberg (1995): claims below q are false in a share of at most q,
    on average.
    """
    return [float(q) for q in false_discovery_control(list(p_values))] if len(p_values) else []
