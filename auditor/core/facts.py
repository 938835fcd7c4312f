"""What is known of an audit before anything is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

_RENAMED = {"table": "schema"}
"""Name of a field in the ledgers of version 0.1 -> its name."""


@dataclass(frozen=True)
class Facts:
    """What checks may know of an audit: enough to plan and to judge, without inputs, without the classifier."""

    classes: tuple[str, ...]
    offers: tuple[str, ...]
    modality: str
    ids: tuple[str, ...]
    y: tuple[int, ...]
    units: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    mask_share: tuple[float | None, ...]
    low: float
    high: float
    levels: int | None
    norm: str
    epsilons: tuple[float, ...]
    """Declared budgets, ascending."""
    primary: float
    """The budget at which verdicts are taken."""
    guard: float
    attack: str
    attack_settings: Mapping[str, Any]
    """Complete settings of the attack."""
    seed: int = 0
    factors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column -> value of each sample: how it was acquired (site, scanner, marker), '' where unknown."""
    regions: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    """Named zone -> its share of each sample's area, like `mask_share`."""
    schema: Mapping[str, Any] | None = None
    """What the modality needs to read an input, as JSON values, such as the columns and rules of a table; None where it
    needs nothing.
    """
    max_changes: int | None = None
    """Most places of an input that may be changed; None where there is no such limit."""
    subjects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further classifier that a trial may name as its subject -> what it offers, like `offers`."""

    @cached_property
    def unit_of(self) -> dict[str, str]:
        """Return sample id -> unit."""
        return dict(zip(self.ids, self.units, strict=True))

    @cached_property
    def position_of(self) -> dict[str, int]:
        """Return sample id -> position."""
        return {name: position for position, name in enumerate(self.ids)}

    @cached_property
    def unit_numbers(self) -> Any:
        """Return the number of each sample's unit (n,) int64, units in sorted order."""
        import numpy as np  # records are read by every command, most of which need no arrays

        return np.unique(np.array(self.units), return_inverse=True)[1].astype(np.int64)

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Facts:
        """Return the facts that `as_dict` wrote."""
        listed: dict[str, Any] = {
            _RENAMED.get(name, name): tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        for columns in ("groups", "factors", "regions", "subjects"):
            listed[columns] = {name: tuple(values) for name, values in data.get(columns, {}).items()}
        return cls(**listed)
