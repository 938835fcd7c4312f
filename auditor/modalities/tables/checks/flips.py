"""What the searches for the cheapest flip say of a zone of a table: how many rows flip at a cost, and of how many that
is still open.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from auditor.checks.common import plain
from auditor.checks.exposure.search import FlipAnswer, FlipSearch, curve
from auditor.core.outcomes import Outcome
from auditor.core.records import Observation
from auditor.modalities.tables.checks.common import searched, table_of
from auditor.stats.censored import flipped_curve, median
from auditor.stats.shares import proportion


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

    def outcomes(self) -> dict[str, int]:
        """Return of how many rows each outcome is known, in words."""
        counts = Counter(one.outcome for one in self.answers.values())
        return {one.text: counts[one] for one in Outcome}

    def excluded(self) -> list[dict[str, Any]]:
        """Return why how many rows were not searched, the most common reason first."""
        reasons = Counter(row.missing.text for row in self.rows.values() if row.missing)
        already = sum(row.missing is None and row.values["searched"] == 0 for row in self.rows.values())
        rows = [{"reason": reason, "n": n} for reason, n in reasons.most_common()]
        return rows + ([{"reason": "decided as wanted already", "n": already}] if already else [])

    def changed(self, cost: float) -> list[dict[str, Any]]:
        """Return in which share of the flips at a cost each column was changed, the most frequent first; columns never
        changed are left out.
        """
        hits = [name for name, flag in self.flags(cost).items() if flag]
        units, found = [self.facts.unit_of[name] for name in hits], []
        for place, column in enumerate(table_of(self.facts).columns):
            flags = [float(f"set/{place}" in self.used[name].values) for name in hits]
            if any(flags):
                estimate = plain(proportion(flags, units, unit="share of flips that change the column"))
                found.append({"column": column.name, "role": column.role, "n": int(sum(flags)), "estimate": estimate})
        return sorted(found, key=lambda row: (-row["n"], row["column"]))

    def decisions(self, cost: float) -> list[dict[str, Any]]:
        """Return the share that flips at a cost of the rows of each decision."""
        flags, result = self.flags(cost), []
        for index, name in enumerate(self.facts.classes):
            mine = [one for one, row in self.used.items() if row.values["before"] == index]
            estimate = proportion(
                [flags[one] for one in mine], [self.facts.unit_of[one] for one in mine], unit=self.unit
            )
            result.append({"before": name, "n": len(mine), "estimate": plain(estimate)})
        return result

    def smallest(self) -> dict[str, Any]:
        """Return what a report shows of the cheapest flips (the shape of `thresholds.described`)."""
        sizes, limit = list(self.costs.values()), max(self.facts.epsilons)
        beyond = sum(math.isinf(one) for one in sizes)
        middle = median(sizes, self.units, unit="cost") if sizes else None
        steps = flipped_curve(sizes, limit, self.units, unit=self.unit) if sizes else []
        short = (
            f"{beyond} of {len(sizes)} rows were not flipped at a cost of at most {limit:g}"
            if beyond
            else f"{len(sizes)} rows are too few"
        )
        return {
            "n": len(sizes),
            "beyond": beyond,
            "reach": limit,
            "how": "",
            "steps": [{"epsilon": size, "estimate": plain(estimate)} for size, estimate in steps],
            "median": plain(middle),
            "text": f"{middle.value:.3g} [{middle.low:.3g}, {middle.high:.3g}]" if middle else "",
            "reason": "" if middle else short if sizes else "nothing was measured",
            "sensitivity": None,
            "per": "",
            "sensitivity_reason": "a cost is in the domain's own units and has no dual norm",
            "missed": 0,
        }

    def details(self, cost: float) -> dict[str, Any]:
        """Return everything that the report shows of these searches at a cost."""
        forwards = [row.values["forwards"] for row in self.used.values()]
        return {
            "curve": curve((one, self) for one in self.facts.epsilons),
            "outcomes": self.outcomes(),
            "n": len(self.used),
            "open": int(sum(self.open(cost).values())),
            "unproven": plain(self.at_most(cost)),
            "refused": int(sum(row.values["refused"] for row in self.used.values())),
            "excluded": self.excluded(),
            "changed": self.changed(cost),
            "smallest": self.smallest(),
            "decisions": self.decisions(cost),
            "forwards": float(np.mean(forwards)) if forwards else None,
        }
