"""How tables are measured: raw columns reach the model as a reader of the file gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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
from auditor.samples import data
from auditor.samples.samples import Samples


def read_samples(base: Path, classifier: Classifier, source: str, *, settings: Mapping[str, Any]) -> Samples:
    """Return the rows that an audit declares (ConfigError: the classifier takes no rows)."""
    if not isinstance(classifier, TableClassifier):
        raise ConfigError(
            f"'model': expected a classifier of raw rows for the data source '{source}', got another one."
        )
    return data[source].make(base, classifier.classes, classifier.columns, **settings)


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
    """Return how many columns there are, and how many of each role."""
    table = table_of(prepared.facts)
    counts = ((role, sum(column.role == role for column in table.columns)) for role in ROLES)
    return Summary(
        f"{len(table)} columns", "columns " + ", ".join(f"{count} {role}" for role, count in counts if count)
    )
