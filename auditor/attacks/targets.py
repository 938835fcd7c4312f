"""Which wrong classes to aim at first."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.attacks.attack import Problem

POOL = 9
"""At most this many classes, those with the largest logits, are ranked by their distance."""


def ordered_targets(problem: Problem, logits: Tensor, rows: Tensor, most: int) -> Tensor:
    """Return up to `most` classes per sample (n, most), nearest first; -1 where there are no more, and for samples not in `rows`.

    A goal with targets of its own leaves nothing to choose: every entry is -1, and nothing is evaluated.

    A class is as far as the margin to it divided by the dual norm of the margin's gradient within the zone: the distance to
    the decision boundary of the linearised classifier (Melamed et al. 2024, MALT, arXiv:2407.02240).
    """
    y, classes = problem.goal.y, logits.shape[1]
    result = torch.full((len(y), min(most, classes - 1)), -1, dtype=torch.long, device=y.device)
    if not len(rows) or problem.goal.targets is not None:
        return result
    others = logits[rows].scatter(1, y[rows, None], float("-inf"))
    pool = others.topk(min(POOL, classes - 1), dim=1).indices
    if pool.shape[1] > 1:
        distance = torch.stack([_distance(problem, rows, pool[:, place]) for place in range(pool.shape[1])], 1)
        pool = pool.gather(1, distance.argsort(dim=1, stable=True))
    result[rows] = pool[:, : result.shape[1]]
    return result


def aimed(problem: Problem, order: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return one work item per sample of `rows` (k,) and class in its order: its sample (i,) and its tags (i, 2) for `lead`."""
    which, place = torch.nonzero(order[rows] >= 0, as_tuple=True)
    return rows[which], torch.stack([order[rows][which, place], problem.goal.y[rows[which]]], 1)


def lead(logits: Tensor, tags: Tensor) -> Tensor:
    """Return how far the target's logit is above the label's (k,); tags (k, 2) hold target and label."""
    return (logits.gather(1, tags[:, :1]) - logits.gather(1, tags[:, 1:]))[:, 0]


def _distance(problem: Problem, rows: Tensor, target: Tensor) -> Tensor:
    x0, threat = problem.x[rows], problem.threat.take(rows)
    _, value, slope = problem.meter.gradient(x0, rows, lead, torch.stack([target, problem.goal.y[rows]], 1))
    steepest = threat.step(x0, slope, x0, 1.0) - x0
    dual = (steepest * slope).flatten(1).sum(1)
    return -value / dual.clamp_min(torch.finfo(dual.dtype).tiny)
