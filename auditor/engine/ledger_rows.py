"""Rows of the ledger: what an observation is written as, and read from, also in folders of earlier versions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from auditor.core.outcomes import Missing
from auditor.core.records import Observation

EARLIER = re.compile(r"not applicable(?: for zone (?P<zone>[^:]+))?: (?P<reason>.*)", re.DOTALL)
"""How earlier versions wrote that a row is not applicable."""


def row_content(row: Observation) -> dict[str, Any]:
    """Return what the ledger holds of an observation beside its trial and its sample."""
    missing = None if row.missing is None else row.missing.as_dict()
    return {"values": dict(row.values), "allowed": row.allowed, "artefact": row.artefact, "missing": missing}


def read_row(trial: str, sample: str, row: Mapping[str, Any]) -> Observation:
    """Return a row of the ledger; those of earlier versions have a text `error` in the place of `missing`."""
    if "error" in row:
        missing = None if row["error"] is None else _missing_of(str(row["error"]))
    else:
        missing = None if row["missing"] is None else Missing.from_dict(row["missing"])
    return Observation(trial, sample, row["values"], row["allowed"], row["artefact"], missing)


def _missing_of(text: str) -> Missing:
    """Return what a text of an earlier version says: 'not applicable: ...', 'not applicable for zone ...: ...', or
    that of a failure.
    """
    found = EARLIER.fullmatch(text)
    if found is None:
        return Missing.failed(text.removeprefix("failed: "))
    return Missing.not_applicable(found["reason"], found["zone"] or "")
