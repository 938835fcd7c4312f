"""Which models are classifiers of a table's raw rows, and how they are made to read them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import joblib

from auditor.core.errors import ClassifierError
from auditor.core.records import digest
from auditor.modalities.tables.classifier import TableClassifier
from auditor.modalities.tables.models.encoder import behind_encoder, widen_to_two_classes
from auditor.modalities.tables.models.estimator import from_estimator
from auditor.modalities.tables.models.onnx_rows import rows_of_graph, takes_rows
from auditor.models.adopt import MadeObject, ModelDeclaration, OpenedGraph
from auditor.models.classifier import Classifier, TorchClassifier
from auditor.models.first_look import check


def adopt(made: Classifier, declared: ModelDeclaration) -> Classifier | None:
    """Return a classifier of raw rows: one by itself, or a torch module behind `input.columns`; None of any other
    (ClassifierError: it is given columns twice, or an arithmetic that it does not have).
    """
    columns, where = declared.input.columns if declared.input else {}, declared.where
    if not columns and not isinstance(made, TableClassifier):
        return None
    if columns and isinstance(made, TorchClassifier):
        widen_to_two_classes(made, declared.classes, where=where)
    if declared.hurry:
        raise ClassifierError(
            f"{where}: expected neither precision nor compile for a classifier of tables, got {declared.hurry}."
        )
    if not columns:
        return made
    if isinstance(made, TableClassifier):
        raise ClassifierError(
            f"{where}: expected a torch module for `input.columns`, got a classifier that takes raw rows by itself."
        )
    check(made, where=where)
    encoded: Any = behind_encoder(made, columns, where=where)
    assert isinstance(encoded, Classifier)
    return encoded


def from_graph(graph: OpenedGraph, declared: ModelDeclaration, *, asked: bool) -> Classifier | None:
    """Return the classifier of rows that a graph is; None where it does not look like one and is not said to be."""
    if not asked and not takes_rows(graph.session):
        return None
    made: Any = rows_of_graph(
        graph.model,
        graph.session,
        graph.file,
        classes=declared.classes,
        columns=declared.columns,
        answers=declared.answers,
    )
    assert isinstance(made, Classifier)
    return made


def from_object(found: MadeObject, declared: ModelDeclaration) -> Classifier | None:
    """Return the classifier of rows that an object with predict_proba(frame) or predict(frame) is; None of another."""
    made, source = found.made, found.digest
    if not callable(getattr(made, "predict", None)) and not callable(getattr(made, "predict_proba", None)):
        return None
    with suppress(Exception):  # what cannot be pickled has no digest of its own
        source = digest([source, joblib.hash(made)])
    estimator: Any = from_estimator(made, name=declared.where, digest=source, classes=declared.classes)
    assert isinstance(estimator, Classifier)
    return estimator
