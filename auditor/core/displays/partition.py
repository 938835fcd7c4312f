"""How the samples are divided into the groups that a finding compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Partition:
    """The columns by whose values the groups are told apart."""

    attribute: str
    """The name under which findings speak of it, such as 'sex+race'."""
    columns: tuple[str, ...]
    bands: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Numeric column -> the edges between its bands."""
    declared: bool = True
    """Whether the audit file names it; an intersection that is only tried out decides nothing."""
    unknown: int | None = None
    """Samples that belong to no group, a value being unknown; None where no groups were made."""
    role: str = ""
    kind: Literal["partition"] = "partition"
