"""Whether there is a gradient to follow at a sample at all."""

from __future__ import annotations

import torch

from auditor.core.records import Trial
from auditor.models.classifier import margin
from auditor.models.meter import Meter
from auditor.probes import Bench, Row, probes
from auditor.samples.samples import Chunk

VANISHED = 100.0
"""The linearised classifier reaches its boundary only this many value ranges away: nothing of it can guide a search."""


@probes.register("gradient", needs="gradient", cost=lambda **_: (1, 1))
def gradient(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """The margin's gradient at the unchanged input: the share of values where it is exactly 0, and whether it has
    vanished as a whole.
    """
    rows = torch.arange(len(chunk.ids))
    x, y = chunk.x.to(bench.classifier.device), chunk.y.to(bench.classifier.device)
    meter = Meter(bench.classifier, len(rows), bench.batch_size)
    logits, slope = meter.gradient(x, rows, _margin_slope, y[:, None])
    edge, flat = margin(logits, y).cpu().double(), slope.flatten(1).cpu().double()
    steepness = flat.abs().sum(1) * (bench.samples.high - bench.samples.low)
    lost = ~torch.isfinite(steepness) | (edge.abs() > VANISHED * steepness)
    return [
        Row(
            {"correct": int(edge[row] > 0), "vanished": int(lost[row]), "zero": float((flat[row] == 0).double().mean())}
            if edge[row] > 0
            else {"correct": 0}
        )
        for row in rows.tolist()
    ]


def _margin_slope(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    rival = logits.scatter(1, y, float("-inf")).argmax(1, keepdim=True)
    return torch.zeros_like(logits).scatter_(1, rival, -1.0).scatter_(1, y, 1.0)
