"""What must be measured and what it means: `trials` and `judge`, both pure; the fields of a check are
its tolerances.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from auditor.core.facts import Facts
from auditor.core.records import Card, Finding, Observations, Trial
from auditor.core.registry import Registry


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
"""Checks by name and, where one serves the data of a single modality, by that modality."""


def make_check(name: str, modality: str, settings: Mapping[str, Any]) -> Check:
    """Return a check with its tolerances (AuditorError)."""
    made: Check = checks.serving(name, modality).make(**checks.bind(name, settings, modality))
    return made
