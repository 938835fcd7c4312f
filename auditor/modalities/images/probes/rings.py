"""The surroundings of a mask, near and far, and where another sample has the same place.

Near the mask the same place is the same direction from the mask's centre at the same distance from its edge: a mark
that follows the lesion has no fixed place in the picture. Far from the mask it is the same place of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from auditor.core.records import Trial
from auditor.core.zones import Mask

Pixels = NDArray[np.int64]
ANGLES = 360
_BEYOND = 2.0
PARTS = ("beside", "near", "far", "outside")
"""What is exchanged around a mask: its edge with what lies near it, what lies near it alone, what lies far from it, and
all that lies beyond the edge. What the edge adds to what lies near is the edge's own: a mark that touches the mask is
never cut in two.
"""


@dataclass(frozen=True)
class Widths:
    """Where the parts begin and end, in shares of the diagonal from the mask's edge."""

    guard: float
    """How wide the edge is."""
    near: float
    """Where the near surroundings end."""
    far: float
    """Where the far surroundings begin; before the near ones end, so that a mark which one of them cuts is whole in
    the other.
    """


def widths_of(trial: Trial) -> Widths:
    """Return where the parts begin and end in a trial."""
    return Widths(*(float(trial.settings[name]) for name in ("guard", "near", "far")))


@dataclass(frozen=True)
class MaskFrame:
    """One sample's mask (height, width) as a frame of reference; the mask may be empty."""

    mask: Mask

    @cached_property
    def away(self) -> NDArray[np.float64]:
        """Return every pixel's distance from the mask in pixels: 0 inside; endless where the mask is empty."""
        if not self.mask.any():
            return np.full(self.mask.shape, np.inf)
        return np.asarray(distance_transform_edt(~self.mask))

    def ring(self, low: float, high: float = np.inf) -> Mask:
        """Return the pixels farther from the mask than `low` and not farther than `high`, in shares of the diagonal."""
        return np.asarray((self.away > low * self._diagonal) & (self.away <= high * self._diagonal))

    def grown(self, width: float) -> Mask:
        """Return the mask and what lies within a share of the diagonal of it."""
        return np.asarray(self.away <= width * self._diagonal)

    @cached_property
    def centre(self) -> tuple[float, float]:
        """Return the mask's centre of mass."""
        down, right = np.nonzero(self.mask)
        return float(down.mean()), float(right.mean())

    def _rays(self, reach: float) -> tuple[NDArray[np.float64], Pixels, Pixels]:
        """Return the distance from the mask (ANGLES, length) along every ray from the centre, which never falls and is
        below 0 up to the ray's last pixel inside, and the pixels of the rays; `_BEYOND` diagonals outside the picture.

        The rays go as far as any pixel that lies within `reach` pixels of the mask.
        """
        height, width = self.mask.shape
        angle = (np.arange(ANGLES) * 2 * np.pi / ANGLES)[:, None]
        extent = float(np.hypot(*(np.argwhere(self.mask) - np.array(self.centre)).T).max())
        steps = np.arange(0, min(self._diagonal, extent + reach + 2), 0.5)[None]
        down = np.rint(self.centre[0] + steps * np.sin(angle)).astype(np.int64)
        right = np.rint(self.centre[1] + steps * np.cos(angle)).astype(np.int64)
        shown = (down >= 0) & (down < height) & (right >= 0) & (right < width)
        down, right = down.clip(0, height - 1), right.clip(0, width - 1)
        inside = self.mask[down, right] & shown
        past = np.flip(np.cumsum(np.flip(inside, 1), 1), 1) == 0
        away = np.where(past, np.where(shown, self.away[down, right], _BEYOND * self._diagonal), -1.0)
        return np.maximum.accumulate(away, axis=1), down, right

    @property
    def _diagonal(self) -> float:
        return float(np.hypot(*self.mask.shape))

    def at(self, pixels: Pixels, other: MaskFrame) -> tuple[Pixels, Mask]:
        """Return where this sample has what another one has at `pixels` (n, 2), in the frames of both masks, and
        whether it lies in the picture (n,).
        """
        offset = pixels - np.array(other.centre)
        ray = np.rint(np.arctan2(offset[:, 0], offset[:, 1]) * ANGLES / (2 * np.pi)).astype(np.int64) % ANGLES
        wanted = other.away[pixels[:, 0], pixels[:, 1]]
        away, down, right = self._rays(float(wanted.max(initial=0.0)))
        # one ray after another on a common scale, so that a single search finds the place on every ray
        apart, length = 2 * _BEYOND * self._diagonal, away.shape[1]
        scale = (away + apart * np.arange(ANGLES)[:, None]).ravel()
        step = np.searchsorted(scale, wanted - 0.3 + apart * ray) - ray * length
        found = step < length
        step = step.clip(0, length - 1)
        found &= np.abs(away[ray, step] - wanted) <= 1.0
        return np.stack([down[ray, step], right[ray, step]], 1), found
