"""Image files as numbers on their own value grid, and back, bit for bit."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError
from auditor.modalities.images.data.decoded import DEEP, DecodedImage, HowRead, ranged
from auditor.modalities.images.data.dicom_image import decode_dicom, is_dicom
from auditor.modalities.images.data.png16 import is_deep_colour, read_deep_colour
from auditor.modalities.images.masks.reading_files import MOST_PIXELS, allow_large

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "JPEG2000")
AS_STORED = HowRead()
LARGE = 16_000_000
"""Pixels from which a picture of 8 bits is reduced before it becomes floating point."""
_GAP = 3.0
"""How many times larger than at last a picture is after averaging over blocks; Pillow calls 3 nearly exact."""
_ONE_AT_A_TIME = threading.Lock()
"""Two large pictures at once would need the memory of both."""
LUMINANCE = (0.299, 0.587, 0.114)
"""ITU-R BT.601"""
D = TypeVar("D", bound=np.generic)


def decode(data: bytes, path: Path, how: HowRead = AS_STORED) -> DecodedImage:
    """Return the image in a file's bytes, completely decoded (DataError: it is truncated, of another kind, too large,
    or holds NaN or values outside its range).
    """
    if is_dicom(data):
        return decode_dicom(data, path, how)
    if path.suffix.lower() == ".npy":
        return _array(data, path, how)
    from PIL import Image

    allow_large()
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            orientation = image.getexif().get(0x0112, 1)  # asked first, since Pillow turns a TIFF while it loads
            notes = _turn_to(image, how.frame, path)
            with _ONE_AT_A_TIME if image.size[0] * image.size[1] >= LARGE else nullcontext():
                size = _drafted(image, how)
                image.load()
                turn = orientation if orientation in range(1, 9) else 1
                found = _upright(image, data, path, orientation=turn, how=how)
            whole = None if size is None else size[::-1] if found.turned_sideways else size
            return replace(found, notes=(*found.notes, *notes), whole=whole)
    except Image.DecompressionBombError:
        raise DataError(
            f"{path}: expected a picture of at most {MOST_PIXELS // 10**6} million pixels, got a larger one; reduce it,"
            " or audit tiles of it."
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        reason = (
            "a file of another kind"
            if type(error).__name__ == "UnidentifiedImageError"
            else str(error).strip().rstrip(".")
        )
        raise DataError(
            f"{path}: expected a whole picture ({', '.join(FORMATS)}, DICOM or NPY), got: {reason}."
        ) from None


def _turn_to(image: Image, frame: int | None, path: Path) -> tuple[str, ...]:
    """Turn to a page of a TIFF and return a note where there are several and none is named."""
    pages = int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1
    if frame is None:
        return ("only the first page was read",) if pages > 1 else ()
    if not 0 <= frame < pages:
        raise DataError(f"{path}: expected a page from 0 to {pages - 1} as `frame`, got {frame}.")
    image.seek(frame)
    return ()


def _drafted(image: Image, how: HowRead) -> tuple[int, int] | None:
    """Make a large JPEG decode to a smaller picture, where that is enough, and return the height and width of the whole
    one; None of a picture that is not large.
    """
    width, height = image.size
    if how.target is None or width * height < LARGE:
        return None
    image.draft(None, (2 * max(how.target), 2 * max(how.target)))
    return height, width


def _reduced(image: Image, how: HowRead) -> Image:
    """Return a large upright picture of 8 bits in the size that it will have, averaged over blocks first."""
    from PIL.Image import Resampling

    if how.target is None or image.size[0] * image.size[1] < LARGE:
        return image
    return image.resize(how.target[::-1], Resampling.BILINEAR, reducing_gap=_GAP)


def _array(data: bytes, path: Path, how: HowRead) -> DecodedImage:
    """Return the picture in a NumPy array: (height, width), or with colours first or last."""
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: expected a whole NumPy array, got: {str(error).splitlines()[0]}.") from None
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim == 3 and array.shape[2] not in (1, 3) and array.shape[0] in (1, 3):
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] not in (1, 3) or array.dtype.kind not in "buif":
        raise DataError(f"{path}: expected numbers (height, width) or with 3 colours, got {array.dtype} {array.shape}.")
    if how.range is None and array.dtype == np.uint8:
        return _picture(array, 255, 1)
    return _ranged(array, path, how, orientation=1)


def _ranged(pixels: NDArray[Any], path: Path, how: HowRead, *, orientation: int) -> DecodedImage:
    """Return the picture of pixels (height, width, colours) by the declared range, or else as their type says."""
    if how.range is None:
        return _picture(_deep_grey(pixels, path), DEEP, orientation)
    if pixels.dtype.kind == "f" and np.isnan(pixels).any():
        raise DataError(f"{path}: expected numbers, got {int(np.isnan(pixels).sum())} NaN pixels.")
    found, cut = ranged(pixels, how.range)
    return replace(_picture(found, DEEP, orientation), cut=cut)


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes (DataError: missing or unreadable)."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected a readable file, got: {error.strerror or error}.") from None


def _upright(image: Image, data: bytes, path: Path, *, orientation: int, how: HowRead) -> DecodedImage:
    from PIL import ImageOps

    depths = image.tag_v2.get(258, (8,)) if image.format == "TIFF" else (8,)  # type: ignore[attr-defined]
    if is_deep_colour(data):
        return _ranged(turned(read_deep_colour(data), orientation), path, how, orientation=orientation)
    if len(depths) > 1 and max(depths) > 8:
        deep = _deep_tiff(data, len(depths), how.frame or 0)
        return _ranged(turned(deep, orientation), path, how, orientation=orientation)
    if image.mode == "F" or image.mode.startswith("I"):
        grey = np.asarray(ImageOps.exif_transpose(image))[..., None]
        # Pillow shows a picture in which white is 0 as it looks only where a value has one byte
        white = getattr(image, "tag_v2", {}).get(262) == 0 and grey.dtype == np.uint16
        return _ranged(DEEP - grey if white else grey, path, how, orientation=orientation)
    upright = ImageOps.exif_transpose(image)
    clear = upright.mode.lower() in ("rgba", "la", "pa") or "transparency" in upright.info
    mode = ("LA" if clear else "L") if upright.mode in ("1", "L", "LA") else ("RGBA" if clear else "RGB")
    values = np.asarray(_reduced(upright.convert(mode), how))
    values = values.reshape(*values.shape[:2], -1)
    return (
        _picture(values, 255, orientation) if how.range is None else _ranged(values, path, how, orientation=orientation)
    )


def _picture(pixels: NDArray[Any], levels: int, orientation: int) -> DecodedImage:
    """Return the picture of pixels (height, width, 1 to 4 colours and alpha)."""
    colours = 3 if pixels.shape[2] >= 3 else 1
    notes = ("transparency was dropped",) if pixels.shape[2] in (2, 4) else ()
    return DecodedImage(
        np.ascontiguousarray(pixels[..., :colours].transpose(2, 0, 1), dtype=np.float32), levels, orientation, notes
    )


def _deep_grey(pixels: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return 16-bit values of a 16-bit, 32-bit or floating-point image."""
    declare = "declare the range of the values as `range: [smallest, largest]` under `data`"
    if pixels.dtype.kind == "f":
        if np.isnan(pixels).any():
            raise DataError(f"{path}: expected numbers, got {int(np.isnan(pixels).sum())} NaN pixels.")
        if pixels.min() < 0 or pixels.max() > 1:
            raise DataError(
                f"{path}: expected a float image between 0 and 1, got {pixels.min():g} to {pixels.max():g}; {declare}."
            )
        return np.asarray(np.rint(pixels * DEEP))
    if pixels.min() < 0 or pixels.max() > DEEP:
        raise DataError(f"{path}: expected values of at most 16 bits, got {pixels.min()} to {pixels.max()}; {declare}.")
    return pixels


