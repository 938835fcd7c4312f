"""Images whose inside and outside come from different places, with every trace of another mask in-painted first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from auditor.core.zones import Mask
from auditor.modalities.images.probes.inpaint import FILLS, Image
from auditor.samples.samples import Samples


@dataclass(frozen=True)
class Cutting:
    """How insides are cut out, in shares of the image's diagonal, and how the holes are filled."""

    guard: float
    """The inside travels with its guard band, so that the outside is exactly the zone 'outside'."""
    blend: float = 0.0
    """The outer part of the guard band, in which the pasted inside fades into its new surroundings; at most the guard.
    """
    fill: str = "smooth"
    """How what lies under a mask is filled: a name in `FILLS`."""

    def opacity(self, mask: Mask) -> NDArray[np.float32]:
        """Return how much of each pixel (height, width) comes from the pasted inside: 1 in the mask, 0 in the zone
        'outside', above 0 between.
        """
        if not mask.any() or self.guard <= 0:
            return mask.astype(np.float32)
        away, diagonal = distance_transform_edt(~mask), float(np.hypot(*mask.shape))
        reach, rim = self.guard * diagonal, min(self.blend, self.guard) * diagonal
        fade = np.clip((reach - away) / rim, np.finfo(np.float32).tiny, 1.0) if rim > 0 else 1.0
        return np.where(away <= reach, fade, 0.0).astype(np.float32)


class Sheet:
    """Some samples, loaded, whose masks are taken out of each other's surroundings."""

    def __init__(self, samples: Samples, who: tuple[int, ...], cutting: Cutting) -> None:
        self._fill, loaded = FILLS[cutting.fill], samples.load(who)
        self.x: NDArray[np.float32] = loaded.x.numpy()
        self._opacity = [cutting.opacity(mask.numpy()) for mask in loaded.inside.any(1)]
        self.hole: Mask = np.logical_or.reduce([share > 0 for share in self._opacity])
        """What lies under any mask of the draw with its guard band (height, width)."""
        self._filled: dict[int, Image] = {}

    @property
    def full(self) -> bool:
        """Return whether nothing is left outside to fill from: a fill would carry what lies under the masks."""
        return bool(self.hole.all())

    def outside(self, place: int) -> Image:
        """Return a sample (channels, height, width) with the hole in-painted."""
        if place not in self._filled:
            self._filled[place] = self._fill(self.x[place], self.hole)
        return self._filled[place]

    def paste(self, inside: int, outside: int) -> Image:
        """Return the inside of one sample on the outside of another (channels, height, width)."""
        share = self._opacity[inside]
        around = self.outside(outside)
        mixed: Image = np.where(share == 1, self.x[inside], around + share * (self.x[inside] - around)).astype(
            np.float32
        )
        return mixed
