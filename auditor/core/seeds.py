"""Randomness drawn per row: the same sample gets the same draw, whatever batch, order or shard it is in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # judging draws bootstrap samples without torch
    import torch
    from torch import Tensor


def derive(*parts: object) -> int:
    """Return a 63-bit seed that depends on every part, and on nothing else.

    >>> derive(0, "trial", "sample") == derive(0, "trial", "sample")
    True
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*parts: object) -> np.random.Generator:
    """Return a numpy generator seeded by the parts."""
    return np.random.default_rng(derive(*parts))


class RowGenerators:
    """One generator per row of a batch, on the CPU so that every device sees the same draws."""

    def __init__(self, seeds: Sequence[int]) -> None:
        import torch

        self._generators: list[torch.Generator] = [torch.Generator().manual_seed(seed) for seed in seeds]

    @classmethod
    def of(cls, seed: int | Sequence[int], n: int) -> RowGenerators:
        """Return generators for n rows, from one seed per row or from one for all."""
        if isinstance(seed, int | np.integer):
            return cls([derive(int(seed), row) for row in range(n)])
        if len(seed) != n:
            raise ValueError(f"seed: expected one number or {n}, one per row, got {len(seed)}")
        return cls([int(one) for one in seed])

    def take(self, rows: Sequence[int]) -> RowGenerators:
        """Return the generators of some rows; they go on where they are."""
        taken = RowGenerators(())
        taken._generators = [self._generators[row] for row in rows]
        return taken

    def uniform(self, like: Tensor) -> Tensor:
        """Return draws in [0, 1) shaped as `like` (n, *shape)."""
        import torch

        rows = [torch.rand(like.shape[1:], generator=row, dtype=like.dtype) for row in self._generators]
        return torch.stack(rows).to(like.device) if rows else like.clone()

    def normal(self, like: Tensor) -> Tensor:
        """Return standard normal draws shaped as `like` (n, *shape)."""
        import torch

        rows = [torch.randn(like.shape[1:], generator=row, dtype=like.dtype) for row in self._generators]
        return torch.stack(rows).to(like.device) if rows else like.clone()
