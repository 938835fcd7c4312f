"""An ONNX graph: through torch with gradients where it converts exactly, else through onnxruntime as scores only."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auditor.core.errors import ClassifierError
from auditor.core.modality import modality_named
from auditor.models import Input, classifiers
from auditor.models.adopt import GraphAnswers, ModelDeclaration, OpenedGraph, adopted_graph
from auditor.models.classifier import Classifier, ScoreClassifier, TorchClassifier
from auditor.models.first_look import FixedBatch, first_line, random_input
from auditor.models.onnx_converters import add_converters
from auditor.models.torchvision import ensure_torchvision
from auditor.models.weights import class_names, file_digest, freeze, locate

_AGREEMENT = 1e-3
"""Largest difference between torch and onnxruntime, relative to the largest output, at which gradients are trusted."""
_TRIALS = 4
"""Random inputs on which the two are compared."""


@dataclass(frozen=True)
class _Graph:
    """What a graph declares of its one input."""

    name: str
    batch: int | None
    """Rows that it takes at a time; None where free."""
    shape: tuple[int, ...] | None
    """Shape without the batch axis; None where some side is free."""


@classifiers.register("onnx")
def onnx(
    path: str,
    *,
    low: float = 0.0,
    high: float = 1.0,
    classes: list[str] | None = None,
    input: Input | None = None,
    modality: str | None = None,
    columns: list[str] = [],  # noqa: B006
    answers: GraphAnswers | None = None,
    _base: Path = Path("."),
    _trust_code: bool = False,
    _device: str = "cpu",
) -> Classifier:
    """ONNX graph (.onnx): of images or behind `input.columns`, with gradients where it converts to torch; of a table's
    raw rows.

    Parameters
    ----------
    modality
        What it takes; 'table' by default where it has several inputs, one of texts or whole numbers, or a label beside
        its numbers.
    columns
        Of a table whose columns are one input of numbers side by side: their names in order; all that the data declare
        when not given.
    answers
        Of a table: what its numbers are; 'probabilities' by default where they stand beside a label, else 'scores'.
    """
    file = locate(path, _base)
    input = input or Input()
    model, session = _open(file)
    if modality is not None:
        modality_named(modality)
    declared = ModelDeclaration(where=str(file), classes=classes, columns=columns, answers=answers)
    if not input.columns and (made := adopted_graph(OpenedGraph(model, session, file), declared, modality)) is not None:
        return made
    if columns or answers:
        raise ClassifierError(
            f"{file}: expected `columns` and `answers` only of a graph over a table's raw rows; declare modality:"
            " table."
        )
    graph = _declared(session, file)
    shape = graph.shape or input.shape
    if shape is None:
        raise ClassifierError(
            f"{file}: the graph leaves its input's size free; expected `input.size` and `input.channels` in the audit"
            " file."
        )
    # mean and std act before the graph, so the graph is compared at the values that reach it
    samples = _scaled(random_input(shape, low, high, rows=_TRIALS), input)
    scores = _scores(session, graph)
    try:
        expected = scores(samples)
    except Exception as error:  # onnxruntime's own exceptions share no base
        raise ClassifierError(
            f"{file}: the model fails at inputs of shape {tuple(samples.shape)}: {first_line(error)}"
        ) from None
    if expected.ndim != 2 or len(expected) != _TRIALS:
        raise ClassifierError(
            f"{file}: expected an output of shape (n, classes), got {tuple(expected.shape)} for {_TRIALS} inputs."
        )
    names = class_names(classes, expected.shape[1], where=str(file))
    notes: list[str] = []
    module = _converted(model, graph, samples, expected=expected, notes=notes)
    if module is None:
        return ScoreClassifier(
            lambda x: scores(_scaled(x, input)),
            classes=names,
            name=file.stem,
            digest=file_digest(file),
            low=low,
            high=high,
            input_shape=shape,
            notes=notes,
        )
    notes.extend(freeze(module, where=str(file)))
    return TorchClassifier(
        module,
        classes=names,
        low=low,
        high=high,
        name=file.stem,
        digest=file_digest(file),
        input_shape=shape,
        mean=input.mean,
        std=input.std,
        device=_device,
        notes=notes,
    )


def _open(file: Path) -> tuple[Any, Any]:
    """Return the parsed graph and an onnxruntime session of it."""
    try:
        import onnx as library
        import onnxruntime
    except ImportError as error:
        raise ClassifierError(
            f"{file}: reading .onnx needs more packages: pip install 'auditor[onnx]' ({error})."
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        model = library.load(file)
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no base
        raise ClassifierError(f"{file}: expected a valid ONNX graph, got: {first_line(error)}") from None
    for tensor in model.graph.initializer:
        _check_finite(library.numpy_helper.to_array(tensor, str(file.parent)), tensor.name, file)
    return model, session


def _check_finite(array: Any, name: str, file: Path) -> None:
    value = torch.from_numpy(array.copy()) if array.dtype.kind == "f" else torch.zeros(0)
    # a clipping bound may be infinite, a weight may not
    if bool(torch.isnan(value).any()) or (value.ndim > 0 and bool(torch.isinf(value).any())):
        raise ClassifierError(f"{file}: expected finite weights, got NaN or infinity in '{name}'.")


def _declared(session: Any, file: Path) -> _Graph:
    """Return what the graph says of its input (ClassifierError: it has several, or one that is not float32)."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise ClassifierError(
            f"{file}: expected a graph with one input and one output, got {len(inputs)} and {len(outputs)}."
        )
    if inputs[0].type != "tensor(float)":
        raise ClassifierError(f"{file}: expected a graph with float32 input, got {inputs[0].type}.")
    batch, *sides = [side if isinstance(side, int) and side > 0 else None for side in inputs[0].shape]
    return _Graph(inputs[0].name, batch, tuple(side for side in sides if side) if all(sides) else None)


