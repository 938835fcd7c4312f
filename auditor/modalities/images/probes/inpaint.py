"""Filling a region of an image, so that nothing of what was there is left, nothing of elsewhere is carried in, and no
single mark beside the region decides what is put there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, uniform_filter, zoom

Image = NDArray[np.float32]
Hole = NDArray[np.bool_]

BLOCK_SIDE = 0.1
"""Side of a block of which a median is taken, as a share of the diagonal: larger than a caliper or a trace of ink."""
RIM = 0.15
"""Width of the rim whose median fills a region evenly, as a share of the diagonal."""


def smooth(image: Image, hole: Hole) -> Image:
    """Return the image (channels, height, width) with the hole (height, width) filled by what surrounds it, place by
    place.

    The picture is cut into square blocks. Each block with enough pixels outside the hole gives the median of these
    pixels, and the median over its neighbours replaces it, so that a mark of the size of a block is outvoted. What lies
    between the blocks is interpolated.
    """
    if not hole.any():
        return image
    if hole.all():
        return _even(image, image.mean((1, 2)), hole)
    side = max(2, round(BLOCK_SIDE * float(np.hypot(*hole.shape))))
    blocks = _medians(image, hole, side)
    if np.isnan(blocks).all():
        return evenly(image, hole)
    coarse = _spread(_outvoted(blocks))
    return np.where(hole, _enlarged(coarse, hole.shape, side), image).astype(np.float32)


def evenly(image: Image, hole: Hole) -> Image:
    """Return the image (channels, height, width) with the hole (height, width) filled evenly: the median of a wide
    rim.
    """
    if not hole.any():
        return image
    if hole.all():
        return _even(image, image.mean((1, 2)), hole)
    rim = ~hole & (distance_transform_edt(~hole) <= max(1.0, RIM * float(np.hypot(*hole.shape))))
    return _even(image, np.median(image[:, rim], axis=1), hole)


FILLS: dict[str, Callable[[Image, Hole], Image]] = {"smooth": smooth, "flat": evenly}
"""Name -> function (image, hole) -> filled image; two of different kinds, so that what a fill does shows."""


def _even(image: Image, values: NDArray[np.float32], hole: Hole) -> Image:
    return np.where(hole, values[:, None, None], image).astype(np.float32)


def _medians(image: Image, hole: Hole, side: int) -> NDArray[np.float64]:
    """Return the median of every block (channels, rows, columns) over its pixels outside the hole; NaN where they are
    less than half of it.
    """
    height, width = hole.shape
    down, right = -(-height // side), -(-width // side)
    padded = np.full((len(image), down * side, right * side), np.nan)
    padded[:, :height, :width] = np.where(hole, np.nan, image)
    blocks = padded.reshape(len(image), down, side, right, side).swapaxes(2, 3).reshape(len(image), down, right, -1)
    enough = (~np.isnan(blocks)).sum(-1) >= side * side / 2
    result = np.full(blocks.shape[:-1], np.nan)
    if enough.any():
        result[enough] = _median(blocks[enough])
    return result


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median (n,) of each row (n, k) over what is not NaN; every row has a number."""
    ordered, rows = np.sort(values, axis=-1), np.arange(len(values))  # NaN comes last
    known = (~np.isnan(values)).sum(-1)
    return np.asarray((ordered[rows, (known - 1) // 2] + ordered[rows, known // 2]) / 2)


def _outvoted(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return every block's median over itself and its eight neighbours; NaN where the block has none."""
    padded = np.pad(blocks, ((0, 0), (1, 1), (1, 1)), constant_values=np.nan)
    rows, columns = blocks.shape[1:]
    around = np.stack([padded[:, r : r + rows, c : c + columns] for r in range(3) for c in range(3)])
    known = ~np.isnan(blocks)
    result = blocks.copy()
    result[known] = _median(around[:, known].T)
    return result


def _spread(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the blocks with those that have no value filled from their neighbours, ring by ring."""
    result = blocks.copy()
    while np.isnan(result).any():
        known = ~np.isnan(result)
        weight = np.stack([uniform_filter(one.astype(float), 3, mode="constant") for one in known])
        total = np.stack([uniform_filter(one, 3, mode="constant") for one in np.where(known, result, 0.0)])
        reached = ~known & (weight > 1e-9)
        result[reached] = total[reached] / weight[reached]
    return result


def _enlarged(coarse: NDArray[np.float64], shape: tuple[int, ...], side: int) -> NDArray[np.float64]:
    """Return block values (channels, rows, columns) interpolated to pixels (channels, height, width)."""
    large = np.stack([zoom(one, side, order=1, mode="nearest", grid_mode=True) for one in coarse])
    return np.asarray(large[:, : shape[0], : shape[1]])
