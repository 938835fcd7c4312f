"""One case of the gallery as the report holds it, whatever the modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Picture:
    """One picture of a case: a title, a data address (empty where it cannot be shown), a text alternative, a note."""

    title: str
    src: str
    alt: str
    note: str = ""


@dataclass(frozen=True)
class ChangedCell:
    """One place of an input that is shown as text, before and after."""

    name: str
    role: str
    before: str
    after: str
    changed: bool
    change: str
    """How far a number moved."""


@dataclass(frozen=True)
class Case:
    """One sample that was chosen by rule, before and after."""

    finding: str
    rule: str
    sample: str
    facts: tuple[tuple[str, str], ...]
    text: str
    pictures: tuple[Picture, ...]
    hidden: str = ""
    """Why no picture or cell is shown; empty where they are."""
    cells: tuple[ChangedCell, ...] = ()
    """An input that is shown as text, place by place."""
    problem: str = ""
    """Why there are no cells."""


def is_private(audit: Mapping[str, Any]) -> bool:
    """Return whether the audit file says that no sample may be shown."""
    return str((audit.get("report") or {}).get("privacy") or "") == "none"


def plain_case(item: Mapping[str, Any], folder: Path, audit: Mapping[str, Any]) -> Case:
    """Return a case in words alone."""
    rule = str(item.get("rule") or "")
    return Case(
        finding=str(item.get("finding") or ""),
        rule=rule.capitalize(),
        sample=str(item.get("sample") or ""),
        facts=(),
        text=str(item.get("text") or ""),
        pictures=(),
    )
