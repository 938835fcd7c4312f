"""Shapes of tensors that threats and attacks share."""

from __future__ import annotations

from torch import Tensor


def column(values: Tensor, like: Tensor) -> Tensor:
    """Return values (n,) or () shaped to broadcast over like (n, *shape)."""
    return values.reshape(-1, *(1,) * (like.ndim - 1))
