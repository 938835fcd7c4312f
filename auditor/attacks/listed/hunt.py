"""The search of one row: what was shown to the classifier, and the cheapest flip so far. A search is a generator that
asks for rows and is sent scores.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.threats.listed import Booleans, Integers, ListedThreat, Numbers, Space

RowSearch = Generator[Numbers, Numbers, None]
"""Yields rows (k, columns), is sent their scores (k, classes)."""
_Asked = Generator[Numbers, Numbers, Numbers]
Name = int | bytes
PIECE = 1024
"""Most rows that one search asks for at once."""
ENDLESS = 1e6
"""Stands for a margin without end."""
_TIE = 1e-9
"""Costs this much apart, in their own size, are the same."""


@dataclass(frozen=True)
class Aim:
    """What counts as a flip: any class but the decision, or the target where there is one."""

    decision: int
    target: int | None

    def reached(self, scores: Numbers) -> Booleans:
        """Return which rows (n,) of scores (n, classes) flip."""
        found: Booleans = scores.argmax(1) != self.decision if self.target is None else scores.argmax(1) == self.target
        return found

    def margin(self, scores: Numbers) -> Numbers:
        """Return how far each row (n,) is from a flip; negative beyond it."""
        own = self.decision if self.target is None else self.target
        others = np.delete(scores, own, axis=1).max(1)
        lead = scores[:, own] - others if self.target is None else others - scores[:, own]
        return np.asarray(np.nan_to_num(lead, nan=ENDLESS, posinf=ENDLESS, neginf=-ENDLESS), dtype=np.float64)


class Hunt:
    """The state of one row's search over combinations (k, blocks): which joint value each block takes."""

    def __init__(self, threat: ListedThreat, row: int, space: Space, *, aim: Aim, scored: bool) -> None:
        self.threat, self.row, self.aim, self.scored = threat, row, aim, scored
        self.ceiling = space.epsilon * (1 + _TIE) + _TIE
        """Only what costs less is of interest."""
        self.best: Numbers | None = None
        self.cost = float("inf")
        self.exact = False
        """Whether nothing cheaper flips, or nothing at all."""
        self.closest, self.least = space.x, float("inf")
        self.enter(space)

    def enter(self, space: Space) -> None:
        """Go on in another space of the same row."""
        self.space = space
        self.sizes = np.array([len(block) for block in space.blocks], dtype=np.int64)
        self.costs, self.counts = [block.cost for block in space.blocks], [block.changes for block in space.blocks]
        self._seen: dict[Name, float] = {}
        radix = np.cumprod(np.append(1.0, self.sizes))
        self._radix = radix[:-1].astype(np.int64) if radix[-1] < 2**62 else None

    @property
    def own(self) -> Integers:
        """Return the combination (1, blocks) that leaves everything as it is."""
        return np.zeros((1, len(self.sizes)), np.int64)

    def priced(self, combos: Integers) -> tuple[Numbers, Integers]:
        """Return the cost (k,) and number of written columns (k,) of combinations."""
        cost, changes = np.zeros(len(combos)), np.zeros(len(combos), np.int64)
        for place, (costs, counts) in enumerate(zip(self.costs, self.counts, strict=True)):
            cost += costs[combos[:, place]]
            changes += counts[combos[:, place]]
        return cost, changes

    def rows(self, combos: Integers) -> Numbers:
        """Return the rows (k, columns) that combinations stand for."""
        found = np.repeat(self.space.x[None], len(combos), axis=0)
        for place, block in enumerate(self.space.blocks):
            found[:, block.columns] = block.values[combos[:, place]]
        return found

    def fresh(self, combos: Integers) -> Integers:
        """Return the places of the combinations that are cheap enough and were not shown yet, each once."""
        cost, changes = self.priced(combos)
        places = np.nonzero((cost < self.ceiling) & (changes <= self.space.most))[0]
        found: dict[Name, int] = {}
        for place, name in zip(places.tolist(), self.keys(combos[places]), strict=True):
            if name not in self._seen:
                found.setdefault(name, place)
        return np.array(list(found.values()), dtype=np.int64)

    def keys(self, combos: Integers) -> Sequence[Name]:
        """Return a name of each combination."""
        if self._radix is not None:
            names: list[Name] = (combos @ self._radix).tolist()
            return names
        return [one.tobytes() for one in np.ascontiguousarray(combos, dtype=np.int32)]

    def shown(self, combos: Integers) -> _Asked:
        """Return the margins (k,) of combinations, those that are fresh shown to the classifier; not a number where
        they are not worth showing.
        """
        combos = np.asarray(combos, dtype=np.int64)
        wanted = combos[self.fresh(combos)]
        for start in range(0, len(wanted), PIECE):
            yield from self._asked(wanted[start : start + PIECE])
        return np.array([self._seen.get(key, np.nan) for key in self.keys(combos)])

    def known(self, combos: Integers) -> _Asked:
        """Return the margins (k,) of combinations whatever they cost."""
        ceiling, self.ceiling = self.ceiling, float("inf")
        margins = yield from self.shown(combos)
        self.ceiling = min(ceiling, self.ceiling)
        return margins

    def _asked(self, combos: Integers) -> RowSearch:
        rows, (cost, changes) = self.rows(combos), self.priced(combos)
        names = self.keys(combos)
        if self.space.loose:
            rows, good, cost, changes = self.threat.mended(rows, self.space.x, self.row)
            good &= (cost < self.ceiling) & (changes <= self.space.most)
            self._seen.update((name, np.nan) for name in names)
            rows, cost, names = rows[good], cost[good], [name for name, one in zip(names, good, strict=True) if one]
        if not len(rows):
            return
        scores = yield rows
        margin = self.aim.margin(scores)
        self._seen.update(zip(names, margin.tolist(), strict=True))
        self.met(rows, cost, margin, self.aim.reached(scores))

    def met(self, rows: Numbers, cost: Numbers, margin: Numbers, hit: Booleans) -> None:
        """Take in what the classifier said of some rows."""
        nearest = int(margin.argmin())
        if margin[nearest] < self.least:
            self.closest, self.least = rows[nearest], float(margin[nearest])
        hits = np.nonzero(hit & (cost < min(self.ceiling, self.cost)))[0]
        if len(hits):
            first = hits[np.lexsort((margin[hits], cost[hits]))[0]]
            self.best, self.cost = rows[first], float(cost[first])
            self.ceiling = self.cost - _TIE * max(1.0, self.cost)

    @property
    def done(self) -> bool:
        """Return whether nothing can be cheaper."""
        return self.ceiling <= 0 or not len(self.sizes)
