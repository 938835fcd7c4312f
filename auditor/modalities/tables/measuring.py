"""How tables are measured: raw columns reach the model as a reader of the file gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from auditor.core.errors import ConfigError
from auditor.core.facts import Facts
from auditor.engine.prepared import Prepared
from auditor.engine.stages import Claim, Judged, Shown, Summary
from auditor.engine.store import Store
from auditor.modalities.tables.cases import row_claims, table_cases
from auditor.modalities.tables.checks.common import table_of
from auditor.modalities.tables.classifier import TableClassifier
from auditor.modalities.tables.table import ROLES, Table
from auditor.models.classifier import Classifier
from auditor.models.first_look import first_line
from auditor.samples import data
from auditor.samples.samples import Chunk, Samples

_ASKED, _BATCH = 2000, 256
"""Rows that `auditor validate` shows to the model, and how many at once."""


def read_samples(base: Path, classifier: Classifier, source: str, *, settings: Mapping[str, Any]) -> Samples:
    """Return the rows that an audit declares (ConfigError: the classifier takes no rows)."""
    if not isinstance(classifier, TableClassifier):
        raise ConfigError(
            f"'model': expected a classifier of raw rows for the data source '{source}', got another one."
        )
    samples = data[source].make(base, classifier.classes, classifier.columns, **settings)
    if classifier.columns is not None:
        return samples
    assert isinstance(samples.schema, Table), "rows of a table"
    names = ", ".join(column.name for column in samples.schema.columns)
    note = f"the model does not say which columns it takes; it is given these, in the order of the file: {names}"
    return replace(samples, notes=(note, *samples.notes))


def fitted(classifier: Classifier, samples: Samples) -> Classifier:
    """Return the classifier made to read the codes of these rows."""
    assert isinstance(classifier, TableClassifier) and isinstance(samples.schema, Table), "rows and their classifier"
    return classifier.over(samples.schema)


def choose_cases(prepared: Prepared, store: Store, judged: Judged) -> list[dict[str, Any]]:
    """Return the cheapest, the middle and the dearest flip, each as one file of two rows."""
    return table_cases(prepared, store, judged.observations, planned=judged.planned)


def claims(shown: Shown, facts: Facts, classifier: Classifier | None) -> Iterator[Claim]:
    """Yield what can be checked of a case from the cells of its file alone."""
    reader = classifier if isinstance(classifier, TableClassifier) else None
    return row_claims(shown, table_of(facts), reader)


def summary(prepared: Prepared) -> Summary:
    """Return how many columns there are, how many of each role, and which rows the model does not answer."""
    table = table_of(prepared.facts)
    counts = ((role, sum(column.role == role for column in table.columns)) for role in ROLES)
    size = f"{len(table)} columns"
    marked = "columns " + ", ".join(f"{count} {role}" for role, count in counts if count)
    return Summary(size, marked, (("answers", _answered(prepared)),))


def _answered(prepared: Prepared) -> str:
    """Return how many of the first rows the model answers, and what it says to one that it does not."""
    asked = min(len(prepared.samples), _ASKED)
    chunk = prepared.samples.load(range(asked))
    places = list(range(asked))
    wrong: list[tuple[str, str]] = []
    for part in [places[start : start + _BATCH] for start in range(0, asked, _BATCH)]:
        if _refusal(prepared.classifier, chunk.take(part)):
            alone = ((chunk.ids[place], _refusal(prepared.classifier, chunk.take([place]))) for place in part)
            wrong += [(name, why) for name, why in alone if why]
    if not wrong:
        return f"the model answers all of the {'first ' * (asked < len(prepared.samples))}{asked} rows"
    name, why = wrong[0]
    return f"the model answers {asked - len(wrong)} of {asked} rows; not row '{name}': {why}"


def _refusal(classifier: Classifier, rows: Chunk) -> str:
    """Return why the model does not answer some rows; empty where it does."""
    try:
        answers = classifier.logits(rows.x)
    except Exception as error:  # whatever a user's model raises
        return first_line(error)
    return "" if bool(torch.isfinite(answers).all()) else "its scores are not finite"
