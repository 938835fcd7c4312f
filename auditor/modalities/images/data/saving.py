"""Images on their value grid -> files without loss, and back, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError
from auditor.modalities.images.data.pixels import decode, read_bytes, resized


def save_image(path: Path, x: NDArray[np.floating[Any]], levels: int) -> Path:
    """Write an image (1 or 3, height, width) on the grid k / levels without loss and return the path written.

    The file is a PNG, but a .npy of uint16 for 16-bit colour, which Pillow cannot write.
    """
    from PIL import Image

    if len(x) not in (1, 3) or levels not in (255, 65535):
        raise DataError(
            f"{path}: expected 1 or 3 channels and 255 or 65535 levels to save an image, got {len(x)} and {levels}."
        )
    whole = np.rint(np.asarray(x, np.float64) * levels).clip(0, levels).astype(np.uint8 if levels == 255 else np.uint16)
    if levels == 65535 and len(x) == 3:
        path = path.with_suffix(".npy")
        np.save(path, whole)
        return path
    path = path.with_suffix(".png")
    Image.fromarray(whole[0] if len(x) == 1 else np.ascontiguousarray(whole.transpose(1, 2, 0))).save(
        path, format="PNG"
    )
    return path


def read_pixels(path: Path) -> tuple[NDArray[np.float32], int]:
    """Return an image (channels, height, width) in [0, 1] and its levels; the inverse of save_image."""
    if path.suffix.lower() == ".npy":
        try:
            whole = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{path}: expected a whole NumPy array, got: {error}") from None
        if whole.dtype != np.uint16 or whole.ndim != 3:
            raise DataError(
                f"{path}: expected uint16 of shape (channels, height, width), got {whole.dtype} of {whole.shape}."
            )
        return (whole.astype(np.float32) / np.float32(65535)).astype(np.float32), 65535
    picture = decode(read_bytes(path), path)
    return resized(picture, (len(picture.values), *picture.size), picture.levels), picture.levels
