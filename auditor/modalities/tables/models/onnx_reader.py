"""A graph over the columns of a table: what it takes, and how it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import ClassifierError
from auditor.modalities.tables.classifier import Scores
from auditor.modalities.tables.models.answers import class_text
from auditor.modalities.tables.models.reading import FLOOR, logs, scores_of_odds
from auditor.models.adopt import GraphAnswers
from auditor.models.first_look import first_line

if TYPE_CHECKING:
    import pandas as pd


TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(bool)": "bool",
    "tensor(string)": "str",
}
_MISSING = "nan"
"""What a missing cell becomes in an input of texts: ONNX knows no missing text, and this is what numpy writes."""


@dataclass(frozen=True)
class Graph:
    """A session, and which of its outputs mean what."""

    session: Any
    where: str
    declared: tuple[str, ...]
    label: str | None
    chances: str | None
    answers: GraphAnswers | None

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Return the columns that it takes, where it says so."""
        inputs = self.session.get_inputs()
        return (
            tuple(one.name for one in inputs)
            if len(inputs) > 1 or inputs[0].type == "tensor(string)"
            else self.declared or None
        )

    @property
    def kind(self) -> GraphAnswers:
        """Return what its numbers are: probabilities where they stand beside a label."""
        return self.answers or ("probabilities" if self.label is not None else "scores")

    @property
    def said(self) -> tuple[str, ...]:
        """Return what the report must know of its inputs."""
        texts = any(one.type == "tensor(string)" for one in self.session.get_inputs())
        return (f"a missing text is shown to the graph as '{_MISSING}'",) if texts else ()

    def width(self, one: Any) -> int | None:
        """Return how many columns an input takes; None where it is free."""
        side = one.shape[1] if len(one.shape) == 2 else 1
        return side if isinstance(side, int) else None

    def run(self, output: str, frame: pd.DataFrame) -> Any:
        """Return one output for rows (ClassifierError: it fails)."""
        inputs = self.session.get_inputs()
        if len(inputs) == 1 and inputs[0].type != "tensor(string)":
            feeds = {inputs[0].name: self._matrix(inputs[0], frame)}
        else:
            feeds = {one.name: self._column(one, frame) for one in inputs}
        size = inputs[0].shape[0] if inputs[0].shape else None
        try:
            if not isinstance(size, int):
                return self.session.run([output], feeds)[0]
            return _joined([self._block(output, feeds, start, size) for start in range(0, len(frame), size)])
        except Exception as error:  # onnxruntime's own exceptions share no base
            raise ClassifierError(f"{self.where}: the model fails on {len(frame)} rows: {first_line(error)}") from None

    def _block(self, output: str, feeds: dict[str, NDArray[Any]], start: int, size: int) -> Any:
        """Return an output for exactly `size` rows, the last of them repeated where there are fewer."""
        cut = {name: value[start : start + size] for name, value in feeds.items()}
        rows = len(next(iter(cut.values())))
        full = {name: np.concatenate([value, np.repeat(value[-1:], size - rows, 0)]) for name, value in cut.items()}
        return self.session.run([output], full)[0][:rows]

    def _matrix(self, one: Any, frame: pd.DataFrame) -> NDArray[Any]:
        chosen = self._chosen(self.declared, frame)
        width = self.width(one)
        if width is not None and chosen.shape[1] != width:
            raise ClassifierError(
                f"{self.where}: expected {width} columns, as the graph takes, got {', '.join(map(str, chosen))}; see"
                " `columns` and `drop`."
            )
        return np.stack([self._cells(str(name), chosen[name], TYPES[one.type]) for name in chosen], 1)

    def _column(self, one: Any, frame: pd.DataFrame) -> NDArray[Any]:
        cells = self._cells(one.name, self._chosen((one.name,), frame)[one.name], TYPES[one.type])
        return cells[:, None] if len(one.shape) == 2 else cells

    def _chosen(self, names: tuple[str, ...], frame: pd.DataFrame) -> pd.DataFrame:
        absent = [name for name in names if name not in frame.columns]
        if absent:
            raise ClassifierError(
                f"{self.where}: expected the column '{absent[0]}', which the graph takes, got"
                f" {', '.join(map(str, frame))}."
            )
        return frame[list(names)] if names else frame

    def _cells(self, name: str, cells: pd.Series[Any], kind: str) -> NDArray[Any]:
        """Return a column's cells (n,) in the type of an input."""
        if kind == "str":
            return np.array(
                [_MISSING if cell is None or cell != cell else class_text(cell) for cell in cells], dtype=object
            )
        try:
            values = np.asarray(cells, dtype=np.float64)
        except (TypeError, ValueError):
            raise ClassifierError(
                f"{self.where}: expected numbers in column '{name}', which the graph takes as {kind}, got texts."
            ) from None
        if not kind.startswith("float") and not (values == np.round(values)).all():  # NaN equals nothing
            raise ClassifierError(
                f"{self.where}: expected whole numbers and no missing cell in column '{name}', which the graph takes as"
                f" {kind}."
            )
        return values.astype(kind)


