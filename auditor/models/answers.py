"""From what a network answers to one logit per class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from auditor.core.errors import ClassifierError, nearest
from auditor.models.output import Output

CLAMP = 1e-7
"""Probabilities are kept this far from 0 and 1 before their logit is taken: what float32 tells apart from 1."""
_SUM = 1e-4
"""How far from 1 the probabilities of a softmax may sum."""


@dataclass(frozen=True)
class Answered:
    """How a network's answers are read."""

    classes: tuple[str, ...] | None
    """Names of the classes; None where they have none."""
    logits: Callable[[Tensor], Tensor] | None = None
    """function (answers (n, columns) or (n,)) -> logits (n, classes); None where the answers are logits."""
    notes: tuple[str, ...] = ()


class Picked(nn.Module):
    """A network with several outputs, of which one counts."""

    def __init__(self, module: nn.Module, pick: int | str, where: str) -> None:
        super().__init__()
        self.module, self.pick, self.where = module, pick, where

    def forward(self, x: Tensor) -> Tensor:
        """Return the output that counts (ClassifierError: there is none of that name or place)."""
        out = self.module(x)
        parts = _parts(out)
        place = str(self.pick)
        if place not in parts:
            raise ClassifierError(f"{self.where}: `output: {place}` is not there; the network gives {described(out)}.")
        part = parts[place]
        if not isinstance(part, Tensor):
            raise ClassifierError(f"{self.where}: expected a tensor at output: {place}, got a {type(part).__name__}.")
        return part


def _parts(out: Any) -> dict[str, Any]:
    """Return the outputs of a network by place or name; none where it has one."""
    if isinstance(out, Mapping):
        return {str(key): value for key, value in out.items()} | _parts(tuple(out.values()))
    if isinstance(out, tuple | list):
        named = dict(zip(getattr(out, "_fields", ()), out, strict=False))
        return {**{str(place): value for place, value in enumerate(out)}, **named}
    return {}


def described(out: Any) -> str:
    """Return what a network gives, in words: each output with its shape."""
    if isinstance(out, Tensor):
        return f"one tensor of shape {tuple(out.shape)}"
    pairs = list(out.items() if isinstance(out, Mapping) else enumerate(out) if isinstance(out, tuple | list) else ())
    if not pairs:
        return f"a {type(out).__name__}"
    shapes = (f"{key} of shape {tuple(value.shape)}" if isinstance(value, Tensor) else str(key) for key, value in pairs)
    return "the outputs " + ", ".join(shapes)


def one_tensor(out: Any, where: str) -> Tensor:
    """Return a network's answers if they are one tensor (ClassifierError: it has several outputs, all of which are
    listed).
    """
    if isinstance(out, Tensor):
        return out
    first = next(iter(_parts(out)), "")
    advice = f"name the one that holds the scores, such as `output: {first}`" if first else "return a tensor"
    raise ClassifierError(f"{where}: the network gives {described(out)}, and a single tensor was expected; {advice}.")


def reading_of(values: Tensor | None, output: Output, classes: Sequence[str] | None, *, where: str) -> Answered:
    """Return how answers are read.

    Parameters
    ----------
    values
        Answers (n, columns) or (n,) at random inputs; None where the size of the input is free, so that only what is
        declared counts.
    """
    named = None if classes is None else tuple(classes)
    values = None if values is None else values[torch.isfinite(values.reshape(len(values), -1)).all(1)]
    columns = None if values is None else 1 if values.ndim == 1 else values.shape[1]
    if output.multilabel is not None:
        return _one_of_many(values, output, named, where=where)
    if columns == 1 or (columns is None and output.kind in ("logit", "sigmoid")):
        return _one_column(values, output, named, where=where)
    if output.kind in ("logit", "sigmoid") or output.threshold is not None:
        raise ClassifierError(
            f"{where}: expected one output for two classes with `output: {output.kind or 'threshold'}`, got {columns};"
            " leave `output` out, or name the class of interest as `output: {multilabel: NAME}`."
        )
    if output.kind == "softmax" or (output.kind is None and values is not None and _sums_to_one(values)):
        if values is not None and not _sums_to_one(values):
            raise ClassifierError(
                f"{where}: expected probabilities that sum to 1 with `output: softmax`, got {_range(values)}; leave"
                " `output` out if they are logits."
            )
        note = "the network ends in a softmax: the audit reads the logarithm of its probabilities; where one is almost"
        return Answered(named, _log_probabilities, (f"{note} 1, hardly a gradient is left for attacks",))
    return Answered(named)


