"""Cases of tables: a row before and after, column by column."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from auditor.modalities.tables.report import views
from auditor.modalities.tables.row_file import read_rows
from auditor.report.case import Case, ChangedCell, is_private
from auditor.report.words import is_number, number, printable

_RULES = {"worst": "Cheapest flip", "median": "Middle flip", "best": "Dearest flip"}
HIDDEN: dict[str, Any] = {"before": "", "after": "", "change": "hidden"}
_MISSING = "missing"


def row_case(item: Mapping[str, Any], folder: Path, audit: Mapping[str, Any]) -> Case:
    """Return a case with its row."""
    private, data = is_private(audit), audit.get("data") or {}
    rule, found = str(item.get("rule") or ""), _cells(item, folder, data)
    cells = () if isinstance(found, str) else tuple(replace(cell, **HIDDEN) if private else cell for cell in found)
    facts = [
        (key, str(item.get(name) or ""))
        for key, name in (("label", "label"), ("decision before", "before"), ("decision after", "after"))
    ]
    facts += [
        ("may be written", views.zone(item.get("zone"))),
        ("cost", number(item["size"]) if is_number(item.get("size")) else ""),
    ]
    facts += [
        ("budget", number(item["epsilon"]) if is_number(item.get("epsilon")) else ""),
        ("outcome", str(item.get("outcome") or "")),
    ]
    return Case(
        finding=str(item.get("finding") or ""),
        rule=_RULES.get(rule, rule.capitalize()),
        sample=str(item.get("sample") or ""),
        facts=tuple((name, value) for name, value in facts if value),
        text="" if private else str(item.get("text") or ""),
        pictures=(),
        hidden="Cells are left out because the audit file sets privacy: none." if private else "",
        cells=cells,
        problem=found if isinstance(found, str) else "",
    )


def _cells(item: Mapping[str, Any], folder: Path, data: Mapping[str, Any]) -> list[ChangedCell] | str:
    """Return the row of a case column by column, or why it cannot be shown."""
    files = item.get("files")
    path = (folder / str(files.get("row") if isinstance(files, Mapping) else "")).resolve()
    if not path.is_relative_to(folder.resolve()):
        return "the index points outside the evidence folder"
    try:
        names, before, after = (printable(part) for part in read_rows(path))
    except FileNotFoundError:
        return "the file is missing"
    except (OSError, ValueError):
        return "the file cannot be read"
    roles = {one.name: one.role for one in views.columns(data)}
    return [
        ChangedCell(
            name,
            roles.get(name, "not recorded"),
            first or _MISSING,
            second or _MISSING,
            first != second,
            _moved(first, second),
        )
        for name, first, second in zip(names, before, after, strict=True)
    ]


def _moved(before: str, after: str) -> str:
    try:
        by = float(after) - float(before)
    except ValueError:
        return ""
    return f"{'+' if by > 0 else ''}{number(round(by, 9))}" if math.isfinite(by) else ""
