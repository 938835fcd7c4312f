"""An estimator in scikit-learn's manner (predict_proba, decision_function or predict) as a classifier of raw rows."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from auditor.classifiers.probe import first_line
from auditor.classifiers.reading import FLOOR, Decide, Reading, logs, thresholded, two_sided
from auditor.classifiers.weights import named
from auditor.errors import ClassifierError
from auditor.table_classifier import Scores, TableClassifier

if TYPE_CHECKING:
    import pandas as pd

PROBES = 64
METHODS = ("predict_proba", "decision_function", "predict")
DISTRUSTED = ("SVC", "NuSVC")
"""Their predict reads the decision function; their probabilities come from another fit and may prefer another class."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what an estimator prints and warns of out of the run's own output."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def last_step(estimator: Any) -> Any:
    """Return what answers in the end: the last step of a pipeline, the best estimator of a search."""
    while True:
        inner = estimator.steps[-1][1] if hasattr(estimator, "steps") else getattr(estimator, "best_estimator_", None)
        if inner is None:
            return estimator
        estimator = inner


def from_estimator(
    estimator: Any,
    *,
    name: str,
    digest: str,
    classes: Sequence[str] | None = None,
    threshold: float | None = None,
    array: bool = False,
    categories: bool | Mapping[str, Sequence[str]] = False,
    notes: Sequence[str] = (),
    where: str = "",
) -> TableClassifier:
    """Return the classifier of an estimator (ClassifierError: it is none, or does not say its classes).

    Parameters
    ----------
    threshold
        Share of the last of two classes from which it is the answer; None: the estimator's own predict.
    array
        Whether the estimator takes an array in place of a DataFrame.
    categories
        Whether text columns are given as pandas categories; column -> levels in the order of training where the estimator does not keep them itself.
    """
    where = where or name
    if isinstance(estimator, type) or not any(callable(getattr(estimator, method, None)) for method in METHODS):
        raise ClassifierError(f"{where}: expected a fitted estimator with predict_proba, decision_function or predict, got a {type(estimator).__name__}.")
    own = _own_classes(estimator, classes, where)
    texts = tuple(_text(value) for value in own)
    names = named(list(classes) if classes else list(texts), len(own), where=where)
    answers = Answers(estimator, own, columns_of(estimator, array), array, categories, where)
    reading, offers, said = _reading(answers)
    decide: Decide | None = answers.decide if hasattr(estimator, "predict") else None
    scores: Callable[[pd.DataFrame], Scores] = lambda frame: reading(frame)[0]  # noqa: E731
    threshold, kept = (threshold, ()) if threshold is not None else tuned_threshold(estimator)
    if threshold is not None:
        scores, decide = thresholded(reading, threshold, names, where)
        said = f"the answer is '{names[-1]}' from a share of {threshold:g}"
    from auditor.classifiers.structure import structure_of  # it reads estimators as this module does

    return TableClassifier(
        scores=scores,
        name=name,
        digest=digest,
        classes=names,
        offers=offers,
        decide=decide,
        columns=answers.columns,
        inspect=structure_of(answers),
        notes=(*notes, *kept, *([said] if said else [])),
    )


