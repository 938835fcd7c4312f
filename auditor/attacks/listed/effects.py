"""What each joint value of a block adds to the scores of a classifier."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.attacks.listed.hunt import Hunt
from auditor.threats.listed import JointValues, Numbers

FAITHFUL = 1e-4
"""Largest error of a predicted log odds, in the size of the largest effect, for which the classifier counts as linear.
"""


@dataclass(frozen=True, eq=False)
class Effects:
    """How far each joint value of a block moves the log odds of all classes."""

    block: JointValues
    moved: Numbers
    """(k, classes) against the row's own values."""
    slope: Numbers
    """(m, classes) per unit of each column that stands for more values than are listed."""


def block_effects(x: Numbers, block: JointValues, base: Numbers) -> Generator[Numbers, Numbers, Effects]:
    """Show what tells every effect of one block: its joint values, or the values of each column alone, whichever are
    fewer.
    """
    ends = block.values + block.stride * block.extent
    wide = block.extent.max(0) > 0
    lists = [
        _points(block.values[:, place], ends[:, place], bool(wide[place]), own=x[column])
        for place, column in enumerate(block.columns)
    ]
    if not wide.any() and len(block) - 1 <= sum(map(len, lists)):
        rows = np.repeat(x[None], len(block) - 1, axis=0)
        rows[:, block.columns] = block.values[1:]
        scores = yield rows
        return Effects(
            block, np.concatenate([np.zeros((1, len(base))), scores - base]), np.zeros((len(block.columns), len(base)))
        )
    rows = np.repeat(x[None], sum(map(len, lists)), axis=0)
    start = 0
    for column, values in zip(block.columns, lists, strict=True):
        rows[start : start + len(values), column] = values
        start += len(values)
    moves = np.split(np.asarray((yield rows)) - base, np.cumsum([len(values) for values in lists])[:-1])
    moved, slope = np.zeros((len(block), len(base))), np.zeros((len(block.columns), len(base)))
    for place, (column, values, move) in enumerate(zip(block.columns, lists, moves, strict=True)):
        if wide[place]:
            slope[place] = move[0] / (values[0] - x[column])
            moved += (block.values[:, place] - x[column])[:, None] * slope[place]
        elif len(values):
            known = np.concatenate([np.zeros((1, len(base))), move])
            moved += known[(block.values[:, place][:, None] == np.append(x[column], values)).argmax(1)]
    return Effects(block, moved, slope)


def _points(values: Numbers, ends: Numbers, wide: bool, *, own: float) -> Numbers:
    """Return the values of one column that must be shown: of one that is straight the farthest, else all
    but its own.
    """
    if wide:
        every = np.concatenate([values, ends])
        return every[[np.abs(every - own).argmax()]]
    return np.setdiff1d(values[~np.isnan(values)], [own])


def faithful(
    hunt: Hunt, effects: Sequence[Effects], base: Numbers, *, size: float
) -> Generator[Numbers, Numbers, bool]:
    """Show a row with every block changed, and return whether its log odds are the sum that they should be."""
    best = int(np.delete(base, hunt.aim.decision).argmax())
    best += best >= hunt.aim.decision
    other = hunt.aim.target if hunt.aim.target is not None and hunt.aim.target != hunt.aim.decision else best
    picks = np.array([[int((one.moved[:, other] - one.moved[:, hunt.aim.decision]).argmax()) for one in effects]])
    scores = yield hunt.rows(picks)
    expected = base + sum((one.moved[pick] for one, pick in zip(effects, picks[0], strict=True)), np.zeros(len(base)))
    gap = (scores[0] - scores[0][0]) - (expected - expected[0])
    return bool(np.abs(gap).max() <= FAITHFUL * max(1.0, size))
