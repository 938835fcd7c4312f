"""How often each group is selected, beside the group that is selected most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from auditor.core.estimates import Estimate


@dataclass(frozen=True, kw_only=True)
class Category:
    """One group with its rate."""

    name: str
    values: tuple[str, ...]
    """Its value in each column of the partition."""
    n: int
    share: float
    """Of all rows whose group is known."""
    selected: int
    rate: Estimate | None = None
    ratio: Estimate | None = None
    """Its rate divided by that of the reference."""
    excluded: str = ""
    """Why it is not compared."""
    fisher_p: float | None = None
    z_p: float | None = None
    one_more: bool = False
    """Whether a single further selection would lift the ratio over four fifths."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The groups of one finding on an impact ratio."""

    categories: tuple[Category, ...]
    counted: Literal["selection", "scoring"]
    """Whether rows are counted that are decided favourably, or those that are scored above the median."""
    favourable: str
    """The class that is the favourable decision."""
    reference: str = ""
    """The group that the others are compared with; empty where none is large enough."""
    median: float | None = None
    """Of all scores, where these are counted."""
    needed: int | None = None
    """Rows per group that would show on which side of the tolerance the ratio lies."""
    role: str = ""
    kind: Literal["selection"] = "selection"
