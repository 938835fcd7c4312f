"""The cheapest flip of a classifier whose log odds are a sum of one function per column: read off by single changes,
solved, and shown to it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix

from auditor.attacks.listed.effects import Effects, block_effects, faithful
from auditor.attacks.listed.exact import combinations
from auditor.attacks.listed.hunt import Hunt, RowSearch
from auditor.threats.listed import Integers, JointValues, Numbers

LISTED = 20_000
"""Combinations that are listed in place of a call of the solver."""
_SLACK = 1e-6
"""Log odds this near to the boundary, in the size of the largest effect, are decided by the classifier alone."""
_DIGITS = 9


@dataclass(frozen=True, eq=False)
class _Found:
    """A solution: the joint value of each block, further strides of each column of it, and its cost; None where there
    is none.
    """

    picks: list[int]
    steps: list[Integers]
    cost: float


def linear(hunt: Hunt) -> Generator[Numbers, Numbers, bool]:
    """Find the cheapest flip of a linear classifier; return whether it is one, as far as it was seen."""
    aim, own = hunt.aim, hunt.own
    base = np.asarray((yield hunt.rows(own)))
    hunt.met(hunt.rows(own), np.zeros(1), aim.margin(base), aim.reached(base))
    if hunt.done:
        hunt.exact = hunt.space.complete or hunt.cost == 0
        return True
    effects: list[Effects] = []
    for block in hunt.space.blocks:
        effects.append((yield from block_effects(hunt.space.x, block, base[0])))
    size = max([1e-12, *(float(np.abs(one.moved - one.moved[:, :1]).max()) for one in effects)])
    if not (yield from faithful(hunt, effects, base[0], size=size)):
        return False
    for needs in _needs(hunt, base[0]):
        if not (yield from _solved(hunt, effects, needs, size=size)):
            return False
    hunt.exact = hunt.space.complete
    return True


def _needs(hunt: Hunt, base: Numbers) -> list[Numbers]:
    """Return what must be reached: alternatives, each as directions (r, classes) along which the log odds must be
    positive together.
    """
    unit, goal = np.eye(len(base)), hunt.aim.target
    if goal is not None:
        return [np.delete(unit[goal] - unit, goal, axis=0)]
    others = [other for other in np.argsort(-base, kind="stable") if other != hunt.aim.decision]
    return [(unit[other] - unit[hunt.aim.decision])[None] for other in others]


def _solved(
    hunt: Hunt, effects: Sequence[Effects], along: Numbers, *, size: float
) -> Generator[Numbers, Numbers, bool]:
    """Find the cheapest flip along some directions; return whether nothing cheaper is left."""
    base = np.asarray((yield hunt.rows(hunt.own)))[0] @ along.T
    if not any((one.block.extent > 0).any() for one in effects):
        combos = combinations(hunt.costs, hunt.counts, hunt.ceiling, most=hunt.space.most, cap=LISTED)
        if combos is not None:
            lead = base + sum(
                (one.moved[combos[:, place]] @ along.T for place, one in enumerate(effects)), np.zeros((1, len(along)))
            )
            yield from _listed(hunt, combos[(lead > -_SLACK * size).all(1)])
            return True
    loose = solve(hunt, effects, along, need=-base, slack=-_SLACK * size)
    if loose is None:
        return True
    yield from _checked(hunt, loose)
    if hunt.cost <= loose.cost + 1e-7 * max(1.0, loose.cost):
        return True
    firm = solve(hunt, effects, along, need=-base, slack=_SLACK * size)
    if firm is not None:
        yield from _checked(hunt, firm)
    return hunt.cost <= loose.cost + 1e-7 * max(1.0, loose.cost)


def _listed(hunt: Hunt, combos: Integers) -> RowSearch:
    """Show combinations that should flip in order of cost, up to the first that does."""
    cost, _ = hunt.priced(combos)
    combos, before = combos[np.argsort(cost, kind="stable")], hunt.cost
    for start in range(0, len(combos), 4):
        yield from hunt.shown(combos[start : start + 4])
        if hunt.cost < before:
            return


def _checked(hunt: Hunt, found: _Found) -> RowSearch:
    """Show a solution to the classifier."""
    row = hunt.space.x.copy()
    for block, pick, steps in zip(hunt.space.blocks, found.picks, found.steps, strict=True):
        row[block.columns] = np.where(
            steps > 0, np.round(block.values[pick] + block.stride[pick] * steps, _DIGITS), block.values[pick]
        )
    scores = yield row[None]
    hunt.met(row[None], np.array([found.cost]), hunt.aim.margin(scores), hunt.aim.reached(scores))


def solve(hunt: Hunt, effects: Sequence[Effects], along: Numbers, *, need: Numbers, slack: float) -> _Found | None:
    """Return the cheapest combination with effects of at least need + slack along every direction (r, classes), by an
    integer program; None: there is none.

    One binary per joint value of a block, and one count per cell of a column: how many values further than its first.
    """
    parts = [_Part.of(one, along) for one in effects]
    cost, gain = np.concatenate([part.cost for part in parts]), np.concatenate([part.gain for part in parts])
    scale = max(1e-300, float(np.abs(gain).max()))
    starts = np.cumsum([0, *(len(part.cost) for part in parts)])
    changes = np.concatenate([np.append(part.block.changes, np.zeros(len(part.cells))) for part in parts])
    rules, low, high = (
        [gain.T / scale, cost[None], changes[None]],
        [*((need + slack) / scale), -np.inf, -np.inf],
        [*[np.inf] * len(need), hunt.ceiling, hunt.space.most],
    )
    for part, start in zip(parts, starts, strict=False):
        rows, lows, highs = part.ties(start, len(cost))
        rules, low, high = [*rules, rows], [*low, *lows], [*high, *highs]
    most = np.concatenate([np.append(np.ones(len(part.block)), part.room) for part in parts])
    answer = milp(
        cost,
        integrality=np.ones(len(cost)),
        bounds=Bounds(np.zeros(len(cost)), most),
        constraints=LinearConstraint(csr_matrix(np.concatenate(rules)), np.array(low), np.array(high)),
        options={"mip_rel_gap": 0.0},
    )
    if answer.x is None:
        return None
    values = np.round(answer.x)
    found = [part.read(values[start : start + len(part.cost)]) for part, start in zip(parts, starts, strict=False)]
    return _Found([pick for pick, _ in found], [steps for _, steps in found], float(cost @ values))


@dataclass(frozen=True, eq=False)
class _Part:
    """One block in the program: its joint values, then its cells."""

    block: JointValues
    cells: list[tuple[int, Integers]]
    """Column and the joint values of each cell that holds several values."""
    cost: Numbers
    gain: Numbers
    """(variables, r)"""
    room: Numbers
    """Further values of each cell."""

    @classmethod
    def of(cls, one: Effects, along: Numbers) -> _Part:
        block, cells = one.block, []
        for place in range(len(block.columns)):
            names, which = np.unique(
                np.column_stack([block.values[:, place], block.extent[:, place]]), axis=0, return_inverse=True
            )
            cells += [(place, np.nonzero(which.ravel() == cell)[0]) for cell in np.nonzero(names[:, 1] > 0)[0]]
        room = np.array([float(block.extent[members[0], place]) for place, members in cells])
        rate = np.array([block.rate[place] for place, _ in cells])
        steep = [one.slope[place] @ along.T * block.stride[members[0], place] for place, members in cells]
        gain = np.concatenate([one.moved @ along.T, np.array(steep).reshape(-1, len(along))])
        return cls(block, cells, np.concatenate([block.cost, rate]), gain, room)

    def ties(self, start: int, width: int) -> tuple[Numbers, list[float], list[float]]:
        """Return the rows of the program that hold a block together: one joint value, and strides only in the cell that
        it lies in.
        """
        rows = np.zeros((1 + len(self.cells), width))
        rows[0, start : start + len(self.block)] = 1
        for number, (_, members) in enumerate(self.cells):
            rows[1 + number, start + len(self.block) + number] = 1
            rows[1 + number, start + members] = -self.room[number]
        return rows, [1.0, *[-np.inf] * len(self.cells)], [1.0, *[0.0] * len(self.cells)]

    def read(self, values: Numbers) -> tuple[int, Integers]:
        """Return the joint value and the further strides of each column (m,)."""
        steps = np.zeros(len(self.block.columns), np.int64)
        for (place, _), count in zip(self.cells, values[len(self.block) :], strict=True):
            steps[place] += int(count)
        return int(values[: len(self.block)].argmax()), steps
