"""Blocks of columns that rules tie together, and the joint values that one row may take in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import Table
from auditor.modalities.tables.threats.joint import DRAFT, JOINT, Frame, Joint
from auditor.modalities.tables.threats.values import Choices, affordable, choices, price
from auditor.threats.listed import Booleans, Integers, JointValues, Numbers, Space

KEPT = 4096
"""Most blocks that are remembered."""


class Maker:
    """What a table's rules make of writable columns; blocks that were asked for already are remembered."""

    def __init__(self, table: Table) -> None:
        self.table, self.rules = table, Rules(table)
        self.defined = frozenset(self.rules.defined)
        self._ties = [frozenset(self.rules.columns(place)) for place in range(len(table.rules))]
        self._costs: dict[Any, JointValues | None] = {}
        self._groups: dict[bytes, list[tuple[int, ...]]] = {}

    @cached_property
    def inputs(self) -> dict[int, frozenset[int]]:
        """Return defined column -> all columns that it is computed from, directly or not, definitions left out."""
        found: dict[int, frozenset[int]] = {}
        for at in self.rules.defined:  # each after those that it reads
            place = next(
                number for number, rule in enumerate(self.table.rules) if rule.defines == self.table.columns[at].name
            )
            read = self._ties[place] - {at}
            found[at] = frozenset(one for column in read for one in found.get(column, {column}))
        return found

    def writable(self, zone: Booleans) -> Booleans:
        """Return where rows of a zone (n, columns) may be written, missing cells apart."""
        result: Booleans = zone & np.array([column.mutable for column in self.table.columns])
        for at, inputs in self.inputs.items():
            result[:, sorted(inputs)] &= zone[:, [at]]
        result[:, sorted(self.defined)] = False
        return result

    def cost(self, found: Numbers, base: Numbers) -> Numbers:
        """Return the cost of each row (n,)."""
        total = np.zeros(len(found))
        for place, column in enumerate(self.table.columns):
            if place not in self.defined:
                total += price(column, found[:, place], base[:, place])
        return total

    def changes(self, found: Numbers, base: Numbers) -> Integers:
        """Return how many columns of each row were written (n,)."""
        differs = ~((found == base) | (np.isnan(found) & np.isnan(base)))
        differs[:, sorted(self.defined)] = False
        return np.asarray(differs.sum(1), dtype=np.int64)

    def followed(self, rows: Numbers, base: Numbers) -> Numbers:
        """Return rows with what definitions compute, where an input differs from the original; their own value where
        none does.
        """
        if not self.defined:
            return rows
        result = self.rules.recomputed(rows)
        base = np.broadcast_to(base, rows.shape)
        for at, inputs in self.inputs.items():
            read = sorted(inputs)
            same = ((rows[:, read] == base[:, read]) | (np.isnan(rows[:, read]) & np.isnan(base[:, read]))).all(1)
            result[same, at] = base[same, at]
        return result

    def space(self, x: Numbers, written: Booleans, frame: Frame) -> Space:
        """Return what may become of a row x (columns,) that may be written somewhere (columns,)."""
        found: list[JointValues] = []
        loose = False
        for group in self._components(written):
            block = self._block(group, x, frame)
            if block is None:
                loose = True
                found += [self._single(column, x, frame) for column in group if column not in self.defined]
            else:
                found.append(block)
        return Space(x, tuple(block for block in found if len(block) > 1), frame.epsilon, frame.most, loose)

    def _components(self, written: Booleans) -> list[tuple[int, ...]]:
        """Return the writable columns by what ties them together, with the defined ones that follow them."""
        key = written.tobytes()
        if key not in self._groups:
            alive = {int(one) for one in np.nonzero(written)[0]}
            alive |= {at for at, inputs in self.inputs.items() if inputs & alive}
            self._groups[key] = self.rules.tied(alive)
        return self._groups[key]

    def _block(self, group: tuple[int, ...], x: Numbers, frame: Frame) -> JointValues | None:
        rules = [place for place, tie in enumerate(self._ties) if tie & set(group)]
        read = sorted(set(group).union(*(self._ties[place] for place in rules)))
        mode = None if frame.thresholds is None else bool(frame.thresholds)
        key = (
            group,
            x[read].tobytes(),
            frame.epsilon,
            frame.most,
            mode,
            frame.many,
            frame.centre[list(group)].tobytes(),
        )
        if key not in self._costs:
            if len(self._costs) >= KEPT:
                self._costs.clear()
            self._costs[key] = self._made(group, rules, x, frame=frame)
        return self._costs[key]

    def _choices(self, column: int, x: Numbers, frame: Frame) -> Choices:
        named = self.table.columns[column]
        found = [self.rules.cuts(place, named.name) for place, tie in enumerate(self._ties) if column in tie]
        cuts = (
            None
            if any(one is None for one in found)
            else np.unique(np.concatenate([np.array([]), *(one for one in found if one is not None)]))
        )
        thresholds = frame.thresholds
        known = None if thresholds is None else np.asarray(thresholds.get(named.name, []), dtype=np.float64)
        straight = thresholds is not None and not thresholds
        return choices(
            named,
            float(x[column]),
            frame.epsilon,
            thresholds=known,
            cuts=cuts,
            centre=float(frame.centre[column]),
            straight=straight,
            many=frame.many,
        )

    def _made(self, group: tuple[int, ...], rules: Sequence[int], x: Numbers, *, frame: Frame) -> JointValues | None:
        free = [column for column in group if column not in self.defined]
        listed = [self._choices(column, x, frame) for column in free]
        joint = Joint(x, len(free))
        for place, (column, one) in enumerate(zip(free, listed, strict=True)):
            joint = joint.extended(place, column, one)
            joint = joint.only(affordable(joint.cost, frame.epsilon) & (joint.changes <= frame.most))
            if len(joint) > DRAFT:
                return None
            joint.rows = self.followed(joint.rows, x)
            joint = joint.only(self.rules.feasible(joint.rows, self._decided(rules, free[: place + 1], free)))
        if len(joint) > JOINT:
            return None
        order = np.lexsort((joint.cost, joint.changes > 0))
        joint = joint.only(order)
        columns = np.array(group, dtype=np.int64)
        stride, extent = np.zeros((len(joint), len(group))), np.zeros((len(joint), len(group)), np.int64)
        for place, (column, one) in enumerate(zip(free, listed, strict=True)):
            stride[:, group.index(column)], extent[:, group.index(column)] = (
                one.stride[joint.picks[:, place]],
                one.extent[joint.picks[:, place]],
            )
        return JointValues(
            columns,
            joint.rows[:, columns],
            joint.cost,
            joint.changes,
            stride,
            extent,
            self._rates(group),
            all(one.complete for one in listed),
        )

    def _decided(self, rules: Iterable[int], placed: Sequence[int], free: Sequence[int]) -> list[int]:
        """Return the rules that read none of the free columns but those that have their values."""
        later = set(free) - set(placed)
        return [
            place
            for place in rules
            if not later
            & frozenset(one for column in self._ties[place] for one in (column, *self.inputs.get(column, ())))
        ]

    def _single(self, column: int, x: Numbers, frame: Frame) -> JointValues:
        one = self._choices(column, x, frame)
        moved = np.arange(len(one.values)) > 0
        return JointValues(
            np.array([column]),
            one.values[:, None],
            one.cost,
            moved.astype(np.int64),
            one.stride[:, None],
            one.extent[:, None],
            self._rates((column,)),
            False,
        )

    def _rates(self, group: tuple[int, ...]) -> Numbers:
        return np.array([self.table.columns[column].cost * self.table.columns[column].step for column in group])

    def drawn(self, space: Space, draws: Numbers) -> Numbers:
        """Return one random feasible change of a space's row, by uniform draws (2 columns + 1,): blocks in random
        order, each changed by an even chance.
        """
        x, cost, changes = space.x.copy(), 0.0, 0
        order = np.argsort(draws[: len(space.blocks)])
        for turn, place in enumerate(order):
            block = space.blocks[place]
            fits = np.nonzero(
                affordable(cost + block.cost, space.epsilon)
                & (changes + block.changes <= space.most)
                & (block.changes > 0)
            )[0]
            draw = draws[len(draws) // 2 + turn]
            if len(fits) and (draw < 0.5 or (changes == 0 and turn + 1 == len(order))):
                chosen = fits[int(draw * 2 % 1 * len(fits))]
                x[block.columns] = block.values[chosen]
                cost, changes = cost + float(block.cost[chosen]), changes + int(block.changes[chosen])
        if space.loose and not self.rules.feasible(x[None])[0]:
            return space.x
        return x
