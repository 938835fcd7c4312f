"""The classifier's plain answer, and what can be told from it alone."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.models.classifier import margin
from auditor.models.meter import Meter
from auditor.probes import Bench, Row, probes
from auditor.samples.samples import Chunk


@probes.register("clean", cost=lambda **_: (2, 0))
def clean(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Answer to the unchanged input, asked twice; range of the input; whether the scores look like probabilities."""
    rows = torch.arange(len(chunk.ids))
    meter = Meter(bench.classifier, len(rows), bench.batch_size)
    x, y = chunk.x.to(bench.classifier.device), chunk.y.to(bench.classifier.device)
    first, again = (meter.logits(x, rows).double().cpu() for _ in range(2))
    broken = ~torch.isfinite(first).all(1)
    edge, flat = margin(first, y.cpu()), x.flatten(1).cpu()
    return [
        Row(missing=Missing.failed("the classifier answered with values that are not finite numbers"))
        if broken[row]
        else Row(
            {
                "predicted": int(first[row].argmax()),
                "correct": int(edge[row] > 0),
                "margin": float(edge[row]),
                "confidence": float(torch.softmax(first[row], 0).max()),
                "like_probabilities": int(like_probabilities(first[row])),
                "repeat_difference": float((first[row] - again[row]).abs().max()),
                "low": float(flat[row].min()),
                "high": float(flat[row].max()),
            }
        )
        for row in rows.tolist()
    ]


def like_probabilities(scores: Tensor) -> bool:
    """Return whether the scores (classes,) of one sample are non-negative and sum to one."""
    return bool((scores >= 0).all()) and abs(float(scores.sum()) - 1) < 1e-4
