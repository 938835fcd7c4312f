"""HopSkipJump: along the decision boundary toward the original, on labels alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.blocks import EVERY_CELL, BlockGrid
from auditor.attacks.minimum_norm import largest_change
from auditor.attacks.problem import Problem
from auditor.threats.shapes import column

RADIUS = 0.05
"""How far probes lie from the boundary point, as a share of its size."""
PRECISION = 0.01
"""Width of the bracket, as a share of the size, at which the way to the original is halved no further."""
_HALVINGS = 8
"""How often a step that leaves the wrong side is halved before it is given up."""
_MOMENTUM = 0.8
STARTS = (4, 8, 2, 16)
"""Cells along every axis of the random starts, in turn: coarse noise fools sooner and nearer to the original than fine
noise.
"""
GRAINS = (6, 11, 17, EVERY_CELL)
"""Cells along every axis of the probes, in turn: coarse probes say more per query, fine ones say what is left."""


@attacks.register("boundary", needs="labels", norms=("linf", "l2"), cost=lambda queries, **_: (queries, 0))
def boundary(
    problem: Problem,
    *,
    queries: Annotated[int, Field(ge=1)] = 2000,
    starts: Annotated[int, Field(ge=1)] = 20,
    probes: Annotated[int, Field(ge=2)] = 20,
) -> tuple[Tensor, Tensor]:
    """Steps along the decision boundary toward the original (Chen, Jordan and Wainwright 2020, HopSkipJump,
    arXiv:1904.02144).

    Starts at a random point of the zone that fools at any distance, and ends as soon as a point within epsilon does;
    samples
    without a start are not fooled. Beyond the article, probes are blocks of values and directions keep a momentum.

    Parameters
    ----------
    queries
        Most points evaluated per sample.
    starts
        Random points, ever further away, among which the start is looked for.
    probes
        Points around the boundary that show the first direction; the later ones take this many times the root of their
        number.
    """
    search = _Search.start(problem, queries)
    x = search.outside(starts)
    direction = torch.zeros_like(x)
    for turn in count(1):
        number = int(probes * turn**0.5)
        rows = torch.nonzero(search.found & ~search.fooled & (search.left >= number))[:, 0]
        if not len(rows):
            break
        direction[rows] = _MOMENTUM * direction[rows] + _slope(
            search, rows, x[rows], number=number, grain=GRAINS[turn % len(GRAINS)]
        )
        x[rows] = search.approach(rows, _jump(search, rows, x[rows], direction=direction[rows], turn=turn))
    return search.point, search.fooled


@dataclass
class _Search:
    """Where the search of every sample (n) stands."""

    problem: Problem
    left: Tensor
    """Queries left (n,)."""
    point: Tensor
    """The point within the threat that fools, or the last one tried (n, *shape)."""
    fooled: Tensor
    found: Tensor
    """Whether a point that fools is known, at any distance (n,)."""

    @classmethod
    def start(cls, problem: Problem, queries: int) -> _Search:
        """Return a search that has asked for the originals."""
        rows = torch.arange(len(problem.x), device=problem.x.device)
        no = torch.zeros_like(rows, dtype=torch.bool)
        search = cls(problem, torch.full_like(rows, queries), problem.x.clone(), no, no.clone())
        search.ask(problem.x, rows)
        return search

    def open(self, rows: Tensor) -> Tensor:
        """Return which of the samples `rows` (k,) may be asked for again (k,)."""
        return ~self.fooled[rows] & (self.left[rows] > 0)

    def ask(self, x: Tensor, rows: Tensor) -> Tensor:
        """Return whether points x (k, *shape) of the samples `rows` (k,) fool; those within the threat are written
        down.
        """
        problem = self.problem
        threat, x0 = problem.smooth.take(rows), problem.x[rows]
        reached = problem.goal.reached(problem.meter.logits(x, rows), rows)
        self.left.index_add_(0, rows, -torch.ones_like(rows))
        within = threat.allows(threat.saved(x, x0), x0, problem.epsilon[rows]) & ~self.fooled[rows]
        hits = within & reached
        for place in [*torch.nonzero(within & ~reached)[:, 0].tolist(), *torch.nonzero(hits)[:, 0].tolist()]:
            self.point[rows[place]] = x[place]
        self.fooled[rows[hits]] = True
        return reached

    def outside(self, starts: int) -> Tensor:
        """Return a point that fools at any distance per sample (n, *shape), drawn near to the boundary; the original
        where none is found.
        """
        problem, blocks = self.problem, BlockGrid.of(self.problem)
        x, far = problem.x.clone(), largest_change(problem)
        every = torch.arange(len(x), device=x.device)
        for turn in range(starts):
            rows = every[self.open(every) & ~self.found & (far > 0)]
            if not len(rows):
                break
            threat, x0 = problem.smooth.take(rows), problem.x[rows]
            signs = blocks.cells(x0, problem.rng.take(rows.tolist()), STARTS[turn % len(STARTS)])
            drawn = threat.project(threat.step(x0, signs, x0, far[rows] * ((turn + 1) / starts)), x0, far[rows])
            hit = self.ask(drawn, rows)
            x[rows[hit]], self.found[rows[hit]] = drawn[hit], True
        rows = every[self.found]
        x[rows] = self.approach(rows, x[rows])
        return x

    def approach(self, rows: Tensor, x: Tensor) -> Tensor:
        """Return points x (k, *shape) that fool, drawn toward the originals as near as they still do; epsilon is tried
        first.
        """
        problem = self.problem
        threat, x0, low = problem.smooth.take(rows), problem.x[rows], problem.epsilon[rows].clone()
        high, middle = threat.size(x, x0), low.clone()
        while True:
            live = torch.nonzero((high - low > PRECISION * high) & self.open(rows))[:, 0]
            if not len(live):
                return x
            tried = threat.take(live).project(x[live], x0[live], middle[live])
            reached = self.ask(tried, rows[live])
            x[live[reached]], high[live[reached]] = tried[reached], middle[live[reached]]
            low[live[~reached]] = middle[live[~reached]]
            middle = (low + high) / 2


def _slope(search: _Search, rows: Tensor, x: Tensor, *, number: int, grain: int) -> Tensor:
    """Return the direction (k, *shape) of Euclidean length 1 in which probes around x (k, *shape) fool more often."""
    problem, blocks = search.problem, BlockGrid.of(search.problem)
    threat, x0, rng = problem.smooth.take(rows), problem.x[rows], problem.rng.take(rows.tolist())
    radius = RADIUS * threat.size(x, x0)
    vast = torch.full_like(radius, float("inf"))
    packed = max(1, problem.meter.batch_size // len(rows))
    moved, signed, said = torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(radius)
    for first in range(0, number, packed):
        turns = range(first, min(first + packed, number))
        probes = torch.stack(
            [threat.project(threat.step(x, blocks.cells(x, rng, grain), x0, radius), x0, vast) for _ in turns]
        )
        answers = (
            torch.where(search.ask(probes.flatten(0, 1), rows.repeat(len(turns))), 1.0, -1.0)
            .to(x.dtype)
            .view(len(turns), -1)
        )
        moves = (probes - x).flatten(2)
        moved, said = moved + moves.sum(0).view_as(x), said + answers.sum(0)
        signed = signed + (moves * answers[:, :, None]).sum(0).view_as(x)
    mean = column(said / number, x)
    slope = torch.where(mean.abs() == 1, signed, signed - mean * moved)
    return slope / column(torch.linalg.vector_norm(slope.flatten(1), dim=1).clamp_min(torch.finfo(x.dtype).tiny), x)


def _jump(search: _Search, rows: Tensor, x: Tensor, *, direction: Tensor, turn: int) -> Tensor:
    """Return x (k, *shape) moved along the direction, as far as it still fools after halvings; x where
    it never does.
    """
    problem = search.problem
    threat, x0 = problem.smooth.take(rows), problem.x[rows]
    size = threat.size(x, x0) / turn**0.5
    landed, flying = x.clone(), torch.ones_like(rows, dtype=torch.bool)
    for halving in range(_HALVINGS):
        live = torch.nonzero(flying & search.open(rows))[:, 0]
        if not len(live):
            break
        limits, step = threat.take(live), size[live] / 2**halving
        tried = limits.project(
            limits.step(x[live], direction[live], x0[live], step), x0[live], torch.full_like(step, float("inf"))
        )
        reached = search.ask(tried, rows[live])
        landed[live[reached]], flying[live[reached]] = tried[reached], False
    return landed
