"""The data under audit: what is known of every sample in memory, the inputs and masks loaded when asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.seeds import derive

Loader = Callable[[int], tuple[NDArray[np.float32], NDArray[np.bool_]]]
"""function (index) -> input (*shape) in the expert's units, mask (*shape) True where the answer should be looked for"""


@dataclass(frozen=True)
class Chunk:
    """Some samples, loaded: x (k, *shape) float32, y (k,) long, inside (k, *shape) bool."""

    ids: tuple[str, ...]
    x: Tensor
    y: Tensor
    inside: Tensor

    def take(self, rows: Sequence[int]) -> Chunk:
        """Return some of the rows."""
        index = torch.tensor(list(rows), dtype=torch.long)
        return Chunk(tuple(self.ids[row] for row in rows), self.x[index], self.y[index], self.inside[index])


@dataclass(frozen=True)
class Samples:
    """A data set; memory does not grow with the inputs, only with what is known of them."""

    ids: tuple[str, ...]
    y: tuple[int, ...]
    """Index of each sample's label in the classifier's classes."""
    units: tuple[str, ...]
    """What samples share that makes them dependent (patient); the id itself where nothing is declared."""
    groups: Mapping[str, tuple[str, ...]]
    """Attribute -> value of each sample; '' where unknown."""
    shape: tuple[int, ...]
    low: float
    high: float
    levels: int | None
    """Number of steps of the file's value grid between low and high (255 for 8-bit images); None where continuous."""
    mask_share: tuple[float | None, ...]
    """Share of each sample's area inside its mask (0.0: empty, 1.0: full); None where it has no mask file."""
    digest: str
    """SHA-256 over rows, inputs and masks."""
    loader: Loader = field(repr=False)
    modality: str = "image"
    notes: tuple[str, ...] = ()
    """What a reader of the report must know about how the data were read."""
    cache_bytes: int = 256 * 2**20
    _cache: OrderedDict[int, tuple[NDArray[np.float32], NDArray[np.bool_]]] = field(default_factory=OrderedDict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.ids)

    def index(self) -> dict[str, int]:
        """Return id -> position."""
        return {name: position for position, name in enumerate(self.ids)}

    def load(self, positions: Sequence[int]) -> Chunk:
        """Return the samples at some positions, loaded."""
        pairs = [self._one(position) for position in positions]
        x = torch.from_numpy(np.stack([pair[0] for pair in pairs])) if pairs else torch.zeros(0, *self.shape)
        inside = torch.from_numpy(np.stack([pair[1] for pair in pairs])) if pairs else torch.zeros(0, *self.shape, dtype=torch.bool)
        y = torch.tensor([self.y[position] for position in positions], dtype=torch.long)
        return Chunk(tuple(self.ids[position] for position in positions), x, y, inside)

    def _one(self, position: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        if position in self._cache:
            self._cache.move_to_end(position)
            return self._cache[position]
        pair = self.loader(position)
        self._cache[position] = pair
        room = self.cache_bytes // max(1, pair[0].nbytes + pair[1].nbytes)
        while len(self._cache) > max(1, room):
            self._cache.popitem(last=False)
        return pair

    def select(self, positions: Sequence[int], digest: str) -> Samples:
        """Return a data set of some of the samples, under a digest of its own."""
        loader = self.loader

        def take(values: Sequence[object]) -> tuple[object, ...]:
            return tuple(values[position] for position in positions)

        chosen = tuple(positions)
        groups = {name: take(values) for name, values in self.groups.items()}
        parts = {name: take(getattr(self, name)) for name in ("ids", "y", "units", "mask_share")}
        return replace(self, **parts, groups=groups, digest=digest, loader=lambda row: loader(chosen[row]), _cache=OrderedDict())  # type: ignore[arg-type]

    def draw(self, n: int, seed: int, *, among: Sequence[int] | None = None) -> tuple[int, ...]:
        """Return the positions of n samples (of those `among`), drawn by seed and id, in the data's order; all of them where n is 0 or too many.

        A sample's place in the draw depends on its id alone, so the draw of 20 is part of the draw of 40.
        """
        pool = range(len(self)) if among is None else among
        if not n or n >= len(pool):
            return tuple(sorted(pool))
        ranked = sorted(pool, key=lambda row: derive(seed, "draw", self.ids[row]))
        return tuple(sorted(ranked[:n]))
