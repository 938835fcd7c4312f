"""Every combination below a cost, in order of cost: the first flip is the cheapest, and none at all is a proof."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auditor.attacks.listed.hunt import Hunt, RowSearch
from auditor.threats.listed import Integers, Numbers

FIRST = 64
"""Combinations of the first slice; each is twice as long as the last one, up to PIECE."""
_LONGEST = 1024


def combinations(
    costs: Sequence[Numbers], counts: Sequence[Integers], ceiling: float, *, most: int, cap: int
) -> Integers | None:
    """Return every combination (k, blocks) that costs less than the ceiling and writes at most `most` columns; None
    where there are more than cap.

    Costs and numbers of written columns are given per block, by rising cost after the row's own value.
    """
    total, changes, found = np.zeros(1), np.zeros(1, np.int64), np.zeros((1, 0), np.int64)
    for cost, count in zip(costs, counts, strict=True):
        fits = np.searchsorted(cost, ceiling - total)
        if fits.sum() > 16 * cap:
            return None
        which = np.repeat(np.arange(len(total)), fits)
        choice = np.arange(len(which)) - np.repeat(np.cumsum(fits) - fits, fits)
        total, changes = total[which] + cost[choice], changes[which] + count[choice]
        kept = (total < ceiling) & (changes <= most)
        if kept.sum() > cap:
            return None
        total, changes, found = total[kept], changes[kept], np.column_stack([found[which[kept]], choice[kept]])
    return found


def cheapest_first(hunt: Hunt, gains: Sequence[Numbers] | None, cap: int) -> RowSearch:
    """Show every combination that is cheaper than the ceiling, in order of cost and then of what single changes let
    expect, up to the first flip.

    Nothing is shown where there are more than cap. `hunt.exact` says whether the space leaves nothing out.
    """
    combos = combinations(hunt.costs, hunt.counts, hunt.ceiling, most=hunt.space.most, cap=cap)
    if combos is None:
        return
    cost, _ = hunt.priced(combos)
    expected = (
        np.zeros(len(combos))
        if gains is None
        else sum((gain[combos[:, place]] for place, gain in enumerate(gains)), np.zeros(len(combos)))
    )
    combos = combos[np.lexsort((-expected, np.round(cost, 9)))]
    start, size, before = 0, FIRST, hunt.cost
    while start < len(combos) and hunt.cost == before:
        yield from hunt.shown(combos[start : start + size])
        start, size = start + size, min(2 * size, _LONGEST)
    hunt.exact = hunt.space.complete