@dataclass(frozen=True)
class GraphReader:
    """What a graph's outputs mean."""

    graph: Graph
    classes: tuple[str, ...]
    labels: list[str] | None

    def scores(self, frame: pd.DataFrame) -> Scores:
        """Return the scores (n, classes) of rows."""
        if self.graph.chances is None:
            return np.eye(len(self.classes))[self.decide(frame)]
        found = self._numbers(self.graph.run(self.graph.chances, frame))
        if self.graph.kind == "scores":
            return scores_of_odds(found[:, 0]) if found.shape[1] == 1 else found
        shares = np.concatenate([1 - found, found], 1) if found.shape[1] == 1 else found
        if (shares < -1e-6).any() or (shares > 1 + 1e-6).any():
            raise ClassifierError(
                f"{self.graph.where}: expected probabilities, got numbers from {found.min():g} to {found.max():g};"
                " declare `answers: scores`."
            )
        return logs(shares.clip(0, 1), FLOOR)

    def decide(self, frame: pd.DataFrame) -> NDArray[np.int64]:
        """Return the graph's own label as class indices (n,)."""
        position = {label: place for place, label in enumerate(self.labels or self.classes)}
        assert self.graph.label is not None
        found = [class_text(label) for label in np.asarray(self.graph.run(self.graph.label, frame)).ravel()]
        strange = next((label for label in found if label not in position), None)
        if strange is not None:
            raise ClassifierError(
                f"{self.graph.where}: expected a label out of {', '.join(position)}, got '{strange}'."
            )
        return np.array([position[label] for label in found], dtype=np.int64)

    def _numbers(self, found: Any) -> Scores:
        if isinstance(found, list):  # a ZipMap: one mapping per row
            keys = self.labels or list(self.classes)
            rows = [{class_text(key): value for key, value in row.items()} for row in found]
            found = [[row.get(key, np.nan) for key in keys] for row in rows]
        numbers = np.asarray(found, dtype=np.float64)
        numbers = numbers[:, None] if numbers.ndim == 1 else numbers.reshape(len(numbers), -1)
        fits = numbers.shape[1] == len(self.classes) or (numbers.shape[1] == 1 and len(self.classes) == 2)
        if not fits or not np.isfinite(numbers).all():
            raise ClassifierError(
                f"{self.graph.where}: expected one finite number per class in {list(self.classes)}, got shape"
                f" {numbers.shape} or NaN."
            )
        return numbers


def label_output(session: Any) -> str | None:
    """Return the output that holds a label per row; None where there is none."""
    kinds = ("tensor(int64)", "tensor(int32)", "tensor(string)", "tensor(bool)")
    return next((one.name for one in session.get_outputs() if one.type in kinds), None)


def probability_output(session: Any, file: Path) -> str | None:
    """Return the output of numbers, None where there are labels only (ClassifierError: there are several, or
    neither).
    """
    found = [
        one.name
        for one in session.get_outputs()
        if one.type in ("tensor(float)", "tensor(double)") or one.type.startswith("seq(map(")
    ]
    if len(found) > 1 or not (found or label_output(session)):
        raise ClassifierError(
            f"{file}: expected a graph that answers a label, probabilities or both, got outputs"
            f" {[one.name for one in session.get_outputs()]}."
        )
    return found[0] if found else None


def labels_of(model: Any) -> list[str] | None:
    """Return the classes that a graph names: in its ZipMap, its classifier, or the table that turns positions into
    labels.
    """
    for node in reversed(model.graph.node):
        for attribute in node.attribute:
            if attribute.name.startswith("classlabels"):
                values = [text.decode() for text in attribute.strings] or [str(number) for number in attribute.ints]
                if values:
                    return values
    import onnx

    for tensor in model.graph.initializer:
        if tensor.name.startswith("classes"):
            return [
                class_text(value.decode() if isinstance(value, bytes) else value)
                for value in onnx.numpy_helper.to_array(tensor).ravel().tolist()
            ]
    return None


def _joined(blocks: Sequence[Any]) -> Any:
    return [row for block in blocks for row in block] if isinstance(blocks[0], list) else np.concatenate(blocks)
