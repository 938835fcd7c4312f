"""The plain answer to a table's row, and what can be told from it alone."""

from __future__ import annotations

import numpy as np
import torch

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.modalities.tables.probes.rows import Reader
from auditor.models.classifier import margin
from auditor.probes import Bench, Row, probes
from auditor.probes.clean import like_probabilities
from auditor.samples.samples import Chunk


@probes.register("clean", modality="table", cost=lambda **_: (2, 0))
def clean_row(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """The model's own decision on the unchanged row, its scores, asked twice, missing cells and broken rules."""
    reader = Reader.of(bench)
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
                "like_probabilities": int(like_probabilities(first[row])),
                "repeat_difference": float((first[row] - again[row]).abs().max()),
                "agrees": int(first[row].argmax() == decided[row]),
                "missing": int(missing[row]),
                **{f"broken/{place}": int(one) for place, one in enumerate(broken[row])},
            }
        )
        for row in range(len(chunk.ids))
    ]
