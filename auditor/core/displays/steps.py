"""The smallest change that flips each sample, of all samples together: a curve that has a step at every one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from auditor.core.displays.curve import Point
from auditor.core.estimates import Estimate


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The smallest sizes that flip the samples of one zone, or of one group."""

    name: str
    """The zone, or the group."""
    n: int
    """Samples for which the smallest size was looked for."""
    beyond: int
    """Samples that nothing flipped within the reach of the search."""
    reach: float | None = None
    """Largest size that was tried."""
    steps: tuple[Point, ...] = ()
    """Share flipped at or below each size."""
    median: Estimate | None = None
    text: str = ""
    """The median with its interval in words."""
    reason: str = ""
    """Why there is no median."""
    restricted: Estimate | None = None
    """Mean smallest size, what lies beyond the reach counted as the reach."""
    label: str = ""
    """The zone in words; empty where the name is fit to be read."""
    how: str = ""
    """What a reader must know of the search."""
    missed: int = 0
    """Samples flipped at the budget of the verdict by this search, and not by the attack at that budget."""
    sensitivity: Estimate | None = None
    """Median margin per unit of size and of extent."""
    sensitivity_reason: str = ""
    """Why there is no sensitivity."""
    relative: Estimate | None = None
    """How many times as sensitive a value is as one outside the mask."""
    role: str = ""
    kind: Literal["steps"] = "steps"
