"""A first audit.yaml: each modality drafts what it finds; what cannot be told is left for the expert as FILL IN."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from auditor.core.errors import AuditorError, DataError
from auditor.core.registry import Registry

Draft = Callable[[Path], str | None]
"""Function (folder or file) -> the text of a commented audit.yaml, or None where there is nothing of its kind."""
drafts: Registry[Draft] = Registry("draft", __package__, folder="draft")
"""Drafts by modality; the fact `order` says which is asked first, and `wanted` names what it looks for."""
MOST_GROUPS = 12
"""A column with more values than this is not proposed as a group."""
_RESERVED = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")


def write_draft(place: Path, *, force: bool = False) -> tuple[Path, list[str]]:
    """Return the path of the audit.yaml written, and what is left to fill in (AuditorError: there is one already, or
    nothing to audit).

    Parameters
    ----------
    place
        A folder with data of any modality, or a table.
    """
    folder = place if place.is_dir() else place.parent
    path = folder / "audit.yaml"
    if path.exists() and not force:
        raise AuditorError(f"{path}: is there already; overwrite it with --force.")
    asked = sorted(drafts, key=lambda entry: int(entry.facts["order"]))
    text = next((text for entry in asked if (text := entry.make(place)) is not None), None)
    if text is None:
        wanted = ", or ".join(entry.facts["wanted"] for entry in asked)
        raise DataError(f"{folder}: expected {wanted}, found none of them.")
    path.write_text(text, encoding="utf-8")
    return path, [line.strip() for line in text.splitlines() if "FILL IN" in line]


def yaml_list(values: Sequence[str]) -> str:
    """Return names as a YAML list."""
    return f"[{', '.join(map(quoted, values))}]"


def quoted(value: str) -> str:
    """Return a name as YAML text, in quotes where YAML would read something else."""
    bare = re.fullmatch(r"[A-Za-z_][\w./-]*", value) and value.lower() not in _RESERVED
    return value if bare else json.dumps(value, ensure_ascii=False)
