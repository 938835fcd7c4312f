"""An ONNX graph that takes a table's rows: one input per column, as skl2onnx writes them, or one of all numbers side by
side.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from auditor.core.errors import ClassifierError
from auditor.modalities.tables.classifier import TableClassifier
from auditor.modalities.tables.models.onnx_reader import (
    TYPES,
    Graph,
    GraphReader,
    label_output,
    labels_of,
    probability_output,
)
from auditor.models.adopt import GraphAnswers
from auditor.models.weights import class_names, file_digest


def takes_rows(session: Any) -> bool:
    """Return whether a graph looks like one of a table: several inputs, texts or whole numbers, or a label beside the
    scores, of at most two axes.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    flat = all(len(one.shape) <= 2 for one in inputs)
    return flat and (
        len(inputs) > 1
        or inputs[0].type != "tensor(float)"
        or (len(outputs) > 1 and not outputs[0].type.startswith("tensor(float"))
    )


def rows_of_graph(
    model: Any,
    session: Any,
    file: Path,
    *,
    classes: Sequence[str] | None,
    columns: Sequence[str],
    answers: GraphAnswers | None,
    notes: Sequence[str] = (),
) -> TableClassifier:
    """Return the classifier of a graph over a table (ClassifierError: its inputs or outputs are of no known form)."""
    graph = Graph(session, str(file), tuple(columns), label_output(session), probability_output(session, file), answers)
    strange = next((one for one in session.get_inputs() if one.type not in TYPES or len(one.shape) > 2), None)
    if strange is not None or (
        len(session.get_inputs()) > 1 and any(graph.width(one) != 1 for one in session.get_inputs())
    ):
        wide = strange or next(one for one in session.get_inputs() if graph.width(one) != 1)
        raise ClassifierError(
            f"{file}: expected one input per column, or one of numbers side by side, got '{wide.name}': {wide.type} of"
            f" shape {wide.shape}."
        )
    own = labels_of(model)
    if own is None and not classes:
        raise ClassifierError(f"{file}: the graph does not say its classes; name the `classes` in the audit file.")
    names = class_names(list(classes) if classes else own, len(own or classes or ()), where=str(file))
    reader = GraphReader(graph, names, own)
    scored = graph.chances is not None
    return TableClassifier(
        scores=reader.scores,
        name=file.stem,
        digest=file_digest(file),
        classes=names,
        offers=frozenset({"labels", "scores"} if scored else {"labels"}),
        decide=reader.decide if graph.label is not None and own is not None else None,
        columns=graph.columns,
        notes=(*notes, *graph.said),
    )
