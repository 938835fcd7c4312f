"""What became of one measurement: what a search can say of a sample, or why there is no number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from typing import Any


class Outcome(IntEnum):
    """What a search for a flip can say of one sample; the numbers are those of the ledger."""

    NONE_FOUND = 0
    """Nothing was found, and nothing is proven; this is never called robust."""
    FLIPPED_AT_MOST = 1
    """A flip was found; a smaller one may exist."""
    FLIPPED_EXACTLY = 2
    """A flip was found, and it is proven that there is none smaller."""
    PROVEN_IMPOSSIBLE = 3
    """It is proven that there is no flip within the budget."""

    @classmethod
    def of(cls, values: Mapping[str, float]) -> Outcome:
        """Return the outcome that a row of the ledger holds: as a number, or, of an attack without proofs, as the flag
        `fooled` alone.
        """
        if "outcome" in values:
            return cls(int(values["outcome"]))
        return cls.FLIPPED_AT_MOST if values["fooled"] else cls.NONE_FOUND

    @property
    def text(self) -> str:
        """Return the outcome in words."""
        return _WORDS[self]

    @property
    def flipped(self) -> bool:
        """Return whether a flip was found."""
        return self in (Outcome.FLIPPED_AT_MOST, Outcome.FLIPPED_EXACTLY)

    @property
    def proven(self) -> bool:
        """Return whether the answer is final: the smallest flip, or that there is none."""
        return self in (Outcome.FLIPPED_EXACTLY, Outcome.PROVEN_IMPOSSIBLE)


_WORDS = {
    Outcome.NONE_FOUND: "none found within the budget",
    Outcome.FLIPPED_AT_MOST: "flipped at a cost of at most",
    Outcome.FLIPPED_EXACTLY: "flipped at exact minimal cost",
    Outcome.PROVEN_IMPOSSIBLE: "proven impossible within the budget",
}


class MissingKind(StrEnum):
    """Of which kind the reason is that there is no number."""

    NOT_APPLICABLE = "not applicable"
    """The question does not arise: the plan or the data leave nothing to measure."""
    FAILED = "failed"
    """It was tried, and an error came of it."""
    TOO_FEW = "too few to say"
    """There are fewer samples than a number needs."""
    EXCLUDED = "excluded"
    """It could be measured, but a declared limit leaves it out."""


@dataclass(frozen=True)
class Missing:
    """Why there is no number."""

    kind: MissingKind
    reason: str
    zone: str = ""
    """Name of the zone that the sample lacks, where that is why."""

    @classmethod
    def not_applicable(cls, reason: str, zone: str = "") -> Missing:
        """Return that the question does not arise."""
        return cls(MissingKind.NOT_APPLICABLE, reason, zone)

    @classmethod
    def failed(cls, reason: str) -> Missing:
        """Return that an error came of it."""
        return cls(MissingKind.FAILED, reason)

    @classmethod
    def excluded(cls, reason: str) -> Missing:
        """Return that a declared limit leaves it out."""
        return cls(MissingKind.EXCLUDED, reason)

    @classmethod
    def too_few(cls, reason: str) -> Missing:
        """Return that there are fewer samples than a number needs."""
        return cls(MissingKind.TOO_FEW, reason)

    @property
    def text(self) -> str:
        """Return the reason with its kind, as far as it does not say so itself.

        >>> Missing.not_applicable("empty mask", zone="outside").text
        'not applicable for zone outside: empty mask'
        """
        if self.kind is MissingKind.EXCLUDED:
            return self.reason
        return f"{self.kind}{f' for zone {self.zone}' if self.zone else ''}: {self.reason}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Missing:
        """Return what `as_dict` wrote."""
        return cls(**{**data, "kind": MissingKind(data["kind"])})
