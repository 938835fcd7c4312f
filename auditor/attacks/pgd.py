"""Projected gradient descent, for any norm and zone."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.attack import LossName, Problem


@attacks.register("pgd", needs="gradient", cost=lambda steps, restarts, **_: ((steps + 1) * restarts, steps * restarts))
def pgd(
    problem: Problem,
    *,
    steps: Annotated[int, Field(ge=1)] = 20,
    restarts: Annotated[int, Field(ge=1)] = 1,
    step_size: Annotated[float, Field(gt=0)] | None = None,
    random_start: bool = False,
    loss: LossName = "ce",
) -> tuple[Tensor, Tensor]:
    """Repeated steepest steps, each projected back (Madry et al. 2018, arXiv:1706.06083).

    A sample that is fooled is never evaluated again.

    Parameters
    ----------
    steps
        Gradient steps per restart.
    restarts
        The first starts at the original (or at random with `random_start`), further ones at random points.
    step_size
        Step as a share of epsilon; 2.5 / steps when not given, so that the edge is reached from anywhere.
    random_start
        Whether the first restart starts at random too.
    loss
        'ce' or 'margin'.
    """
    x0 = problem.x
    share = 2.5 / steps if step_size is None else step_size
    point, fooled = x0.clone(), torch.zeros(len(x0), dtype=torch.bool, device=x0.device)
    best = torch.full((len(x0),), float("-inf"), dtype=x0.dtype, device=x0.device)
    for restart in range(restarts):
        rows = torch.nonzero(~fooled)[:, 0]
        end, hit, value = _descend(problem, rows, steps=steps, share=share, at_random=random_start or restart > 0, loss=loss)
        better = hit | (value > best[rows])
        point[rows[better]], best[rows[better]] = end[better], value[better]
        fooled[rows] = hit
    return point, fooled


def _descend(problem: Problem, rows: Tensor, *, steps: int, share: float, at_random: bool, loss: LossName) -> tuple[Tensor, Tensor, Tensor]:
    """Return end points (k, *shape), whether each fools (k,), and its loss (k,), for the samples `rows` (k,)."""
    criterion = problem.goal.loss(loss)
    x0, threat, epsilon = problem.x[rows], problem.threat.take(rows), problem.epsilon[rows]
    end = problem.random_points(rows) if at_random else x0.clone()
    hit = torch.zeros(len(rows), dtype=torch.bool, device=x0.device)
    live, x, base, limits, budget = torch.arange(len(rows), device=x0.device), end, x0, threat, epsilon
    for _ in range(steps):
        if not len(live):
            break
        logits, _, gradient = problem.meter.gradient(x, rows[live], criterion)
        reached = problem.goal.reached(logits, rows[live])
        if bool(reached.any()):
            end[live[reached]], hit[live[reached]] = x[reached], True
            live, x, gradient = live[~reached], x[~reached], gradient[~reached]
            base, limits, budget = x0[live], threat.take(live), epsilon[live]
        x = limits.project(limits.step(x, gradient, base, budget * share), base, budget)
    value = torch.full((len(rows),), float("inf"), dtype=x0.dtype, device=x0.device)
    if len(live):
        logits = problem.meter.logits(x, rows[live])
        end[live], hit[live], value[live] = x, problem.goal.reached(logits, rows[live]), criterion(logits, rows[live])
    return end, hit, value
