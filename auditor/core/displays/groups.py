"""What was measured of each group, however small the group is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from auditor.core.estimates import Estimate


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """One group with its measures."""

    name: str
    values: tuple[str, ...]
    """Its value in each column of the partition."""
    n: int
    """Samples that the measures rest on."""
    units: int
    """Independent units (patients) among them."""
    few: bool = False
    """Whether it is too small to be compared."""
    note: str = ""
    """Why it is not compared."""
    measures: Mapping[str, Estimate | None] = field(default_factory=dict)
    """Quantity, such as 'clean' or 'robust' -> estimate; None where nothing was measured."""


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The groups of one finding."""

    rows: tuple[GroupRow, ...]
    positive: str = ""
    """The class of which sensitivity, specificity and selection rate speak; empty where no class is marked."""
    role: str = ""
    kind: Literal["groups"] = "groups"
