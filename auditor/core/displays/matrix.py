"""An estimate for every pair of a row and a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from auditor.core.estimates import Estimate


@dataclass(frozen=True, kw_only=True)
class MatrixCell:
    """One place of a matrix."""

    estimate: Estimate | None = None
    note: str = ""
    """What a reader must know of the estimate; why there is none where it is missing."""


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Entries by row and column."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    entries: tuple[tuple[MatrixCell, ...], ...]
    """One tuple per row, with one entry per column."""
    role: str = ""
    kind: Literal["matrix"] = "matrix"
