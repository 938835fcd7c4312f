"""The public loader: a file of any known kind -> a classifier that was seen to work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from auditor.core.errors import ClassifierError
from auditor.models import Input, classifiers
from auditor.models.adopt import ModelDeclaration, adopted
from auditor.models.classifier import Classifier, ScoreClassifier, TorchClassifier, check_names
from auditor.models.first_look import check
from auditor.models.folding import fold
from auditor.models.precision import Precision, check_precision
from auditor.models.preprocessing import PreprocessSteps, said
from auditor.models.search_twin import hasten, searching
from auditor.models.torchscript import is_archive

ENDINGS = {".onnx": "onnx", ".pt2": "exported", ".safetensors": "timm", ".pth": "timm", ".pt": "timm"}
ENDINGS |= dict.fromkeys((".skops", ".joblib", ".pkl", ".pickle"), "sklearn")


def load_classifier(
    path: str | Path,
    source: str | None = None,
    low: float = 0.0,
    *,
    high: float = 1.0,
    base: Path = Path("."),
    trust_code: bool = False,
    device: str = "cpu",
    draws: int = 1,
    precision: Precision = "float32",
    compile: bool = False,
    **settings: Any,
) -> Classifier:
    """Return the classifier in a file, frozen, in evaluation mode, batch norms folded where that is exact, and tried
    once at a random input.

    A modality may adopt it (auditor.models.adopt): a classifier of tables is shown rows only when there are data, and
    answers `logits(frame)`.

    Parameters
    ----------
    path
        Model or weights file, relative to `base`.
    source
        Name of the kind of file (`auditor list`); by the file's ending where None.
    low, high
        Smallest and largest value of an input, in the units that the classifier takes; of images.
    trust_code
        Whether files that can run code may be loaded (.pt2, .joblib, .pkl, Python), and programs may be run.
    device
        Where to evaluate a torch module, such as 'cpu' or 'cuda:0'; everything else runs on the CPU.
    draws
        How many evaluations of a random classifier are averaged in one answer.
    precision, compile
        How attacks search on a GPU (auditor.models.precision.hasten); what fools is decided in float32.
    **settings
        The source's own settings, such as name='resnet18', classes=['a', 'b'], input={'size': 128, 'channels': 1}.
    """
    where = str(path)
    chosen = source or _by_ending(where, base)
    if not low < high:
        raise ClassifierError(f"{where}: expected low below high, got low {low} and high {high}.")
    _available(device)
    check_precision(device, precision, compile)
    bound = classifiers.bind(chosen, {**_box(chosen, low, high), **_with_named_classes(settings, where)})
    made = classifiers[chosen].make(where, **bound, _base=base, _trust_code=trust_code, _device=device)
    assert isinstance(made, Classifier)
    _declare(made, bound.get("input"), draws, where=where)
    declared = ModelDeclaration(
        where=where,
        classes=bound.get("classes"),
        input=bound.get("input"),
        hurry="compile" if compile else "" if precision == "float32" else f"precision {precision}",
    )
    return adopted(made, declared) or _tried(made, precision, compile, where=where)


def _tried(made: Classifier, precision: Precision, compile: bool, *, where: str) -> Classifier:
    """Return a classifier, folded and hastened where it is a torch module, after one random input."""
    if isinstance(made, TorchClassifier):
        fold(made)
        hasten(made, precision, compile=compile)
    check(made, where=where)
    if searching(made) is not made:
        check(searching(made), where=f"{where} in {precision}")
    return made


def _with_named_classes(settings: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a source's settings with numbers and truth values among the classes as texts (ClassifierError: two classes
    have the same name, or one has none).
    """
    given = settings.get("classes")
    if not isinstance(given, list | tuple):
        return settings
    names = [str(one).lower() if isinstance(one, bool) else str(one) for one in given if one is not None]
    return {**settings, "classes": list(check_names(names, where=where)) if len(names) == len(given) else given}


def _box(source: str, low: float, high: float) -> dict[str, float]:
    """Return the range of inputs, for sources that have one; a range declared for another is refused when it is
    bound.
    """
    if "low" not in classifiers.settings_model(source).model_fields and (low, high) == (0.0, 1.0):
        return {}
    return {"low": low, "high": high}


def _declare(made: Classifier, input: Input | None, draws: int, *, where: str) -> None:
    """Put the preprocessing and randomness that an audit declares into a classifier."""
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise ClassifierError(f"{where}: 'draws': expected a whole number from 1, got {draws!r}.")
    steps = [next(iter(step.items())) for step in input.preprocess] if input else []
    if not steps and draws == 1:
        return
    if not isinstance(made, TorchClassifier | ScoreClassifier) or made.preprocess is not None or made.draws > 1:
        raise ClassifierError(
            f"{where}: expected `input.preprocess` and `draws` for a module or function, got a classifier that brings"
            " its own."
        )
    made.preprocess, made.draws = PreprocessSteps(steps, made.low, made.high) if steps else None, draws
    made.notes = (*made.notes, *said(made.preprocess, draws))


def _by_ending(path: str, base: Path) -> str:
    """Return the source of a file by its ending; a .pt file may be a TorchScript archive or weights."""
    if path.startswith("local-dir:"):
        return "timm"
    ending = Path(path).suffix.lower()
    if ending == ".pt" and is_archive(base / path):
        return "torchscript"
    if ".py:" in path:
        return "python"
    if ending not in ENDINGS:
        raise ClassifierError(f"{path}: expected a file ending in {', '.join(ENDINGS)} or a `source`, got '{ending}'.")
    return ENDINGS[ending]


def _available(device: str) -> None:
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise ClassifierError(f"device: expected 'cpu', 'cuda' or 'cuda:N', got '{device}'.") from None
    if kind == "cuda" and (torch.device(device).index or 0) >= torch.cuda.device_count():
        raise ClassifierError(
            f"device: '{device}' was asked for, but torch finds {torch.cuda.device_count() or 'no'} CUDA device(s)"
            " here; use cpu."
        )
