"""What is written: the masks of one sample, by the name of their structure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from skimage.measure import find_contours, label

from auditor.core.errors import DataError
from auditor.core.zones import Mask
from auditor.modalities.images.masks.polygons import Ring


@dataclass(frozen=True)
class Marked:
    """One sample with its masks."""

    sample: str
    image: Path
    structures: Mapping[str, Mask]
    """Name -> mask (height, width), all of one size."""

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width in pixels."""
        height, width = next(iter(self.structures.values())).shape
        return height, width

    def file(self, folder: Path, ending: str) -> Path:
        """Return where a file of this sample is written; its folder is made (DataError: the id leads outside)."""
        file = folder / f"{self.sample}{ending}"
        if not file.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{folder}: expected an id that can be a file name, got '{self.sample}'.")
        file.parent.mkdir(parents=True, exist_ok=True)
        return file


Writer = Callable[[Path, Sequence[Marked]], list[Path]]
"""function (folder, samples) -> the files written (DataError: the format cannot hold them)"""


def pieces(mask: Mask) -> list[tuple[Ring, ...]]:
    """Return the connected pieces of a mask as rings (n, 2) of (x, y), the outer one first and then its holes.

    The lines run halfway between the centres of pixels inside and outside, so that the one rule of `polygons.py` gives
    the same pixels back.
    """
    numbers = label(mask, connectivity=1)  # type: ignore[no-untyped-call]
    found = []
    for number in range(1, int(numbers.max()) + 1):
        padded = np.pad(numbers == number, 1).astype(float)
        lines = find_contours(padded, 0.5)  # type: ignore[no-untyped-call]
        rings = [line[:-1, ::-1] - 0.5 for line in lines]
        found.append(tuple(sorted(rings, key=_area, reverse=True)))
    return found


def whole(mask: Mask, one: Marked, format: str) -> list[Ring]:
    """Return the outer rings of a mask's pieces (DataError: one has a hole, which the format cannot hold)."""
    rings = pieces(mask)
    if any(len(ring) > 1 for ring in rings):
        raise DataError(
            f"sample '{one.sample}': expected masks without holes for the format '{format}', got one with a hole; use"
            " geojson or picture."
        )
    return [ring[0] for ring in rings]


def _area(ring: Ring) -> float:
    x, y = ring.T
    return float(abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()))
