"""The pictures that are drawn on, and the mask files that are written."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.core.errors import DataError
from auditor.core.zones import Mask, usable_name
from auditor.engine.store import write_whole
from auditor.modalities.images.data.listing import Listing
from auditor.modalities.images.data.mask_files import file_names
from auditor.modalities.images.data.scan import read_picture
from auditor.modalities.images.report.pictures import rgb

DRAWN_IN = "masks"
"""Folder beside the audit file below which masks are written."""
MOST_SEGMENTS = 5000


@dataclass(frozen=True)
class DrawingStudy:
    """A study whose masks are being drawn; every method may be called by several threads."""

    found: Listing
    base: Path
    """Folder of the audit file."""
    masks: tuple[str, ...]
    """Names of the masks that are drawn, of which the first is the main one."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _sizes: dict[int, tuple[int, int]] = field(default_factory=dict, repr=False)
    """Height and width of the pictures that were shown."""

    def __post_init__(self) -> None:
        for name in self.masks:
            if not usable_name(name):
                raise DataError(f"masks draw: expected a mask's name of letters, digits and _, got '{name}'.")

    @cached_property
    def _names(self) -> dict[str, str]:
        return file_names([row.id for row in self.found.rows])

    def __len__(self) -> int:
        return len(self.found.rows)

    def file(self, mask: str, place: int) -> Path:
        """Return the file of a sample's mask (DataError: there is no such mask or sample)."""
        if mask not in self.masks or not 0 <= place < len(self):
            raise DataError(f"masks draw: expected a mask and a sample of the study, got '{mask}' and {place}.")
        folder = (self.base / DRAWN_IN / mask).resolve()
        file = folder / f"{self._names[self.found.rows[place].id]}.png"
        if not file.resolve().is_relative_to(folder):
            raise DataError(f"{file}: expected a file below {folder}.")
        return file

    def samples(self) -> list[dict[str, object]]:
        """Return what the page lists: id, label, and which masks are there."""
        return [
            {
                "id": row.id,
                "label": row.label,
                "done": [name for name in self.masks if self.file(name, place).is_file()],
            }
            for place, row in enumerate(self.found.rows)
        ]

    def picture(self, place: int) -> NDArray[np.uint8]:
        """Return a picture (height, width, 3), upright, as the audit sees it; deep ones stretched to what is there."""
        decoded, _ = read_picture(self.found.rows[place], self.found.how)
        self._sizes[place] = decoded.size
        values = decoded.values / decoded.levels
        if decoded.levels > 255:
            low, high = float(values.min()), float(values.max())
            values = (values - low) / ((high - low) or 1.0)
        return rgb(np.asarray(values[0] if len(values) == 1 else values.transpose(1, 2, 0), np.float64))

    def read(self, mask: str, place: int) -> bytes | None:
        """Return the mask file of a sample; None where there is none yet."""
        file = self.file(mask, place)
        with self._lock:
            return file.read_bytes() if file.is_file() else None

    def save(self, mask: str, place: int, drawn: bytes) -> float:
        """Write a mask that the page sends as a PNG, whole or not at all, and return the share that it marks
        (DataError: not a picture of the sample's size, or a mask of another size is already there).
        """
        file, marked = self.file(mask, place), _marked(drawn)
        if place not in self._sizes:
            self.picture(place)
        size = self._sizes[place]
        if marked.shape != size:
            raise DataError(f"{file}: expected a mask of {_told(size)}, got {_told(marked.shape)}.")
        stream = io.BytesIO()
        Image.fromarray(marked.astype(np.uint8) * np.uint8(255)).save(stream, "PNG", optimize=True)
        with self._lock:
            if file.is_file():
                there = _size_of(file)
                if there != size:
                    raise DataError(f"{file}: a mask of {_told(there)} is already there and was kept.")
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, stream.getvalue())
        return float(marked.mean())

    def segments(self, place: int, count: int) -> NDArray[np.uint16]:
        """Return superpixels (height, width) of a picture by SLIC (Achanta et al. 2012), about `count` of them."""
        from skimage.segmentation import slic

        wanted = max(2, min(MOST_SEGMENTS, count))
        found = slic(self.picture(place), n_segments=wanted, start_label=0)
        return np.asarray(found, dtype=np.uint16)

    def advice(self) -> str:
        """Return what to write into the audit file."""
        main, *further = self.masks
        lines = ["data:", f"  mask: {{folder: {DRAWN_IN}/{main}}}"]
        if further:
            told = ", ".join(f"{name}: {{folder: {DRAWN_IN}/{name}}}" for name in further)
            lines.append(f"  masks: {{{told}}}")
        return "\n".join(lines)


def _marked(drawn: bytes) -> Mask:
    """Return the mask in a PNG: what is more than half opaque and not black."""
    try:
        with Image.open(io.BytesIO(drawn), formats=("PNG",)) as image:
            values = np.asarray(image.convert("LA"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"masks draw: expected a PNG of a mask, got: {str(error).splitlines()[0]}.") from None
    return np.asarray((values[..., 0] > 127) & (values[..., 1] > 127))


def _size_of(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size[1], image.size[0]


def _told(size: Sequence[int]) -> str:
    return f"{size[0]} x {size[1]} pixels (height x width)"
