"""Which tensors of a checkpoint are the weights of an architecture: training scripts nest and rename them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from auditor.core.errors import ClassifierError, nearest
from auditor.models.weights import COUNTER, fit, read_checkpoint

_DEPTH = 4
"""How deep a checkpoint is searched for weights."""
Build = Callable[[int], nn.Module]
"""function (number of classes) -> the architecture, with random weights"""


@dataclass(frozen=True)
class _Found:
    """Weights in a checkpoint under the keys that an architecture wants."""

    name: str
    """Where they lie, such as 'ema' or 'state_dict.model'; empty where the file holds nothing else."""
    state: dict[str, Tensor]
    left_out: int
    """Tensors beside them that belong to something else."""


@dataclass(frozen=True)
class LoadedWeights:
    """An architecture with its weights."""

    module: nn.Module
    width: int
    """Number of its outputs."""
    notes: tuple[str, ...]


def with_weights(build: Build, file: Path, *, classes: int | None, checkpoint: str | None) -> LoadedWeights:
    """Return an architecture with its weights; the number of classes is the weights' own (ClassifierError: no weights
    fit, or several do and `checkpoint` does not say which).
    """
    guess = classes or 2
    module = build(guess)
    found, note = _chosen(module, file, checkpoint)
    width = _width(module, found.state)
    if width not in (None, guess):
        module = build(int(width or 0))
    return LoadedWeights(module, width or guess, (*note, *fit(module, found.state, where=str(file))))


def _chosen(module: nn.Module, file: Path, checkpoint: str | None) -> tuple[_Found, tuple[str, ...]]:
    """Return the weights to use, and a note on where they lie; those nearest to fitting where none fit."""
    loaded = read_checkpoint(file)
    nests = [(name, tensors) for name, tensors in _nests(loaded, "", _DEPTH) if tensors]
    if not nests:
        raise ClassifierError(
            f"{file}: expected a state dict (name -> tensor), alone or inside a dict, got a dict with keys"
            f" {sorted(map(str, loaded))[:5]}."
        )
    wanted = [key for key in module.state_dict() if not key.endswith(COUNTER)]
    fitting = [found for name, tensors in nests for found in _fitting(name, tensors, wanted)]
    if checkpoint is not None:
        names = [found.name for found in fitting]
        exact = [found for found in fitting if found.name == checkpoint]
        fitting = exact or [found for found in fitting if checkpoint in found.name.split(".")]
        if not fitting:
            raise ClassifierError(
                f"{file}: expected the name of weights that fit for checkpoint, got '{checkpoint}';"
                f" {nearest(checkpoint, names)}"
            )
    if len(fitting) > 1:
        names = [found.name or "the rest of the file" for found in fitting]
        raise ClassifierError(
            f"{file}: several weights in this file fit, {' and '.join(names)}; say which of them are deployed, such as"
            f" `checkpoint: {next(found.name for found in fitting if found.name)}`."
        )
    if not fitting:
        name, tensors = max(nests, key=lambda one: len(set(one[1]) & set(wanted)))
        return _Found(name, tensors, 0), ()
    return fitting[0], _said(fitting[0])


def _said(found: _Found) -> tuple[str, ...]:
    beside = f"; {found.left_out} other values in the file were left out" if found.left_out else ""
    return (f"the weights are those under '{found.name}' in the file{beside}",) if found.name else ()


def _nests(loaded: Mapping[Any, Any], name: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield every mapping inside a checkpoint with its name and its own tensors, the outermost first."""
    yield name, {str(key): value for key, value in loaded.items() if isinstance(value, Tensor)}
    for key, value in loaded.items():
        if isinstance(value, Mapping) and depth:
            yield from _nests(value, f"{name}.{key}".lstrip("."), depth - 1)


def _fitting(name: str, tensors: dict[str, Tensor], wanted: list[str]) -> Iterator[_Found]:
    """Yield the weights that hold every wanted key, behind a prefix and before a suffix that all of them share."""
    first = max(wanted, key=len, default="")
    ends = dict.fromkeys((key[:place], key[place + len(first) :]) for key in tensors for place in _places(key, first))
    for prefix, suffix in ends:
        if not all(f"{prefix}{key}{suffix}" in tensors for key in wanted):
            continue
        state = {
            key[len(prefix) : len(key) - len(suffix)]: value
            for key, value in tensors.items()
            if key.startswith(prefix) and key.endswith(suffix)
        }
        where = ".".join(part for part in (name, prefix.strip("."), suffix.strip(".")) if part)
        yield _Found(where, state, len(tensors) - len(state))


def _places(key: str, part: str) -> Iterator[int]:
    place = key.find(part)
    while place >= 0:
        yield place
        place = key.find(part, place + 1)


def _width(module: nn.Module, state: Mapping[str, Tensor]) -> int | None:
    """Return the number of classes of some weights: the first side of those that differ from the module's in that side
    alone; None where none differ.
    """
    wanted = module.state_dict()
    pairs = [(wanted[key], value) for key, value in state.items() if key in wanted and wanted[key].shape != value.shape]
    sides = {len(value) if value.ndim and value.shape[1:] == own.shape[1:] else 0 for own, value in pairs}
    return sides.pop() or None if len(sides) == 1 else None
