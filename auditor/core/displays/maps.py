"""A map of places: what each place of a frame is worth, over all samples and per group of samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from auditor.core.estimates import Estimate


@dataclass(frozen=True, kw_only=True)
class Spot:
    """One place of the frame; rows and columns count from 0 at the top left."""

    row: int
    column: int
    estimate: Estimate
    stands_out: bool
    """Whether the interval excludes zero."""


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The strongest place of a map."""

    row: int
    column: int
    name: str
    """Where it lies, in words."""
    value: float


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Samples that are alike, and the mean of their maps."""

    size: int
    classes: Mapping[str, int]
    """Class -> number of its samples."""
    values: tuple[tuple[float | None, ...], ...]
    """By row and column; None where nothing was measured."""
    peak: Peak
    cases: tuple[str, ...]
    """Ids of the samples in its middle, the most central first."""


@dataclass(frozen=True, kw_only=True)
class Map:
    """Places of a frame of rows x columns, and the groups of samples with maps of their own."""

    rows: int
    columns: int
    spots: tuple[Spot, ...]
    """The places that were measured."""
    peak: Peak
    clusters: tuple[Cluster, ...] = ()
    note: str = ""
    """Why there are no clusters."""
    role: str = ""
    kind: Literal["map"] = "map"
