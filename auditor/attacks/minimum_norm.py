"""The smallest change that fools, per sample: the whole curve of flip rates in one attack."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.climb import Items, climb
from auditor.attacks.losses import LEAD
from auditor.attacks.problem import Problem
from auditor.attacks.targets import RANKED_CLASSES, aimed_items, ordered_targets


def _cost(*, rounds: int, steps: int, aims: int, **_: float | None) -> tuple[int, int]:
    passes = rounds * steps * (1 + aims)
    return passes + 2, passes + RANKED_CLASSES


@attacks.register("minimum_norm", needs="gradient", budget=False, cost=_cost)
def minimum_norm(
    problem: Problem,
    *,
    rounds: Annotated[int, Field(ge=1)] = 11,
    steps: Annotated[int, Field(ge=1)] = 16,
    aims: Annotated[int, Field(ge=0)] = 3,
    ceiling: Annotated[float, Field(gt=0)] | None = None,
) -> tuple[Tensor, Tensor]:
    """Bisection of each sample's own budget; a success tightens its upper end to the size that it really had.

    Every round starts from the best point so far, drawn back to the new budget. Takes no epsilon: the search starts
    from the whole legal box, or from the ceiling. Samples that nothing fools within that are not fooled.

    Parameters
    ----------
    rounds
        Bisection steps.
    steps
        Gradient steps of each ascent in a round.
    aims
        Classes aimed at in rounds where the untargeted ascent finds nothing; half-way only the most promising one goes
        on.
    ceiling
        Largest size searched. Fewer rounds do below a low one, and a search that starts near the answer is not lost
        where an ascent with a vast budget gets stuck on a saturated classifier.
    """
    x0, every = problem.x, torch.arange(len(problem.x), device=problem.x.device)
    clean = problem.meter.logits(x0, every)
    found = problem.goal.reached(clean, every)
    point, rows, low = x0.clone(), torch.nonzero(~found)[:, 0], torch.zeros_like(problem.epsilon)
    high = torch.where(found, low, largest_change(problem).clamp(max=float("inf") if ceiling is None else ceiling))
    order = ordered_targets(problem, clean, rows, most=max(1, aims))[:, : None if aims else 0]
    for _ in range(rounds):
        budget = (low + high) / 2
        tried, fooled = _tried(replace(problem, epsilon=budget), order, rows, point=point, steps=steps)
        hit = rows[fooled[rows]]
        point[hit], found[hit] = tried[hit], True
        high[hit] = torch.minimum(budget[hit], problem.smooth.take(hit).size(tried[hit], x0[hit]))
        low[rows[~fooled[rows]]] = budget[rows[~fooled[rows]]]
    return point, found


def largest_change(problem: Problem) -> Tensor:
    """Return the size of the largest change that zone and box allow, per sample (n,)."""
    x0, threat = problem.x, problem.smooth
    vast = torch.full((len(x0),), float("inf"), dtype=x0.dtype, device=x0.device)
    ends = [threat.project(torch.full_like(x0, end), x0, vast) for end in (-1e30, 1e30)]
    return threat.size(torch.where((ends[0] - x0).abs() > (ends[1] - x0).abs(), ends[0], ends[1]), x0)


def _tried(problem: Problem, order: Tensor, rows: Tensor, *, point: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Return what a round makes of the points (n, *shape), drawn back to its budgets, and which samples (n,) it fools;
    those not in `rows` (k,) count as fooled.
    """
    tried = problem.smooth.project(point, problem.x, problem.epsilon)
    fooled = torch.ones(len(point), dtype=torch.bool, device=point.device)
    fooled[rows] = False
    _round(problem, order, steps=steps, point=tried, fooled=fooled)
    return tried, fooled


def _round(problem: Problem, order: Tensor, *, steps: int, point: Tensor, fooled: Tensor) -> None:
    """Try every sample that is not yet fooled at its own budget: untargeted first, then aimed at its
    nearest classes.
    """
    rows = torch.nonzero(~fooled)[:, 0]
    climb(
        problem,
        Items.start(problem, rows, problem.tags(rows), point[rows]),
        problem.loss("ce"),
        steps=steps,
        point=point,
        fooled=fooled,
    )
    rows, tags = aimed_items(problem, order, torch.nonzero(~fooled)[:, 0])
    if len(rows):
        climb(
            problem,
            Items.start(problem, rows, tags, problem.x[rows]),
            LEAD,
            steps=steps,
            point=point,
            fooled=fooled,
            keep={steps // 2: 1},
        )
