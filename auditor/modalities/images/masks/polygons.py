"""Outlines -> pixels, by one rule for every format.

A pixel belongs to an outline when its centre does. Column c of row r covers the square from (c, r) to (c + 1, r + 1),
so that its centre is (c + 0.5, r + 0.5). A centre exactly on an edge belongs to the outline on its right, or below.
Several rings of one outline are taken as even and odd: a ring within a ring is a hole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from auditor.core.zones import Mask

Ring = NDArray[np.float64]
"""Corners (n, 2) of a closed line: x to the right, y down, in pixels."""
Outline = tuple[Ring, ...]
_ROUND = 256
"""Corners that stand for an ellipse: the area is right to 0.02 %."""


def outline(rings: Iterable[ArrayLike]) -> Outline:
    """Return an outline of some rings (n, 2) (ValueError: fewer than 3 corners, or numbers that are not finite)."""
    made = tuple(np.asarray(ring, dtype=np.float64) for ring in rings)
    for ring in made:
        if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3:
            raise ValueError(f"a ring with corners of shape {ring.shape}, not of at least 3 pairs")
        if not np.isfinite(ring).all():
            raise ValueError("a corner that is no finite number")
    if not made:
        raise ValueError("an outline without a ring")
    return made


def box(corner: Sequence[float], size: Sequence[float]) -> Outline:
    """Return a rectangle from its corner at the left and top (x, y) and its size (width, height)."""
    left, top = corner
    right, bottom = left + size[0], top + size[1]
    return outline([[(left, top), (right, top), (right, bottom), (left, bottom)]])


def ellipse(centre: tuple[float, float], radii: tuple[float, float], *, turned: float = 0.0) -> Outline:
    """Return an ellipse around (x, y) with the radii along x and y, turned clockwise by some radians."""
    angle = np.arange(_ROUND) * 2 * np.pi / _ROUND
    # a polygon on the curve is smaller than the ellipse by this factor
    grow = np.sqrt(2 * np.pi / _ROUND / np.sin(2 * np.pi / _ROUND))
    x, y = radii[0] * grow * np.cos(angle), radii[1] * grow * np.sin(angle)
    cos, sin = np.cos(turned), np.sin(turned)
    return outline([np.stack([centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos], 1)])


def filled(one: Outline, size: tuple[int, int]) -> Mask:
    """Return the pixels (height, width) of an outline; what lies beyond the picture is cut off."""
    height, width = size
    crossed = np.zeros((height, width + 1), dtype=np.bool_)
    for ring in one:
        for (x1, y1), (x2, y2) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if y1 == y2:
                continue
            low, high = (y1, y2) if y1 < y2 else (y2, y1)
            # rows whose centre lies in [low, high)
            rows = np.arange(max(0, int(np.ceil(low - 0.5))), min(height, int(np.ceil(high - 0.5))))
            x = x1 + (rows + 0.5 - y1) * (x2 - x1) / (y2 - y1)
            first = np.ceil(x - 0.5).clip(0, width).astype(np.int64)
            crossed[rows, first] ^= True
    return np.asarray(np.logical_xor.accumulate(crossed[:, :width], axis=1))
