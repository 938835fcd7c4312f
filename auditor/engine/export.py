"""One row per sample, for a spreadsheet: what is known of it and what every trial said."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from auditor.core.facts import Facts
from auditor.core.modality import modality_named
from auditor.core.outcomes import Outcome
from auditor.core.records import Observation, Observations, Trial
from auditor.engine.store import write_whole

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def export_samples(out: Path, facts: Facts, observations: Observations, *, trials: Sequence[Trial]) -> None:
    """Write samples.csv and samples.parquet."""
    columns: dict[str, Any] = {
        "sample": facts.ids,
        "label": [facts.classes[label] for label in facts.y],
        "unit": facts.units,
        "mask_share": facts.mask_share,
    }
    columns |= {f"mask_share:{name}": shares for name, shares in sorted(facts.regions.items())}
    columns |= {f"group:{name}": values for name, values in facts.groups.items()}
    shown = modality_named(facts.modality).exported
    for trial in trials:
        rows = observations.of(trial)
        for value in shown.get(trial.probe, ()):
            columns[_name(trial, value)] = [
                _cell(value, rows[one].values.get(value)) if one in rows else None for one in facts.ids
            ]
        if trial.zone:
            columns[_name(trial, "not measured")] = [_reason(rows.get(one)) for one in facts.ids]
    table = pd.DataFrame(columns)
    write_whole(out / "samples.csv", table.map(harmless).to_csv(index=False))
    parquet = io.BytesIO()
    table.to_parquet(parquet, index=False)
    write_whole(out / "samples.parquet", parquet.getvalue())


def harmless(cell: Any) -> Any:
    """Return a cell that a spreadsheet shows and does not run: an apostrophe stands before a text that begins like a
    formula and is no number.
    """
    formula = isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{cell}" if formula and not _NUMBER.fullmatch(cell) else cell


def _cell(value: str, found: float | None) -> Any:
    return Outcome(int(found)).text if value == "outcome" and found is not None else found


def _reason(row: Observation | None) -> str | None:
    return row.missing.text if row is not None and row.missing is not None else None


def _name(trial: Trial, value: str) -> str:
    epsilon = trial.threat.get("epsilon") if trial.probe in ("evasion", "flip") else None
    towards = trial.threat.get("towards")
    parts = [
        trial.subject,
        trial.probe,
        trial.method,
        trial.zone,
        f"{epsilon:.5g}" if epsilon is not None else "",
        f"towards {towards}" if towards else "",
        value,
    ]
    return ":".join(part for part in parts if part)
