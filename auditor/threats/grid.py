"""The value grid of files: what can be saved is what is searched, and what is counted."""

from __future__ import annotations

import torch
from torch import Tensor


def quantise(x: Tensor, x0: Tensor, levels: int, *, low: float | Tensor, high: float | Tensor) -> Tensor:
    """Return x (n, *shape) rounded toward x0 onto the file's grid of `levels` steps from low to high.

    Rounding goes toward the original, so that the change never grows; a change that misses a step by no more than the
    rounding of its own type is that step, since a sum in float32 seldom is exact. More would let a budget of 0.00784
    round up
    to 2/255, which the threat then refuses. Unchanged values stay bit for bit.
    """
    scale = levels / (high - low)
    steps = (x.double() - x0.double()) * scale
    rounding = 2 * torch.finfo(x.dtype).eps * torch.maximum(x.abs(), x0.abs()) * scale
    whole = torch.trunc(steps + rounding * steps.sign()).to(x.dtype)
    start = torch.round((x0 - low) * scale)
    moved = (start + whole).clamp(0, levels) / levels * (high - low) + low
    return torch.where(whole == 0, x0, moved)
