"""Moves of one row's search: single blocks, combinations that single changes promise, a beam, and the polish of what
was found.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import numpy as np

from auditor.attacks.listed.hunt import Hunt, Name, RowSearch
from auditor.threats.listed import Integers, Numbers, Space

BINS, DEPTH = 32, 8
"""Combinations under way are kept by cost, in that many bins, each with that many of the largest gains."""
PROMISED = 48
"""Combinations shown per round."""
FAN = 96
"""Children shown per round of the beam, times its width."""


def singles(hunt: Hunt, anchor: Integers) -> Integers:
    """Return the combinations (k, blocks) that differ from an anchor (blocks,) in one block, block after block, its own
    value first.
    """
    parts = []
    for place, size in enumerate(hunt.sizes):
        part = np.repeat(anchor[None], size, axis=0)
        part[:, place] = np.arange(size)
        parts.append(part)
    return np.concatenate(parts) if parts else hunt.own


def measured(hunt: Hunt, anchor: Integers) -> Generator[Numbers, Numbers, list[Numbers]]:
    """Return how far each block's values (size,) alone lower the margin at an anchor; not a number where that was not
    worth showing.
    """
    base = yield from hunt.shown(anchor[None])
    margins = yield from hunt.shown(singles(hunt, anchor))
    parts = np.split(margins, np.cumsum(hunt.sizes)[:-1]) if len(hunt.sizes) else []
    return [base[0] - part for part in parts]


def promised(hunt: Hunt, gains: Sequence[Numbers], need: float, *, count: int) -> Integers:
    """Return combinations (k, blocks) worth showing if gains (size,) of the blocks add up: cheapest that reach `need`
    first, then the largest gains.

    Combinations are built block after block; where they are too many, those are kept that gain most at about the same
    cost.
    """
    combos, cost, gain, changes = np.zeros((1, 0), np.int64), np.zeros(1), np.zeros(1), np.zeros(1, np.int64)
    for place, given in enumerate(gains):
        useful = np.nonzero(~np.isnan(given))[0]
        which, choice = np.divmod(np.arange(len(cost) * len(useful)), max(1, len(useful)))
        choice = useful[choice]
        total, number = cost[which] + hunt.costs[place][choice], changes[which] + hunt.counts[place][choice]
        kept = (total < hunt.ceiling) & (number <= hunt.space.most)
        which, choice = which[kept], choice[kept]
        cost, changes, gain = total[kept], number[kept], gain[which] + given[choice]
        combos = np.column_stack([combos[which], choice])
        few = _thinned(cost, gain)
        combos, cost, changes, gain = combos[few], cost[few], changes[few], gain[few]
    return combos[_chosen(cost, gain, need, count=count)]


def _thinned(cost: Numbers, gain: Numbers) -> Integers:
    """Return the places of at most BINS x DEPTH entries that gain most among those of about their cost."""
    if len(cost) <= BINS * DEPTH:
        return np.arange(len(cost))
    order = np.argsort(cost, kind="stable")
    bins = np.empty(len(cost), np.int64)
    bins[order] = np.arange(len(cost)) * BINS // len(cost)
    ranked = np.lexsort((cost, -gain, bins))
    first = np.searchsorted(bins[ranked], np.arange(BINS))
    return np.sort(ranked[np.arange(len(cost)) - first[bins[ranked]] < DEPTH])


def _chosen(cost: Numbers, gain: Numbers, need: float, *, count: int) -> Integers:
    """Return the places to show: the cheapest that reach the need, the largest gains, and the largest
    gains per cost.
    """
    reach = np.nonzero(gain >= need)[0]
    cheap = reach[np.lexsort((-gain[reach], cost[reach]))][: count // 2]
    large = np.lexsort((cost, -gain))[: count // 4]
    steep = np.argsort(-gain / np.maximum(cost, 1e-9), kind="stable")[: count // 4]
    return np.unique(np.concatenate([cheap, large, steep]))


def beam(hunt: Hunt, gains: Sequence[Numbers], width: int) -> RowSearch:
    """Replace whole blocks, one after the other, from the best combinations so far: `width` by margin and as many by
    gain per cost.

    Of all children those are shown that their parent's margin and the gains of single changes promise most.
    """
    base = float((yield from hunt.shown(hunt.own))[0])
    front, margins = singles(hunt, hunt.own[0]), base - np.concatenate(gains)
    front, margins = front[~np.isnan(margins)], margins[~np.isnan(margins)]
    expanded: set[Name] = set()
    for _ in range(len(hunt.sizes)):
        parents = _parents(hunt, front, base - margins, width=width, expanded=expanded)
        if not len(parents):
            return
        children = np.concatenate([singles(hunt, one) for one in front[parents]])
        gain = np.repeat(base - margins[parents], int(hunt.sizes.sum()))
        worth = hunt.priced(children)[0] < hunt.ceiling
        children, gain, parent = (
            children[worth],
            gain[worth],
            np.repeat(front[parents], int(hunt.sizes.sum()), axis=0)[worth],
        )
        for place, given in enumerate(gains):
            gain += given[children[:, place]] - given[parent[:, place]]
        few = hunt.fresh(children)
        few = few[~np.isnan(gain[few])]
        few = few[_chosen(hunt.priced(children[few])[0], gain[few], base, count=FAN * width)]
        more = yield from hunt.shown(children[few])
        kept = ~np.isnan(more)
        front, margins = np.concatenate([front, children[few][kept]]), np.concatenate([margins, more[kept]])


def _parents(hunt: Hunt, front: Integers, gain: Numbers, *, width: int, expanded: set[Name]) -> Integers:
    """Return the places of the combinations to go on from, each once in a search."""
    cost, _ = hunt.priced(front)
    names = hunt.keys(front)
    alive = np.array(
        [place for place, name in enumerate(names) if name not in expanded and 0 < cost[place] < hunt.ceiling],
        dtype=np.int64,
    )
    large = alive[np.lexsort((cost[alive], -gain[alive]))][:width]
    steep = alive[np.argsort(-gain[alive] / np.maximum(cost[alive], 1e-9), kind="stable")][:width]
    chosen = np.unique(np.concatenate([large, steep]))
    expanded |= {names[place] for place in chosen}
    return chosen


def polish(hunt: Hunt, rounds: int, around: Callable[[Numbers], Space]) -> RowSearch:
    """Swap cheaper values in for those of the cheapest flip, several blocks at once where their gains add up, finer
    from round to round.

    Parameters
    ----------
    around
        function (row (columns,)) -> the space whose finest values lie around that row's; not asked where the space
        lists every value.
    """
    for _ in range(rounds):
        if hunt.best is None or hunt.done:
            return
        if not hunt.space.complete:
            hunt.enter(around(hunt.best))
        anchor, before = place_of(hunt, hunt.best), hunt.cost
        first = yield from measured(hunt, hunt.own[0])
        margin = -abs(float((yield from hunt.known(anchor[None]))[0]))
        near = yield from measured(hunt, anchor)
        gains = [
            np.where(np.isnan(here), there - there[at], here)
            for here, there, at in zip(near, first, anchor, strict=True)
        ]
        yield from hunt.shown(
            promised(hunt, gains, margin, count=PROMISED) if hunt.scored else block_pairs(hunt, anchor)
        )
        if hunt.cost == before:
            return


def place_of(hunt: Hunt, row: Numbers) -> Integers:
    """Return the combination (blocks,) that stands for a row, or for one near it where blocks do not hold its joint
    values.
    """
    found = [int((block.values != row[block.columns]).sum(1).argmin()) for block in hunt.space.blocks]
    return np.array(found, dtype=np.int64)


def block_pairs(hunt: Hunt, anchor: Integers) -> Integers:
    """Return combinations that differ from an anchor in two blocks and are cheaper than the best one, evenly over their
    costs.
    """
    one = singles(hunt, anchor)
    both = np.concatenate([singles(hunt, other) for other in one[hunt.priced(one)[0] < hunt.ceiling]] or [one])
    cost, _ = hunt.priced(both)
    order = np.argsort(cost, kind="stable")
    order = order[cost[order] < hunt.ceiling]
    return both[order[:: max(1, len(order) // (4 * PROMISED))]]


def random_combinations(hunt: Hunt, draws: Numbers) -> Integers:
    """Return random combinations (k, blocks) within the budget by uniform draws (k, 2 blocks): blocks in random order,
    each changed by an even chance.
    """
    count = len(hunt.sizes)
    combos, cost = np.zeros((len(draws), count), np.int64), np.zeros(len(draws))
    order = draws[:, :count].argsort(1)
    for turn in range(count):
        for place, costs in enumerate(hunt.costs):
            mine = np.nonzero((order[:, turn] == place) & (draws[:, count + turn] < 0.5))[0]
            fits = np.searchsorted(costs, hunt.ceiling - cost[mine])
            choice = (draws[mine, count + turn] * 2 * fits).astype(np.int64)
            combos[mine, place] = choice
            cost[mine] += costs[choice]
    return combos
