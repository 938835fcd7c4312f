"""Carlini and Wagner's attack: the shortest change by penalty and Adam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.problem import Problem
from auditor.threats.shapes import column

DECAY = (0.9, 0.999)


@dataclass
class _Search:
    """Each sample's shortest fooling change so far, and the bracket of its penalty weight (n,)."""

    point: Tensor
    found: Tensor
    shortest: Tensor
    weight: Tensor
    below: Tensor
    above: Tensor

    @classmethod
    def begin(cls, x0: Tensor, fooled: Tensor, weight: Tensor) -> _Search:
        """Return the search at the originals x0 (n, *shape), some of which fool (n,), with the first weights (n,)."""
        away = torch.full_like(weight, float("inf"))
        none = torch.zeros_like(weight)
        return cls(x0.clone(), fooled.clone(), torch.where(fooled, 0.0, away), weight, none, away.clone())

    def keep(self, rows: Tensor, x: Tensor, size: Tensor) -> None:
        """Write down the points x (k, *shape) of the samples `rows` (k,) that are shorter than what was found."""
        shorter = size < self.shortest[rows]
        rows = rows[shorter]
        self.point[rows], self.shortest[rows], self.found[rows] = x[shorter], size[shorter], True

    def reweigh(self, rows: Tensor, hit: Tensor) -> None:
        """Halve the bracket of the weights: down where this round found something, up by ten where nothing ever was."""
        self.above[rows[hit]] = torch.minimum(self.above[rows[hit]], self.weight[rows[hit]])
        self.below[rows[~hit]] = torch.maximum(self.below[rows[~hit]], self.weight[rows[~hit]])
        bracketed = (self.below[rows] + self.above[rows]) / 2
        self.weight[rows] = torch.where(self.above[rows].isinf(), 10 * self.weight[rows], bracketed)


@attacks.register(
    "carlini_wagner",
    needs="gradient",
    budget=None,
    norms=("l2",),
    cost=lambda rounds, steps, **_: (rounds * (steps + 1) + 1, rounds * steps + 1),
)
def carlini_wagner(
    problem: Problem,
    *,
    rounds: Annotated[int, Field(ge=1)] = 6,
    steps: Annotated[int, Field(ge=1)] = 60,
    step_size: Annotated[float, Field(gt=0)] = 0.5,
    confidence: Annotated[float, Field(ge=0)] = 0.0,
) -> tuple[Tensor, Tensor]:
    """Least squared length plus weight times margin, by Adam, with a bisection of the weight (Carlini and Wagner 2017,
    arXiv:1608.04644, section VI.A).

    Without an epsilon each sample's shortest change is sought; with one, a sample ends as soon as a change within it
    fools. Where the article replaces the variable to stay in the box, every step is projected onto zone and box. The
    first weight and the step size come from the linearised margin, so that they need no choice per data set.

    Parameters
    ----------
    rounds
        Bisection steps of the weight.
    steps
        Adam steps per round.
    step_size
        Adam's step as a share of the distance to the linearised boundary, spread over all values.
    confidence
        Margin beyond the boundary that counts as success, in logits.
    """
    search, pace = _linearised(problem, step_size, confidence)
    live = torch.nonzero(~search.found)[:, 0]
    for _ in range(rounds):
        live = live[(search.shortest[live] > problem.epsilon[live]) | problem.epsilon[live].isinf()]
        if not len(live):
            break
        hit = _descend(problem, search, live, pace=pace[live], steps=steps, confidence=confidence)
        search.reweigh(live, hit)
    return search.point, search.found & (search.shortest <= problem.epsilon)


def _linearised(problem: Problem, step_size: float, confidence: float) -> tuple[_Search, Tensor]:
    """Return the search at the originals, with the first weights, and the length of Adam's steps (n,)."""
    x0, every = problem.x, torch.arange(len(problem.x), device=problem.x.device)
    loss, tags = problem.loss("margin"), problem.tags(every)
    logits, slope = problem.meter.gradient(x0, every, loss.slope, tags)
    fooled = problem.goal.reached(logits, every)
    sharp = (problem.smooth.step(x0, slope, x0, 1.0) - x0).mul_(slope).flatten(1).sum(1).clamp_min(1e-12)
    gap = -loss.value(logits, tags) + confidence
    pace = step_size * gap / sharp / max(1, slope[0].numel() if len(slope) else 1) ** 0.5
    return _Search.begin(x0, fooled, 2 * gap / sharp**2), pace


def _descend(problem: Problem, search: _Search, rows: Tensor, *, pace: Tensor, steps: int, confidence: float) -> Tensor:
    """Go through one round for the samples `rows` (k,) and return which of them it fooled (k,)."""
    loss, hit, start = problem.loss("margin"), torch.zeros_like(rows, dtype=torch.bool), problem.x[rows]
    live, x, mean, square = (
        torch.arange(len(rows), device=rows.device),
        start,
        torch.zeros_like(start),
        torch.zeros_like(start),
    )
    for step in range(1, steps + 1):
        here = rows[live]
        threat, x0, tags, epsilon = (
            problem.smooth.take(here),
            problem.x[here],
            problem.tags(here),
            problem.epsilon[here],
        )
        logits, slope = problem.meter.gradient(x, here, loss.slope, tags)
        value, size = loss.value(logits, tags), threat.size(x, x0)
        reached = problem.goal.reached(logits, here) & (value >= confidence)
        search.keep(here[reached], x[reached], size[reached])
        hit[live[reached]] = True
        pushed = torch.where(value < confidence, search.weight[here], torch.zeros_like(size))
        downhill = 2 * (x - x0) - column(pushed, x) * slope
        mean, square = DECAY[0] * mean + (1 - DECAY[0]) * downhill, DECAY[1] * square + (1 - DECAY[1]) * downhill**2
        move = mean / (1 - DECAY[0] ** step) / ((square / (1 - DECAY[1] ** step)).sqrt() + 1e-12)
        x = threat.project(x - column(pace[live], x) * move, x0, torch.full_like(size, float("inf")))
        going = ~(reached & (size <= epsilon) & epsilon.isfinite())
        if not bool(going.all()):
            live, x, mean, square = live[going], x[going], mean[going], square[going]
            if not len(live):
                return hit
    here = rows[live]
    logits = problem.meter.logits(x, here)
    reached = problem.goal.reached(logits, here) & (loss.value(logits, problem.tags(here)) >= confidence)
    search.keep(
        here[reached], x[reached], problem.smooth.take(here[reached]).size(x[reached], problem.x[here[reached]])
    )
    hit[live[reached]] = True
    return hit
