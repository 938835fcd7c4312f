"""Reliance of a table's model: how much of what moves a decision comes from columns that should not matter?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import checks
from auditor.checks.reliance.arms import Draws, estimates
from auditor.checks.reliance.flips import judge_flip_gap
from auditor.checks.reliance.share import judge_share, unmeasured_share
from auditor.checks.reliance.ways import Ways, transplanted
from auditor.checks.reliance.words import ExchangeWords
from auditor.core import displays
from auditor.core.facts import Facts
from auditor.core.records import Card, Finding, Observations, Trial
from auditor.modalities.tables.checks.columns import judge_single_columns, tied_blocks
from auditor.modalities.tables.checks.common import table_of

_POOL = 1000
"""Rows that lend their cells, drawn by seed and id."""
_WORDS = ExchangeWords(
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
            settings={"draws": self.donors, "pool": _POOL},
            zone="outside",
            seed=facts.seed,
            samples=self.samples,
        )

    def _permuted(self, facts: Facts) -> Trial:
        return Trial(
            "permuted",
            settings={"blocks": tied_blocks(table_of(facts)), "pool": _POOL},
            seed=facts.seed,
            samples=self.samples,
        )

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return the outside share, the flip gap and the columns."""
        trial = self._exchange(facts)
        rows = observations.of(trial)
        draws = Draws.of(facts, observations, trial)
        lost = [
            [row.values[f"lost/{arm}/{draw}"] for arm in "AB"]
            for row in rows.values()
            for draw in range(0 if row.missing else sum(key.startswith("A/") for key in row.values))
        ]
        columns = judge_single_columns(facts, observations, self._permuted(facts), tolerance=self.flips)
        return (
            self._share(draws, columns) if len(draws) else unmeasured_share(draws),
            judge_flip_gap(
                draws,
                self.flips,
                words=_WORDS,
                lost=np.array(lost, dtype=float).reshape(-1, 2),
            ),
            columns,
        )

    def _share(self, draws: Draws, columns: Finding) -> Finding:
        """Return the outside share; each column on its own is the second way to look."""
        measured = estimates(draws)
        misses = "what depends on several columns at once, and columns whose effects cancel"
        way = transplanted(draws, measured, self.tolerance, misses=misses)
        confirmed = "the exchange of each column on its own" if columns.verdict == "pass" else ""
        return judge_share(
            draws,
            measured,
            Ways((way,), self.tolerance, draws.trials, confirmed),
            displays=(displays.Values(values={"draws": self.donors}, role="draws"),),
            words=_WORDS,
        )
