"""Two shares of the same samples, compared in pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from auditor.core.records import Estimate
from auditor.stats.shares import method_name, proportion, recovered, totals


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
