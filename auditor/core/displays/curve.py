"""An estimate at each of several sizes of a change, such as a flip rate by budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from auditor.core.estimates import Estimate


@dataclass(frozen=True, kw_only=True)
class Point:
    """One place on a curve."""

    size: float
    """Of the change: an epsilon in the input's own units, or a cost."""
    estimate: Estimate | None = None
    reason: str = ""
    """Why there is no estimate."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """What is seen in one zone, or in one group, at each size."""

    name: str
    """The zone, or the group."""
    points: tuple[Point, ...]
    label: str = ""
    """The zone in words; empty where the name is fit to be read."""
    role: str = ""
    kind: Literal["curve"] = "curve"
