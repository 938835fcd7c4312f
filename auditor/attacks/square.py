"""Square Attack: random search by shrinking blocks, on scores alone."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.blocks import BlockGrid
from auditor.attacks.problem import Problem

_HALVINGS = (0.001, 0.005, 0.02, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Shares of the queries after which the blocks' share of the zone is halved (section 5 of the article, at 10 000
queries).
"""


@attacks.register("square", needs="scores", norms=("linf", "l2"), cost=lambda queries, **_: (queries + 1, 0))
def square(
    problem: Problem,
    *,
    queries: Annotated[int, Field(ge=1)] = 1000,
    share: Annotated[float, Field(gt=0, le=1)] = 0.3,
) -> tuple[Tensor, Tensor]:
    """Random search by ever smaller blocks, kept where the margin does not fall (Andriushchenko et al. 2020,
    arXiv:1912.00049).

    Needs no gradient, so that it also judges classifiers whose gradient is masked. Blocks are windows over all channels
    of
    inputs (n, channels, *positions) and runs of inputs (n, values); each is centred in the zone. A sample that is
    fooled is
    never evaluated again.

    Parameters
    ----------
    queries
        Points tried per sample, after the original.
    share
        Share of the zone that the first blocks cover; halved eight times on the way.
    """
    x0, goal = problem.x, problem.goal
    rows = torch.arange(len(x0), device=x0.device)
    point, fooled = x0.clone(), goal.reached(problem.meter.logits(x0, rows), rows)
    best = torch.full((len(x0),), float("-inf"), dtype=x0.dtype, device=x0.device)
    loss, blocks = problem.loss("margin"), BlockGrid.of(problem)
    live = rows[~fooled & (blocks.free > 0)]
    for query in range(queries):
        if not len(live):
            break
        now = share / 2 ** sum(query >= mark * queries for mark in _HALVINGS)
        tried = _try(problem, blocks, live, x=point[live], share=now if query else 0)
        logits = problem.meter.logits(tried, live)
        value, hit = loss.value(logits, problem.tags(live)), goal.reached(logits, live)
        better = hit | (value >= best[live])
        point[live[better]], best[live[better]] = tried[better], value[better]
        fooled[live] = hit
        live = live[~hit]
    return point, fooled


def _try(problem: Problem, blocks: BlockGrid, rows: Tensor, *, x: Tensor, share: float) -> Tensor:
    """Return x (k, *shape) with one random block turned over, or everything in stripes where share is 0."""
    channels, last = blocks.shape[0], blocks.shape[-1]
    draw = problem.rng.take(rows.tolist()).uniform(
        x.new_zeros((len(rows), channels * last if not share else channels + 1), dtype=torch.float64)
    )
    sides = torch.where(draw < 0.5, -1.0, 1.0).to(x.dtype)
    if share:
        pattern = blocks.windows(rows, share, draw[:, -1]) * sides[:, :-1].view(
            len(rows), channels, *(1,) * (len(blocks.shape) - 1)
        )
    else:
        pattern = blocks.stripes(sides)
    pattern = pattern.view_as(x)
    tried = _turned(problem, rows, x, pattern=pattern)
    same = (tried == x).flatten(1).all(1)
    if bool(same.any()):
        tried[same] = _turned(problem, rows[same], x[same], pattern=-pattern[same])
    return tried


def _turned(problem: Problem, rows: Tensor, x: Tensor, *, pattern: Tensor) -> Tensor:
    """Return x moved by the pattern as far as takes it from one edge of the ball to the other, and projected.

    The whole zone at one edge has size epsilon, a block of it the share that its own size has in the norm.
    """
    threat, x0, epsilon = problem.smooth.take(rows), problem.x[rows], problem.epsilon[rows]
    zone = torch.ones_like(x) if threat.zone is None else threat.zone.to(x.dtype)
    none = torch.zeros_like(x)
    share = threat.size(pattern * zone, none) / threat.size(zone, none)
    return threat.project(threat.step(x, pattern, x0, 2 * epsilon * share), x0, epsilon)
