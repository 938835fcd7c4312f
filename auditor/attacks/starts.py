"""Starting points that differ in what the classifier makes of them: uniform draws in many dimensions all look alike to
it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from auditor.attacks.climb import Items, climb
from auditor.attacks.losses import Loss
from auditor.attacks.problem import Problem

SCATTER = 4
"""Steps along a random combination of logits."""


def varied(problem: Problem, rows: Tensor, tags: Tensor, *, turn: int, point: Tensor, fooled: Tensor) -> Items:
    """Return items of the samples `rows` (k,) with the tags (k, 2), started in the way of this restart: at random,
    scattered, or in runs.

    A start that fools is written to `point` and `fooled`, and the items of that sample are left out.
    """
    if turn < 3:
        return Items.start(problem, rows, tags, problem.random_points(rows))
    return (
        diversified(problem, rows, tags, point=point, fooled=fooled)
        if turn % 2
        else Items.start(problem, rows, tags, runs(problem, rows))
    )


def diversified(problem: Problem, rows: Tensor, tags: Tensor, *, point: Tensor, fooled: Tensor) -> Items:
    """Return items that went a few steps along random combinations of logits (output diversified sampling, Tashiro et
    al. 2020, arXiv:2003.06878).
    """
    classes = len(problem.meter.classifier.classes)
    like = problem.x.new_zeros((len(rows), classes))
    directions = 2 * problem.rng.take(rows.tolist()).uniform(like) - 1
    combination = Loss(
        lambda logits, at: (logits * directions[at[:, 0]]).sum(1), lambda logits, at: directions[at[:, 0]]
    )
    places = torch.arange(len(rows), device=rows.device)[:, None]
    items = Items.start(problem, rows, places, problem.random_points(rows))
    left = climb(problem, items, combination, steps=SCATTER, point=point, fooled=fooled)
    return Items.start(problem, left.rows, tags[left.tags[:, 0]], left.x)


def runs(problem: Problem, rows: Tensor) -> Tensor:
    """Return a point (k, *shape) at the edge of the threat for each of the samples `rows` (k,) where neighbouring
    values went the same way.

    Each follows a random broken line over the values in their order, with few knots or many.
    """
    x0, rng = problem.x[rows], problem.rng.take(rows.tolist())
    flat = x0.flatten(1)
    most = max(3, flat.shape[1] // 4)
    counts = (2 + rng.uniform(flat[:, :1])[:, 0] * (most - 2)).long().tolist()
    knots = rng.normal(flat[:, :most])
    lines = [
        interpolate(line[None, None, :count], size=flat.shape[1], mode="linear")[0, 0]
        for line, count in zip(knots, counts, strict=True)
    ]
    line = torch.stack(lines).view_as(x0) if lines else x0
    threat, epsilon = problem.smooth.take(rows), problem.epsilon[rows]
    return threat.project(threat.step(x0, line, x0, epsilon), x0, epsilon)
