"""An estimator in scikit-learn's manner, asked with raw rows: what it takes, what it says, quietly."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import ClassifierError
from auditor.modalities.tables.classifier import Scores
from auditor.models.first_look import first_line

if TYPE_CHECKING:
    import pandas as pd

THRESHOLDED = ("FixedThresholdClassifier", "TunedThresholdClassifierCV")
MADE_UP = ("Column_", "f", "")
"""What libraries put before a number where they were trained on an array without names."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what an estimator prints and warns of out of the run's own output."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def opened(estimator: Any) -> tuple[list[Any], Any]:
    """Return the steps that rows go through, and what answers in the end: pipelines, searches and frozen estimators are
    taken apart.
    """
    steps: list[Any] = []
    while True:
        if hasattr(estimator, "steps"):
            steps += [step for _, step in estimator.steps[:-1] if hasattr(step, "transform")]
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif type(estimator).__name__ == "FrozenEstimator":
            estimator = estimator.estimator
        else:
            return steps, estimator


def opened_wholly(estimator: Any) -> tuple[list[Any], Any]:
    """Return the steps and what answers in the end as `opened` does, also under one of scikit-learn's threshold
    classifiers.
    """
    steps, last = opened(estimator)
    if type(last).__name__ not in THRESHOLDED:
        return steps, last
    under, last = opened(getattr(last, "estimator_", last.estimator))
    return [*steps, *under], last


@dataclass(frozen=True)
class EstimatorAnswers:
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
                raise ClassifierError(
                    f"{self.where}: expected the column '{absent[0]}', which the model was trained with, got"
                    f" {', '.join(map(str, frame))}."
                )
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
            raise ClassifierError(
                f"{self.where}: {method} fails on {len(frame)} rows: {type(error).__name__}: {first_line(error)}"
            ) from None

    def numbers(self, method: str, frame: pd.DataFrame) -> Scores:
        """Return one method's numbers (n, ...) for rows (ClassifierError: not all are finite)."""
        found = self.ask(method, frame).astype(np.float64)
        if not np.isfinite(found).all():
            raise ClassifierError(
                f"{self.where}: expected finite numbers from {method}, got {found[~np.isfinite(found)][0]}."
            )
        return found

    def decide(self, frame: pd.DataFrame) -> NDArray[np.int64]:
        """Return predict's answers as class indices (n,)."""
        position = {class_text(value): place for place, value in enumerate(self.classes)}
        predicted = self.ask("predict", frame).reshape(-1)
        found = [class_text(value) for value in predicted.tolist()]
        strange = next((value for value in found if value not in position), None)
        if strange is not None:
            raise ClassifierError(
                f"{self.where}: expected predict to answer one of {', '.join(position)}, got '{strange}'."
            )
        return np.array([position[value] for value in found], dtype=np.int64)


def columns_of(estimator: Any, array: bool) -> tuple[str, ...] | None:
    """Return the columns that an estimator was trained with, where it knows them."""
    steps, last = opened_wholly(estimator)
    for one in () if array else (estimator, [*steps, last][0]):
        with contextlib.suppress(Exception):  # a property may raise what it likes where there was no frame
            names = getattr(one, "feature_names_in_", None)
            names = getattr(one, "feature_names_", None) if names is None else names  # CatBoost's
            found = tuple(str(name) for name in (() if names is None else names))
            if found and found not in (tuple(f"{made}{place}" for place in range(len(found))) for made in MADE_UP):
                return found
    return None


def as_categories(frame: pd.DataFrame, levels: bool | Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return rows with text columns as pandas categories; of declared levels in their order."""
    import pandas as pd

    declared = levels if isinstance(levels, Mapping) else {}
    chosen = [str(name) for name in frame if name in declared or _texts(frame[name])]
    # XGBoost fails on a column without any level
    empty = pd.CategoricalDtype([""])
    found = {
        name: (
            pd.CategoricalDtype(list(declared[name]))
            if name in declared
            else empty
            if frame[name].isna().all()
            else "category"
        )
        for name in chosen
    }
    return frame.astype(found)


def class_text(value: Any) -> str:
    """Return a class as a label column holds it: 1 for 1.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _texts(column: Any) -> bool:
    return column.dtype == object or str(column.dtype) in ("str", "string")
