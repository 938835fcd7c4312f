"""The cases that a report shows, as files that anyone can open and `verify` can check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.checks.common import evasion_trial, grey, shown_zone, usable
from auditor.core.facts import Facts
from auditor.core.records import Observation, Trial, digest
from auditor.engine.picks import picked
from auditor.engine.prepared import Prepared
from auditor.engine.stages import Judged
from auditor.engine.store import Store
from auditor.modalities.images.places import save_case
from auditor.probes.evasion import zone_of

_RULES = ("worst", "median", "best")
_MEANING = {
    "worst": "most confidently wrong after the change",
    "median": "the middle one of all flips, by how wrong the model became",
    "best": "the flip nearest to the old decision",
}


def flip_cases(prepared: Prepared, store: Store, judged: Judged) -> list[dict[str, Any]]:
    """Return the index entries of the worst, the median and the best flip of the primary attack, their files written;
    none where it was not made.
    """
    facts, observations = prepared.facts, judged.observations
    trial = evasion_trial(facts, shown_zone(facts), facts.primary)
    if trial not in judged.planned:
        return []
    rows = {name: row for name, row in usable(observations.of(trial)).items() if row.values["fooled"] and row.artefact}
    maps = {
        one.method: observations.of(one) for one in judged.planned if one.probe == "attribution" and one.source == trial
    }
    return [
        _case(
            prepared,
            store,
            trial,
            row=rows[name],
            rule=rule,
            maps={method: found.get(name) for method, found in maps.items()},
        )
        for rule, name in choose(rows, maps).items()
    ]


def choose(rows: Mapping[str, Observation], maps: Mapping[str, Mapping[str, Observation]]) -> dict[str, str]:
    """Return rule -> sample id, among the flips that have maps when at least three do."""
    explained = {
        name: row
        for name, row in rows.items()
        if maps and all(name in found and found[name].artefact for found in maps.values())
    }
    pool = explained if len(explained) >= len(_RULES) else rows
    ranked = sorted(pool, key=lambda name: (pool[name].values["margin"], name))
    return picked(ranked)


def _case(
    prepared: Prepared,
    store: Store,
    trial: Trial,
    *,
    row: Observation,
    rule: str,
    maps: Mapping[str, Observation | None],
) -> dict[str, Any]:
    facts = prepared.facts
    position = prepared.samples.index()[row.sample]
    files = _saved(prepared, store, trial, row=row, case=f"{rule}-{digest(row.sample)[:12]}", maps=maps)
    label, after = facts.classes[facts.y[position]], facts.classes[int(row.values["predicted"])]
    return {
        "finding": f"exposure/{trial.zone}",
        "rule": rule,
        "sample": row.sample,
        "trial": row.trial,
        "label": label,
        "before": label,
        "after": after,
        "epsilon": trial.threat["epsilon"],
        "norm": trial.threat["norm"],
        "zone": trial.zone,
        "size": row.values["size"],
        **store.indexed(files),
        "text": _text(facts, trial, row, rule=rule, classes=(label, after)),
    }


def _saved(
    prepared: Prepared,
    store: Store,
    trial: Trial,
    *,
    row: Observation,
    case: str,
    maps: Mapping[str, Observation | None],
) -> dict[str, Path]:
    """Write a case's images, regions and maps below `evidence/`; return the files by what they show."""
    samples = prepared.samples
    chunk = samples.load([samples.index()[row.sample]])
    arrays = store.get(row.artefact or "")
    if arrays is None:
        raise FileNotFoundError(f"the artefact of sample '{row.sample}' is gone from {store.folder}")
    assert samples.levels is not None, "images have a value grid"
    files = save_case(
        store,
        case,
        samples.levels,
        images={"original": chunk.x[0].numpy(), "adversarial": arrays["adversarial"]},
        regions={"mask": chunk.inside[0].numpy(), "zone": zone_of(trial, chunk)[0].numpy()},
    )
    for method, found in maps.items():
        kept = store.get(found.artefact) if found is not None and found.artefact else None
        for when in ("before", "after") if kept else ():
            assert kept is not None
            path = store.evidence_file(f"{case}/map_{when}_{method}.npy")
            files[f"map_{when}/{method}"] = _save_map(path, kept[when])
    return files


def _text(facts: Facts, trial: Trial, row: Observation, *, rule: str, classes: tuple[str, str]) -> str:
    label, after = classes
    return (
        f"{rule.capitalize()} case ({_MEANING[rule]}): '{label}' becomes '{after}' when values {trial.zone} the mask"
        f" change by at most {grey(facts, row.values['size'])}; the margin goes from {row.values['clean_margin']:.2f}"
        f" to {row.values['margin']:.2f}."
    )


def _save_map(path: Path, signed: NDArray[Any]) -> Path:
    np.save(path, signed.sum(0).astype(np.float32) if signed.ndim == 3 else signed.astype(np.float32))
    return path
