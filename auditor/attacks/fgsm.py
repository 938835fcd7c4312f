"""Fast gradient sign method, for any norm: one steepest step to the edge of the threat."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.attack import LossName, Problem


@attacks.register("fgsm", needs="gradient", cost=lambda loss: (2, 1))
def fgsm(problem: Problem, *, loss: LossName = "ce") -> tuple[Tensor, Tensor]:
    """One steepest step of length epsilon (Goodfellow et al. 2015, arXiv:1412.6572, section 4).

    Parameters
    ----------
    loss
        'ce' or 'margin'.
    """
    x0, rows = problem.x, torch.arange(len(problem.x), device=problem.x.device)
    logits, _, gradient = problem.meter.gradient(x0, rows, problem.goal.loss(loss))
    wrong = problem.goal.reached(logits, rows)
    stepped = problem.threat.project(problem.threat.step(x0, gradient, x0, problem.epsilon), x0, problem.epsilon)
    point, fooled = stepped.clone(), wrong.clone()
    point[wrong] = x0[wrong]
    left = rows[~wrong]
    fooled[left] = problem.goal.reached(problem.meter.logits(point[left], left), left)
    return point, fooled
