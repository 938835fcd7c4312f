"""The two groups that differ most, and by how much in other ways of counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from auditor.core.estimates import Estimate


@dataclass(frozen=True, kw_only=True)
class Disparity:
    """What stands beside the adjusted difference between two groups, which is the finding's own estimate."""

    pair: tuple[str, str]
    """The two groups, in the order of the claim."""
    raw: Estimate | None = None
    """Difference between the two as counted, whatever classes they have."""
    ratio: Estimate | None = None
    """One share divided by the other."""
    largest: Estimate | None = None
    """The largest difference as counted, between whichever groups."""
    largest_pair: tuple[str, ...] = ()
    needed: int | None = None
    """Samples per group that would show a difference as large as the tolerance."""
    role: str = ""
    kind: Literal["disparity"] = "disparity"
