"""The classifier's plain answer, and what can be told from it alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.modalities.tables.probes.rows import Reader
from auditor.models.classifier import margin
from auditor.models.meter import Meter
from auditor.probes import Bench, Row, probes
from auditor.samples.samples import Chunk


@probes.register("clean", cost=lambda **_: (2, 0))
def clean(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Answer to the unchanged input, asked twice; range of the input; whether the scores look like probabilities.

    Of a table's row: the model's own decision, whether the scores agree with it, missing cells and broken rules.
    """
    if bench.samples.schema is not None:
        return _table_rows(Reader.of(bench), chunk)
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
                "like_probabilities": int(_simplex(first[row])),
                "repeat_difference": float((first[row] - again[row]).abs().max()),
                "low": float(flat[row].min()),
                "high": float(flat[row].max()),
            }
        )
        for row in rows.tolist()
    ]


def _table_rows(reader: Reader, chunk: Chunk) -> list[Row]:
    favourable = reader.table.favourable
    wanted = reader.classifier.classes.index(favourable) if favourable else len(reader.classifier.classes) - 1
    first, again = (reader.logits(chunk.x) for _ in range(2))
    decided, edge, score = (
        reader.decisions(chunk.x),
        margin(first, chunk.y),
        margin(first, torch.full_like(chunk.y, wanted)),
    )
    codes = chunk.x.numpy()
    missing, broken = np.isnan(codes).sum(1), reader.rules.broken(codes)
    return [
        Row(missing=Missing.failed("the classifier answered with values that are not finite numbers"))
        if not bool(torch.isfinite(first[row]).all())
        else Row(
            {
                "predicted": int(decided[row]),
                "correct": int(decided[row] == chunk.y[row]),
                "margin": float(edge[row]),
                "confidence": float(torch.softmax(first[row], 0).max()),
                "score": float(score[row]),
                "like_probabilities": int(_simplex(first[row])),
                "repeat_difference": float((first[row] - again[row]).abs().max()),
                "agrees": int(first[row].argmax() == decided[row]),
                "missing": int(missing[row]),
                **{f"broken/{place}": int(one) for place, one in enumerate(broken[row])},
            }
        )
        for row in range(len(chunk.ids))
    ]


def _simplex(scores: Tensor) -> bool:
    return bool((scores >= 0).all()) and abs(float(scores.sum()) - 1) < 1e-4
