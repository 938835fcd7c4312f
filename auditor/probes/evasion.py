"""One attack on one zone at one epsilon, re-tested by the runner on the point that can be saved."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from auditor.attacks.attack import attack, attack_cost
from auditor.classifier import margin
from auditor.meter import Meter
from auditor.probes import Bench, Row, probes
from auditor.records import Trial
from auditor.samples import Chunk
from auditor.seeds import derive
from auditor.threats.threat import Threat
from auditor.zones import make_zone


def _cost(*, method: str, settings: dict[str, Any]) -> tuple[int, int]:
    forwards, backwards = attack_cost(method, settings)
    return forwards + 2, backwards


def zone_of(trial: Trial, chunk: Chunk) -> Tensor:
    """Return a trial's zone (k, *shape) bool; control zones are drawn by seed and sample alone, so all trials share them."""
    seeds = [derive(trial.seed, "zone", name) for name in chunk.ids]
    return make_zone(trial.zone, chunk.inside, regions=chunk.regions, guard=float(trial.threat["guard"]), seeds=seeds)


@probes.register("evasion", cost=_cost)
def evasion(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Whether a correctly classified sample can be made wrong within the threat, on the point that a file would hold.

    Misclassified samples are not attacked: their row says correct = 0. An attack's word is never taken: the saved point is
    checked against the threat and shown to the classifier again. Where the trial has a source, only what that one left
    standing is attacked: the other rows say survivor = 0.
    """
    zone = zone_of(trial, chunk)
    empty = ~zone.flatten(1).any(1)
    rows = torch.arange(len(chunk.ids))
    meter = Meter(bench.classifier, len(rows), bench.batch_size)
    device = bench.classifier.device
    clean = margin(meter.logits(chunk.x.to(device), rows).cpu(), chunk.y)
    result = [Row(error=f"not applicable for zone {trial.zone}: the guard band leaves nothing") if empty[row] else Row({"correct": 0}) for row in rows.tolist()]
    rows = rows[(clean > 0) & ~empty]
    if trial.source is not None:
        fallen = torch.tensor([bench.source(chunk.ids[row]) is not None for row in rows.tolist()], dtype=torch.bool)
        for row in rows[fallen].tolist():
            result[row] = Row({"correct": 1, "survivor": 0})
        rows = rows[~fallen]
    if not len(rows):
        return result
    x0, y, samples = chunk.x[rows].to(device), chunk.y[rows].to(device), bench.samples
    threat = Threat.ball(trial.threat["norm"], zone[rows].to(device), samples.low, samples.high, samples.levels)
    epsilon = float(trial.threat["epsilon"])
    seeds = [derive(trial.seed, trial.method, trial.zone, epsilon, chunk.ids[row]) for row in rows.tolist()]
    settings = {**trial.settings, "surrogate": bench.surrogate} if "surrogate" in trial.settings else trial.settings
    found = attack(trial.method, bench.classifier, x0, y, threat, epsilon=epsilon, seed=seeds, batch_size=bench.batch_size, **settings)
    saved = threat.saved(found.x, x0)
    logits = meter.logits(saved, rows).cpu()
    allowed, size, edge = threat.allows(saved, x0, epsilon).cpu(), threat.size(saved, x0).cpu(), margin(logits, chunk.y[rows])
    for place, row in enumerate(rows.tolist()):
        values = {
            "correct": 1,
            "survivor": 1,
            "fooled": int(bool(logits[place].argmax() != chunk.y[row]) and bool(allowed[place])),
            "claimed": int(found.fooled[place]),
            "predicted": int(logits[place].argmax()),
            "margin": float(edge[place]),
            "clean_margin": float(clean[row]),
            "size": float(size[place]),
            "forwards": int(found.forwards[place]),
            "backwards": int(found.backwards[place]),
        }
        result[row] = Row(values, bool(allowed[place]), {"adversarial": saved[place].cpu().numpy()} if trial.keep and values["fooled"] else None)
    return result
