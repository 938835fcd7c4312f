"""Fast gradient sign method, for any norm: steepest steps to the edge of the threat, one or several."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.losses import LossName
from auditor.attacks.pgd import descend
from auditor.attacks.problem import Problem


@attacks.register("fgsm", needs="gradient", cost=lambda steps, **_: (steps + 1, steps))
def fgsm(
    problem: Problem,
    *,
    steps: Annotated[int, Field(ge=1)] = 1,
    step_size: Annotated[float, Field(gt=0)] | None = None,
    loss: LossName = "ce",
) -> tuple[Tensor, Tensor]:
    """One steepest step of length epsilon (Goodfellow et al. 2015, arXiv:1412.6572), or several shorter ones (Kurakin
    et al. 2017, arXiv:1607.02533).

    Parameters
    ----------
    steps
        Gradient steps; more than one is the iterated form.
    step_size
        Step as a share of epsilon; 1 / steps when not given.
    loss
        'ce', 'margin' or 'dlr' (3 classes and more, 4 with targets).
    """
    rows = torch.arange(len(problem.x), device=problem.x.device)
    end, hit, _ = descend(problem, rows, problem.x, steps=steps, share=step_size or 1 / steps, loss=problem.loss(loss))
    return end, hit
