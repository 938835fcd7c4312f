"""What one search for flips says of every sample, whatever is searched: what flips at a budget, and what is open."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from auditor.checks.common import why_not
from auditor.core.displays import Curve, Point
from auditor.core.estimates import Estimate
from auditor.core.facts import Facts
from auditor.core.outcomes import Outcome
from auditor.core.records import Observation
from auditor.stats.shares import proportion

_SLACK = 1 + 1e-9
"""What rounding may add to a size."""


@dataclass(frozen=True)
class FlipAnswer:
    """What a search says of one sample."""

    outcome: Outcome
    size: float = math.inf
    """Budget at which it is known to flip; infinite where it is not."""

    def flips(self, budget: float) -> bool:
        """Return whether the sample is known to flip at a budget."""
        return self.size <= budget * _SLACK

    def open(self, budget: float) -> bool:
        """Return whether the sample is neither flipped at a budget nor proven not to be: nothing was found, or only a
        larger flip that may not be the smallest.
        """
        return not self.flips(budget) and not self.outcome.proven


@dataclass(frozen=True)
class FlipSearch(ABC):
    """The rows of one trial that looks for flips."""

    facts: Facts
    rows: Mapping[str, Observation]

    unit: ClassVar[str]
    """What the shares are shares of."""
    proves: ClassVar[bool]
    """Whether such a search can prove that there is no flip, so that what it leaves open speaks against a pass."""

    @property
    @abstractmethod
    def used(self) -> Mapping[str, Observation]:
        """Return the rows of the samples that were searched."""

    @abstractmethod
    def answer(self, row: Observation) -> FlipAnswer:
        """Return what the row of a sample that was searched says."""

    @cached_property
    def answers(self) -> dict[str, FlipAnswer]:
        """Return what is known of every sample that was searched."""
        return {name: self.answer(row) for name, row in self.used.items()}

    @cached_property
    def units(self) -> list[str]:
        """Return the unit of each sample that was searched."""
        return [self.facts.unit_of[name] for name in self.answers]

    def flags(self, budget: float) -> dict[str, float]:
        """Return whether each sample is known to flip at a budget."""
        return {name: float(one.flips(budget)) for name, one in self.answers.items()}

    def open(self, budget: float) -> dict[str, float]:
        """Return whether each sample is neither flipped at a budget nor proven not to be."""
        return {name: float(one.open(budget)) for name, one in self.answers.items()}

    def possible(self, budget: float) -> dict[str, float]:
        """Return whether each sample counts as flipped where a pass is asked for: what is open does, where such a
        search can prove anything.
        """
        open_ones = self.open(budget) if self.proves else {}
        return {name: max(flag, open_ones.get(name, 0.0)) for name, flag in self.flags(budget).items()}

    def of_all(self, flags: Mapping[str, float]) -> Estimate | None:
        """Return the share of the flags (one for each sample that was searched); None of none."""
        return proportion([flags[name] for name in self.answers], self.units, unit=self.unit)

    def share(self, budget: float) -> Estimate | None:
        """Return the share that flips at a budget."""
        return self.of_all(self.flags(budget))

    def at_most(self, budget: float) -> Estimate | None:
        """Return the share that flips at a budget if every sample that counts as open does."""
        return self.of_all(self.possible(budget))


def curve(searches: Iterable[tuple[float, FlipSearch]], *, zone: str, label: str, role: str) -> Curve:
    """Return the share that flips in a zone at each budget, by the search that speaks for it."""
    points = (
        Point(
            size=budget,
            estimate=search.share(budget),
            reason="" if search.answers else why_not(search.rows.values()),
        )
        for budget, search in searches
    )
    return Curve(name=zone, label=label, points=tuple(points), role=role)
