"""An architecture of some library by name, with its weights from a file -> classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from auditor.core.records import digest
from auditor.models.checkpoint import Build, with_weights
from auditor.models.classifier import TorchClassifier
from auditor.models.network import Network, classifier_of
from auditor.models.output import Output
from auditor.models.weights import class_names, file_digest


@dataclass(frozen=True)
class Architecture:
    """What an audit file names in place of code."""

    build: Build
    name: str
    settings: Mapping[str, Any]
    """The user's own settings of it."""
    checkpoint: str | None
    """Which weights of a file that holds several."""


def built_from(plan: Architecture, known: Network) -> TorchClassifier:
    """Return the classifier of an architecture with the weights in the file `known.where` (ClassifierError: they do not
    fit).
    """
    file, named = Path(known.where), known.classes
    loaded = with_weights(plan.build, file, classes=None if named is None else len(named), checkpoint=plan.checkpoint)
    # an output that is picked, or one logit, has another width than the classes
    if loaded.width > 1 and (known.output or Output()).pick is None:
        class_names(named, loaded.width, where=known.where)
    made_of = file_digest(file)
    return classifier_of(
        loaded.module,
        replace(
            known,
            name=plan.name,
            classes=class_names(None, loaded.width, where=known.where) if named is None and loaded.width > 1 else named,
            digest=digest([made_of, plan.name, dict(plan.settings)]) if plan.settings else made_of,
            notes=(*known.notes, *loaded.notes),
        ),
    )
