"""A fitted scikit-learn estimator or pipeline, or one of another library with the same interface, in a file."""

from __future__ import annotations

import pickle
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from auditor.core.errors import ClassifierError
from auditor.modalities.tables.classifier import TableClassifier
from auditor.modalities.tables.models.answers import opened, quiet
from auditor.modalities.tables.models.estimator import from_estimator
from auditor.models import classifiers
from auditor.models.first_look import first_line
from auditor.models.weights import file_digest, locate

PICKLES = (".joblib", ".pkl", ".pickle")


@classifiers.register("sklearn", modality="table")
def sklearn(
    path: str,
    *,
    classes: list[str] | None = None,
    trusted: list[str] = [],  # noqa: B006
    columns: list[str] = [],  # noqa: B006
    threshold: float | None = None,
    array: bool = False,
    categories: bool | dict[str, list[str]] = False,
    _base: Path = Path("."),
    _trust_code: bool = False,
    _device: str = "cpu",
) -> TableClassifier:
    """Estimator or pipeline of scikit-learn, LightGBM, XGBoost or CatBoost: .skops, or .joblib and .pkl only with
    --trust-code.

    Parameters
    ----------
    classes
        Names in the order of the estimator's own classes.
    trusted
        Types in a .skops file that skops does not trust by itself and that you have reviewed.
    columns
        The columns that it was trained with, in their order, where it does not know them: with `array`, or if LightGBM
        has changed the names.
    threshold
        Share of the last of two classes from which it is the answer.
    array
        Whether the estimator was trained on an array: it is given the columns without names.
    categories
        Whether text columns become pandas categories, as LightGBM and XGBoost take them; or column: [levels in the
        order of training].
    """
    file = locate(path, _base)
    estimator, notes = _loaded(file, trusted, _trust_code, base=_base)
    settings: dict[str, Any] = {"columns": columns, "threshold": threshold, "array": array, "categories": categories}
    _check_categories(estimator, categories, file)
    return from_estimator(
        estimator, name=file.stem, digest=file_digest(file), classes=classes, notes=notes, where=str(file), **settings
    )


def _loaded(file: Path, trusted: list[str], trust_code: bool, *, base: Path) -> tuple[Any, tuple[str, ...]]:
    """Return the object in a file and notes on how it was read."""
    ending = file.suffix.lower()
    if ending == ".skops":
        return _skops(file, trusted)
    if ending not in PICKLES:
        raise ClassifierError(f"{file}: expected a file ending in .skops, {', '.join(PICKLES)}, got '{ending}'.")
    if not trust_code:
        raise ClassifierError(
            f"{file}: a {ending} file runs code when it is loaded; pass --trust-code if you trust where it comes from,"
            " or save the estimator as .skops."
        )
    return _read(file, lambda: _unpickled(file, base))


def _skops(file: Path, trusted: list[str]) -> tuple[Any, tuple[str, ...]]:
    """Return the object in a .skops file; nothing in it is made before every type in it is trusted."""
    try:
        from skops import io
    except ImportError as error:
        raise ClassifierError(
            f"{file}: reading .skops needs more packages: pip install 'auditor[tabular]' ({error})."
        ) from None
    try:
        found = io.get_untrusted_types(file=file)
    except Exception as error:  # skops raises almost anything for a damaged file
        raise ClassifierError(
            f"{file}: expected a file of skops.io.dump, got: {type(error).__name__}: {first_line(error)}"
        ) from None
    unknown = [name for name in found if name not in trusted]
    if unknown:
        listed = ", ".join(found)
        raise ClassifierError(
            f"{file}: expected only types that skops or `trusted` names, got {', '.join(unknown)}; if you trust them:"
            f" trusted: [{listed}]"
        )
    used = [name for name in trusted if name in found]
    estimator, notes = _read(file, lambda: io.load(file, trusted=used))
    return estimator, (*([f"trusted by the audit file: {', '.join(used)}"] if used else []), *notes)


def _unpickled(file: Path, base: Path) -> Any:
    with _importable(base):
        if file.suffix.lower() == ".joblib":
            import joblib

            return joblib.load(file)
        with file.open("rb") as stream:
            return pickle.load(stream)


@contextmanager
def _importable(base: Path) -> Iterator[None]:
    """Let a pickle find the user's modules beside the audit file."""
    folder = str(base.resolve())
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _read(file: Path, load: Callable[[], Any]) -> tuple[Any, tuple[str, ...]]:
    """Return what a loader reads, and notes on the versions that it warns of."""
    try:
        with quiet(), warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            estimator = load()
    except Exception as error:  # a pickle raises whatever its classes raise
        raise ClassifierError(
            f"{file}: the model cannot be read: {type(error).__name__}: {first_line(error)}"
        ) from None
    found = [getattr(one.message, "original_sklearn_version", None) for one in said]
    versions = sorted({str(version) for version in found if version is not None})
    if not versions:
        return estimator, ()
    import sklearn as library

    here = f"and is read with {library.__version__}; its answers may differ"
    return estimator, (f"the estimator was saved with scikit-learn {', '.join(versions)} {here}",)


def _check_categories(estimator: Any, categories: bool | dict[str, list[str]], file: Path) -> None:
    """Refuse categories without levels where the library numbers them anew in each call (XGBoost before 3.1)."""
    library = sys.modules.get("xgboost")
    if categories is not True or library is None or not _made_by(estimator, "xgboost"):
        return
    version = tuple(int(part) for part in re.findall(r"\d+", library.__version__)[:2])
    if version < (3, 1):
        raise ClassifierError(
            f"{file}: XGBoost {library.__version__} does not keep its categories; expected `categories: {{column:"
            " [levels]}`, got true."
        )


def _made_by(estimator: Any, library: str) -> bool:
    return type(opened(estimator)[1]).__module__.partition(".")[0] == library