@dataclass(frozen=True)
class Answers:
    """An estimator, asked quietly and with what it takes."""

    estimator: Any
    classes: Sequence[Any]
    columns: tuple[str, ...] | None
    array: bool
    categories: bool | Mapping[str, Sequence[str]]
    where: str

    def taken(self, frame: pd.DataFrame) -> Any:
        """Return rows as the estimator takes them (ClassifierError: a column is missing)."""
        if self.columns is not None:
            absent = [name for name in self.columns if name not in frame.columns]
            if absent:
                raise ClassifierError(f"{self.where}: expected the column '{absent[0]}', which the model was trained with, got {', '.join(map(str, frame))}.")
            frame = frame[list(self.columns)]
        if self.categories:
            frame = as_categories(frame, self.categories)
        return frame.to_numpy() if self.array else frame

    def ask(self, method: str, frame: pd.DataFrame) -> NDArray[Any]:
        """Return one method's answers for rows (ClassifierError: it fails)."""
        rows = self.taken(frame)
        try:
            with quiet():
                return np.asarray(getattr(self.estimator, method)(rows))
        except Exception as error:  # whatever a user's estimator raises
            raise ClassifierError(f"{self.where}: {method} fails on {len(frame)} rows: {type(error).__name__}: {first_line(error)}") from None

    def numbers(self, method: str, frame: pd.DataFrame) -> Scores:
        """Return one method's numbers (n, ...) for rows (ClassifierError: not all are finite)."""
        found = self.ask(method, frame).astype(np.float64)
        if not np.isfinite(found).all():
            raise ClassifierError(f"{self.where}: expected finite numbers from {method}, got {found[~np.isfinite(found)][0]}.")
        return found

    def decide(self, frame: pd.DataFrame) -> NDArray[np.int64]:
        """Return predict's answers as class indices (n,)."""
        position = {_text(value): place for place, value in enumerate(self.classes)}
        predicted = self.ask("predict", frame).reshape(-1)
        values, inverse = np.unique(predicted.astype(str) if predicted.dtype == object else predicted, return_inverse=True)
        strange = [value for value in values if _text(value) not in position]
        if strange:
            raise ClassifierError(f"{self.where}: expected predict to answer one of {', '.join(position)}, got {strange[0]!r}.")
        return np.array([position[_text(value)] for value in values], dtype=np.int64)[inverse]


def columns_of(estimator: Any, array: bool) -> tuple[str, ...] | None:
    """Return the columns that an estimator was trained with, where it knows them."""
    for one in () if array else (estimator, *_first_steps(estimator)):
        with contextlib.suppress(Exception):  # a property may raise what it likes where there was no frame
            names = getattr(one, "feature_names_in_", None)
            names = getattr(one, "feature_names_", None) if names is None else names  # CatBoost's
            if names is not None and len(names):
                return tuple(str(name) for name in names)
    return None


