"""Named estimates, one below the other, with what each rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from auditor.core.estimates import Estimate


@dataclass(frozen=True, kw_only=True)
class Named:
    """A number with a name."""

    name: str
    estimate: Estimate | None = None
    note: str = ""
    """What a reader must know of the number; why there is none where it is missing."""
    p: float | None = None
    q: float | None = None
    """The p-value adjusted for looking at every row."""
    control: bool = False
    """Whether it is what chance, or something unrelated, would give: it stands beside a measured number."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Named estimates that belong together, such as the arms of an experiment."""

    rows: tuple[Named, ...]
    title: str = ""
    heading: str = ""
    """What the names are names of."""
    role: str = ""
    kind: Literal["rows"] = "rows"
