"""How the searches for a flip ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from auditor.core.outcomes import Outcome


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """How many of the searches in one zone ended in each way."""

    name: str
    """The zone."""
    none_found: int
    flipped_at_most: int
    flipped_exactly: int
    proven_impossible: int
    label: str = ""
    """The zone in words; empty where the name is fit to be read."""
    refused: int = 0
    """Flips that did not survive the second check; they count as not found."""
    forwards: float | None = None
    """Inputs shown to the model per search, on average; None where no search was made."""
    role: str = ""
    kind: Literal["outcomes"] = "outcomes"

    @property
    def counts(self) -> dict[Outcome, int]:
        """Return outcome -> searches that ended so."""
        return {one: getattr(self, one.name.lower()) for one in Outcome}

    @property
    def n(self) -> int:
        """Return the number of searches."""
        return sum(self.counts.values())
