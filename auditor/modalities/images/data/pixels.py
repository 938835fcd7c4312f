"""Image files as numbers on their own value grid, and back, bit for bit."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError
from auditor.modalities.images.data.png16 import is_deep_colour, read_deep_colour

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
LUMINANCE = (0.299, 0.587, 0.114)
"""ITU-R BT.601"""
D = TypeVar("D", bound=np.generic)
SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that exchange height and width."""


@dataclass(frozen=True)
class DecodedImage:
    """A decoded image, upright."""

    values: NDArray[np.float32]
    """(1 or 3, height, width), whole numbers from 0 to `levels`"""
    levels: int
    """255 or 65535."""
    orientation: int = 1
    """EXIF orientation that was undone; 1 where there was none."""
    notes: tuple[str, ...] = ()
    """What was left out, such as its transparency."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.values.shape[1], self.values.shape[2]

    @property
    def turned_sideways(self) -> bool:
        """Whether turning it upright exchanged height and width."""
        return self.orientation in SIDEWAYS


def decode(data: bytes, path: Path) -> DecodedImage:
    """Return the image in a file's bytes, completely decoded (DataError: it is truncated, of another kind, or holds
    NaN).
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            orientation = image.getexif().get(0x0112, 1)  # asked first, since Pillow turns a TIFF while it loads
            image.load()
            return _upright(image, data, path, orientation=orientation if orientation in range(1, 9) else 1)
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as error:
        reason = (
            "a file of another kind"
            if type(error).__name__ == "UnidentifiedImageError"
            else str(error).strip().rstrip(".")
        )
        raise DataError(f"{path}: expected a whole PNG, JPEG, TIFF or BMP image, got: {reason}.") from None


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes (DataError: missing or unreadable)."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected a readable file, got: {error.strerror or error}.") from None


def _upright(image: Image, data: bytes, path: Path, *, orientation: int) -> DecodedImage:
    from PIL import ImageOps

    pages = int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1
    depths = image.tag_v2.get(258, (8,)) if image.format == "TIFF" else (8,)  # type: ignore[attr-defined]
    if is_deep_colour(data):
        found = _picture(turned(read_deep_colour(data), orientation), 65535, orientation)
    elif len(depths) > 1 and max(depths) > 8:
        found = _picture(turned(_deep_tiff(data, len(depths)), orientation), 65535, orientation)
    elif image.mode == "F" or image.mode.startswith("I"):
        found = _picture(_deep_grey(np.asarray(ImageOps.exif_transpose(image)), path)[..., None], 65535, orientation)
    else:
        upright = ImageOps.exif_transpose(image)
        clear = upright.mode.lower() in ("rgba", "la", "pa") or "transparency" in upright.info
        mode = ("LA" if clear else "L") if upright.mode in ("1", "L", "LA") else ("RGBA" if clear else "RGB")
        values = np.asarray(upright.convert(mode))
        found = _picture(values.reshape(*values.shape[:2], -1), 255, orientation)
    return (
        DecodedImage(found.values, found.levels, orientation, (*found.notes, "only the first page was read"))
        if pages > 1
        else found
    )


def _picture(pixels: NDArray[Any], levels: int, orientation: int) -> DecodedImage:
    """Return the picture of pixels (height, width, 1 to 4 colours and alpha)."""
    colours = 3 if pixels.shape[2] >= 3 else 1
    notes = ("transparency was dropped",) if pixels.shape[2] in (2, 4) else ()
    return DecodedImage(
        np.ascontiguousarray(pixels[..., :colours].transpose(2, 0, 1), dtype=np.float32), levels, orientation, notes
    )


def _deep_grey(pixels: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return 16-bit grey values of a 16-bit, 32-bit or float image (height, width)."""
    if pixels.dtype.kind == "f":
        if np.isnan(pixels).any():
            raise DataError(f"{path}: expected numbers, got {int(np.isnan(pixels).sum())} NaN pixels.")
        if pixels.min() < 0 or pixels.max() > 1:
            raise DataError(
                f"{path}: expected a float image between 0 and 1, got {pixels.min():g} to {pixels.max():g}."
            )
        return np.asarray(np.rint(pixels * 65535))
    if pixels.min() < 0 or pixels.max() > 65535:
        raise DataError(f"{path}: expected values of at most 16 bits, got {pixels.min()} to {pixels.max()}.")
    return pixels


def _deep_tiff(data: bytes, colours: int) -> NDArray[Any]:
    """Return 16-bit colour pixels (height, width, colours) of a TIFF, which Pillow would cut to 8 bits."""
    import tifffile

    pixels = tifffile.imread(io.BytesIO(data), key=0)
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
    if picture.size != shape[1:]:
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
