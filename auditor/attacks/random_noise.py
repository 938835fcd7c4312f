"""Random noise: what a drunk walk of the same length finds; the baseline beside every attack."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.problem import Problem


@attacks.register("random_noise", needs="labels", cost=lambda tries: (tries, 0))
def random_noise(problem: Problem, *, tries: Annotated[int, Field(ge=1)] = 5) -> tuple[Tensor, Tensor]:
    """Random allowed points, without any search; fooled if one of them fools.

    Parameters
    ----------
    tries
        Random points per sample.
    """
    x0 = problem.x
    point, fooled = x0.clone(), torch.zeros(len(x0), dtype=torch.bool, device=x0.device)
    for _ in range(tries):
        rows = torch.nonzero(~fooled)[:, 0]
        if not len(rows):
            break
        drawn = problem.random_points(rows)
        point[rows] = drawn
        fooled[rows] = problem.goal.reached(problem.meter.logits(drawn, rows), rows)
    return point, fooled
