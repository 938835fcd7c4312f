"""Tables of an annex: printed in the report, and beside it as CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

from auditor.core.records import Estimate
from auditor.report.words import NONE, amount, estimate_text, number, p_text


@dataclass(frozen=True)
class AnnexColumn:
    """A heading, and how the cells below it are written: 'text', 'count', 'share', 'ratio', 'p' or 'estimate'."""

    title: str
    kind: str = "text"


@dataclass(frozen=True)
class AnnexTable:
    """One table of the annex, and its file."""

    name: str
    title: str
    columns: tuple[AnnexColumn, ...]
    rows: tuple[tuple[Any, ...], ...]
    """Cells as their column's kind says, None where nothing was measured; a text stands in the place of any of them."""
    note: str = ""

    @property
    def file(self) -> str:
        """Return the path of its CSV, relative to the report."""
        return f"annex/{self.name}.csv"


def cell_text(value: Any, kind: str) -> str:
    """Return a cell as the report prints it."""
    if value is None or isinstance(value, str):
        return NONE if value is None else value
    if kind == "ratio":
        return f"{value:.3f}"
    return {
        "share": lambda: amount(value, share=True),
        "p": lambda: p_text(value),
        "estimate": lambda: estimate_text(value),
    }.get(kind, lambda: number(value))()


def csv_text(table: AnnexTable) -> str:
    """Return a table as CSV: shares as fractions, an estimate in three columns."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([name for column in table.columns for name in _names(column)])
    writer.writerows(
        [cell for column, value in zip(table.columns, row, strict=True) for cell in _cells(column, value)]
        for row in table.rows
    )
    return target.getvalue()


def _names(column: AnnexColumn) -> list[str]:
    return (
        [column.title, f"{column.title}, low", f"{column.title}, high"] if column.kind == "estimate" else [column.title]
    )


def _cells(column: AnnexColumn, value: Any) -> list[Any]:
    if isinstance(value, Estimate):
        return [f"{one:.6g}" for one in (value.value, value.low, value.high)]
    text = NONE if value is None else f"{value:.6g}" if isinstance(value, float) else value
    return [text, "", ""] if column.kind == "estimate" else [text]
