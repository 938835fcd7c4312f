"""Where and how far an attack may go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class AttackBudget:
    """The zone that an attack may write, and how large its changes may be."""

    zone: str
    size: float
    """Largest size of a change: an epsilon in the input's own units, or a cost."""
    role: str = ""
    kind: Literal["budget"] = "budget"
