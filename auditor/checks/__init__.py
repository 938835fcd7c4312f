"""What must be measured and what it means: `trials` and `judge`, both pure; the fields of a check are
its tolerances.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from auditor.core.errors import AuditorError, nearest
from auditor.core.facts import Facts
from auditor.core.records import Card, Finding, Observations, Trial
from auditor.core.registry import Entry, Registry


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
"""Checks by their registered names. A check of one modality alone names it (modality='table'); `check` is what audit
files call it.
"""


def check_names(modality: str) -> tuple[str, ...]:
    """Return the names, as audit files write them, of the checks that data of a modality can have."""
    return tuple(sorted(_called(entry) for entry in checks if _serves(entry, modality)))


def check_entry(name: str, modality: str) -> Entry[Any]:
    """Return the check that an audit file calls by a name, as it is for data of a modality (AuditorError: there is
    none, or more than one).
    """
    found = [entry for entry in checks if _called(entry) == name and _serves(entry, modality)]
    if not found:
        raise AuditorError(f"check: expected a known name, got '{name}'; {nearest(name, check_names(modality))}")
    if len(found) > 1:
        modules = " and ".join(f"{entry.make.__module__} ('{entry.name}')" for entry in found)
        raise AuditorError(
            f"check '{name}': expected one check of this name for data of modality '{modality}', got those of"
            f" {modules}; rename one."
        )
    return found[0]


def bind_check(name: str, modality: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the complete, checked settings of a check (AuditorError)."""
    return checks.bind(check_entry(name, modality).name, settings)


def make_check(name: str, modality: str, settings: Mapping[str, Any]) -> Check:
    """Return a check with its tolerances (AuditorError)."""
    made: Check = check_entry(name, modality).make(**bind_check(name, modality, settings))
    return made


def _called(entry: Entry[Any]) -> str:
    return str(entry.facts.get("check", entry.name))


def _serves(entry: Entry[Any], modality: str) -> bool:
    return bool(entry.facts.get("modality", modality) == modality)
