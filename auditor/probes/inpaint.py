"""Filling a region of an image from its rim, so that nothing of what was there is left and nothing of elsewhere is carried in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

Image = NDArray[np.float32]


def inpaint(image: Image, hole: NDArray[np.bool_], *, blur: float = 0.02, rounds: int = 4) -> Image:
    """Return the image (channels, height, width) with the hole (height, width) filled: nearest rim value, then smoothed.

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
    for _ in range(rounds):
        smooth = np.stack([gaussian_filter(channel, sigma, mode="nearest") for channel in filled])
        filled = np.where(hole, smooth, image)
    return filled.astype(np.float32)