def as_categories(frame: pd.DataFrame, levels: bool | Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return rows with text columns as pandas categories; of declared levels in their order."""
    import pandas as pd

    declared = levels if isinstance(levels, Mapping) else {}
    chosen = [str(name) for name in frame if name in declared or _texts(frame[name])]
    # XGBoost fails on a column without any level
    empty = pd.CategoricalDtype([""])
    found = {name: pd.CategoricalDtype(list(declared[name])) if name in declared else empty if frame[name].isna().all() else "category" for name in chosen}
    return frame.astype(found)


def tuned_threshold(estimator: Any) -> tuple[float | None, tuple[str, ...]]:
    """Return the threshold on probabilities that scikit-learn's threshold classifiers carry, with a note."""
    last = last_step(estimator)
    found = getattr(last, "best_threshold_", getattr(last, "threshold", None) if type(last).__name__ == "FixedThresholdClassifier" else None)
    inner = getattr(last, "estimator_", getattr(last, "estimator", None))
    reads = getattr(last, "response_method", "auto")
    if not isinstance(found, float) or len(last.classes_) != 2 or getattr(last, "pos_label", None) not in (None, last.classes_[-1]):
        return None, ()
    if reads == "decision_function" or not hasattr(inner, "predict_proba") or not 0 < found < 1:
        return None, ()
    return found, ("the threshold is the estimator's own",)


def floor_of(estimator: Any) -> float:
    """Return what is added to each probability: half a vote where probabilities are shares of votes, so that an empty share is no certainty."""
    last = last_step(estimator)
    kind = type(last).__name__
    votes = {"DecisionTreeClassifier": 1, "ExtraTreeClassifier": 1}.get(kind) or getattr(last, "n_neighbors", None)
    if kind in ("RandomForestClassifier", "ExtraTreesClassifier", "BaggingClassifier"):
        votes = len(last.estimators_)
    return 1 / (2 * votes) if isinstance(votes, int) else FLOOR


def _reading(answers: Answers) -> tuple[Reading, frozenset[str], str]:
    """Return how scores are read, what the classifier offers, and a note."""
    estimator, everything = answers.estimator, frozenset({"labels", "scores"})
    chances, margins = hasattr(estimator, "predict_proba"), hasattr(estimator, "decision_function")
    if chances and margins and _odds_are_margins(estimator):
        return lambda frame: _with_shares(_of_margins(answers.numbers("decision_function", frame))), everything, ""
    if margins and (not chances or type(last_step(estimator)).__name__ in DISTRUSTED):
        return lambda frame: (_of_margins(answers.numbers("decision_function", frame)), None), everything, "scores are a decision function's, not log odds"
    if chances:
        floor = floor_of(estimator)
        said = f"{floor:.2g} is added to each probability before its logarithm is taken"
        return lambda frame: _with_logs(_of_probabilities(answers, frame), floor), everything, said
    count = len(answers.classes)
    return lambda frame: (np.eye(count)[answers.decide(frame)], None), frozenset({"labels"}), "the estimator gives labels only"


def _with_shares(scores: Scores) -> tuple[Scores, Scores]:
    return scores, softmax(scores, axis=1)


def _with_logs(shares: Scores, floor: float) -> tuple[Scores, Scores]:
    return logs(shares, floor), shares


def _of_margins(found: Scores) -> Scores:
    return two_sided(found) if found.ndim == 1 else two_sided(found[:, 0]) if found.shape[1] == 1 else found


def _of_probabilities(answers: Answers, frame: pd.DataFrame) -> Scores:
    found = answers.numbers("predict_proba", frame)
    if found.ndim != 2 or found.shape[1] != len(answers.classes):
        raise ClassifierError(f"{answers.where}: expected probabilities of shape (n, {len(answers.classes)}) from predict_proba, got {found.shape}.")
    return found.clip(0.0, 1.0)


def _odds_are_margins(estimator: Any) -> bool:
    """Return whether the decision function gives the log odds of predict_proba, which it does without rounding to 0 and 1; seen at random encoded rows."""
    last = last_step(estimator)
    width = getattr(last, "n_features_in_", None)
    if not hasattr(last, "decision_function") or not isinstance(width, int):
        return False
    rows = np.random.default_rng(0).normal(size=(PROBES, width))
    try:
        with quiet():
            margins, shares = np.asarray(last.decision_function(rows), dtype=np.float64), np.asarray(last.predict_proba(rows), dtype=np.float64)
    except Exception:  # an estimator that takes texts
        return False
    expected = softmax(_of_margins(margins), axis=1)
    return bool(expected.shape == shares.shape and np.allclose(expected, shares, rtol=0, atol=1e-9))


def _own_classes(estimator: Any, classes: Sequence[str] | None, where: str) -> Sequence[Any]:
    own = getattr(estimator, "classes_", None)
    if own is None and not classes:
        raise ClassifierError(f"{where}: expected an estimator that knows its classes (classes_), got none; name the `classes` in the audit file.")
    if own is None:
        return list(classes or ())
    if isinstance(own, list) and own and isinstance(own[0], np.ndarray):
        raise ClassifierError(f"{where}: expected one class per row, got an estimator with {len(own)} outputs.")
    return list(np.asarray(own).tolist())


def _text(value: Any) -> str:
    """Return a class as a label column holds it: 1 for 1.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _texts(column: Any) -> bool:
    return column.dtype == object or str(column.dtype) in ("str", "string")


def _first_steps(estimator: Any) -> Iterator[Any]:
    while True:
        estimator = estimator.steps[0][1] if hasattr(estimator, "steps") else getattr(estimator, "best_estimator_", None)
        if estimator is None:
            return
        yield estimator
