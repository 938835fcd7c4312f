"""The value grid of files: what can be saved is what is counted."""

from __future__ import annotations

import torch
from torch import Tensor


def quantise(x: Tensor, x0: Tensor, levels: int | None, low: float, high: float) -> Tensor:
    """Return x (n, *shape) moved toward x0 onto the file's grid of `levels` steps from low to high; x itself where there is no grid.

    Rounding goes toward the original, so that the change never grows; a change that misses a step by less than a
    thousandth of it is that step, since a sum in float32 seldom is exact. Unchanged values stay bit for bit.
    """
    if levels is None:
        return x
    scale = levels / (high - low)
    steps = (x.double() - x0.double()) * scale
    whole = torch.trunc(steps + 1e-3 * steps.sign())
    start = torch.round((x0.double() - low) * scale)
    moved = from_grid((start + whole).clamp(0, levels), levels, low, high).to(x0)
    return torch.where(whole == 0, x0, moved)


def from_grid(steps: Tensor, levels: int, low: float, high: float) -> Tensor:
    """Return the float32 values of whole grid steps, as a reader of the file computes them."""
    return (steps.double() * ((high - low) / levels) + low).float() if (low, high) != (0.0, 1.0) else (steps.double() / levels).float()
