"""What single columns are worth: which of them changes decisions when it alone comes from another row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from auditor.checks.common import percent, reason, span, why_not
from auditor.core import displays
from auditor.core.facts import Facts
from auditor.core.records import Estimate, Evidence, Finding, Observations, Trial, Verdict
from auditor.modalities.tables.checks.common import table_of
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import Table
from auditor.stats.crossed import METHOD, Crossed, Part, bounds, crossed_proportion
from auditor.stats.decisions import decide
from auditor.stats.shares import Array
from auditor.stats.simultaneous import bonferroni_level

_UNDECLARED = "no column is declared that should not matter, or rules tie each of them to one that should"


def judge_single_columns(facts: Facts, observations: Observations, trial: Trial, *, tolerance: float) -> Finding:
    """Return the finding on the column that should not matter and changes most decisions; `tolerance` is the largest
    share of decisions that may change with it.
    """
    rows = {name: row for name, row in observations.of(trial).items() if row.missing is None}
    base: dict[str, Any] = {
        "id": "reliance/columns",
        "check": "reliance",
        "question": 1,
        "evidence": Evidence(trials=(observations.key(trial),)),
    }
    if not rows:
        why = why_not(observations.of(trial).values())
        return Finding(
            verdict="not_measured", claim="What single columns are worth was not measured.", reason=why, **base
        )
    table = table_of(facts)
    who = np.array([[facts.position_of[name], int(row.values["donor"])] for name, row in rows.items()])
    measured = _Permuted(facts, table, facts.unit_numbers[who], {name: row.values for name, row in rows.items()})
    found = sorted(map(measured.block, tied_blocks(table)), key=lambda one: (-one.estimate.value, one.name))
    base["displays"] = _shown(found)
    outside = [one for one in found if one.outside]
    if outside:
        return _judged(found, outside, tolerance, **base)
    claim = (
        f"Of all columns, '{found[0].name}' alone changes most decisions when it comes from another row:"
        f" {span(found[0].estimate)}."
    )
    return Finding(verdict="not_measured", claim=claim, reason=_UNDECLARED, **base)


def _judged(found: Sequence[_Block], outside: Sequence[_Block], tolerance: float, **base: Any) -> Finding:
    """Return the finding on the first of the columns that should not matter, `outside`; `found` are all of them."""
    verdict, worst = _overall([one.estimate for one in outside], tolerance), outside[0]
    claim = (
        f"Of the columns that should not matter, {_called(worst)} alone changes most decisions when taken from"
        f" another row: {span(worst.estimate)} of {worst.estimate.n}; of all columns {_called(found[0])}"
        f" does, with {percent(found[0].estimate.value)}."
    )
    why = (
        f"{reason(verdict, worst.estimate, tolerance)} (the intervals hold for all {len(found)} blocks of"
        " columns at once)"
    )
    return Finding(
        verdict=verdict,
        claim=claim,
        estimate=worst.estimate,
        tolerance=tolerance,
        reason=why,
        advice=f"Find out why {_called(worst)} changes decisions." if verdict == "fail" else "",
        **base,
    )


def _overall(found: Sequence[Estimate], tolerance: float) -> Verdict:
    """Return the verdict over all blocks, whose intervals hold together; the first has the largest share."""
    each = [decide(one, tolerance) for one in found]
    return each[0] if each[0] != "pass" or all(one == "pass" for one in each) else "inconclusive"


@dataclass(frozen=True, kw_only=True)
class _Block:
    """What is known of columns that came from other rows together."""

    name: str
    roles: tuple[str, ...]
    estimate: Estimate
    """Share of decisions that change, at a level for all blocks together."""
    fall: Estimate
    """Of the margin, in logits."""

    @property
    def outside(self) -> bool:
        """Return whether none of the columns should matter."""
        return "relevant" not in self.roles


@dataclass(frozen=True)
class _Permuted:
    """What was measured when blocks of columns came from other rows; units (t, 2) of the rows and of their donors."""

    facts: Facts
    table: Table
    units: Any
    values: Mapping[str, Mapping[str, float]]

    def block(self, block: Sequence[int]) -> _Block:
        """Return what is known of a block: the share of decisions that it changes, at a level for all blocks together,
        and the fall of the margin.
        """
        level = bonferroni_level(len(tied_blocks(self.table)))
        flips, falls = (
            np.array([row[f"{key}/{block[0]}"] for row in self.values.values()]) for key in ("flip", "fall")
        )
        columns = [self.table.columns[place] for place in block]
        return _Block(
            name=" + ".join(column.name for column in columns),
            roles=tuple(sorted({column.role for column in columns})),
            estimate=crossed_proportion(flips.tolist(), self.units, unit="share of decisions changed", level=level),
            fall=self._fall(falls),
        )

    def _fall(self, falls: Array) -> Estimate:
        found = Crossed.of([Part(falls[:, None], self.units)])
        low, high = bounds(found.draws(self.facts.seed)[:, 0])
        return Estimate(
            float(found.point[0]),
            low,
            high,
            len(falls),
            "fall of the margin (logits)",
            METHOD,
            0.95,
            len(np.unique(self.units[:, 0])),
            share=False,
        )


def tied_blocks(table: Table) -> list[list[int]]:
    """Return the positions of the columns of each block: those that rules tie together, directly or by way of others,
    in the table's order.
    """
    return [list(block) for block in Rules(table).tied(range(len(table)))]


def _called(one: _Block) -> str:
    return f"'{one.name}'"


def _shown(found: Sequence[_Block]) -> tuple[displays.Display, ...]:
    named = (displays.Named(name=one.name, estimate=one.estimate) for one in found)
    return (
        displays.Rows(rows=tuple(named), role="columns"),
        displays.TableDisplay(
            title="What changes when one column comes from another row, with the columns that rules tie it to",
            columns=("Columns", "Role", "Decisions changed", "Fall of the margin"),
            rows=tuple((one.name, ", ".join(one.roles), one.estimate, one.fall) for one in found),
        ),
    )
