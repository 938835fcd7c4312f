"""How phantom images are drawn: tissue, a lesion whose outline may be smooth or spiculated, a film marker.

Lengths are shares of the image's side and grey values lie in [0, 1], so that a phantom looks the same at every size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

_Array = NDArray[np.float64]
_Mask = NDArray[np.bool_]

DIRECTIONS = 256
GLYPH = (1, 5, 7)
"""Stroke, width and height of the marker's letter L, in pixels of a 64 pixel image."""


@dataclass(frozen=True)
class Lesions:
    """Where lesions lie and how they look; every field (n,), spiculation in [0, 1] is the only one that knows the
    class.
    """

    row: _Array
    column: _Array
    area: _Array
    """Share of the image's area."""
    contrast: _Array
    """Grey levels (of 1) above the tissue."""
    edge: _Array
    """Softness of the outline."""
    spiculation: _Array


def tissue(n: int, size: int, rng: np.random.Generator) -> _Array:
    """Return backgrounds (n, size, size): noise with the power law of soft tissue, a vignette and a brightness per
    image.

    The amplitude falls with frequency to the power 1.5, as in mammograms (Burgess et al. 2001, doi:10.1118/1.1355308).
    """
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.normal(size=(n, size, size))) * (frequency * size + 1) ** -1.5
    noise = np.fft.irfft2(spectrum, s=(size, size))
    noise /= noise.std((1, 2), keepdims=True)
    grid = (np.arange(size) + 0.5) / size - 0.5
    radius = np.hypot(*np.meshgrid(grid, grid)) / 0.7071
    depth = rng.uniform(0.15, 0.35, (n, 1, 1))
    brightness = rng.uniform(0.36, 0.50, (n, 1, 1))
    grain = rng.normal(0, 0.012, (n, size, size))
    return np.asarray((brightness + 0.055 * noise) * (1 - depth * radius**2) + grain)


def draw_lesions(images: _Array, lesions: Lesions, rng: np.random.Generator) -> _Mask:
    """Add one lesion to each image (n, size, size) in place; return its region (n, size, size)."""
    size = images.shape[-1]
    grid = (np.arange(size) + 0.5) / size
    down = grid[None, :, None] - lesions.row[:, None, None]
    right = grid[None, None, :] - lesions.column[:, None, None]
    outline = _outlines(lesions, rng)
    direction = np.arctan2(down, right) / (2 * np.pi) % 1 * DIRECTIONS
    before = direction.astype(int)
    share = direction - before
    images_index = np.arange(len(images))[:, None, None]
    reach = (1 - share) * outline[images_index, before % DIRECTIONS] + share * outline[
        images_index, (before + 1) % DIRECTIONS
    ]
    depth = reach - np.hypot(down, right)
    images += lesions.contrast[:, None, None] / (1 + np.exp(-depth / lesions.edge[:, None, None]))
    return np.asarray(depth > 0)


def _outlines(lesions: Lesions, rng: np.random.Generator) -> _Array:
    """Return each outline's distance from the centre (n, DIRECTIONS); the area does not depend on the spiculation."""
    n = len(lesions.area)
    angle = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False)[None]

    def turn() -> _Array:
        return np.asarray(rng.uniform(0, 2 * np.pi, (n, 1)))

    oval = (
        1
        + rng.uniform(0.02, 0.14, (n, 1)) * np.cos(2 * angle + turn())
        + rng.uniform(0, 0.05, (n, 1)) * np.cos(3 * angle + turn())
    )
    spikes = rng.integers(6, 10, (n, 1))
    uneven = angle + 0.12 * np.sin(angle + turn())
    teeth = ((1 + np.cos(spikes * uneven + turn())) / 2) ** 2
    outline = oval + lesions.spiculation[:, None] * teeth * (1 + 0.35 * np.cos(2 * angle + turn()))
    scale = np.sqrt(lesions.area[:, None] / np.pi / (outline**2).mean(1, keepdims=True))
    return np.asarray(scale * outline)


def collar(region: _Mask, width: float) -> _Mask:
    """Return regions (n, size, size) as a reader would draw them: the gaps between spikes closed, and wider by a share
    of the image's side.
    """
    near, wide = width * region.shape[-1], 2.5 * width * region.shape[-1]
    grown = [distance_transform_edt(~one) <= wide for one in region]
    return np.stack([distance_transform_edt(one) > wide - near for one in grown])


def draw_markers(images: _Array, chosen: _Mask, rng: np.random.Generator) -> _Mask:
    """Add a small bright letter L near a corner of the chosen (n,) images, in place; return where (n, size, size)."""
    n, size, _ = images.shape
    scale = size / 64
    stroke, width, height = (max(1, round(length * scale)) for length in GLYPH)
    glyph = np.zeros((height, width), bool)
    glyph[:, :stroke] = glyph[-stroke:] = True
    where = np.zeros((n, size, size), bool)
    margin = rng.integers(round(2 * scale), round(5 * scale) + 1, (n, 2))
    corner = rng.integers(0, 2, (n, 2)).astype(bool)
    top = np.where(corner[:, 0], size - height - margin[:, 0], margin[:, 0])
    left = np.where(corner[:, 1], size - width - margin[:, 1], margin[:, 1])
    for image in np.flatnonzero(chosen):
        where[image, top[image] : top[image] + height, left[image] : left[image] + width] = glyph
    # every image draws its brightness, so that having a marker does not shift the draws of the next image
    light = rng.uniform(0.25, 0.40, (n, 1, 1)) * gaussian_filter(where.astype(float), (0, 0.35 * scale, 0.35 * scale))
    images += light
    return where
