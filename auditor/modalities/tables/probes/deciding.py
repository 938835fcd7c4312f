"""A classifier of rows whose largest score is always its own decision, for searches that are guided by scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.modalities.tables.classifier import Scores, TableClassifier
from auditor.modalities.tables.probes.rows import Reader, lenders
from auditor.samples.samples import Samples

_POOL = 1000
"""Rows on which scores and decisions are compared, the same for every chunk."""


def deciding(reader: Reader, samples: Samples, seed: int) -> TableClassifier:
    """Return the classifier itself where its largest score is its decision, else one whose scores are put right.

    A model that decides at another threshold than its scores' own would have flips missed, and flips of its scores
    called impossible. Of two
    classes the threshold is read off the data; what is left is put right row by row. The structure and the gradients of
    the model are those of
    its scores, so they are dropped: proofs come by enumeration then.
    """
    classifier = reader.classifier
    if classifier.decide is None:
        return classifier
    rows = lenders(samples, _POOL, seed)[1]
    scores, decided = reader.logits(rows).numpy(), reader.decisions(rows).numpy()
    if np.array_equal(scores.argmax(1), decided):
        return classifier
    shift = _threshold(scores, decided)

    def agreeing(frame: Any) -> Scores:
        assert classifier.decide is not None, "only a model with answers of its own can disagree with its scores"
        found = np.asarray(classifier.scores(frame), dtype=np.float64) - shift
        return _put_right(found, np.asarray(classifier.decide(frame), dtype=np.int64))

    return replace(
        classifier, scores=agreeing, decide=None, structure=None, pulls=None, offers=classifier.offers - {"gradient"}
    )


def _threshold(scores: Scores, decided: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what to take off the scores (classes,) so that 0 parts the two decisions; nothing of more classes, or
    where no threshold parts them.
    """
    shift = np.zeros(scores.shape[1])
    if len(shift) == 2 and 0 < decided.sum() < len(decided):
        edge = scores[:, 1] - scores[:, 0]
        below, above = float(edge[decided == 0].max()), float(edge[decided == 1].min())
        shift[1] = (below + above) / 2 if below < above else 0.0
    return shift


def _put_right(scores: Scores, decided: NDArray[np.int64]) -> Scores:
    """Return the scores with the decided class just above the others where it is not the largest."""
    wrong = np.flatnonzero(scores.argmax(1) != decided)
    result = scores.copy()
    most = scores[wrong].max(1)
    result[wrong, decided[wrong]] = most + 1e-9 * np.maximum(1.0, np.abs(most))
    return result
