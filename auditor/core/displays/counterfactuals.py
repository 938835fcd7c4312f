"""What happens to decisions when one column is set to another of its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from auditor.core.estimates import Estimate


@dataclass(frozen=True, kw_only=True)
class Counterfactual:
    """One change of value, in one of the three ways of making it."""

    way: Literal["naive", "repaired", "worst"]
    """The column alone; with coupled columns repaired; at the worst of the coupled columns."""
    source: str
    """Value that the column had."""
    target: str
    """Value that it is set to."""
    n: int
    """Rows in which the change is possible."""
    impossible: int
    """Changes that no person could have."""
    up: int
    """Decisions that become favourable."""
    down: int
    """Decisions that cease to be."""
    pooled: bool = False
    """Whether `source` stands for several values together."""
    estimate: Estimate | None = None
    """Share of decisions that change."""
    p: float | None = None
    """Of up against down."""


@dataclass(frozen=True, kw_only=True)
class Counterfactuals:
    """Every change of one column."""

    rows: tuple[Counterfactual, ...]
    block: tuple[str, ...] = ()
    """Columns that rules tie to it."""
    reversals: tuple[str, ...] = ()
    """One sentence for every direction in which the repair turns the sign of the effect."""
    role: str = ""
    kind: Literal["counterfactuals"] = "counterfactuals"
