"""What a mask file says of one sample, before anything has decided which part of it is the mask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError
from auditor.core.zones import Mask
from auditor.modalities.images.masks.polygons import Outline, filled

OVERSHOOT = 0.05
"""How far an outline may reach beyond the picture, as a share of its size; one that was drawn on a larger picture
reaches farther."""


@dataclass(frozen=True)
class Wanted:
    """Which mask of a file is asked for."""

    sample: str
    """Id of the sample."""
    image: Path
    """Its image file, by whose name a file that holds the masks of many images is asked."""
    size: tuple[int, int]
    """Height and width of the image in pixels, upright."""
    slice: int | None = None
    """Number of the slice, frame or page, from 0; None where the audit file names none."""


@dataclass(frozen=True)
class Painted:
    """Pixels, each with a value: a label, a grey level, a probability, a colour."""

    values: NDArray[Any]
    """(height, width) numbers or booleans; a colour is 65536 red + 256 green + blue."""
    colours: bool = False
    """Whether the values are colours."""
    lossy: bool = False
    """Whether the file was packed with loss, which no label survives exactly."""
    notes: tuple[str, ...] = ()
    """What was left out or taken for granted."""


Piece = Outline | Mask
"""A piece of a structure."""


@dataclass(frozen=True)
class Outlined:
    """Structures by name, each of them outlines or a mask."""

    parts: Mapping[str, Sequence[Piece]]
    """Name -> what belongs to it, together; the name is empty where the file gives none."""
    size: tuple[int, int] | None = None
    """Height and width of the picture that they were drawn on; None where the file does not say."""
    known: tuple[str, ...] = ()
    """Every name of the file, also those that this sample has nothing of."""
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return every name that the file knows."""
        return tuple(dict.fromkeys((*self.parts, *self.known)))

    def mask(self, names: Sequence[str], wanted: Wanted, file: Path) -> Mask:
        """Return the union (height, width) of some structures (DataError: an outline lies far outside the picture)."""
        size = self.size or wanted.size
        mask: Mask = np.zeros(size, dtype=np.bool_)
        for part in (part for name in names for part in self.parts.get(name, ())):
            if isinstance(part, np.ndarray):
                if part.shape != size:
                    raise DataError(
                        f"{file}: expected a structure of {size[0]} x {size[1]} pixels (height x width), got"
                        f" {part.shape[0]} x {part.shape[1]}."
                    )
                mask |= part
            else:
                _refuse_far(part, size, file)
                mask |= filled(part, size)
        return mask


Content = Painted | Outlined


def by_structure(found: Iterable[tuple[str, Piece]]) -> dict[str, list[Piece]]:
    """Return pieces by the name of their structure."""
    parts: dict[str, list[Piece]] = {}
    for name, part in found:
        parts.setdefault(name, []).append(part)
    return parts


def _refuse_far(outline: Outline, size: tuple[int, int], file: Path) -> None:
    points = np.concatenate(outline)
    low, high = points.min(axis=0), points.max(axis=0)
    limit = np.array([size[1], size[0]], float)
    if (low < -OVERSHOOT * limit).any() or (high > (1 + OVERSHOOT) * limit).any():
        raise DataError(
            f"{file}: expected outlines within the picture of {size[1]} x {size[0]} pixels (width x height), got one"
            f" from ({low[0]:.0f}, {low[1]:.0f}) to ({high[0]:.0f}, {high[1]:.0f}), which was drawn on another picture"
            " or at another magnification."
        )
