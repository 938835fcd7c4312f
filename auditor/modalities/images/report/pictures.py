"""Arrays of evidence -> small pictures that can be read: outlines, amplified changes, signed maps."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from auditor.report.canvas import data_uri

Grey = NDArray[np.float64]
LONGEST, SMALLEST, HEAVY = 320, 96, 48_000
"""Longest side shown, side below which pixels are repeated, and bytes above which a picture is stored as JPEG."""
OUTLINE = (255, 196, 0)


def read_image(path: Path, *, low: float = 0.0, high: float = 1.0) -> Grey:
    """Return an image (h, w) or (h, w, 3) on the scale 0 to 1; arrays are scaled from the data's own range."""
    if path.suffix == ".npy":
        array = np.squeeze(np.load(path, allow_pickle=False).astype(np.float64))
        if array.ndim == 3 and array.shape[0] in (3, 4) and array.shape[-1] not in (3, 4):
            array = np.moveaxis(array, 0, -1)
        return _picture_shape((array - low) / ((high - low) or 1.0))
    with Image.open(path) as image:
        deep = image.mode.startswith("I") or image.mode == "F"
        array = np.asarray(image if deep or image.mode in ("L", "RGB") else image.convert("RGB"), dtype=np.float64)
    return _picture_shape(array / (65535.0 if deep else 255.0))


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Return a mask (h, w)."""
    image = read_image(path)
    return (image if image.ndim == 2 else image.max(axis=2)) > 0.5


def read_map(path: Path) -> Grey:
    """Return a signed map (h, w); channels are added up."""
    array: Grey = np.squeeze(np.load(path, allow_pickle=False).astype(np.float64))
    if array.ndim == 3:
        array = np.asarray(array.sum(axis=int(np.argmin(array.shape))), dtype=np.float64)
    if array.ndim != 2 or not np.isfinite(array).all():
        raise ValueError(f"expected a finite map (h, w), got shape {array.shape}")
    return array


def _picture_shape(array: Grey) -> Grey:
    if array.ndim == 3 and array.shape[-1] == 4:
        array = array[..., :3]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[-1] == 3)) or not array.size:
        raise ValueError(f"expected an image (h, w) or (h, w, 3), got shape {array.shape}")
    return array


def rgb(image: Grey) -> NDArray[np.uint8]:
    """Return an image on the scale 0 to 1 as 8-bit RGB."""
    array = np.clip(np.nan_to_num(image) * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return np.repeat(array[..., None], 3, axis=2) if array.ndim == 2 else array


def flat(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return a mask as a black and white picture."""
    return rgb(mask.astype(np.float64))


def outlined(picture: NDArray[np.uint8], mask: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """Return the picture with the inner rim of a mask drawn on it; unchanged where the mask does not fit."""
    if mask is None or mask.shape != picture.shape[:2]:
        return picture
    drawn = picture.copy()
    drawn[rim(mask)] = OUTLINE
    return drawn


def rim(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of a mask (h, w) that have a neighbour outside it."""
    padded = np.pad(mask, 1, mode="edge")
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(mask & ~core)


def signed(values: Grey, *, scale: float) -> NDArray[np.uint8]:
    """Return signed values in blue (negative), white (zero) and red (positive); scale is the value of full colour."""
    shown = 0.5 + 0.5 * np.clip(values / scale, -1, 1) if scale > 0 else np.full(values.shape, 0.5)
    return np.asarray(np.round(colormaps["RdBu_r"](shown)[..., :3] * 255), dtype=np.uint8)


def overlaid(image: Any, values: Grey, *, scale: float) -> NDArray[np.uint8]:
    """Return signed values over an image (h, w) or (h, w, 3), the more opaque the larger; the values alone where the
    image does not fit.
    """
    # the ends of the scale are too dark to be seen on a dark image
    colours = signed(np.sign(values), scale=4 / 3).astype(np.float64)
    if not isinstance(image, np.ndarray) or image.shape[:2] != values.shape:
        return signed(values, scale=scale)
    grey = (image if image.ndim == 2 else image.mean(2)).clip(0, 1)[..., None] * 255
    weight = 0.6 * np.clip(np.abs(values) / scale, 0, 1)[..., None] if scale > 0 else 0.0
    return np.asarray(np.round(weight * colours + (1 - weight) * grey), dtype=np.uint8)


def change(original: Grey, adversarial: Grey) -> Grey:
    """Return the signed change (h, w), of the channel that changed most."""
    difference = adversarial - original
    if difference.ndim == 2:
        return difference
    most = np.abs(difference).argmax(axis=2)[..., None]
    return np.asarray(np.take_along_axis(difference, most, axis=2)[..., 0], dtype=np.float64)


def encode(picture: NDArray[np.uint8]) -> str:
    """Return a picture's data address: PNG, or JPEG where the PNG is heavy."""
    image = Image.fromarray(picture)
    side = max(image.size)
    if side > LONGEST:
        image = image.resize(_scaled(image.size, LONGEST / side), Image.Resampling.LANCZOS)
    elif side < SMALLEST:
        image = image.resize(_scaled(image.size, float(-(-SMALLEST // side))), Image.Resampling.NEAREST)
    content = _bytes(image, format="PNG", optimize=True)
    if len(content) <= HEAVY:
        return data_uri(content, "image/png")
    return data_uri(_bytes(image, format="JPEG", quality=90, subsampling=0), "image/jpeg")


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _bytes(image: Image.Image, **settings: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, **settings)
    return target.getvalue()
