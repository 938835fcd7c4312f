"""A classifier that the user's own Python code makes."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from torch import nn

from auditor.core.errors import ClassifierError, nearest
from auditor.core.records import digest
from auditor.models import Input, classifiers
from auditor.models.adopt import MadeObject, ModelDeclaration, adopted_object
from auditor.models.classifier import Classifier, ScoreClassifier, TorchClassifier, state_digest
from auditor.models.first_look import first_line, width_of
from auditor.models.weights import class_names, file_digest, freeze


@classifiers.register("python")
def python(
    path: str,
    *,
    low: float = 0.0,
    high: float = 1.0,
    classes: list[str] | None = None,
    input: Input | None = None,
    settings: dict[str, Any] = {},  # noqa: B006
    _base: Path = Path("."),
    _trust_code: bool = False,
    _device: str = "cpu",
) -> Classifier:
    """Python function 'module:function' or 'file.py:function': a torch module, classifier, or predict_proba(frame);
    only with --trust-code.

    Parameters
    ----------
    path
        A file relative to the audit file, or an installed module, and after the colon the function's name.
    settings
        Passed on to the function as keyword arguments.
    """
    if not _trust_code:
        raise ClassifierError(f"source python runs code: '{path}' is only loaded with --trust-code.")
    source, _, name = path.rpartition(":")
    if not source or not name.isidentifier():
        raise ClassifierError(f"source python: expected 'module:function' or 'file.py:function', got '{path}'.")
    module, file = _import(source, _base)
    make = getattr(module, name, None)
    if not callable(make):
        known = [key for key, value in vars(module).items() if callable(value)]
        raise ClassifierError(f"{file}: expected a function '{name}', got none; {nearest(name, known)}")
    try:
        made = make(**settings)
    except Exception as error:  # whatever the user's code raises
        raise ClassifierError(f"{path}: the function failed: {type(error).__name__}: {first_line(error)}") from error
    return _as_classifier(made, path, file, low=low, high=high, classes=classes, input=input or Input(), device=_device)


def _import(source: str, base: Path) -> tuple[Any, Path]:
    """Return a module and the file that it comes from."""
    try:
        if not source.endswith(".py"):
            module = importlib.import_module(source)
            return module, Path(module.__file__ or source)
        file = base / source
        if not file.is_file():
            raise ClassifierError(f"{file}: expected a Python file, got nothing there.")
        name = f"auditor_user_{digest(str(file.resolve()))[:12]}"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickles in the user's file look it up
        spec.loader.exec_module(module)
        return module, file
    except ClassifierError:
        raise
    except Exception as error:  # whatever the user's code raises
        raise ClassifierError(f"{source}: cannot be imported: {type(error).__name__}: {first_line(error)}") from error


def _as_classifier(
    made: Any, path: str, file: Path, *, low: float, high: float, classes: list[str] | None, input: Input, device: str
) -> Classifier:
    source = file_digest(file) if file.is_file() else ""
    if isinstance(made, nn.Module):
        freeze(made, where=path)
        if classes is None and input.shape is None:
            raise ClassifierError(
                f"{path}: expected `classes` or `input.size`, got neither, so the number of classes is not known."
            )
        names = (
            classes
            if classes is not None
            else class_names(None, width_of(made, input, low, high=high, where=path), where=path)
        )
        made_of = digest([source, state_digest(made)])
        return TorchClassifier(
            made,
            classes=names,
            low=low,
            high=high,
            name=path,
            digest=made_of,
            input_shape=input.shape,
            mean=input.mean,
            std=input.std,
            device=device,
        )
    if isinstance(made, Classifier):
        return made
    if not callable(getattr(made, "logits", None)):
        return _of_modality(made, ModelDeclaration(where=path, classes=classes), source)
    own = classes or getattr(made, "classes", None)
    if not own:
        raise ClassifierError(f"{path}: expected `classes` in the audit file or on the object, got none.")
    note = "the object has logits(x) but does not declare gradients, so only its scores are used"
    return ScoreClassifier(
        made.logits,
        classes=list(own),
        name=path,
        digest=digest([source]),
        low=low,
        high=high,
        input_shape=input.shape,
        notes=(note,),
    )


def _of_modality(made: Any, declared: ModelDeclaration, source: str) -> Classifier:
    """Return the classifier that some modality sees in an object, such as one with predict_proba(frame)."""
    found = adopted_object(MadeObject(made, source), declared)
    if found is None:
        raise ClassifierError(
            f"{declared.where}: expected a torch module or an object with logits(x), predict_proba(frame) or"
            f" predict(frame), got a {type(made).__name__}."
        )
    return found
