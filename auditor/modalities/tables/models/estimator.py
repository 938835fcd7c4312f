"""An estimator in scikit-learn's manner (predict_proba, decision_function or predict) as a classifier of raw rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from auditor.core.errors import ClassifierError
from auditor.modalities.tables.classifier import Scores, TableClassifier
from auditor.modalities.tables.models.answers import (
    THRESHOLDED,
    EstimatorAnswers,
    class_text,
    columns_of,
    opened,
    opened_wholly,
    quiet,
)
from auditor.modalities.tables.models.reading import FLOOR, Decide, Reading, logs, scores_of_odds, thresholded
from auditor.modalities.tables.models.structure import structure_of
from auditor.models.weights import class_names

if TYPE_CHECKING:
    import pandas as pd

PROBES = 64
"""Random encoded rows at which the decision function is compared with the probabilities."""
METHODS = ("predict_proba", "decision_function", "predict")
DISTRUSTED = ("SVC", "NuSVC")
"""Their predict reads the decision function; their probabilities come from another fit and may prefer another class."""


def from_estimator(
    estimator: Any,
    *,
    name: str,
    digest: str,
    classes: Sequence[str] | None = None,
    columns: Sequence[str] = (),
    threshold: float | None = None,
    array: bool = False,
    categories: bool | Mapping[str, Sequence[str]] = False,
    notes: Sequence[str] = (),
    where: str = "",
) -> TableClassifier:
    """Return the classifier of an estimator (ClassifierError: it is none, or does not say its classes).

    Parameters
    ----------
    columns
        What it was trained with, in order; where none are given, as the estimator knows them.
    threshold
        Share of the last of two classes from which it is the answer; None: the estimator's own predict.
    array
        Whether the estimator takes an array in place of a DataFrame.
    categories
        Whether text columns are given as pandas categories; column -> levels in the order of training where the
        estimator does not keep them itself.
    """
    where = where or name
    if isinstance(estimator, type) or not any(callable(getattr(estimator, method, None)) for method in METHODS):
        raise ClassifierError(
            f"{where}: expected a fitted estimator with predict_proba, decision_function or predict, got a"
            f" {type(estimator).__name__}."
        )
    own = _own_classes(estimator, classes, where)
    texts = tuple(class_text(value) for value in own)
    names = class_names(list(classes) if classes else list(texts), len(own), where=where)
    answers = EstimatorAnswers(estimator, own, tuple(columns) or columns_of(estimator, array), array, categories, where)
    reading, offers, said = _reading(answers)
    scores, decide, by_threshold = _decided(answers, reading, names, threshold=threshold)
    said = by_threshold or said
    return TableClassifier(
        scores=scores,
        name=name,
        digest=digest,
        classes=names,
        offers=offers,
        decide=decide,
        columns=answers.columns,
        inspect=structure_of(answers),
        notes=(*notes, *([said] if said else [])),
    )


def _decided(
    answers: EstimatorAnswers, reading: Reading, names: tuple[str, ...], *, threshold: float | None
) -> tuple[Callable[[pd.DataFrame], Scores], Decide | None, str]:
    """Return how rows are scored and how they are answered, and a note where a threshold takes part in it."""
    own: Decide | None = answers.decide if hasattr(answers.estimator, "predict") else None
    used = tuned_threshold(answers.estimator) if threshold is None else threshold
    if used is None:
        return lambda frame: reading(frame)[0], own, ""
    scores, by_threshold = thresholded(reading, used, names, where=answers.where)
    tuned = ", as the estimator was tuned" if threshold is None else ""
    said = f"the answer is '{names[-1]}' from a share of {used:g}{tuned}"
    return scores, own if threshold is None else by_threshold, said


def tuned_threshold(estimator: Any) -> float | None:
    """Return the share of the last class from which one of scikit-learn's threshold classifiers answers it; None: it
    goes by something else.
    """
    last = opened(estimator)[1]
    if (
        type(last).__name__ not in THRESHOLDED
        or len(last.classes_) != 2
        or last.response_method == "decision_function"
        or not hasattr(last, "predict_proba")
    ):
        return None
    found = getattr(last, "best_threshold_", getattr(last, "threshold", None))
    scorer = getattr(last, "_curve_scorer", None)
    positive = scorer._get_pos_label() if scorer is not None else last.pos_label
    return (
        float(found) if isinstance(found, float) and 0 < found < 1 and positive in (None, last.classes_[-1]) else None
    )


def floor_of(estimator: Any) -> float:
    """Return what is added to each probability: half a vote where probabilities are shares of votes, so that an empty
    share is no certainty.
    """
    last = opened_wholly(estimator)[1]
    kind = type(last).__name__
    votes = {"DecisionTreeClassifier": 1, "ExtraTreeClassifier": 1}.get(kind) or getattr(last, "n_neighbors", None)
    if kind in ("RandomForestClassifier", "ExtraTreesClassifier", "BaggingClassifier"):
        votes = len(last.estimators_)
    return 1 / (2 * votes) if isinstance(votes, int) else FLOOR


def _reading(answers: EstimatorAnswers) -> tuple[Reading, frozenset[str], str]:
    """Return how scores are read, what the classifier offers, and a note."""
    estimator, everything = answers.estimator, frozenset({"labels", "scores"})
    chances, margins = hasattr(estimator, "predict_proba"), hasattr(estimator, "decision_function")
    if chances and margins and _odds_are_margins(estimator):
        return lambda frame: _with_shares(_of_margins(answers.numbers("decision_function", frame))), everything, ""
    if margins and (not chances or type(opened(estimator)[1]).__name__ in DISTRUSTED):
        return (
            lambda frame: (_of_margins(answers.numbers("decision_function", frame)), None),
            everything,
            "scores are a decision function's, not log odds",
        )
    if chances:
        floor = floor_of(estimator)
        said = f"{floor:.2g} is added to each probability before its logarithm is taken"
        return lambda frame: _with_logs(_of_probabilities(answers, frame), floor), everything, said
    count = len(answers.classes)
    return (
        lambda frame: (np.eye(count)[answers.decide(frame)], None),
        frozenset({"labels"}),
        "the estimator gives labels only",
    )


def _with_shares(scores: Scores) -> tuple[Scores, Scores]:
    return scores, softmax(scores, axis=1)


def _with_logs(shares: Scores, floor: float) -> tuple[Scores, Scores]:
    return logs(shares, floor), shares


def _of_margins(found: Scores) -> Scores:
    return scores_of_odds(found) if found.ndim == 1 else scores_of_odds(found[:, 0]) if found.shape[1] == 1 else found


def _of_probabilities(answers: EstimatorAnswers, frame: pd.DataFrame) -> Scores:
    found = answers.numbers("predict_proba", frame)
    if found.ndim != 2 or found.shape[1] != len(answers.classes):
        raise ClassifierError(
            f"{answers.where}: expected probabilities of shape (n, {len(answers.classes)}) from predict_proba, got"
            f" {found.shape}."
        )
    return found.clip(0.0, 1.0)


def _odds_are_margins(estimator: Any) -> bool:
    """Return whether the decision function gives the log odds of predict_proba, which it does without rounding to 0 and
    1; seen at random encoded rows.
    """
    last = opened_wholly(estimator)[1]
    width = getattr(last, "n_features_in_", None)
    if not hasattr(last, "decision_function") or not isinstance(width, int):
        return False
    rows = np.random.default_rng(0).normal(size=(PROBES, width))
    try:
        with quiet():
            margins, shares = (
                np.asarray(last.decision_function(rows), dtype=np.float64),
                np.asarray(last.predict_proba(rows), dtype=np.float64),
            )
    except Exception:  # an estimator that takes texts
        return False
    expected = softmax(_of_margins(margins), axis=1)
    return bool(expected.shape == shares.shape and np.allclose(expected, shares, rtol=0, atol=1e-9))


def _own_classes(estimator: Any, classes: Sequence[str] | None, where: str) -> Sequence[Any]:
    own = getattr(estimator, "classes_", None)
    if own is None and not classes:
        raise ClassifierError(
            f"{where}: expected an estimator that knows its classes (classes_), got none; name the `classes` in the"
            " audit file."
        )
    if own is None:
        return list(classes or ())
    if isinstance(own, list) and own and isinstance(own[0], np.ndarray):
        raise ClassifierError(f"{where}: expected one class per row, got an estimator with {len(own)} outputs.")
    return list(np.asarray(own).tolist())
