"""Attributions of a table's row as it is, after a small allowed change, of an unrelated row, and after the flip that
exposure found.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.core.records import Trial
from auditor.core.seeds import RowGenerators, derive
from auditor.explanations import explanations
from auditor.explanations.similarity import mass_share, rank_correlation, strength, top_overlap
from auditor.modalities.tables.probes.rows import Reader, broken_rule, lenders
from auditor.modalities.tables.threats.threat import TableThreat
from auditor.probes import Bench, Row, probes
from auditor.probes.explained import attacked_points, partners
from auditor.samples.samples import Chunk

BACKGROUND = 16
"""Background rows of an explanation that has no setting of this name, such as one of another package."""


def _cost(*, method: str, settings: dict[str, Any]) -> tuple[int, int]:
    each: int = explanations.serving(method, "table").facts["cost"](**explanations.bind(method, settings, "table"))
    return 4 * each + 4, 0


@probes.register("attribution_table", cost=_cost)
def attribution_table(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """What the attributions of one method say: agreement with the columns that should matter, similarity after a small
    change, after a flip, of unrelated rows.

    Every attribution explains the decision that the model makes on that very row. Values are named as those of the
    probe `attribution`.
    """
    reader = Reader.of(bench)
    small, moved = _small_changes(reader, trial, chunk)
    others, known = partners(trial, chunk, bench.samples)
    attacked, fooled = attacked_points(bench, chunk)
    background = lenders(bench.samples, int(trial.settings.get("background", BACKGROUND)), trial.seed)[1]
    explain = partial(
        explanations.serving(trial.method, "table").make,
        reader.classifier,
        _background=background,
        _batch_size=bench.batch_size,
        **trial.settings,
    )
    maps: dict[str, NDArray[np.float64]] = {}
    decided: dict[str, Tensor] = {}
    for name, x in {"clean": chunk.x, "noise": small, "partner": others, "attacked": attacked}.items():
        decided[name] = reader.decisions(x)
        maps[name] = explain(
            x, decided[name], _seeds=[derive(trial.seed, "attribution", trial.method, name, one) for one in chunk.ids]
        ).numpy()
    same, right = ((decided["clean"] == other).tolist() for other in (decided["noise"], chunk.y))
    result = []
    for row in range(len(chunk.ids)):
        mass, inside = {name: strength(found[row]) for name, found in maps.items()}, chunk.inside[row].numpy()
        values = {"correct": int(right[row]), **_agreement(mass["clean"], inside)}
        if moved[row] and same[row]:
            values |= _alike(mass)
        if known[row]:
            values |= {"null/rank": rank_correlation(mass["clean"], mass["partner"])}
        if fooled[row]:
            values |= _around_flip(mass, inside)
        arrays = {"before": maps["clean"][row], "after": maps["attacked"][row]} if trial.keep and fooled[row] else None
        result.append(Row(values, arrays=arrays))
    return result


def _agreement(clean: NDArray[np.float64], inside: NDArray[np.bool_]) -> dict[str, float]:
    """Return how an attribution agrees with the columns that should matter; nothing where all or none of them do."""
    if not 0 < inside.mean() < 1:
        return {}
    return {
        "area": float(inside.mean()),
        "inside": mass_share(clean, inside),
        "pointing": float(inside[int(clean.argmax())]),
    }


def _alike(mass: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    return {
        "noise/rank": rank_correlation(mass["clean"], mass["noise"]),
        "noise/top": top_overlap(mass["clean"], mass["noise"]),
    }


def _around_flip(mass: Mapping[str, NDArray[np.float64]], inside: NDArray[np.bool_]) -> dict[str, float]:
    return {
        "attack/rank": rank_correlation(mass["clean"], mass["attacked"]),
        "outside_before": mass_share(mass["clean"], ~inside),
        "outside_after": mass_share(mass["attacked"], ~inside),
    }


def _small_changes(reader: Reader, trial: Trial, chunk: Chunk) -> tuple[Tensor, list[bool]]:
    """Return each row (n, columns) after one random change that limits, rules and the smallest declared cost allow, and
    whether anything changed.
    """
    limit = float(trial.threat["epsilon"])
    threat = TableThreat(reader.table, None, trial.threat["max_changes"]).over(chunk.x)
    x = threat.start(chunk.x, RowGenerators([derive(trial.seed, "small change", name) for name in chunk.ids]), limit)
    good = [not rule for rule in broken_rule(reader.rules, x.numpy())]
    equal = (x == chunk.x) | (torch.isnan(x) & torch.isnan(chunk.x))
    return x, [fine and not bool(row.all()) for fine, row in zip(good, equal, strict=True)]
