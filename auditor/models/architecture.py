"""An architecture of some library by name, with its weights from a file -> classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    name: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The user's own settings of it."""
    checkpoint: str | None = None
    """Which weights of a file that holds several."""


def built_from(plan: Architecture, file: Path, known: Network) -> TorchClassifier:
    """Return the classifier of an architecture with the weights in a file (ClassifierError: they do not fit)."""
    loaded = with_weights(
        plan.build, file, classes=None if known.classes is None else len(known.classes), checkpoint=plan.checkpoint
    )
    plain = loaded.width > 1 and (known.output or Output()).pick is None
    classes = class_names(known.classes, loaded.width, where=known.where) if plain else known.classes
    bytes_digest = file_digest(file)
    return classifier_of(
        loaded.module,
        replace(
            known,
            classes=classes,
            digest=digest([bytes_digest, plan.name, dict(plan.settings)]) if plan.settings else bytes_digest,
            notes=(*known.notes, *loaded.notes),
        ),
    )
