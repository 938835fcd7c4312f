"""The classifier's plain answer, and what can be told from it alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.models.classifier import margin
from auditor.models.meter import Meter
from auditor.probes import Bench, Row, probes
from auditor.samples.samples import Chunk

_ALONE, _TOGETHER = 2, 8
"""Samples of a chunk that are asked once more each by itself, and how many share a batch with them."""


@probes.register("clean", cost=lambda **_: (4, 0))
def clean(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Answer to the unchanged input, asked twice, and of some samples alone and in a batch; range of the input; whether
    the scores look like probabilities.
    """
    rows = torch.arange(len(chunk.ids))
    meter = Meter(bench.classifier, len(rows), bench.batch_size)
    x, y = chunk.x.to(bench.classifier.device), chunk.y.to(bench.classifier.device)
    first, again = (meter.logits(x, rows).double().cpu() for _ in range(2))
    apart = _batch_difference(bench, x)
    broken = ~torch.isfinite(first).all(1)
    edge, flat = margin(first, y.cpu()), x.flatten(1).cpu()
    return [
        Row(
            {"low": float(flat[row].min()), "high": float(flat[row].max())},
            missing=Missing.failed("the classifier answered with values that are not finite numbers"),
        )
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
                **({"batch_difference": apart[row]} if row in apart else {}),
            }
        )
        for row in rows.tolist()
    ]


def _batch_difference(bench: Bench, x: Tensor) -> dict[int, float]:
    """Return how far the answers of some samples differ alone and in a batch, by row, as a share of the largest score;
    none where a chunk has one sample, or an answer is not finite.
    """
    x = x[:_TOGETHER]
    if len(x) < 2:
        return {}
    rows = torch.arange(len(x))
    together = Meter(bench.classifier, len(x), len(x)).logits(x, rows)[:_ALONE]
    alone = Meter(bench.classifier, _ALONE, 1).logits(x[:_ALONE], rows[:_ALONE])
    shares = (together - alone).abs().amax(1) / together.abs().amax().clamp_min(1e-6)
    return {row: share for row, share in enumerate(shares.tolist()) if math.isfinite(share)}


def like_probabilities(scores: Tensor) -> bool:
    """Return whether the scores (classes,) of one sample are non-negative and sum to one."""
    return bool((scores >= 0).all()) and abs(float(scores.sum()) - 1) < 1e-4
