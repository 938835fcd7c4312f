"""What the searches for the cheapest flip say of a zone of a table: how many rows flip at a cost, and of how many that
is still open.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from auditor.checks.exposure.search import FlipAnswer, FlipSearch
from auditor.checks.exposure.sizes import SmallestSizes
from auditor.core.displays import Outcomes, Steps
from auditor.core.estimates import Estimate
from auditor.core.outcomes import Outcome
from auditor.core.records import Observation
from auditor.modalities.tables.checks.common import searched, table_of
from auditor.stats.shares import proportion


@dataclass(frozen=True)
class ColumnFlips:
    """How many flips change one column."""

    column: str
    role: str
    estimate: Estimate | None
    """Share of the flips."""
    n: int


@dataclass(frozen=True)
class Flips(FlipSearch):
    """The rows of one trial of the probe `flip`."""

    unit = "share of decisions flipped"
    proves = True

    @cached_property
    def used(self) -> dict[str, Observation]:
        """Return the rows that were searched."""
        return searched(self.rows)

    def answer(self, row: Observation) -> FlipAnswer:
        """Return what is known of a row: its cheapest flip, and whether that is proven."""
        outcome = Outcome.of(row.values)
        return FlipAnswer(outcome, row.values["cost"] if outcome.flipped else math.inf)

    @cached_property
    def costs(self) -> dict[str, float]:
        """Return the cheapest flip that is known of each row; infinite where none is."""
        return {name: one.size for name, one in self.answers.items()}

    def outcomes(self, zone: str, label: str) -> Outcomes:
        """Return how the searches in a zone ended."""
        counts = Counter(one.outcome for one in self.answers.values())
        forwards = [row.values["forwards"] for row in self.used.values()]
        return Outcomes(
            name=zone,
            label=label,
            none_found=counts[Outcome.NONE_FOUND],
            flipped_at_most=counts[Outcome.FLIPPED_AT_MOST],
            flipped_exactly=counts[Outcome.FLIPPED_EXACTLY],
            proven_impossible=counts[Outcome.PROVEN_IMPOSSIBLE],
            refused=int(sum(row.values["refused"] for row in self.used.values())),
            forwards=float(np.mean(forwards)) if forwards else None,
        )

    def excluded(self) -> list[tuple[str, int]]:
        """Return why how many rows were not searched, the most common reason first."""
        reasons = Counter(row.missing.text for row in self.rows.values() if row.missing)
        already = sum(row.missing is None and row.values["searched"] == 0 for row in self.rows.values())
        return reasons.most_common() + ([("decided as wanted already", already)] if already else [])

    def changed(self, cost: float) -> list[ColumnFlips]:
        """Return in which share of the flips at a cost each column was changed, the most frequent first; columns never
        changed are left out.
        """
        hits = [name for name, flag in self.flags(cost).items() if flag]
        units, found = [self.facts.unit_of[name] for name in hits], []
        for place, column in enumerate(table_of(self.facts).columns):
            flags = [float(f"set/{place}" in self.used[name].values) for name in hits]
            if any(flags):
                estimate = proportion(flags, units, unit="share of flips that change the column")
                found.append(ColumnFlips(column.name, column.role, estimate, int(sum(flags))))
        return sorted(found, key=lambda one: (-one.n, one.column))

    def decisions(self, cost: float) -> list[tuple[str, Estimate | None, int]]:
        """Return each decision, the share of its rows that flips at a cost, and the number of its rows."""
        flags, result = self.flags(cost), []
        for index, name in enumerate(self.facts.classes):
            mine = [one for one, row in self.used.items() if row.values["before"] == index]
            estimate = proportion(
                [flags[one] for one in mine], [self.facts.unit_of[one] for one in mine], unit=self.unit
            )
            result.append((name, estimate, len(mine)))
        return result

    def smallest(self, zone: str, label: str) -> Steps:
        """Return what a report shows of the cheapest flips in a zone."""
        limit = max(self.facts.epsilons)
        found = SmallestSizes(
            sizes=list(self.costs.values()),
            units=self.units,
            limit=limit,
            unit="cost",
            share=self.unit,
            words=lambda size: f"{size:.3g}",
        )
        n, beyond = len(found.sizes), found.beyond
        short = f"{beyond} of {n} rows were not flipped at a cost of at most {limit:g}"
        return replace(
            found.steps(zone, label=label, short=short if beyond else f"{n} rows are too few", role="zone"),
            sensitivity_reason="a cost is in the domain's own units and has no dual norm",
        )