def _deep_tiff(data: bytes, colours: int, page: int) -> NDArray[Any]:
    """Return 16-bit colour pixels (height, width, colours) of a TIFF, which Pillow would cut to 8 bits."""
    import tifffile

    pixels = tifffile.imread(io.BytesIO(data), key=page)
    if pixels.dtype != np.uint16 or pixels.ndim != 3:
        raise ValueError(f"{pixels.dtype} pixels of shape {pixels.shape}")
    return np.asarray(pixels if pixels.shape[2] == colours else pixels.transpose(1, 2, 0))


def resized(picture: DecodedImage, shape: tuple[int, int, int], levels: int) -> NDArray[np.float32]:
    """Return the image as (channels, height, width) in [0, 1], every value k / levels for a whole k.

    Grey is luminance; colour from grey repeats it. The size is changed once, bilinearly with antialiasing, before
    rounding to
    the grid, so that what is audited can be saved as an image.
    """
    values = picture.values
    if shape[0] == 1 and len(values) == 3:
        values = np.tensordot(np.array(LUMINANCE, np.float32), values, axes=1)[None]
    if values.shape[1:] != shape[1:]:
        values = np.stack([_resized(channel, shape[1:]) for channel in values])
    whole = np.rint(values * np.float32(levels // picture.levels)).clip(0, levels)
    return np.ascontiguousarray(np.broadcast_to((whole / np.float32(levels)).astype(np.float32), shape))


def _resized(channel: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(channel, dtype=np.float32))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def fitted_mask(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask (height, width) in another size, by nearest neighbour."""
    from PIL import Image

    if mask.shape == size:
        return mask
    image = Image.fromarray(mask.astype(np.uint8)).resize((size[1], size[0]), Image.Resampling.NEAREST)
    return np.asarray(image).astype(np.bool_)


def turned(mask: NDArray[D], orientation: int) -> NDArray[D]:
    """Return a mask or pixels (height, width, ...) turned upright as an EXIF orientation says."""
    flipped = mask.swapaxes(0, 1) if orientation in (5, 7) else mask[:, ::-1] if orientation in (2, 4) else mask
    quarters = {3: 2, 4: 2, 6: 3, 7: 2, 8: 1}.get(orientation, 0)
    return np.ascontiguousarray(np.rot90(flipped, quarters))