def _scores(session: Any, graph: _Graph) -> Callable[[Tensor], Tensor]:
    """Return the function (x (n, *shape)) -> outputs (n, classes) through onnxruntime."""

    class Runtime(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.from_numpy(session.run(None, {graph.name: x.float().contiguous().numpy()})[0])

    runtime: nn.Module = Runtime() if graph.batch is None else FixedBatch(Runtime(), graph.batch)
    return lambda x: torch.as_tensor(runtime(x.detach().cpu()))


def _scaled(x: Tensor, input: Input) -> Tensor:
    """Return (x - mean) / std, one number per channel (axis 1)."""
    axes = (1, -1) + (1,) * (x.ndim - 2)
    return (x - torch.tensor(input.mean or [0.0]).view(axes)) / torch.tensor(input.std or [1.0]).view(axes)


def _converted(model: Any, graph: _Graph, samples: Tensor, *, expected: Tensor, notes: list[str]) -> nn.Module | None:
    """Return the graph as a torch module whose outputs agree with onnxruntime's; None where there is none, with the
    reason in the notes.
    """
    ensure_torchvision()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the converter's warnings say nothing that the comparison does not
            import onnx2torch

            add_converters()
            module: nn.Module = onnx2torch.convert(model).eval()
            together = _difference(module, samples, expected)
            apart = together if graph.batch is None else _difference(FixedBatch(module, graph.batch), samples, expected)
    except Exception as error:  # a graph that cannot be converted fails in its own way
        notes.append(
            f"no gradients: the graph does not convert to torch ({first_line(error)[:200]}), so onnxruntime gives its"
            " scores"
        )
        return None
    difference = min(together, apart)
    if not difference <= _AGREEMENT:
        notes.append(
            f"no gradients: in torch the graph differs by {difference:.1e} of the largest output, so onnxruntime gives"
            " its scores"
        )
        return None
    notes.append(
        f"converted from ONNX to torch; largest difference from onnxruntime on {_TRIALS} random inputs:"
        f" {difference:.1e} of the largest output"
    )
    # a graph that declares a batch of one often works on any, which is many times faster
    return module if together <= _AGREEMENT or graph.batch is None else FixedBatch(module, graph.batch)


def _difference(module: nn.Module, samples: Tensor, expected: Tensor) -> float:
    """Return the largest difference of a module's outputs from the expected ones (n, classes), relative to the largest;
    infinite where it fails.
    """
    try:
        with torch.no_grad():
            got = module(samples)
    except Exception:  # such as a batch size fixed inside the graph
        return float("inf")
    if not isinstance(got, Tensor) or got.shape != expected.shape or not bool(torch.isfinite(got).all()):
        return float("inf")
    return float((got - expected).abs().max() / expected.abs().max().clamp_min(1e-6))
