"""A first strike by gradients, where the classifier has them: what one backward pass per row promises, before anything
is tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from auditor.attacks.listed.hunt import Hunt
from auditor.attacks.problem import Problem
from auditor.threats.listed import Numbers

TRIED = 16
"""Combinations that the strike shows."""


@dataclass(frozen=True, eq=False)
class Strike:
    """How far single columns of some rows move the scores towards a flip, to first order."""

    points: Sequence[Numbers]
    """Per column: every code of a column with levels, two values of a numeric one."""
    moves: Sequence[Numbers]
    """Per column: (n, points) towards a flip."""

    def gains(self, hunt: Hunt, place: int) -> list[Numbers]:
        """Return how far each block's values (size,) alone lower the margin of the row at a place, if the classifier
        were straight.
        """
        x = hunt.space.x
        found = []
        for block in hunt.space.blocks:
            gain = np.zeros(len(block))
            for column, values in zip(block.columns, block.values.T, strict=True):
                if not np.isnan(x[column]):
                    gain += self._moved(column, place, values) - self._moved(column, place, x[[column]])
            found.append(gain)
        return found

    def _moved(self, column: int, place: int, values: Numbers) -> Numbers:
        points, moves = self.points[column], self.moves[column][place]
        if len(points) == 1:
            return np.zeros(len(values))
        slope, steps = (
            np.diff(moves) / np.diff(points),
            np.clip(np.searchsorted(points, values, "right") - 1, 0, len(points) - 2),
        )
        return np.asarray(moves[steps] + slope[steps] * (values - points[steps]))


def strike(problem: Problem, rows: range) -> Strike | None:
    """Return the first-order view of some rows: one forward and one backward pass each; None where the classifier has
    no gradient.
    """
    classifier, goal = problem.meter.classifier, problem.goal
    pulls, table = getattr(classifier, "pulls", None), getattr(classifier, "table", None)
    if pulls is None or table is None or "gradient" not in classifier.offers:
        return None
    which = torch.arange(rows.start, rows.stop)
    x, y = problem.x[which], goal.y[which].cpu()
    scores = problem.meter.logits(x, which).cpu()
    others = scores.scatter(
        1, (y if goal.targets is None else goal.targets[which].cpu())[:, None], float("-inf")
    ).argmax(1)
    towards, away = (others, y) if goal.targets is None else (goal.targets[which].cpu(), others)
    unit = np.eye(scores.shape[1])
    points = [_points(len(column.levels), column.low, column.high) for column in table.columns]
    with torch.enable_grad():
        moves = pulls(table, x.cpu().numpy(), unit[towards.numpy()] - unit[away.numpy()], points)
    problem.meter.counted(which, backwards=1)
    return Strike(points, [np.nan_to_num(move) for move in moves])


def _points(levels: int, low: float, high: float) -> Numbers:
    """Return where a column's pull is asked for, rising."""
    if levels:
        return np.arange(float(levels))
    return np.array([low, high]) if np.isfinite([low, high]).all() and low < high else np.array([0.0, 1.0])
