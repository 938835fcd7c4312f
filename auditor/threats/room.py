"""What zone and box leave to the attacker, and ranks of values within it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(eq=False)
class Room:
    """What originals x0 (n, *shape) leave to the attacker: a zone (n, *shape) bool within a box of legal values."""

    x0: Tensor
    zone: Tensor
    lowest: float | Tensor
    highest: float | Tensor
    kept: tuple[Tensor, Tensor, Tensor] | None = None
    """An epsilon with the lowest and highest values that it leaves, kept by a norm that asks for them step after step.
    """
    step: tuple[Tensor, Tensor] | None = None
    """A step size, and the same as one number per value."""

    @cached_property
    def low(self) -> Tensor:
        """Return how far each value may fall (n, *shape), <= 0, and 0 outside the zone."""
        return torch.where(self.zone, self.lowest - self.x0, self.x0.new_zeros(()))

    @cached_property
    def high(self) -> Tensor:
        """Return how far each value may rise (n, *shape), >= 0, and 0 outside the zone."""
        return torch.where(self.zone, self.highest - self.x0, self.x0.new_zeros(()))

    def within(self, gradient: Tensor) -> Tensor:
        """Return a gradient (n, *shape) with 0 outside the zone."""
        return torch.where(self.zone, gradient, self.x0.new_zeros(()))

    def reach(self, size: Tensor) -> Tensor:
        """Return a step size as one number per value (n, *shape), 0 outside the zone; kept from step to step."""
        if self.step is None or self.step[0] is not size:
            self.step = (size, torch.where(self.zone, size, self.x0.new_zeros(())))
        return self.step[1]

    @property
    def free(self) -> Tensor:
        """Return the number of values in each row's zone (n,)."""
        return self.zone.flatten(1).sum(1)

    def clip(self, d: Tensor) -> Tensor:
        """Return changes d (n, *shape) clamped to the box."""
        return torch.minimum(torch.maximum(d, self.low), self.high)

    @cached_property
    def box(self) -> tuple[Tensor, Tensor]:
        """Return the box as values (n, *shape): x0 itself outside the zone."""
        edges = (
            torch.as_tensor(edge, dtype=self.x0.dtype, device=self.x0.device) for edge in (self.lowest, self.highest)
        )
        low, high = (torch.where(self.zone, edge, self.x0) for edge in edges)
        return low, high


def count(numbers: Tensor, scores: Tensor) -> Tensor:
    """Return whole numbers, one or one per row, as counts (n,) of the columns of scores (n, d)."""
    return numbers.flatten().clamp(max=scores.shape[1]).long().expand(len(scores))


def largest(scores: Tensor, counts: Tensor) -> Tensor:
    """Return where scores (n, d) are among the counts (n,) largest of their row (n, d) bool; of equal
    ones the first.
    """
    most = int(counts.max()) if scores.numel() else 0
    if most == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    last = scores.topk(most, dim=1).values.gather(1, (counts - 1).clamp_min(0)[:, None])
    above, equal = scores > last, scores == last
    left = counts[:, None] - above.sum(1, keepdim=True)
    return (above | (equal & (equal.cumsum(1) <= left))) & (counts > 0)[:, None]
