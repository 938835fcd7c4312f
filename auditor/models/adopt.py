"""What the loader asks of the modalities: whether what a file holds is a classifier of their data.

A modality answers by functions of its module `loading`, which may import model libraries; it leaves out those for which
it has no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from auditor.core.modality import modalities
from auditor.models import Input
from auditor.models.classifier import Classifier

GraphAnswers = Literal["scores", "probabilities"]
"""What a model's numbers are."""


@dataclass(frozen=True, kw_only=True)
class ModelDeclaration:
    """What an audit file says of a model."""

    where: str
    """The file or function, as messages name it."""
    classes: Sequence[str] | None = None
    input: Input | None = None
    hurry: str = ""
    """How attacks shall search faster than in float32, such as 'compile'; empty where they shall not."""
    columns: Sequence[str] = ()
    """Of a graph: names of the numbers that it takes, in their order."""
    answers: GraphAnswers | None = None
    """Of a graph: what its numbers are."""


@dataclass(frozen=True)
class OpenedGraph:
    """An ONNX graph that was read."""

    model: Any
    """The parsed graph."""
    session: Any
    """An onnxruntime session of it."""
    file: Path


@dataclass(frozen=True)
class MadeObject:
    """What the user's own code made, where it is neither a torch module nor a classifier."""

    made: Any
    digest: str
    """SHA-256 of the code that made it."""


class Loading(Protocol):
    """The module `loading` of a modality."""

    def adopt(self, made: Classifier, declared: ModelDeclaration) -> Classifier | None:
        """Return a classifier as data of this modality are shown to it; None where it takes no such data
        (ClassifierError: what is declared does not fit it).
        """
        ...

    def from_graph(self, graph: OpenedGraph, declared: ModelDeclaration, *, asked: bool) -> Classifier | None:
        """Return the classifier that a graph is; None where it does not look like one of such data, and the audit file
        does not say so either (`asked`).
        """
        ...

    def from_object(self, found: MadeObject, declared: ModelDeclaration) -> Classifier | None:
        """Return the classifier that an object is; None where it is none of such data."""
        ...


def adopted(made: Classifier, declared: ModelDeclaration) -> Classifier | None:
    """Return a classifier as the modality that takes it shows it data; None where none needs to."""
    return next((one for ask in _asked("adopt") if (one := ask(made, declared)) is not None), None)


def adopted_graph(graph: OpenedGraph, declared: ModelDeclaration, modality: str | None) -> Classifier | None:
    """Return the classifier that a graph is, by the modality that the audit file names or, where it names none, by the
    first that recognises it; None where there is none.
    """
    asked = modality is not None
    made = (ask(graph, declared, asked=asked) for ask in _asked("from_graph", modality))
    return next((one for one in made if one is not None), None)


def adopted_object(found: MadeObject, declared: ModelDeclaration) -> Classifier | None:
    """Return the classifier that an object is, by the first modality that recognises it; None where there is none."""
    return next((one for ask in _asked("from_object") if (one := ask(found, declared)) is not None), None)


def _asked(function: str, modality: str | None = None) -> list[Any]:
    """Return a function of every modality that has it, or of one modality alone."""
    names = [modality] if modality is not None else list(modalities())
    modules = (modalities()[name].module("loading") for name in names)
    return [ask for module in modules if (ask := getattr(module, function, None)) is not None]
