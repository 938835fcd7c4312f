"""Masks as images."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError
from auditor.core.zones import Mask
from auditor.modalities.images.masks import masks


@masks.register("png", endings=(".png", ".tif", ".tiff", ".bmp"))
def png(path: Path, _sample: str, _size: tuple[int, int]) -> Mask:
    """Image of any depth (.png, .tif, .bmp): True where any colour is not 0.

    Transparency is ignored, unless every colour is 0 and the transparency varies: then True where it is not fully
    transparent.
    """
    values = _values(path)
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise DataError(f"{path}: expected a mask without NaN, got {int(np.isnan(values).sum())} NaN pixels.")
    if values.ndim == 2:
        return np.asarray(values != 0)
    colours, alpha = (values[..., :-1], values[..., -1]) if values.shape[2] in (2, 4) else (values, None)
    drawn = np.asarray((colours != 0).any(axis=2))
    if alpha is not None and not drawn.any() and alpha.min() != alpha.max():
        return np.asarray(alpha != 0)
    return drawn


def _values(path: Path) -> NDArray[np.generic]:
    """Return the pixels (height, width) or (height, width, colours and alpha)."""
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG", "TIFF", "BMP")) as image:
            image.load()
            if image.mode in ("P", "PA"):
                return np.asarray(
                    image.convert("RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB")
                )
            if image.mode not in ("1", "L", "LA", "RGB", "RGBA", "I", "F") and not image.mode.startswith("I;16"):
                return np.asarray(image.convert("RGB"))
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: expected a whole image as mask, got: {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (
        "another kind of file" if type(error).__name__ == "UnidentifiedImageError" else str(error).strip().rstrip(".")
    )
