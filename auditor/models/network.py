"""A torch module with what an audit file says of it -> classifier: one way for every kind of file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auditor.core.errors import ClassifierError
from auditor.models import Input
from auditor.models.answers import Answered, Picked, one_tensor, reading_of
from auditor.models.classifier import TorchClassifier
from auditor.models.first_look import first_line, random_input, standardised
from auditor.models.output import Output
from auditor.models.weights import file_digest, freeze

_TRIALS = 6
"""Random inputs at which the output is looked at; the last two are blank, at the two ends of the range."""
_AGREEMENT = 1e-5
"""Largest difference between a network and its copy without the last layer, that layer put on again."""
_End = tuple[str, str, Callable[[Tensor], Tensor]]
ENDS: dict[type[nn.Module], _End] = {
    nn.Softmax: ("softmax", "logits", lambda out: out.softmax(-1)),
    nn.LogSoftmax: ("log-softmax", "logits", lambda out: out.log_softmax(-1)),
    nn.Sigmoid: ("sigmoid", "logit", torch.sigmoid),
}
"""Layer at the end of a network -> what it is called, what stands before it, and what it does."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """What is known of a network before its first input."""

    where: str
    """Its file or function, as messages name it."""
    name: str = ""
    """As the report names it; that of the file `where` if empty."""
    digest: str = ""
    """SHA-256 of what was loaded; that of the file `where` if empty."""
    classes: Sequence[str] | None = None
    input: Input = field(default_factory=Input)
    output: Output | None = None
    low: float = 0.0
    high: float = 1.0
    shape: tuple[int, ...] | None = None
    """Shape of one input where the file itself says it; else that of `input`."""
    device: str = "cpu"
    notes: tuple[str, ...] = ()

    @property
    def input_shape(self) -> tuple[int, ...] | None:
        """Return the shape of one input; None where it is free."""
        return self.shape or self.input.shape


def classifier_of(module: nn.Module, known: Network) -> TorchClassifier:
    """Return the classifier that a module is, frozen; what its output is and how many classes it has is seen at random
    inputs where the audit file does not say it (ClassifierError: that cannot be told).
    """
    check_scaling(known)
    stored = freeze(module, where=known.where)
    if known.output is not None and known.output.pick is not None:
        module = Picked(module, known.output.pick, known.where)
    reading = reading_at_first_look(module, known)
    assert reading.classes is not None
    return TorchClassifier(
        module,
        classes=reading.classes,
        low=known.low,
        high=known.high,
        name=known.name or Path(known.where).stem,
        digest=known.digest or file_digest(Path(known.where)),
        input_shape=known.input_shape,
        mean=known.input.mean,
        std=known.input.std,
        device=known.device,
        notes=(*known.notes, *stored, *reading.notes),
        read=reading.logits,
    )


def check_scaling(known: Network) -> None:
    """Refuse a mean outside the range of inputs, a deviation that is not positive, and a wrong number of either
    (ClassifierError).
    """
    shape = known.input_shape
    channels, place = shape[0] if shape else known.input.channels, f"{known.where}: expected input"
    for name, values in (("mean", known.input.mean), ("std", known.input.std)):
        if len(values) not in (0, 1, channels):
            count, many = ("one number", "") if channels == 1 else (f"1 or {channels} numbers", "s")
            raise ClassifierError(
                f"{place}.{name} to have {count}, since the input has {channels} channel{many}, got {len(values)}"
                " numbers."
            )
    for mean in known.input.mean:
        if not known.low <= mean <= known.high:
            raise ClassifierError(
                f"{place}.mean between {known.low:g} and {known.high:g}, the units of the input, got {mean:g}; divide"
                " mean and std by 255 if they were computed on grey levels from 0 to 255."
            )
    for std in known.input.std:
        if not (math.isfinite(std) and std > 0):
            raise ClassifierError(f"{place}.std above 0, got {std:g}.")


def reading_at_first_look(module: nn.Module, known: Network) -> Answered:
    """Return how a network is read; a softmax or sigmoid at its end is taken off where that is possible."""
    output = known.output or Output()
    if known.input.columns and output != Output():
        raise ClassifierError(f"{known.where}: expected `output` only of a network that takes no `input.columns`.")
    values = first_answers(module, known)
    if values is None and known.classes is None:
        raise ClassifierError(
            f"{known.where}: expected `classes` or `input.size`, got neither, so the number of classes is not known."
        )
    if known.input.columns:
        return Answered(_names(values, known))
    end = "" if values is None else _take_off(module, known, values)
    notes: tuple[str, ...] = ()
    if end:
        values = first_answers(module, known)
        output = output.model_copy(update={"kind": next(kind for name, kind, _ in ENDS.values() if name == end)})
        notes = (f"the {end} at the end of the network was taken off, so that attacks have a gradient",)
    reading = reading_of(values, output, known.classes, where=known.where)
    return Answered(reading.classes or _names(values, known), reading.logits, (*notes, *reading.notes))


def _names(values: Tensor | None, known: Network) -> tuple[str, ...]:
    """Return the names of the classes: as declared, or as many numbers as the network has outputs."""
    if known.classes is not None:
        return tuple(known.classes)
    assert values is not None
    if values.ndim != 2:
        got = (1, *values.shape[1:])
        raise ClassifierError(f"{known.where}: expected an output of shape (1, classes), got {got}.")
    return tuple(map(str, range(values.shape[1])))


def first_answers(answer: Callable[[Tensor], Any], known: Network) -> Tensor | None:
    """Return a network's answers (n, ...) at random inputs, asked one by one; None where the input's size is free
    (ClassifierError: it fails, or gives several outputs).
    """
    shape = known.input_shape
    if shape is None:
        return None
    x = random_input(shape, known.low, known.high, rows=_TRIALS)
    x[-2], x[-1] = known.low, known.high
    try:
        with torch.no_grad():
            answers = [
                one_tensor(answer(row), known.where) for row in torch.split(standardised(x, known.input).clone(), 1)
            ]
            return torch.cat([one.reshape(1) if one.ndim == 0 else one for one in answers])
    except ClassifierError:
        raise
    except Exception as error:  # whatever a user's model raises
        raise ClassifierError(
            f"{known.where}: the model fails at an input of shape {(1, *shape)}: {first_line(error)}"
        ) from None


def _take_off(module: nn.Module, known: Network, values: Tensor) -> str:
    """Replace the softmax or sigmoid at the end of a module, and return what it is called; empty where there is none
    that can be taken off, or the audit file says that there is none.
    """
    for parent in reversed(list(module.modules())):
        for name, layer in parent.named_children():
            end, _, put_on = ENDS.get(type(layer), ("", "", None))
            if put_on is None or not _possible(end, known, values):
                continue
            setattr(parent, name, nn.Identity())
            with torch.no_grad():
                before = first_answers(module, known)
            if before is not None and before.shape == values.shape and _equal(put_on(before), values):
                return end
            setattr(parent, name, layer)
    return ""


def _possible(end: str, known: Network, values: Tensor) -> bool:
    output = known.output or Output()
    one = values.ndim == 1 or values.shape[1] == 1 or output.multilabel is not None
    return one == (end == "sigmoid") and output.kind in (None, "sigmoid" if one else "softmax")


def _equal(got: Tensor, expected: Tensor) -> bool:
    known = torch.isfinite(expected)
    return bool(known.any()) and bool(((got - expected).abs()[known] <= _AGREEMENT).all())
