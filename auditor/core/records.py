"""The values that travel from stage to stage: plain data, no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from auditor.core.displays import Display, read_displays
from auditor.core.estimates import Estimate as Estimate
from auditor.core.outcomes import Missing

Verdict = Literal["pass", "fail", "inconclusive", "not_measured"]
VERDICTS: tuple[Verdict, ...] = ("fail", "inconclusive", "not_measured", "pass")
"""Every verdict, worst first: a question's verdict is the worst of its primary findings."""

QUESTIONS: dict[int, str] = {
    1: "Does it look where it should?",
    2: "Is it as reliable for everyone?",
    3: "Can its explanation be believed?",
    4: "Can it be tricked without touching what matters?",
}


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, no NaN (ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def digest(value: Any) -> str:
    """Return the SHA-256 (hex, 64 digits) of bytes, or of a value's canonical JSON."""
    data = value if isinstance(value, bytes) else canonical(value).encode()
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Trial:
    """What must be measured, as a value: equal trials of two checks coincide and are measured once."""

    probe: str
    """Name of the probe that measures it."""
    method: str = ""
    """Name of the attack or explanation that the probe uses; empty where it uses none."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the method; JSON values only."""
    zone: str = ""
    """Name of the zone that may be written; empty where nothing is written."""
    threat: Mapping[str, Any] = field(default_factory=dict)
    """Norm and epsilon, in the input's own units."""
    seed: int = 0
    source: Trial | None = None
    """A trial whose artefacts this one reads; the plan orders it first."""
    samples: int = 0
    """Measure at most this many samples, drawn by seed and id; 0 means all."""
    keep: bool = False
    """Whether the arrays that it makes are kept as artefacts."""
    subject: str = ""
    """Name of the classifier that is measured; empty: the audited one."""

    def __hash__(self) -> int:
        return hash(canonical(self.as_dict()))

    def as_dict(self) -> dict[str, Any]:
        """Return the trial as JSON-ready data.

        The audited classifier is not named in it, so that trials of ledgers older than the field keep their identity.
        """
        data = asdict(self) | {"source": self.source.as_dict() if self.source else None}
        return data if self.subject else {name: value for name, value in data.items() if name != "subject"}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Trial:
        """Return the trial that `as_dict` wrote."""
        source = data.get("source")
        return cls(**{**data, "source": cls.from_dict(source) if source else None})

    def key(self, binding: str) -> str:
        """Return the trial's identity (20 hex digits) under a binding: the digests of model and data."""
        return digest([binding, self.as_dict()])[:20]


def ordered(wanted: Iterable[Trial]) -> list[Trial]:
    """Return distinct trials, each after its source."""
    result: dict[Trial, None] = {}

    def enter(trial: Trial) -> None:
        if trial.source is not None:
            enter(trial.source)
        result.setdefault(trial)

    for trial in wanted:
        enter(trial)
    return list(result)


@dataclass(frozen=True)
class Observation:
    """What one trial wrote down about one sample; the row of the ledger."""

    trial: str
    sample: str
    values: Mapping[str, float] = field(default_factory=dict)
    allowed: bool | None = None
    """Whether the runner found the point within the threat; None where no point was made."""
    artefact: str | None = None
    """SHA-256 of the stored arrays."""
    missing: Missing | None = None
    """Why nothing was measured."""


@dataclass(frozen=True)
class Evidence:
    """Where a finding's claim can be checked: the trials behind it and the cases shown."""

    samples: tuple[str, ...] = ()
    trials: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One claim with its number and verdict; everything the report prints comes from findings."""

    id: str
    """Stable, such as 'reliance/outside-share'."""
    check: str
    verdict: Verdict
    claim: str
    """One sentence with its number."""
    estimate: Estimate | None = None
    tolerance: float | None = None
    reason: str = ""
    """Why the verdict is what it is."""
    evidence: Evidence = field(default_factory=Evidence)
    question: int | None = None
    """Which of the four questions it serves."""
    primary: bool = False
    """Whether it decides that question's verdict."""
    advice: str = ""
    """What to do about it, one sentence."""
    p: float | None = None
    """Two-sided p-value of the estimate against the tolerance, by inverting the interval."""
    displays: tuple[Display, ...] = ()
    """What the report shows beside the claim: figures and tables as typed values."""
    rests_on: tuple[str, ...] = ()
    """Checks of which no finding may fail if a pass is to be believed."""
    two_sided: bool = False
    """Whether the estimate has a sign and is held against the tolerance on both sides of zero."""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Finding:
        """Return the finding that `as_dict` wrote (ValueError: a field or a display that this version lacks)."""
        strange = next((name for name in data if name not in cls.__dataclass_fields__), None)
        if strange is not None:
            raise ValueError(f"finding '{data.get('id')}': the field '{strange}' is of another version")
        estimate, evidence = data.get("estimate"), data.get("evidence") or {}
        shown = Evidence(tuple(evidence.get("samples", ())), tuple(evidence.get("trials", ())))
        rests_on = tuple(data.get("rests_on", ()))
        parts = {
            "estimate": Estimate(**estimate) if estimate else None,
            "evidence": shown,
            "rests_on": rests_on,
            "displays": read_displays(data.get("displays", ())),
        }
        return cls(**{**data, **parts})


@dataclass(frozen=True)
class Observations:
    """Every row that was measured, by trial; a trial that was never run has none."""

    binding: str
    read: Callable[[str], Mapping[str, Observation]]
    """function (trial key) -> {sample id: observation}"""
    trials: tuple[Trial, ...] = ()
    """Every trial of the audit, so that a check can use what another one asked for."""

    def of(self, trial: Trial) -> Mapping[str, Observation]:
        """Return the rows of one trial by sample id."""
        return self.read(trial.key(self.binding))

    def key(self, trial: Trial) -> str:
        """Return a trial's key in the ledger."""
        return trial.key(self.binding)


@dataclass(frozen=True)
class Card:
    """What a reader must know of a check: the method card in the report."""

    title: str
    purpose: str
    mechanism: str
    reading: str
    limits: str
    reference: str


def worst(verdicts: list[Verdict]) -> Verdict:
    """Return the worst verdict; of nothing, 'not_measured', since nothing empty counts as good."""
    return min(verdicts, key=VERDICTS.index, default="not_measured")
