"""Which wrong classes to aim at first."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.attacks.problem import Problem

RANKED_CLASSES = 9
"""At most this many classes, those with the largest logits, are ranked by their distance."""


def ordered_targets(problem: Problem, logits: Tensor, rows: Tensor, *, most: int) -> Tensor:
    """Return up to `most` classes per sample (n, most), nearest first; -1 where there are no more, and for samples not
    in `rows`.

    A goal with targets of its own leaves nothing to choose: every entry is -1, and nothing is evaluated.

    A class is as far as the margin to it divided by the dual norm of the margin's gradient within the zone: the
    distance to
    the decision boundary of the linearised classifier (Melamed et al. 2024, MALT, arXiv:2407.02240).
    """
    y, classes = problem.goal.y, logits.shape[1]
    result = torch.full((len(y), min(most, classes - 1)), -1, dtype=torch.long, device=y.device)
    if not len(rows) or problem.goal.targets is not None:
        return result
    others = logits[rows].scatter(1, y[rows, None], float("-inf"))
    pool = others.topk(min(RANKED_CLASSES, classes - 1), dim=1).indices
    if pool.shape[1] > 1:
        pool = pool.gather(1, _distances(problem, rows, pool).argsort(dim=1, stable=True))
    result[rows] = pool[:, : result.shape[1]]
    return result


def aimed_items(problem: Problem, order: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return one work item per sample of `rows` (k,) and class in its order: its sample (i,) and its tags (i, 2) for
    the loss `LEAD`.
    """
    which, place = torch.nonzero(order[rows] >= 0, as_tuple=True)
    return rows[which], torch.stack([order[rows][which, place], problem.goal.y[rows[which]]], 1)


def _distances(problem: Problem, rows: Tensor, pool: Tensor) -> Tensor:
    """Return how far each of the classes `pool` (k, m) is (k, m): one forward and m input-gradients per sample."""
    x0, threat = problem.x[rows], problem.smooth.take(rows)
    own = torch.zeros((len(rows), 1, len(problem.meter.classifier.classes)), dtype=x0.dtype, device=x0.device)
    own.scatter_(2, problem.goal.y[rows][:, None, None], 1.0)
    along = torch.zeros_like(own).expand(-1, pool.shape[1], -1).scatter(2, pool[:, :, None], 1.0) - own

    def dual(slope: Tensor, places: Tensor) -> Tensor:
        base = x0[places]
        return ((threat.take(places).step(base, slope, base, 1.0) - base) * slope).flatten(1).sum(1)

    logits, found = problem.meter.slopes(x0, rows, along, measure=dual)
    return -(along * logits[:, None]).sum(2) / found.clamp_min(torch.finfo(found.dtype).tiny)
