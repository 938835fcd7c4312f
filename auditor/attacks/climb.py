"""The adaptive ascent that several attacks share: packed work items, killed when their sample is fooled, pruned by
rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from auditor.attacks.losses import Loss
from auditor.attacks.problem import Problem
from auditor.threats.shapes import column
from auditor.threats.threat import SmoothThreat

_MOMENTUM = 0.75
RISING = 0.75
"""Share of steps that must raise the loss for the step size to be kept."""


@dataclass
class Items:
    """Work items (k): a sample and a tag each, such as a target class, and where their ascent stands."""

    rows: Tensor
    """Position of each item's sample in the problem (k,)."""
    tags: Tensor
    """Target and label of each item (k, 2), for the loss."""
    x0: Tensor
    x: Tensor
    previous: Tensor
    best_x: Tensor
    best_slope: Tensor
    best: Tensor
    last: Tensor
    size: Tensor
    """Step size of each item (k,), in the norm."""
    epsilon: Tensor
    rising: Tensor
    """Steps since the last checkpoint that raised the loss (k,)."""
    best_before: Tensor
    halved: Tensor

    @classmethod
    def start(cls, problem: Problem, rows: Tensor, tags: Tensor, x: Tensor) -> Items:
        """Return items that start at x (k, *shape)."""
        epsilon = problem.epsilon[rows]
        lowest = torch.full_like(epsilon, float("-inf"))
        still = torch.zeros_like(rows)
        size = problem.smooth.stride * epsilon
        return cls(
            rows,
            tags,
            problem.x[rows],
            x,
            x,
            x,
            torch.zeros_like(x),
            lowest,
            lowest.clone(),
            size,
            epsilon,
            still,
            lowest.clone(),
            still.bool(),
        )

    def keep(self, chosen: Tensor) -> None:
        """Drop every item that is not chosen (k,) bool."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name)[chosen])

    def seen(self, value: Tensor, slope: Tensor) -> None:
        """Take in the loss (k,) and its slope (k, *shape) at each item's point."""
        better = value > self.best
        wide = column(better, slope)
        self.best_x = torch.where(wide, self.x, self.best_x)
        self.best_slope = torch.where(wide, slope, self.best_slope)
        self.best = torch.where(better, value, self.best)
        self.rising = self.rising + (value > self.last)
        self.last = value

    def move(self, threat: SmoothThreat, slope: Tensor, *, momentum: bool) -> None:
        """Go one step along the slope (k, *shape), with part of the step before."""
        aim = threat.project(threat.step(self.x, slope, self.x0, self.size), self.x0, self.epsilon)
        if momentum:
            moved = torch.lerp(self.x, aim, _MOMENTUM).add_(self.x - self.previous, alpha=1 - _MOMENTUM)
            aim = threat.project(moved, self.x0, self.epsilon)
        self.previous, self.x = self.x, aim


def checkpoints(steps: int) -> set[int]:
    """Return the steps at which step sizes are reviewed (Croce and Hein 2020, section 3.1)."""
    before, share, marks = 0.0, 0.22, set()
    while share < 1:
        marks.add(math.ceil(round(share * steps, 6)))
        before, share = share, share + max(share - before - 0.03, 0.06)
    return marks


def climb(
    problem: Problem,
    items: Items,
    loss: Loss,
    *,
    steps: int,
    point: Tensor,
    fooled: Tensor,
    keep: Mapping[int, int] | None = None,
) -> Items:
    """Raise the loss of every item by adaptive steps with momentum; return the items left, their best points in
    `best_x`.

    A point that fools is written to `point` (n, *shape) and `fooled` (n,), and every item of that sample ends there.

    Parameters
    ----------
    keep
        Step -> how many items of each sample go on from there, those with the largest loss.
    """
    marks, previous_mark = checkpoints(steps), 0
    threat = problem.smooth.take(items.rows)
    for step in range(steps):
        if not len(items.rows):
            break
        logits, slope = problem.meter.gradient(items.x, items.rows, loss.slope, items.tags)
        reached = problem.goal.reached(logits, items.rows)
        items.seen(loss.value(logits, items.tags), slope)
        if step in marks:
            slope = _review(items, slope, step - previous_mark)
            previous_mark = step
        chosen = _survivors(items, reached, point, fooled=fooled) if bool(reached.any()) else None
        if keep and step in keep:
            chosen = _leading(items, torch.ones_like(reached) if chosen is None else chosen, keep[step])
        if chosen is not None:
            items.keep(chosen)
            slope, threat = slope[chosen], problem.smooth.take(items.rows)
        if step + 1 < steps and len(items.rows):
            items.move(threat, slope, momentum=step > 0)
    return items


def _review(items: Items, slope: Tensor, interval: int) -> Tensor:
    """Halve the steps of items that no longer rise and send them back to their best point; return the slopes to
    follow.
    """
    stuck = (items.rising < RISING * interval) | (~items.halved & (items.best <= items.best_before))
    wide = column(stuck, slope)
    items.size = torch.where(stuck, items.size / 2, items.size)
    items.x = torch.where(wide, items.best_x, items.x)
    items.halved, items.best_before, items.rising = stuck, items.best.clone(), torch.zeros_like(items.rising)
    return torch.where(wide, items.best_slope, slope)


def _survivors(items: Items, reached: Tensor, point: Tensor, *, fooled: Tensor) -> Tensor:
    """Write down what fools and return which items go on (k,)."""
    hits = torch.nonzero(reached)[:, 0].flip(0)  # written last to first, so that a sample's first item is the one kept
    for place in hits.tolist():
        point[items.rows[place]] = items.x[place]
    fooled[items.rows[hits]] = True
    return ~fooled[items.rows]


def _leading(items: Items, among: Tensor, most: int) -> Tensor:
    """Return which items `among` some (k,) bool are the `most` of their sample with the largest loss (k,)."""
    return among & (_rank(items.rows, torch.where(among, items.best, float("-inf"))) < most)


def _rank(rows: Tensor, value: Tensor) -> Tensor:
    """Return each item's place among the items of its sample, by falling value."""
    order = torch.argsort(value, descending=True, stable=True)
    order = order[torch.argsort(rows[order], stable=True)]
    ordered = rows[order]
    place = torch.arange(len(rows), device=rows.device)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    start = torch.cummax(torch.where(first, place, torch.zeros_like(place)), 0).values
    rank = torch.empty_like(place)
    rank[order] = place - start
    return rank
