"""Cases of the edge of a mask and of what lies around it, as files that anyone can open and `verify` can check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auditor.core.records import Finding, Observation, Trial, digest
from auditor.engine.prepared import Prepared
from auditor.engine.stages import Judged
from auditor.engine.store import Store
from auditor.modalities.images.places import save_case
from auditor.modalities.images.probes.rings import widths_of
from auditor.modalities.images.probes.surroundings import replaced

_MOST = 3
"""Most cases shown of each part."""
_PLACES = {
    "fringe": ("beside", "the edge of the region, with what lies near it,"),
    "near": ("near", "what lies near the region"),
    "far": ("far", "what lies far from the region"),
}
"""Last part of a finding's id -> what was exchanged, and how it is told of."""


def exchanged_cases(prepared: Prepared, store: Store, judged: Judged) -> list[dict[str, Any]]:
    """Return the index entries of the samples whose edge, near or far surroundings move the margin most, their files
    written; none of a part that passes.
    """
    trial = next((one for one in judged.planned if one.probe == "surroundings"), None)
    if trial is None:
        return []
    rows, open_to_doubt = judged.observations.of(trial), ("fail", "inconclusive")
    findings = {finding.id: finding for finding in judged.findings if finding.verdict in open_to_doubt}
    return [
        _case(prepared, store, trial, chosen=chosen, finding=findings[f"reliance/{place}"])
        for place, (part, _) in _PLACES.items()
        if f"reliance/{place}" in findings
        for chosen in _strongest(rows, part, draws=int(trial.settings["draws"]))
    ]


def _strongest(rows: Mapping[str, Observation], part: str, *, draws: int) -> list[tuple[Observation, int]]:
    """Return the rows, and the draw of each, in which another class's part lowers the margin most."""
    best = {}
    for name, row in rows.items():
        drops = {
            draw: row.values[f"{part}/same/{draw}"] - row.values[f"{part}/other/{draw}"]
            for draw in range(0 if row.missing else draws)
        }
        if drops:
            draw = max(drops, key=lambda one: drops[one])
            best[name] = (drops[draw], draw)
    ranked = sorted(best, key=lambda name: (-best[name][0], name))[:_MOST]
    return [(rows[name], best[name][1]) for name in ranked]


def _case(
    prepared: Prepared, store: Store, trial: Trial, *, chosen: tuple[Observation, int], finding: Finding
) -> dict[str, Any]:
    row, draw = chosen
    facts, samples = prepared.facts, prepared.samples
    part, told = _PLACES[finding.id.rpartition("/")[2]]
    position, donors = samples.index()[row.sample], (int(row.values[f"j/{draw}"]), int(row.values[f"k/{draw}"]))
    made = replaced(samples, position, donors, widths=widths_of(trial))
    assert made is not None, "the trial measured this draw"
    assert samples.levels is not None, "images have a value grid"
    chunk, case = samples.load([position]), f"{part}-{digest(row.sample)[:12]}"
    files = save_case(
        store,
        case,
        samples.levels,
        images={"original": chunk.x[0].numpy(), "exchanged": made[part][0][1]},
        regions={"mask": chunk.inside[0].numpy()},
    )
    label, other = (facts.classes[facts.y[place]] for place in (position, donors[1]))
    same, foreign = row.values[f"{part}/same/{draw}"], row.values[f"{part}/other/{draw}"]
    return {
        "finding": finding.id,
        "rule": "strongest",
        "sample": row.sample,
        "trial": row.trial,
        "label": label,
        **store.indexed(files),
        "text": (
            f"One of the samples in which {told} counts most. With that part taken from the sample"
            f" '{facts.ids[donors[1]]}' of class '{other}' the margin for '{label}' is {foreign:.2f}, with that part"
            f" from a sample of its own class it is {same:.2f}."
        ),
    }
