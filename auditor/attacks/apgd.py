"""Auto-PGD: ascent with momentum whose steps halve by themselves."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.climb import Items, climb
from auditor.attacks.losses import LossName
from auditor.attacks.problem import Problem


@attacks.register("apgd", needs="gradient", cost=lambda steps, restarts, **_: (steps * restarts + 1, steps * restarts))
def apgd(
    problem: Problem,
    *,
    steps: Annotated[int, Field(ge=1)] = 100,
    restarts: Annotated[int, Field(ge=1)] = 1,
    loss: LossName = "ce",
) -> tuple[Tensor, Tensor]:
    """Adaptive projected gradient descent without a step size to choose (Croce and Hein 2020, arXiv:2003.01690,
    algorithm 1).

    Parameters
    ----------
    steps
        Gradient steps per restart.
    restarts
        Every one starts at a random point.
    loss
        'ce', 'margin' or 'dlr' (3 classes and more, 4 with targets).
    """
    x0, criterion = problem.x, problem.loss(loss)
    every = torch.arange(len(x0), device=x0.device)
    point = x0.clone()
    fooled = problem.goal.reached(problem.meter.logits(x0, every), every)
    best = torch.full((len(x0),), float("-inf"), dtype=x0.dtype, device=x0.device)
    for _ in range(restarts):
        rows = torch.nonzero(~fooled)[:, 0]
        if not len(rows):
            break
        start = problem.random_points(rows)
        left = climb(
            problem,
            Items.start(problem, rows, problem.tags(rows), start),
            criterion,
            steps=steps,
            point=point,
            fooled=fooled,
        )
        better = left.best > best[left.rows]
        point[left.rows[better]], best[left.rows[better]] = left.best_x[better], left.best[better]
    return point, fooled
