"""Arithmetic in which a module is evaluated: float32, or faster and coarser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Literal

import torch

from auditor.core.errors import ClassifierError, nearest

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
