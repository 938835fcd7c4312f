"""A PyTorch program that torch.export.save wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from auditor.core.errors import ClassifierError
from auditor.models import Input, classifiers
from auditor.models.answers import Picked
from auditor.models.classifier import TorchClassifier
from auditor.models.first_look import FixedBatch, first_line
from auditor.models.network import Network, classifier_of
from auditor.models.output import OutputSetting
from auditor.models.weights import locate


@classifiers.register("exported")
def exported(
    path: str,
    *,
    low: float = 0.0,
    high: float = 1.0,
    classes: list[str] | None = None,
    input: Input | None = None,
    output: OutputSetting = None,
    _base: Path = Path("."),
    _trust_code: bool = False,
    _device: str = "cpu",
) -> TorchClassifier:
    """PyTorch program (.pt2) written by torch.export.save; only with --trust-code, since loading one may run code."""
    file = locate(path, _base)
    if not _trust_code:
        advice = "pass --trust-code if you trust where it comes from, or use .onnx or weights as .safetensors"
        raise ClassifierError(f"{file}: a .pt2 file may run code when it is loaded; {advice}.")
    module, shape = _opened(file)
    notes: tuple[str, ...] = ()
    if shape and isinstance(shape[0], int):
        if output is not None and output.pick is not None:
            module, output = Picked(module, output.pick, str(file)), output.model_copy(update={"pick": None})
        module = FixedBatch(module, shape[0])
        said = (
            f"the program was exported for batches of exactly {shape[0]}, so inputs are evaluated that many at a time"
        )
        notes = (said,)
    input = input or Input()
    if input.size is None and len(shape) == 4 and all(isinstance(side, int) for side in shape[1:]):
        input = input.model_copy(update={"channels": shape[1], "size": (shape[2], shape[3])})
    known = Network(where=str(file), classes=classes, input=input, output=output, low=low, high=high, device=_device)
    return classifier_of(module, replace(known, notes=notes))


def _opened(file: Path) -> tuple[nn.Module, tuple[Any, ...]]:
    """Return the module of a program, and the shape of its first input."""
    try:
        program = torch.export.load(file)
        return program.module(), _input_shape(program)
    except Exception as error:  # torch raises almost anything for a damaged file
        raise ClassifierError(f"{file}: expected a program of torch.export.save, got: {first_line(error)}") from None


def _input_shape(program: Any) -> tuple[Any, ...]:
    """Return the shape of the program's first input: a number where a side is fixed, anything else where it is free."""
    names = program.graph_signature.user_inputs
    for node in program.graph.nodes:
        if names and node.name == names[0]:
            return tuple(node.meta["val"].shape)
    return ()
