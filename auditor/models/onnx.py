"""An ONNX graph: through torch with gradients where it converts exactly, else through onnxruntime as scores only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auditor.core.errors import ClassifierError, nearest
from auditor.core.modality import modality_named
from auditor.models import Input, classifiers
from auditor.models.adopt import GraphAnswers, ModelDeclaration, OpenedGraph, adopted_graph
from auditor.models.classifier import Classifier, ScoreClassifier
from auditor.models.first_look import FixedBatch, first_line, random_input, standardised
from auditor.models.network import Network, check_scaling, classifier_of, first_answers, reading_at_first_look
from auditor.models.onnx_conversion import converted
from auditor.models.output import Output, OutputSetting
from auditor.models.weights import file_digest, locate

_TRIALS = 4
"""Random inputs on which the two are compared."""


@dataclass(frozen=True)
class _Inlet:
    """What a graph declares of its one input."""

    name: str
    batch: int | None
    """Rows that it takes at a time; None where free."""
    sides: tuple[int | None, ...]
    """Shape without the batch axis; None for a side that is free."""

    @property
    def channels_last(self) -> bool:
        """Return whether the input is images of (height, width, channels)."""
        few = (1, 3, 4)
        return len(self.sides) == 3 and self.sides[2] in few and self.sides[0] not in few


@classifiers.register("onnx")
def onnx(
    path: str,
    *,
    low: float = 0.0,
    high: float = 1.0,
    classes: list[str] | None = None,
    input: Input | None = None,
    output: OutputSetting = None,
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
    declared = ModelDeclaration(where=str(file), classes=classes, columns=columns, answers=answers)
    graph, input = _open(file, output), input or Input()
    if not input.columns and (made := _of_modality(graph, declared, modality)) is not None:
        return made
    known = Network(where=str(file), classes=classes, input=input, output=output, low=low, high=high, device=_device)
    return _network(graph, known)


def _of_modality(graph: OpenedGraph, declared: ModelDeclaration, modality: str | None) -> Classifier | None:
    if modality is not None:
        modality_named(modality)
    made = adopted_graph(graph, declared, modality)
    if made is None and (declared.columns or declared.answers):
        raise ClassifierError(
            f"{declared.where}: expected `columns` and `answers` only of a graph over a table's raw rows; declare"
            " modality: table."
        )
    return made


def _network(graph: OpenedGraph, known: Network) -> Classifier:
    """Return the classifier of a graph over numbers: a torch module where it converts, else onnxruntime's scores."""
    inlet = _declared(graph.session, graph.file)
    known = _shaped(inlet, known)
    check_scaling(known)
    runtime = _Runtime(graph.session, inlet.name)
    whole: nn.Module = runtime if inlet.batch is None else FixedBatch(runtime, inlet.batch)
    shown: nn.Module = ChannelsLast(whole) if inlet.channels_last else whole
    values = first_answers(shown, known)
    assert values is not None and known.input_shape is not None
    # mean and std act before the graph, so the graph is compared at the values that reach it
    samples = standardised(random_input(known.input_shape, known.low, known.high, rows=_TRIALS), known.input)
    samples = samples.permute(0, 2, 3, 1) if inlet.channels_last else samples
    module, note = converted(graph.model, inlet.batch, samples, expected=whole(samples))
    output = known.output if known.output is None else known.output.model_copy(update={"pick": None})
    known = replace(known, notes=(*known.notes, note), output=output)
    if module is not None:
        return classifier_of(ChannelsLast(module) if inlet.channels_last else module, known)
    if values[0].numel() == 1 and _last_operator(graph.model) == "Sigmoid":
        known = replace(known, output=(output or Output()).model_copy(update={"kind": "sigmoid"}))
    reading = reading_at_first_look(shown, known)
    assert reading.classes is not None
    read = reading.logits or torch.as_tensor
    return ScoreClassifier(
        lambda x: read(shown(standardised(x, known.input))),
        classes=reading.classes,
        name=graph.file.stem,
        digest=file_digest(graph.file),
        low=known.low,
        high=known.high,
        input_shape=known.input_shape,
        notes=(*known.notes, *reading.notes),
    )


