"""Blocks of neighbouring values, found from the shape of the inputs alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from auditor.attacks.problem import Problem
from auditor.core.seeds import RowGenerators

EVERY_CELL = 2**31
"""More cells than any axis has values."""


@dataclass(frozen=True)
class BlockGrid:
    """Where blocks can lie in inputs (n, channels, *positions), or (n, values) as if of one channel: centred in the
    zone.
    """

    zone: Tensor
    """Positions with a value in the zone, in order and followed by the others (n, positions), as indices into the grid.
    """
    free: Tensor
    """Number of positions in the zone (n,)."""
    shape: tuple[int, ...]
    """The channels and the grid of positions."""

    @classmethod
    def of(cls, problem: Problem) -> BlockGrid:
        """Return the blocks of a problem."""
        x, zone = problem.x, problem.threat.zone
        shape = (1, *x.shape[1:]) if x.ndim == 2 else tuple(x.shape[1:])
        free = torch.ones_like(x, dtype=torch.bool) if zone is None else zone
        open_ = free.reshape(len(x), shape[0], prod(shape[1:])).any(1)
        return cls(open_.int().argsort(dim=1, descending=True, stable=True), open_.sum(1), shape)

    def windows(self, rows: Tensor, share: float, draw: Tensor) -> Tensor:
        """Return one window for each of the samples `rows` (k,) as bool (k, 1, *positions).

        A window is as wide along every axis, covers about this share of as many positions as the zone has, and is
        centred
        on a position of the zone, but moved inwards at the edge of the grid.

        Parameters
        ----------
        draw
            Random numbers in [0, 1) (k,) that choose the centres.
        """
        grid = self.shape[1:]
        centre = self.zone[rows, (draw * self.free[rows]).long()]
        side = (share * self.free[rows]).pow(1 / len(grid)).round().long().clamp_min(1)
        window = torch.ones((len(rows), 1, *(1,) * len(grid)), dtype=torch.bool, device=rows.device)
        for axis in reversed(range(len(grid))):
            place, width = centre % grid[axis], side.clamp_max(grid[axis])
            centre = centre // grid[axis]
            first = torch.minimum((place - width // 2).clamp_min(0), grid[axis] - width)[:, None]
            along = torch.arange(grid[axis], device=rows.device)
            within = (along >= first) & (along < first + width[:, None])
            window = window & within.view(len(rows), 1, *(-1 if one == axis else 1 for one in range(len(grid))))
        return window

    def stripes(self, signs: Tensor) -> Tensor:
        """Return signs (k, channels, length of the last axis), each laid along all other axes: (k, channels,
        *positions).
        """
        return signs.view(len(signs), self.shape[0], *(1,) * (len(self.shape) - 2), self.shape[-1]).expand(
            -1, *self.shape
        )

    def cells(self, x: Tensor, rng: RowGenerators, number: int) -> Tensor:
        """Return random signs shaped as x (k, *shape), one per channel and cell; an axis is cut into `number` cells, or
        into its values.
        """
        numbers = [min(number, length) for length in self.shape[1:]]
        signs = torch.where(
            rng.uniform(x.new_zeros((len(x), self.shape[0], *numbers), dtype=torch.float64)) < 0.5, -1.0, 1.0
        ).to(x.dtype)
        for axis, (length, cells) in enumerate(zip(self.shape[1:], numbers, strict=True), start=2):
            signs = signs.index_select(axis, torch.arange(length, device=x.device) * cells // length)
        return signs.view_as(x)