def _sums_to_one(values: Tensor) -> bool:
    return values.ndim == 2 and len(values) > 1 and bool((values >= 0).all() and _near_one(values.sum(1)))


def _near_one(sums: Tensor) -> bool:
    return bool(((sums - 1).abs() < _SUM).all())


def _log_probabilities(values: Tensor) -> Tensor:
    return values.clamp_min(torch.finfo(values.dtype).tiny).log()


def _one_column(values: Tensor | None, output: Output, classes: tuple[str, ...] | None, *, where: str) -> Answered:
    classes = ("0", "1") if classes is None else classes
    if len(classes) != 2:
        raise ClassifierError(
            f"{where}: the network has one output, which tells two classes apart, got {len(classes)}."
        )
    if output.kind in ("logits", "softmax"):
        raise ClassifierError(
            f"{where}: expected `output: logit` or `output: sigmoid` for a network with one output, got"
            f" '{output.kind}'."
        )
    kind, found = _kind(values, output, where=where, of=classes[1])
    return Answered(classes, _two_sided(kind, output.threshold), (found, *_decision(output, classes[1])))


def _one_of_many(values: Tensor | None, output: Output, classes: tuple[str, ...] | None, *, where: str) -> Answered:
    interest = output.multilabel or ""
    if not classes or interest not in classes:
        known = nearest(interest, classes) if classes else "name the `classes` in the order of the outputs"
        raise ClassifierError(f"{where}: expected one of the classes for output.multilabel, got '{interest}'; {known}")
    column = classes.index(interest)
    if values is not None and (values.ndim != 2 or values.shape[1] != len(classes)):
        raise ClassifierError(
            f"{where}: the audit file names {len(classes)} classes ({', '.join(classes)}), the network has"
            f" {1 if values.ndim == 1 else values.shape[1]} outputs."
        )
    kind, found = _kind(None if values is None else values[:, column], output, where=where, of=interest)
    read = _two_sided(kind, output.threshold)
    note = f"the network answers {len(classes)} classes each by itself; only '{interest}' against the rest is audited"
    return Answered(
        (f"not {interest}", interest),
        lambda many: read(many[:, column]),
        (note, found, *_decision(output, interest)),
    )


def _kind(values: Tensor | None, output: Output, *, where: str, of: str) -> tuple[str, str]:
    """Return whether one column holds a logit or a probability, and a sentence that says so."""
    outside = values is not None and bool(((values < 0) | (values > 1)).any())
    if output.kind == "sigmoid" and outside and values is not None:
        raise ClassifierError(
            f"{where}: expected probabilities between 0 and 1 with `output: sigmoid`, got {_range(values)}; write"
            " `output: logit` if they are logits."
        )
    if output.kind is None and not outside:
        long = output.multilabel is not None or output.threshold is not None
        lines = [f"`output: {{kind: {kind}, ...}}`" if long else f"`output: {kind}`" for kind in ("sigmoid", "logit")]
        raise ClassifierError(
            f"{where}: the output for '{of}' lies between 0 and 1 at random inputs, so it may be a probability or a"
            f" logit; write {lines[0]} for a probability, or {lines[1]} for a logit."
        )
    if output.kind == "sigmoid":
        return (
            "sigmoid",
            f"the output is the probability of '{of}'; the audit reads its logit z as the scores -z/2, z/2",
        )
    told = "" if output.kind else ", since it is below 0 or above 1 at random inputs"
    return "logit", f"the output is the logit z of '{of}'{told}; the audit reads it as the scores -z/2 and z/2"


def _decision(output: Output, interest: str) -> tuple[str, ...]:
    if output.threshold is None:
        return ()
    return (f"the answer is '{interest}' from a probability of {output.threshold:g}, as the audit file declares",)


def _range(values: Tensor) -> str:
    return f"values from {float(values.min()):.3g} to {float(values.max()):.3g}"


def _two_sided(kind: str, threshold: float | None) -> Callable[[Tensor], Tensor]:
    """Return the function from one column to the logits of two classes, whose sign changes at the threshold."""
    shift = 0.0 if threshold is None else float(torch.logit(torch.tensor(threshold, dtype=torch.float64)))

    def read(one: Tensor) -> Tensor:
        odds = one.reshape(-1, 1)
        half = ((torch.logit(odds, CLAMP) if kind == "sigmoid" else odds) - shift) / 2
        return torch.cat([-half, half], 1)

    return read
