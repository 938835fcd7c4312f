"""What one trial writes down per sample: a pure function (bench, trial, chunk) -> rows.

A probe declares `cost`: function (settings of the trial's method, method name) -> most forwards and backwards per
sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.core.registry import Registry
from auditor.models.classifier import Classifier
from auditor.samples.samples import Chunk, Samples

Arrays = Mapping[str, NDArray[Any]]

SURROGATE = "surrogate"
"""Subject that an attack may climb in place of the audited classifier."""


@dataclass(frozen=True)
class Row:
    """What a probe says of one sample; the driver turns it into an Observation."""

    values: Mapping[str, float] = field(default_factory=dict)
    allowed: bool | None = None
    arrays: Arrays | None = None
    """Kept as an artefact if the trial says so."""
    missing: Missing | None = None
    """Why nothing was measured."""


def no_arrays(_: str) -> Arrays | None:
    """Return nothing: what a trial without a source reads of it."""
    return None


@dataclass(frozen=True)
class Bench:
    """What a probe may use."""

    classifier: Classifier
    """The one that the trial measures: its subject."""
    samples: Samples
    """For random access to other samples (donors)."""
    source: Callable[[str], Arrays | None] = no_arrays
    """function (sample id) -> arrays that the trial's source kept for it; of '' those of any, where a single sample
    carries what speaks for all
    """
    batch_size: int = 64
    subjects: Mapping[str, Classifier] = field(default_factory=dict)
    """Every classifier of the audit by the name that trials use; '' is the audited one."""


Probe = Callable[[Bench, Trial, Chunk], list[Row]]
probes: Registry[Probe] = Registry("probe", __name__)
