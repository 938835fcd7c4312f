"""What the engine asks of a modality in each stage; it never asks which modality it is.

A modality answers by modules of these names in its folder, each imported by its own stage only: `measuring` may import
model libraries, `judging` and `rendering` may not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from auditor.core.errors import AuditorError
from auditor.core.modality import modality_named
from auditor.core.records import Facts, Observation, Observations, Trial

if TYPE_CHECKING:
    from auditor.engine.prepare import Prepared
    from auditor.engine.store import Store
    from auditor.models.classifier import Classifier
    from auditor.samples.samples import Samples

Case = Mapping[str, Any]
"""One entry of evidence/index.json: which sample was chosen by which rule, and its files."""


@dataclass(frozen=True)
class Claim:
    """One claim about a case, and what speaks against it; empty where it holds."""

    what: str
    why: str = ""


class Measuring(Protocol):
    """The module `measuring` of a modality."""

    def read_samples(
        self, base: Path, classifier: Classifier, source: str, settings: Mapping[str, Any]
    ) -> Samples:
        """Return the samples that an audit declares (AuditorError: they do not fit the classifier)."""
        ...

    def fitted(self, classifier: Classifier, samples: Samples) -> Classifier:
        """Return the classifier as it reads these samples."""
        ...

    def choose_cases(
        self, prepared: Prepared, store: Store, observations: Observations, planned: Sequence[Trial]
    ) -> list[dict[str, Any]]:
        """Return the cases that the report shows, chosen by rule, their files written below `evidence/`."""
        ...

    def claims(
        self, folder: Path, case: Case, row: Observation | None, facts: Facts, classifier: Classifier | None
    ) -> Iterator[Claim]:
        """Yield what can be checked of a case from its files, and shown to the classifier where it is there."""
        ...

    def summary(self, prepared: Prepared) -> tuple[str, str, list[str]]:
        """Return what `auditor validate` says of the inputs: their size, what is marked in them, and further lines."""
        ...


class Judging(Protocol):
    """The module `judging` of a modality."""

    def described(self, facts: Facts) -> dict[str, Any]:
        """Return what the report says of the data beyond what all data have."""
        ...


def measuring(modality: str) -> Measuring:
    """Return how a modality is measured (AuditorError: it has no such module)."""
    return cast(Measuring, _module(modality, "measuring"))


def judging(modality: str) -> Judging:
    """Return how a modality is judged (AuditorError: it has no such module)."""
    return cast(Judging, _module(modality, "judging"))


def _module(modality: str, stage: str) -> Any:
    found = modality_named(modality)
    module = found.module(stage)
    if module is None:
        raise AuditorError(f"modality '{modality}': expected a module '{stage}' in {found.home}, found none.")
    return module
