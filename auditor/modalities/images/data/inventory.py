"""What the mask files of a data set hold, counted before anything is decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from auditor.modalities.images.masks.content import Content, Outlined

LABELS = 64
"""Whole numbers up to this one are labels, not grey levels."""
_REACH = 0.03
"""How far from both sides an edge's pixels may lie, as a share of the diagonal; at least 4 pixels."""
_LISTED = 8
_LONGEST = 2000
"""Longest side on which edges are looked for, in pixels."""
Value = int | float


@dataclass
class Inventory:
    """What the mask files of one name hold, over all samples."""

    values: Counter[Value] = field(default_factory=Counter)
    """Value -> pixels that have it, as long as they are few."""
    many: bool = False
    """Whether some file holds so many different values that they are no longer counted."""
    low: float = np.inf
    high: float = -np.inf
    soft: list[tuple[float, int, int]] = field(default_factory=list)
    """Of every file with more than two values: the largest one, the pixels between a quarter and three quarters of it,
    and those of them that lie at an edge, near pixels below and near pixels above."""
    whole: bool = True
    """Whether every value is a whole number."""
    colours: bool = False
    lossy: bool = False
    names: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def add(self, content: Content) -> None:
        """Count one sample's content."""
        self.notes.update(content.notes)
        if isinstance(content, Outlined):
            self.names.update(content.names)
            return
        self.colours, self.lossy = self.colours or content.colours, self.lossy or content.lossy
        values = content.values
        found, counts = _counted(values)
        self.low, self.high = min(self.low, float(found[0])), max(self.high, float(found[-1]))
        self.whole &= bool((found == np.rint(found)).all())
        if len(found) > 2 and not content.colours:
            self.soft.append((float(found[-1]), *_edge(values)))
        self.many |= len(found) > LABELS * 4
        if not self.many:
            self.values.update({one.item(): int(count) for one, count in zip(found, counts, strict=True)})

    @property
    def edged(self) -> float:
        """Return which share of the pixels between low and high lies at an edge; the faint noise of a file that is
        empty but for how it was packed does not count.
        """
        counts = [(between, edged) for top, between, edged in self.soft if top >= self.high / 2]
        total = sum(between for between, _ in counts)
        return sum(edged for _, edged in counts) / total if total else 1.0

    def told(self, value: Value) -> str:
        """Return a value as a reader writes it in the audit file."""
        return _colour(int(value)) if self.colours else f"{value:g}"

    @property
    def shares(self) -> str:
        """Return the values of the mask files, each with its share of the area."""
        if self.many:
            return f"values from {self.low:g} to {self.high:g}"
        total = sum(self.values.values())
        ordered = sorted(self.values.items())
        told = [f"{self.told(value)} ({count / total:.1%})" for value, count in ordered[:_LISTED]]
        return "the values " + listed_words(told + [f"{len(ordered) - _LISTED} more"] * (len(ordered) > _LISTED))


def _counted(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the different values, sorted, and how many pixels have each; without sorting all pixels of 8 bits."""
    if values.dtype != np.uint8:
        return np.unique(values, return_counts=True)
    # block by block, since each pixel takes 8 bytes while it is counted
    blocks = np.array_split(values, max(1, values.size // 2**20))
    counts = np.sum([np.bincount(block.ravel(), minlength=256) for block in blocks], axis=0)
    found = np.flatnonzero(counts)
    return found, counts[found]


def _edge(values: NDArray[Any]) -> tuple[int, int]:
    """Return how many pixels lie between a quarter and three quarters of the largest value, and how many of these at an
    edge.
    """
    step = max(1, max(values.shape) // _LONGEST)
    values, top = values[::step, ::step], float(values.max())
    low, high = values <= top / 4, values >= top * 3 / 4
    between = ~low & ~high
    if not between.any():
        return 0, 0
    reach = max(4.0, _REACH * float(np.hypot(*values.shape)))
    near = [distance_transform_edt(~side) <= reach if side.any() else np.zeros_like(low) for side in (low, high)]
    return int(between.sum()), int((between & near[0] & near[1]).sum())


def _colour(value: int) -> str:
    return f"#{value:06x}"


def listed_words(words: Sequence[str]) -> str:
    """Return words as a sentence lists them."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
