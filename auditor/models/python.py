"""A classifier that the user's own Python code makes."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from auditor.core.errors import ClassifierError, nearest
from auditor.core.records import digest
from auditor.models import Input, classifiers
from auditor.models.adopt import MadeObject, ModelDeclaration, adopted_object
from auditor.models.classifier import Classifier, ScoreClassifier, state_digest
from auditor.models.first_look import first_line
from auditor.models.network import Network, classifier_of
from auditor.models.output import OutputSetting
from auditor.models.weights import file_digest


@classifiers.register("python")
def python(
    path: str,
    *,
    low: float = 0.0,
    high: float = 1.0,
    classes: list[str] | None = None,
    input: Input | None = None,
    output: OutputSetting = None,
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
    made, made_by = _made(source, name, settings, base=_base)
    if output is not None and not isinstance(made, nn.Module):
        raise ClassifierError(f"{path}: expected `output` only of a torch module, got a {type(made).__name__}.")
    known = Network(where=path, classes=classes, output=output, low=low, high=high, device=_device)
    return _as_classifier(made, replace(known, name=path, digest=made_by, input=input or Input()))


def _made(source: str, name: str, settings: dict[str, Any], *, base: Path) -> tuple[Any, str]:
    """Return what a function of a module or file makes, and the digest of its code."""
    module, file = _import(source, base)
    make = getattr(module, name, None)
    if not callable(make):
        known = [key for key, value in vars(module).items() if callable(value)]
        raise ClassifierError(f"{file}: expected a function '{name}', got none; {nearest(name, known)}")
    try:
        return make(**settings), file_digest(file) if file.is_file() else ""
    except Exception as error:  # whatever the user's code raises
        raise ClassifierError(
            f"{source}:{name}: the function failed: {type(error).__name__}: {first_line(error)}"
        ) from error


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


def _as_classifier(made: Any, known: Network) -> Classifier:
    if isinstance(made, nn.Module):
        return classifier_of(made, replace(known, digest=digest([known.digest, state_digest(made)])))
    if isinstance(made, Classifier):
        return made
    if not callable(getattr(made, "logits", None)):
        return _of_modality(made, ModelDeclaration(where=known.where, classes=known.classes), known.digest)
    classes = known.classes or getattr(made, "classes", None)
    if not classes:
        raise ClassifierError(f"{known.where}: expected `classes` in the audit file or on the object, got none.")
    note = "the object has logits(x) but does not declare gradients, so only its scores are used"
    return ScoreClassifier(
        made.logits,
        classes=list(classes),
        name=known.where,
        digest=digest([known.digest]),
        low=known.low,
        high=known.high,
        input_shape=known.input.shape,
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
