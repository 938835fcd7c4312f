"""The centre cases of the shortcut search, as files that anyone can open and `verify` can check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.core.displays import Cluster, Map, of_kind
from auditor.core.records import Finding, Observation, Observations, digest
from auditor.engine.prepared import Prepared
from auditor.engine.stages import Judged
from auditor.engine.store import Store
from auditor.modalities.images.data.saving import save_image
from auditor.modalities.images.probes.where import grid

_MOST = 6
"""Most cases shown."""


def place_cases(prepared: Prepared, store: Store, judged: Judged) -> list[dict[str, Any]]:
    """Return the index entries of the clusters' centre cases, their files written; none where the search was not run or
    found nothing amiss.
    """
    found = [one for one in judged.findings if one.id == "reliance/where" and one.verdict != "pass"]
    return [case for finding in found for case in _cases(prepared, store, judged.observations, finding=finding)]


def image_file(store: Store, case: str, kind: str) -> Path:
    """Return where an image of a case is written; `save_image` turns the ending to .npy where a PNG cannot hold it."""
    return store.evidence_file(f"{case}/{kind}.png", f"{case}/{kind}.npy")


def save_case(
    store: Store, case: str, levels: int, *, images: Mapping[str, NDArray[Any]], regions: Mapping[str, NDArray[Any]]
) -> dict[str, Path]:
    """Write a case's images and regions (channels, height, width) below `evidence/`; return the files by what they
    show.
    """
    shown = {kind: save_image(image_file(store, case, kind), image, levels) for kind, image in images.items()}
    marked = {kind: np.asarray(region.any(0, keepdims=True), np.float32) for kind, region in regions.items()}
    return shown | {kind: save_image(image_file(store, case, kind), region, 255) for kind, region in marked.items()}


def heat_map(values: Mapping[str, float], shape: Sequence[int], cells: int) -> NDArray[np.float32]:
    """Return one sample's map (height, width): each cell's mean effect over its draws, 0 where it never counted."""
    found = np.zeros(tuple(shape), np.float32)
    for (row, column), (down, right) in grid(shape, cells).items():
        drawn = [value for key, value in values.items() if key.startswith(f"cell/{row}/{column}/")]
        found[down, right] = np.mean(drawn) if drawn else 0.0
    return found


def _cases(prepared: Prepared, store: Store, observations: Observations, *, finding: Finding) -> list[dict[str, Any]]:
    (trial,) = finding.evidence.trials
    rows = observations.read(trial)
    found = [
        _case(prepared, store, finding, row=rows[name], number=number, frame=frame)
        for frame in of_kind(finding.displays, Map)
        for number, name in _chosen(frame.clusters)
    ]
    scale = max((case["largest"] for case in found), default=0.0)
    return [{**case, "scale": scale} for case in found]


def _chosen(clusters: Sequence[Cluster]) -> list[tuple[int, str]]:
    """Return (number of the cluster from 0, sample id): the centres of all clusters first, then the next to them; by
    cluster.
    """
    ranked = [(place, number, name) for number, one in enumerate(clusters) for place, name in enumerate(one.cases)]
    return sorted((number, name) for _, number, name in sorted(ranked)[:_MOST])


def _case(
    prepared: Prepared, store: Store, finding: Finding, *, row: Observation, number: int, frame: Map
) -> dict[str, Any]:
    facts, samples = prepared.facts, prepared.samples
    position = samples.index()[row.sample]
    chunk = samples.load([position])
    case = f"where-{digest(row.sample)[:12]}"
    assert samples.levels is not None, "images have a value grid"
    effects = heat_map(row.values, chunk.x.shape[-2:], frame.rows)
    files = save_case(
        store,
        case,
        samples.levels,
        images={"original": chunk.x[0].numpy()},
        regions={"mask": chunk.inside[0].numpy()},
    )
    files["effects"] = store.evidence_file(f"{case}/effects.npy")
    np.save(files["effects"], effects)
    label = facts.classes[facts.y[position]]
    return {
        "finding": finding.id,
        "rule": f"group {number + 1}",
        "sample": row.sample,
        "trial": row.trial,
        "label": label,
        "cells": frame.rows,
        "largest": float(np.abs(effects).max()),
        **store.indexed(files),
        "text": _text(row, frame.clusters[number], number, label=label),
    }


def _text(row: Observation, cluster: Cluster, number: int, *, label: str) -> str:
    peak = cluster.peak
    own = [value for key, value in row.values.items() if key.startswith(f"cell/{peak.row}/{peak.column}/")]
    here = (
        f"; in this sample it moves the margin for '{label}' by {np.mean(own):.2f}"
        if own
        else "; in this sample that place was not exchanged"
    )
    return (
        f"A centre of group {number + 1}: {cluster.size} samples whose surroundings are read alike. The place that"
        f" matters most to the group is the {peak.name} (row {peak.row + 1}, column {peak.column + 1}){here}."
    )
