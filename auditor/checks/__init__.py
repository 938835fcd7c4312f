"""What must be measured and what it means: `trials` and `judge`, both pure; the fields of a check are its tolerances."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from auditor.records import Card, Facts, Finding, Observations, Trial
from auditor.registry import Registry


class Check(Protocol):
    """One check; a frozen dataclass with keyword-only fields."""

    card: ClassVar[Card]

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return what must be measured."""
        ...

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return what it means; nothing but the facts and the observations is read."""
        ...


checks: Registry[Any] = Registry("check", __name__)
