"""Reliance of a table's model: how much of what moves a decision comes from columns that should not matter?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import checks
from auditor.checks.common import percent, reason, span, why_not
from auditor.checks.reliance.arms import Draws, Words, judge_flips, judge_share
from auditor.core import displays
from auditor.core.facts import Facts
from auditor.core.records import Card, Estimate, Evidence, Finding, Observations, Trial, Verdict
from auditor.modalities.tables.checks.common import table_of
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import Table
from auditor.stats.crossed import METHOD, Crossed, Part, bounds, crossed_proportion
from auditor.stats.decisions import decide
from auditor.stats.shares import Array

POOL = 1000
"""Rows that lend their cells, drawn by seed and id."""
UNDECLARED = "no column is declared that should not matter, or rules tie each of them to one that should"
WORDS = Words(
    source="of what moves the decisions comes from columns that should not matter",
    outside="those columns",
    inside="the columns that should matter",
    others="Columns that should not matter, taken from a row decided otherwise,",
    same="those of a row decided alike",
    takes="change the decision in",
    transplants="exchanges",
    advice=(
        "Do not let this model decide where those columns may differ: take them out, or find which column that should"
        " matter they stand for, and audit again."
    ),
    flip_advice="Expect other decisions for people who are alike in everything that should matter.",
    more="Audit more rows before relying on the model to ignore those columns.",
    arms="Arms of the exchange: mean margin for the decision of the recipient",
    arm_columns=(
        "Arm",
        "Columns that should matter come from",
        "The other columns come from",
        "Margin and interval",
    ),
)


@checks.register("reliance", modality="table")
@dataclass(frozen=True, kw_only=True)
class RelianceTable:
    """How much of what moves decisions comes from columns that should not matter, by exchanging them between rows."""

    donors: Annotated[int, Field(ge=1)] = 8
    """How often each row is exchanged with others."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Largest share of what moves the decisions that may come from columns that should not matter."""
    flips: Annotated[float, Field(gt=0, lt=1)] = 0.10
    """Largest share of decisions that may change with those columns, together or one of them alone."""
    samples: Annotated[int, Field(ge=1)] = 1000
    """Rows whose columns are exchanged."""

    card: ClassVar[Card] = Card(
        title="Reliance of a table: where the evidence comes from",
        purpose=(
            "Whether decisions rest on the columns that should matter or on the others. This is the finding that may"
            " say 'shortcut'."
        ),
        mechanism=(
            "The columns that should not matter are exchanged between rows, never within one unit. Four arms: a row's"
            " own columns that should matter with the others of a row decided alike (A) and of a row decided otherwise"
            " (B); the columns that should matter of a row decided otherwise with the others of one decided like the"
            " first (C) and of one decided otherwise (D). Classes are the model's own decisions. Defined columns are"
            " computed anew; donors with whom an arm breaks a rule are drawn again. Then each column on its own is"
            " taken from another row, together with the columns that rules tie it to."
        ),
        reading=(
            "Outside share = outside effect / (|outside effect| + |inside effect|). Near 0: the columns that should"
            " matter decide. Near 1: the others do. The intervals resample recipients' and donors' units together. The"
            " list of columns says which of them change decisions on their own; it holds for all listed columns at"
            " once."
        ),
        limits=(
            "Columns that go together are torn apart, so that an exchanged row may be rare, though it breaks no"
            " declared rule. A column that should not matter may stand for one that should: the share then says that"
            " the model reads the stand-in. Two columns of the same content share their worth, and each alone looks"
            " unimportant."
        ),
        reference=(
            "Factorial design; two-way bootstrap over units after Owen and Eckles 2012 (arXiv:1106.2125), to first"
            " order; McNemar 1947; Breiman 2001 (Machine Learning 45) for permuted columns."
        ),
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return the exchange in four arms and the exchange of single columns."""
        return (self._exchange(facts), self._permuted(facts))

    def _exchange(self, facts: Facts) -> Trial:
        return Trial(
            "exchange",
            settings={"draws": self.donors, "pool": POOL},
            zone="outside",
            seed=facts.seed,
            samples=self.samples,
        )

    def _permuted(self, facts: Facts) -> Trial:
        return Trial(
            "permuted",
            settings={"blocks": blocks(table_of(facts)), "pool": POOL},
            seed=facts.seed,
            samples=self.samples,
        )

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return the outside share, the flip gap and the columns."""
        trial = self._exchange(facts)
        rows = observations.of(trial)
        draws, why, evidence = (
            Draws.of(facts, observations, trial),
            why_not(rows.values()),
            Evidence(trials=(observations.key(trial),)),
        )
        lost = [
            [row.values[f"lost/{arm}/{draw}"] for arm in "AB"]
            for row in rows.values()
            for draw in range(0 if row.missing else sum(key.startswith("A/") for key in row.values))
        ]
        return (
            judge_share(
                draws,
                self.tolerance,
                why=why,
                evidence=evidence,
                displays=(displays.Values(values={"draws": self.donors}, role="draws"),),
                words=WORDS,
            ),
            judge_flips(
                draws,
                self.flips,
                why=why,
                evidence=evidence,
                words=WORDS,
                lost=np.array(lost, dtype=float).reshape(-1, 2),
            ),
            self._columns(facts, observations),
        )

    def _columns(self, facts: Facts, observations: Observations) -> Finding:
        trial, table = self._permuted(facts), table_of(facts)
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
        who = np.array([[facts.position_of[name], int(row.values["donor"])] for name, row in rows.items()])
        measured = _Permuted(facts, table, facts.unit_numbers[who], {name: row.values for name, row in rows.items()})
        found = sorted(
            (measured.block(block) for block in blocks(table)), key=lambda one: (-one.estimate.value, one.name)
        )
        shown = _shown(found)
        outside = [one for one in found if one.outside]
        if not outside:
            claim = (
                f"Of all columns, '{found[0].name}' alone changes most decisions when it comes from another row:"
                f" {span(found[0].estimate)}."
            )
            return Finding(verdict="not_measured", claim=claim, reason=UNDECLARED, displays=shown, **base)
        verdict, worst = self._verdict([one.estimate for one in outside]), outside[0]
        claim = (
            f"Of the columns that should not matter, {_called(worst)} alone changes most decisions when taken from"
            f" another row: {span(worst.estimate)} of {worst.estimate.n}; of all columns {_called(found[0])}"
            f" does, with {percent(found[0].estimate.value)}."
        )
        advice = f"Find out why {_called(worst)} changes decisions." if verdict == "fail" else ""
        why = (
            f"{reason(verdict, worst.estimate, self.flips)} (the intervals hold for all {len(found)} blocks of"
            " columns at once)"
        )
        return Finding(
            verdict=verdict,
            claim=claim,
            estimate=worst.estimate,
            tolerance=self.flips,
            reason=why,
            advice=advice,
            displays=shown,
            **base,
        )

    def _verdict(self, found: Sequence[Estimate]) -> Verdict:
        """Return the verdict over all blocks, whose intervals hold together; the first has the largest share."""
        each = [decide(one, self.flips) for one in found]
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
        level = 1 - 0.05 / len(blocks(self.table))
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


def blocks(table: Table) -> list[list[int]]:
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
        displays.Table(
            title="What changes when one column comes from another row, with the columns that rules tie it to",
            columns=("Columns", "Role", "Decisions changed", "Fall of the margin"),
            rows=tuple((one.name, ", ".join(one.roles), one.estimate, one.fall) for one in found),
        ),
    )
