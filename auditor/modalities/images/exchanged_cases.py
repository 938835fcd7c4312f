"""Cases of the edge of a mask and of what lies around it, as files that anyone can open and `verify` can check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from auditor.core.records import Finding, Observation, Trial, digest
from auditor.engine.prepared import Prepared
from auditor.engine.stages import Judged
from auditor.engine.store import Store
from auditor.modalities.images.data.pixels import save_image
from auditor.modalities.images.places import image_file
from auditor.modalities.images.probes.surroundings import replaced, widths_of

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
    findings = {finding.id: finding for finding in judged.findings}
    found = []
    for place, (part, _) in _PLACES.items() if trial is not None else ():
        finding = findings.get(f"reliance/{place}")
        if trial is None or finding is None or finding.verdict not in ("fail", "inconclusive"):
            continue
        rows = judged.observations.of(trial)
        found += [
            _case(prepared, store, trial, chosen=(rows[name], draw), finding=finding)
            for name, draw in _strongest(rows, part)
        ]
    return found


def _strongest(rows: Mapping[str, Observation], part: str) -> list[tuple[str, int]]:
    """Return the samples, and the draw of each, in which another class's part lowers the margin most."""
    best = {}
    for name, row in rows.items():
        drops = {
            draw: row.values[f"{part}/same/{draw}"] - row.values[f"{part}/other/{draw}"]
            for draw in range(0 if row.missing else sum(key.startswith("k/") for key in row.values))
        }
        if drops:
            draw = max(drops, key=lambda one: drops[one])
            best[name] = (drops[draw], draw)
    ranked = sorted(best, key=lambda name: (-best[name][0], name))[:_MOST]
    return [(name, best[name][1]) for name in ranked]


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
    region = np.asarray(chunk.inside[0].numpy().any(0, keepdims=True), dtype=np.float32)
    images = {"original": chunk.x[0].numpy(), "exchanged": made[part][0][1]}
    files: dict[str, Path] = {
        kind: save_image(image_file(store, case, kind), image, samples.levels) for kind, image in images.items()
    }
    files["mask"] = save_image(image_file(store, case, "mask"), region, 255)
    label, other = (facts.classes[facts.y[place]] for place in (position, donors[1]))
    same, foreign = row.values[f"{part}/same/{draw}"], row.values[f"{part}/other/{draw}"]
    return {
        "finding": finding.id,
        "rule": "strongest",
        "sample": row.sample,
        "trial": row.trial,
        "label": label,
        "files": {kind: str(path.relative_to(store.folder / "evidence")) for kind, path in files.items()},
        "digests": {kind: digest(path.read_bytes()) for kind, path in files.items()},
        "text": (
            f"One of the samples in which {told} counts most. With that part taken from the sample"
            f" '{facts.ids[donors[1]]}' of class '{other}' the margin for '{label}' is {foreign:.2f}, with that part"
            f" from a sample of its own class it is {same:.2f}."
        ),
    }
