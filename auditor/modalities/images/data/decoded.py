"""What a picture is once it is decoded, and how it was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that exchange height and width."""
DEEP = 65535
"""Levels of 16 bits, also of pictures whose range is declared."""


@dataclass(frozen=True)
class HowRead:
    """How the audit file asks for pictures to be read."""

    range: tuple[float, float] | None = None
    """Values that become 0 and 1; those of the file format where None."""
    window: tuple[float, float] | None = None
    """Centre and width of a DICOM window; the file's own where None."""
    frame: int | None = None
    """Number of the page or frame, from 0; None where none is named."""
    column: str = ""
    """Column of the manifest with each sample's frame; empty where there is none."""
    target: tuple[int, int] | None = None
    """Height and width that the picture will have: a much larger one is reduced before it becomes floating point."""


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
    cut: int = 0
    """Pixels whose value lay outside the range and was cut."""
    patient: str = ""
    """A number for the patient that the file names; empty where it names none."""
    whole: tuple[int, int] | None = None
    """Height and width of the file's picture, where it was reduced."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the file's picture in pixels."""
        return self.whole or (self.values.shape[1], self.values.shape[2])

    @property
    def turned_sideways(self) -> bool:
        """Whether turning it upright exchanged height and width."""
        return self.orientation in SIDEWAYS


def ranged(values: NDArray[Any], range: tuple[float, float]) -> tuple[NDArray[np.float32], int]:
    """Return values as whole numbers from 0 at the lower end of a range to DEEP at the upper one, and how many lay
    outside and were cut.
    """
    low, high = range
    outside = int(((values < low) | (values > high)).sum())
    whole = np.rint((np.asarray(values, np.float64) - low) * (DEEP / (high - low))).clip(0, DEEP)
    return whole.astype(np.float32), outside
