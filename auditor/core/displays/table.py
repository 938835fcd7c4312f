"""A table that a check brings along as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from auditor.core.estimates import Estimate

TableCell = Estimate | bool | int | float | str | None
"""What a cell holds; None where nothing was measured."""


@dataclass(frozen=True, kw_only=True)
class TableDisplay:
    """Rows of cells below their headings."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    role: str = ""
    kind: Literal["table"] = "table"
