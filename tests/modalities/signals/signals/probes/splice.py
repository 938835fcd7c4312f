"""The four-arm exchange of signals: what lies outside the mask comes from another signal, place by place."""

from __future__ import annotations

import torch

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.core.seeds import generator
from auditor.models.classifier import margin
from auditor.models.meter import Meter
from auditor.probes import Bench, Row, probes
from auditor.probes.donors import ARMS, Pool
from auditor.probes.evasion import zone_of
from auditor.samples.samples import Chunk


@probes.register("splice", modality="signal", cost=lambda *, method, settings: (4 * settings["draws"], 0))
def splice(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Margins for the signal's class in the four arms of every draw, with the donors' positions."""
    pool, index, outside = Pool.of(bench.samples), bench.samples.index(), zone_of(trial, chunk)
    rows = []
    for row, name in enumerate(chunk.ids):
        rng = generator(trial.seed, "splice", name)
        values: dict[str, float] = {}
        for draw in range(int(trial.settings["draws"])):
            donors = pool.donors(rng, index[name])
            if donors is None:
                break
            x = bench.samples.load((index[name], *donors)).x
            arms = torch.stack([torch.where(outside[row], x[there], x[here]) for here, there in ARMS.values()])
            logits = Meter(bench.classifier, 1, bench.batch_size).logits(arms, torch.zeros(4, dtype=torch.long))
            values |= {f"{donor}/{draw}": float(position) for donor, position in zip("jkl", donors, strict=True)}
            edges = margin(logits, chunk.y[row].expand(4)).tolist()
            values |= {f"{arm}/{draw}": edge for arm, edge in zip(ARMS, edges, strict=True)}
        rows.append(Row(values) if values else Row(missing=Missing.not_applicable("no donors from other units")))
    return rows