class _Runtime(nn.Module):
    """A graph as onnxruntime answers it."""

    def __init__(self, session: Any, inlet: str) -> None:
        super().__init__()
        self.session, self.inlet = session, inlet

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of x (n, *shape)."""
        rows = x.detach().cpu().float().contiguous().numpy()
        return torch.from_numpy(self.session.run(None, {self.inlet: rows})[0])


class ChannelsLast(nn.Module):
    """A module that takes images (n, height, width, channels), made to take (n, channels, height, width)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of x (n, channels, height, width)."""
        answers: Tensor = self.module(x.permute(0, 2, 3, 1))
        return answers


def _last_operator(model: Any) -> str:
    """Return the operator that makes a graph's output."""
    name = model.graph.output[0].name
    return next((str(node.op_type) for node in model.graph.node if name in node.output), "")


def _shaped(inlet: _Inlet, known: Network) -> Network:
    """Return what is known of a network with the shape of its input (ClassifierError: neither the graph nor the audit
    file says it).
    """
    sides = inlet.sides
    if inlet.channels_last:
        sides = (sides[-1], *sides[:-1])
        note = "the graph takes images with their channels last, so the audit turns them for it"
        known = replace(known, notes=(*known.notes, note))
    declared = known.input.shape
    if declared is not None and len(declared) == len(sides):
        sides = tuple(one or other for one, other in zip(sides, declared, strict=True))
    if not all(sides):
        raise ClassifierError(
            f"{known.where}: the graph leaves its input's size free; expected `input.size` and `input.channels` in the"
            " audit file."
        )
    return replace(known, shape=tuple(int(side or 0) for side in sides))


def _open(file: Path, output: Output | None) -> OpenedGraph:
    """Return the parsed graph and an onnxruntime session of it, with the one output that counts."""
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
        _keep_output(model, output)
        trimmed = output is not None and output.pick is not None
        source = model.SerializeToString() if trimmed else str(file)
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except ClassifierError:
        raise
    except Exception as error:  # onnxruntime's own exceptions share no base
        raise ClassifierError(f"{file}: expected a valid ONNX graph, got: {first_line(error)}") from None
    for tensor in model.graph.initializer:
        _check_finite(library.numpy_helper.to_array(tensor, str(file.parent)), tensor.name, file)
    return OpenedGraph(model, session, file)


def _keep_output(model: Any, output: Output | None) -> None:
    """Take away all outputs of a graph but the one that counts (ClassifierError: there is none of that name)."""
    if output is None or output.pick is None:
        return
    names = [one.name for one in model.graph.output]
    place = output.pick if isinstance(output.pick, int) else names.index(output.pick) if output.pick in names else -1
    if not 0 <= place < len(names):
        raise ClassifierError(
            f"output: expected one of the graph's outputs {', '.join(names)}, got '{output.pick}';"
            f" {nearest(str(output.pick), names)}"
        )
    kept = model.graph.output[place]
    del model.graph.output[:]
    model.graph.output.append(kept)


def _check_finite(array: Any, name: str, file: Path) -> None:
    value = torch.from_numpy(array.copy()) if array.dtype.kind == "f" else torch.zeros(0)
    # a clipping bound may be infinite, a weight may not
    if bool(torch.isnan(value).any()) or (value.ndim > 0 and bool(torch.isinf(value).any())):
        raise ClassifierError(f"{file}: expected finite weights, got NaN or infinity in '{name}'.")


def _declared(session: Any, file: Path) -> _Inlet:
    """Return what the graph says of its input (ClassifierError: it has several, or one that is not float32)."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(outputs) > 1:
        names = [one.name for one in outputs]
        raise ClassifierError(
            f"{file}: the graph has the outputs {', '.join(names)}; name the one that holds the scores, such as"
            f" `output: {names[0]}`."
        )
    if len(inputs) != 1 or len(outputs) != 1:
        raise ClassifierError(
            f"{file}: expected a graph with one input and one output, got {len(inputs)} and {len(outputs)}."
        )
    if inputs[0].type != "tensor(float)":
        raise ClassifierError(f"{file}: expected a graph with float32 input, got {inputs[0].type}.")
    batch, *sides = [side if isinstance(side, int) and side > 0 else None for side in inputs[0].shape]
    return _Inlet(inputs[0].name, batch, tuple(sides))
