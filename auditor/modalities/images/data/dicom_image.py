"""DICOM images as numbers: rescaled, windowed, white on black; nothing of the person but a number leaves here."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError
from auditor.modalities.images.data.decoded import DEEP, DecodedImage, HowRead, ranged
from auditor.modalities.images.masks.reading_files import first_sentence, needed

_LETTERS = 12


def is_dicom(data: bytes) -> bool:
    """Return whether bytes are a DICOM file."""
    return data[128:132] == b"DICM"


def decode_dicom(data: bytes, path: Path, how: HowRead) -> DecodedImage:
    """Return the picture in a DICOM file (DataError: it holds none, or is packed in a way that no installed package
    reads).

    Grey values are rescaled and cut to a window: the declared range or window, else the file's first window, else all
    that its bits can hold. MONOCHROME1 is turned round, so that white is high.
    """
    pydicom = needed("pydicom", "dicom", path)
    try:
        file = pydicom.dcmread(io.BytesIO(data))
        pixels = _frame(file, how.frame, path)
        if int(file.SamplesPerPixel) == 3 or file.PhotometricInterpretation == "PALETTE COLOR":
            made = _colours(pydicom, file, pixels)
        else:
            made = _grey(pydicom, file, pixels, how=how)
        return replace(made, patient=_patient(file))
    except DataError:
        raise
    except Exception as error:  # pydicom raises nearly anything for a damaged or packed file
        raise DataError(f"{path}: expected a DICOM image that can be read, got: {first_sentence(error)}.") from None


def _patient(file: Any) -> str:
    """Return a number for the patient of a DICOM file, which does not tell who it is; empty where it names none."""
    tag = file.get("PatientID")
    return hashlib.sha256(f"patient {tag}".encode()).hexdigest()[:_LETTERS] if tag else ""


def _frame(file: Any, frame: int | None, path: Path) -> NDArray[Any]:
    count = int(file.get("NumberOfFrames") or 1)
    if count > 1 and frame is None:
        raise DataError(
            f"{path}: expected one picture, got {count} frames; name the one by `frame` (from 0), such as a number or"
            " the column that has it."
        )
    if not 0 <= (frame or 0) < count:
        raise DataError(f"{path}: expected a frame from 0 to {count - 1}, got {frame}.")
    pixels = file.pixel_array
    return np.asarray(pixels[frame or 0] if count > 1 else pixels)


def _colours(pydicom: Any, file: Any, pixels: NDArray[Any]) -> DecodedImage:
    levels = 2 ** int(file.BitsAllocated) - 1
    if file.PhotometricInterpretation == "PALETTE COLOR":
        pixels = pydicom.pixels.apply_color_lut(pixels, file)
        levels = 255 if pixels.dtype == np.uint8 else DEEP
    values = pixels.transpose(2, 0, 1).astype(np.float32)
    return DecodedImage(np.ascontiguousarray(values), levels)


def _grey(pydicom: Any, file: Any, pixels: NDArray[Any], *, how: HowRead) -> DecodedImage:
    notes: tuple[str, ...] = ()
    values = np.asarray(pydicom.pixels.apply_modality_lut(pixels, file), dtype=np.float64)
    if how.range is not None:
        low, high = how.range
    elif how.window is not None or file.get("WindowWidth") not in (None, ""):
        centre, width = how.window or (_first(file.WindowCenter), _first(file.WindowWidth))
        # PS3.3 C.11.2.1.2.1: the window of a linear function
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
        if how.window is None:
            notes += (f"the window of the file was used, such as centre {centre:g} and width {width:g}",)
    else:
        low, high = _whole_range(pydicom, file)
        notes += (f"the file names no window, so that values from {low:g} to {high:g} were used",)
    found, cut = ranged(values, (low, high))
    if str(file.PhotometricInterpretation) == "MONOCHROME1":
        found = DEEP - found
        notes += ("white was low and was turned round (MONOCHROME1)",)
    return DecodedImage(found[None], DEEP, notes=notes, cut=cut)


def _first(value: Any) -> float:
    return float(value[0]) if isinstance(value, list | tuple) or hasattr(value, "append") else float(value)


def _whole_range(pydicom: Any, file: Any) -> tuple[float, float]:
    """Return the values that the stored bits can hold, rescaled."""
    bits = int(file.BitsStored)
    ends = np.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] if int(file.PixelRepresentation) else [0, 2**bits - 1])
    low, high = np.sort(np.asarray(pydicom.pixels.apply_modality_lut(ends, file), dtype=np.float64))
    return float(low), float(high)
