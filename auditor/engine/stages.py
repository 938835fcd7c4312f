"""What the engine asks of a modality in each stage; it never asks which modality it is.

A modality answers by modules of these names in its folder, each imported by its own stage only: `measuring` may import
model libraries, `judging` and `rendering` may not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

from auditor.core.errors import ConfigError
from auditor.core.facts import Facts
from auditor.core.modality import modality_named
from auditor.core.records import Finding, Observation, Observations, Trial
from auditor.core.zones import coverage

if TYPE_CHECKING:
    from auditor.engine.prepared import Prepared
    from auditor.engine.store import Store
    from auditor.models.classifier import Classifier
    from auditor.samples.samples import Samples


@dataclass(frozen=True)
class Shown:
    """A case as an output folder holds it."""

    folder: Path
    """The evidence folder."""
    case: Mapping[str, Any]
    """Its entry in the index: which sample was chosen by which rule, and its files."""
    row: Observation | None
    """What the ledger says of it."""


@dataclass(frozen=True)
class Summary:
    """What is said of the inputs before anything is measured."""

    size: str
    """How large an input is, such as '(1, 128, 128)' or '14 columns'."""
    marked: str
    """What the expert marked."""
    lines: tuple[tuple[str, str], ...] = ()
    """Further lines: what each is about, and what is said."""


@dataclass(frozen=True)
class Claim:
    """One claim about a case, and what speaks against it; empty where it holds."""

    what: str
    why: str = ""


@dataclass(frozen=True)
class Judged:
    """What a finished audit is known by when its cases are chosen."""

    observations: Observations
    planned: Sequence[Trial]
    findings: Sequence[Finding]


class Measuring(Protocol):
    """The module `measuring` of a modality."""

    def read_samples(self, base: Path, classifier: Classifier, source: str, *, settings: Mapping[str, Any]) -> Samples:
        """Return the samples that an audit declares (AuditorError: they do not fit the classifier)."""
        ...

    def fitted(self, classifier: Classifier, samples: Samples) -> Classifier:
        """Return the classifier as it reads these samples."""
        ...

    def choose_cases(self, prepared: Prepared, store: Store, judged: Judged) -> list[dict[str, Any]]:
        """Return the cases that the report shows, chosen by rule, their files written below `evidence/`."""
        ...

    def claims(self, shown: Shown, facts: Facts, classifier: Classifier | None) -> Iterator[Claim]:
        """Yield what can be checked of a case from its files, and shown to the classifier where it is there."""
        ...

    def summary(self, prepared: Prepared) -> Summary:
        """Return what `auditor validate` says of the inputs."""
        ...


class Judging(Protocol):
    """The module `judging` of a modality."""

    def described(self, facts: Facts) -> dict[str, Any]:
        """Return what the report says of the data beyond what all data have."""
        ...


class Plain:
    """What a modality need not say: samples come from the source as they are, and nothing special is shown."""

    def read_samples(self, base: Path, classifier: Classifier, source: str, *, settings: Mapping[str, Any]) -> Samples:
        """Return the samples of a source whose range is the classifier's (ConfigError: another range)."""
        from auditor.samples import data

        samples = data[source].make(base, classifier.classes, classifier.input_shape, **settings)
        if (classifier.low, classifier.high) != (samples.low, samples.high):
            raise ConfigError(
                f"'model': expected low {samples.low:g} and high {samples.high:g}, the range of the data, got"
                f" {classifier.low} and {classifier.high}."
            )
        return samples

    def fitted(self, classifier: Classifier, samples: Samples) -> Classifier:
        """Return the classifier as it is."""
        return classifier

    def choose_cases(self, prepared: Prepared, store: Store, judged: Judged) -> list[dict[str, Any]]:
        """Return no cases."""
        return []

    def claims(self, shown: Shown, facts: Facts, classifier: Classifier | None) -> Iterator[Claim]:
        """Yield no claims."""
        yield from ()

    def summary(self, prepared: Prepared) -> Summary:
        """Return the size of an input, the number of masks and the named zones."""
        facts = prepared.facts
        lines = []
        for name, shares in facts.regions.items():
            found = coverage(shares)
            size = f", median share of the area {found['median_share']:.1%}" if found["present"] else ""
            counts = f"{found['empty']} empty, {found['full']} full, {found['missing']} without a mask"
            lines.append(("zone", f"{name}: {found['present']} samples{size}; {counts}"))
        marked = f"{sum(1 for share in facts.mask_share if share)} with a mask"
        return Summary(str(prepared.classifier.input_shape or "of any size"), marked, tuple(lines))

    def described(self, facts: Facts) -> dict[str, Any]:
        """Return nothing."""
        return {}


PLAIN = Plain()


def measuring(modality: str) -> Measuring:
    """Return how a modality is measured; what its module leaves out is done plainly."""
    return cast(Measuring, _Stage(modality_named(modality).module("measuring")))


def judging(modality: str) -> Judging:
    """Return how a modality is judged; what its module leaves out is done plainly."""
    return cast(Judging, _Stage(modality_named(modality).module("judging")))


class _Stage:
    """The functions of a modality's module, in front of the plain ones."""

    def __init__(self, module: ModuleType | None) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name, None) or getattr(PLAIN, name)
