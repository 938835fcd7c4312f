"""Filling a region of an image from its rim, so that nothing of what was there is left and nothing of elsewhere is
carried in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

Image = NDArray[np.float32]
TRUNCATE = 4.0
"""Width of the smoothing kernel on either side, in standard deviations."""


def inpaint(image: Image, hole: NDArray[np.bool_], *, blur: float = 0.02, rounds: int = 4) -> Image:
    """Return the image (channels, height, width) with the hole (height, width) filled: nearest rim value, then
    smoothed.

    Parameters
    ----------
    blur
        Width of the smoothing as a share of the diagonal; the rim itself stays as it is.
    rounds
        How often the filled part is smoothed; each round starts from the untouched rim.
    """
    if not hole.any():
        return image
    if hole.all():
        return np.broadcast_to(image.mean((1, 2), keepdims=True), image.shape).astype(np.float32)
    rows, columns = distance_transform_edt(hole, return_distances=False, return_indices=True)
    filled = image[:, rows, columns]
    sigma = blur * float(np.hypot(*hole.shape))
    near = _around(hole, margin=int(TRUNCATE * sigma + 0.5))
    part, inside = filled[:, *near], hole[near]
    for _ in range(rounds):
        smooth = np.stack([gaussian_filter(channel, sigma, mode="nearest", truncate=TRUNCATE) for channel in part])
        part = np.where(inside, smooth, image[:, *near])
    filled[:, *near] = part
    return np.where(hole, filled, image).astype(np.float32)


def _around(hole: NDArray[np.bool_], *, margin: int) -> tuple[slice, slice]:
    """Return the pixels that smoothing the hole can read: what lies farther away cannot change it."""
    spans = []
    for axis in (1, 0):
        places = np.flatnonzero(hole.any(axis))
        spans.append(slice(max(0, int(places[0]) - margin), int(places[-1]) + 1 + margin))
    return spans[0], spans[1]
