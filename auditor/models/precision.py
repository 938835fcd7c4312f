"""Arithmetic in which attacks search; what fools is always decided in float32."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

import torch

from auditor.core.errors import ClassifierError, nearest

if TYPE_CHECKING:
    from auditor.models.classifier import Classifier, TorchClassifier

Precision = Literal["float32", "tf32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "tf32", "bfloat16")


def arithmetic(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """Return the context in which a module is evaluated; 'float32' is float32 also on a GPU, where torch by itself
    rounds convolutions to tf32.
    """
    return nullcontext() if device.type != "cuda" and precision == "float32" else _arithmetic(device, precision)


@contextmanager
def _arithmetic(device: torch.device, precision: Precision) -> Iterator[None]:
    with ExitStack() as stack:
        if device.type == "cuda":
            stack.enter_context(rounding_to_tf32(precision == "tf32"))
        if precision == "bfloat16":
            stack.enter_context(torch.autocast(device.type, dtype=torch.bfloat16))
        yield


@contextmanager
def rounding_to_tf32(allowed: bool) -> Iterator[None]:
    """Allow or forbid tf32 in convolutions and matrix products on GPUs, and restore what was set."""
    backends: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        backend.allow_tf32 = allowed
    try:
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.allow_tf32 = value


def check_precision(device: str, precision: str, compile: bool) -> None:
    """Refuse settings that a device has no use for (ClassifierError)."""
    if precision not in PRECISIONS:
        raise ClassifierError(
            f"precision: expected one of {', '.join(PRECISIONS)}, got '{precision}'; {nearest(precision, PRECISIONS)}"
        )
    asked = [f"precision {precision}"] * (precision != "float32") + ["compile"] * compile
    if asked and torch.device(device).type != "cuda":
        raise ClassifierError(
            f"{' and '.join(asked)}: expected a CUDA device, where it is faster, got '{device}'; leave it out or name"
            " --device cuda."
        )


def hasten(classifier: TorchClassifier, precision: Precision, *, compile: bool = False) -> None:
    """Let attacks search in another arithmetic, or with a compiled module; `classifier.logits` stays as it is and
    judges.

    Parameters
    ----------
    precision
        'tf32' rounds the factors of products to 10 bits, 'bfloat16' runs products in 7 bits (torch.autocast).
    compile
        Whether the search's module goes through torch.compile.
    """
    if precision == "float32" and not compile:
        return
    twin = copy.copy(classifier)
    twin.precision = precision
    if compile:
        twin.module = torch.compile(classifier.module, dynamic=True)  # type: ignore[assignment]
    classifier.search = twin
    how = f"in {precision}" + " with a compiled module" * compile
    classifier.notes = (
        *classifier.notes,
        f"attacks searched {how}; what fools was decided in float32 by the module as it is",
    )


def searching(classifier: Classifier) -> Classifier:
    """Return the classifier as an attack's search sees it: the same, or its faster twin."""
    twin: Classifier | None = getattr(classifier, "search", None)
    return classifier if twin is None else twin
