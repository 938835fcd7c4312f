"""The data under audit: what is known of every sample in memory, the inputs and masks loaded when asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from auditor.core.modality import assumed_modality
from auditor.core.seeds import derive

if TYPE_CHECKING:  # what data there are is known without torch; only loading them needs it
    from torch import Tensor


class Loaded(NamedTuple):
    """One sample, loaded."""

    x: NDArray[np.float32] | NDArray[np.float64]
    """(*shape) in the expert's units: float32 of an image, float64 codes of a table's row."""
    inside: NDArray[np.bool_]
    """(*shape) True where the answer should be looked for."""
    regions: Mapping[str, NDArray[np.bool_]] = MappingProxyType({})
    """Name -> named zone, without the axis of channels; a zone that the sample does not have is left out."""


Loader = Callable[[int], Loaded | tuple[NDArray[Any], NDArray[np.bool_]]]
"""function (index) -> the sample, as a plain pair where the data have no named zones"""


@dataclass(frozen=True)
class Chunk:
    """Some samples, loaded: x (k, *shape) float32 (float64 of a table), y (k,) long, inside and each of the regions (k,
    *shape) bool.
    """

    ids: tuple[str, ...]
    x: Tensor
    y: Tensor
    inside: Tensor
    regions: Mapping[str, Tensor] = field(default_factory=dict)
    """Name -> named zone; nowhere True for a sample that does not have it."""

    def take(self, rows: Sequence[int]) -> Chunk:
        """Return some of the rows."""
        import torch

        index = torch.tensor(list(rows), dtype=torch.long)
        regions = {name: region[index] for name, region in self.regions.items()}
        return Chunk(tuple(self.ids[row] for row in rows), self.x[index], self.y[index], self.inside[index], regions)


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
    modality: str = field(default_factory=lambda: assumed_modality().name)
    notes: tuple[str, ...] = ()
    """What a reader of the report must know about how the data were read."""
    factors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """How each sample was acquired: column (site, scanner, marker) -> value of each sample; '' where unknown."""
    regions: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    """Named zone -> its share of each sample's area, like `mask_share`."""
    schema: Any = None
    """What the modality needs to read an input, such as a table's columns and rules; None where it needs nothing."""
    cache_bytes: int = 256 * 2**20
    _cache: OrderedDict[int, Loaded] = field(default_factory=OrderedDict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.ids)

    def index(self) -> dict[str, int]:
        """Return id -> position."""
        return {name: position for position, name in enumerate(self.ids)}

    def unit_numbers(self) -> NDArray[np.int64]:
        """Return the number of each sample's unit (n,), units in sorted order."""
        return np.unique(np.array(self.units), return_inverse=True)[1].astype(np.int64)

    def load(self, positions: Sequence[int]) -> Chunk:
        """Return the samples at some positions, loaded."""
        import torch

        found = [self._one(position) for position in positions]

        def stacked(arrays: list[NDArray[np.bool_]]) -> Tensor:
            whole = [np.broadcast_to(array, self.shape) for array in arrays]
            return torch.from_numpy(np.stack(whole)) if whole else torch.zeros(0, *self.shape, dtype=torch.bool)

        x = torch.from_numpy(np.stack([one.x for one in found])) if found else torch.zeros(0, *self.shape)
        y = torch.tensor([self.y[position] for position in positions], dtype=torch.long)
        regions = {name: stacked([one.regions[name] for one in found]) for name in self.regions}
        return Chunk(
            tuple(self.ids[position] for position in positions), x, y, stacked([one.inside for one in found]), regions
        )

    def _one(self, position: int) -> Loaded:
        """Return a sample with all of the data's named zones, empty where it has none."""
        if position in self._cache:
            self._cache.move_to_end(position)
            return self._cache[position]
        found = self.loader(position)
        found = found if isinstance(found, Loaded) else Loaded(*found)
        blank = np.zeros(self.shape[-2:], dtype=np.bool_)
        one = found._replace(regions={name: found.regions.get(name, blank) for name in self.regions})
        self._cache[position] = one
        room = self.cache_bytes // max(1, sum(array.nbytes for array in (one.x, one.inside, *one.regions.values())))
        while len(self._cache) > max(1, room):
            self._cache.popitem(last=False)
        return one

    def select(self, positions: Sequence[int], digest: str) -> Samples:
        """Return a data set of some of the samples, under a digest of its own."""
        loader = self.loader

        def take(values: Sequence[object]) -> tuple[object, ...]:
            return tuple(values[position] for position in positions)

        chosen = tuple(positions)
        columns = {
            part: {name: take(values) for name, values in getattr(self, part).items()}
            for part in ("groups", "factors", "regions")
        }
        parts = {name: take(getattr(self, name)) for name in ("ids", "y", "units", "mask_share")}
        changed: dict[str, Any] = {**parts, **columns}
        return replace(self, **changed, digest=digest, loader=lambda row: loader(chosen[row]), _cache=OrderedDict())

    def draw(self, n: int, seed: int, *, among: Sequence[int] | None = None) -> tuple[int, ...]:
        """Return the positions of n samples (of those `among`), drawn by seed and id, in the data's order; all of them
        where n is 0 or too many.

        A sample's place in the draw depends on its id alone, so the draw of 20 is part of the draw of 40.
        """
        pool = range(len(self)) if among is None else among
        if not n or n >= len(pool):
            return tuple(sorted(pool))
        ranked = sorted(pool, key=lambda row: derive(seed, "draw", self.ids[row]))
        return tuple(sorted(ranked[:n]))
