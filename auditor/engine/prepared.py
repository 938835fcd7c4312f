"""An audit that was loaded and checked, as every later stage is given it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.checks import Check
from auditor.config.config import Audit
from auditor.core.facts import Facts
from auditor.models.classifier import Classifier
from auditor.samples.samples import Samples


@dataclass(frozen=True)
class Prepared:
    """An audit ready to be planned."""

    audit: Audit
    subjects: Mapping[str, Classifier]
    """Every classifier that a trial may name; '' is the audited one."""
    samples: Samples
    facts: Facts
    checks: Mapping[str, Check]
    lock: Mapping[str, Any]
    """Everything resolved, as written to audit.lock.yaml."""
    base: Path
    """Folder that the audit file's paths are relative to."""
    binding: str
    """Digest of the model, how it is declared (classes, mean, std), data, version and an unusual search: what makes
    observations comparable.
    """
    again: Callable[[], Prepared]
    """Prepares the same audit anew; it can be pickled, for another process that cannot be sent the classifiers."""

    @property
    def classifier(self) -> Classifier:
        """Return the audited classifier."""
        return self.subjects[""]
