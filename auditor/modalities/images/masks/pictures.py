"""Masks as pictures: PNG, TIFF, BMP, JPEG, WebP."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError
from auditor.modalities.images.masks import masks
from auditor.modalities.images.masks.content import Painted, Wanted
from auditor.modalities.images.masks.reading_files import allow_large

if TYPE_CHECKING:
    from PIL.Image import Image

_KINDS = ("PNG", "TIFF", "BMP", "JPEG", "WEBP")
_LOSSY = ("JPEG", "WEBP")
_WHITE_IS_ZERO = 0


@masks.register("picture", endings=(".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg", ".webp"))
def picture(path: Path, wanted: Wanted) -> Painted:
    """Picture of any depth: grey levels or labels, the indices of a palette, or colours.

    Transparency counts where the colours are everywhere the same. Of a file with several pages `slice` names the one.
    """
    from PIL import Image

    allow_large()
    try:
        with Image.open(path, formats=_KINDS) as image:
            _turn_to(image, wanted.slice, path)
            image.load()
            indexed = ("the values are the indices of a palette, not its colours",) if image.mode == "P" else ()
            painted = _painted(_values(image), path, indexed)
            return replace(painted, lossy=image.format in _LOSSY)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: expected a whole picture as mask, got: {_reason(error)}.") from None


def _turn_to(image: Image, slice: int | None, path: Path) -> None:
    pages = int(getattr(image, "n_frames", 1))
    if slice is None and pages > 1:
        raise DataError(
            f"{path}: expected one page, got {pages} pages; name the one by `slice` (from 0), such as a number or the"
            " column that has it, or save each structure as a mask of its own."
        )
    if slice is not None and not 0 <= slice < pages:
        raise DataError(f"{path}: expected a page from 0 to {pages - 1} as `slice`, got {slice}.")
    if slice:
        image.seek(slice)


def _values(image: Image) -> NDArray[Any]:
    """Return the pixels (height, width) or (height, width, colours and alpha); those of a palette are its indices."""
    if image.mode == "PA":
        return np.asarray(image.convert("RGBA"))
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "F") and not image.mode.startswith("I;16"):
        return np.asarray(image.convert("RGB"))
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    # Pillow shows a picture in which white is 0 as it looks only where a value has one byte
    return 65535 - values if values.dtype == np.uint16 and tags.get(262) == _WHITE_IS_ZERO else values


def _painted(values: NDArray[Any], path: Path, notes: tuple[str, ...]) -> Painted:
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise DataError(f"{path}: expected a mask without NaN, got {int(np.isnan(values).sum())} NaN pixels.")
    if values.ndim == 2:
        return Painted(values, notes=notes)
    alpha = values[..., -1] if values.shape[2] in (2, 4) else None
    colours = values if alpha is None else values[..., :-1]
    if alpha is not None and alpha.min() != alpha.max():
        if (colours == colours[0, 0]).all():
            return Painted(alpha, notes=("the mask is what is not transparent, since it has one colour",))
        notes = ("the transparency of the mask was left out",)
    if (colours == colours[..., :1]).all():
        return Painted(colours[..., 0], notes=notes)
    red, green, blue = (colours[..., place].astype(np.int32) for place in range(3))
    return Painted(red * 65536 + green * 256 + blue, colours=True, notes=notes)


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (
        "another kind of file" if type(error).__name__ == "UnidentifiedImageError" else str(error).strip().rstrip(".")
    )
