"""Reliance of images: how much of the class evidence comes from outside the expert's mask?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import checks
from auditor.checks.common import MOST_PAIRS, clean_trial, most_pairs, why_not
from auditor.checks.reliance.arms import Draws, effects_of, estimates, judge_flip_gap, judge_share
from auditor.checks.reliance.factor import factor_trial, judge_factor
from auditor.checks.reliance.left_over import judge_left_over, left_over_trial
from auditor.core.displays import Named, Rows, TableDisplay, Values, of_kind
from auditor.core.facts import Facts
from auditor.core.records import Card, Evidence, Finding, Observations, Trial
from auditor.modalities.images.checks.where import judge_where, where_trial
from auditor.stats.crossed import Part
from auditor.stats.means import mean


@checks.register("reliance", modality="image")
@dataclass(frozen=True, kw_only=True)
class Reliance:
    """How much of the class evidence comes from outside the mask, by exchanging insides and outsides."""

    donors: Annotated[int, Field(ge=1)] = 8
    """How often each sample is exchanged with others."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Largest share of the class evidence that may come from outside the mask."""
    flips: Annotated[float, Field(gt=0, lt=1)] = 0.10
    """Largest share of decisions that surroundings of another class may cost, beyond those of the same class."""
    left_over: Annotated[float, Field(gt=0, lt=0.5)] = 0.10
    """How far beyond one half the model may tell two samples apart whose marked region is blanked."""
    blend: Annotated[float, Field(ge=0, lt=0.5)] = 0.01
    """Width of the rim over which a pasted inside fades out, as a share of the diagonal; at most the guard band's."""
    where: Annotated[int, Field(ge=0)] = 48
    """Samples whose surroundings are searched cell by cell for the place that matters; 0: no search."""

    card: ClassVar[Card] = Card(
        title="Reliance: where the evidence comes from",
        purpose=(
            "Whether the model decides by what the expert marked, or by what surrounds it. This is the finding that may"
            " say 'shortcut'."
        ),
        mechanism=(
            "For each sample with a mask, insides and outsides are exchanged between samples of the same and of another"
            " class, never within one unit (patient). Four arms: own inside with an outside of the same class (A) and"
            " of another class (B); inside of another class with an outside of the same (C) and of another class (D)."
            " Whatever lies under any mask of a draw is in-painted first and the pasted inside fades out over the same"
            " rim, in every arm alike, so that seams, fills and the model's own bias cancel in the differences."
            " Left-over: one region, the union of two samples' masks, is blanked in both, and the model has to tell"
            " them apart. A declared factor (site, scanner) is tested with surroundings of one class that differ in the"
            " factor alone."
        ),
        reading=(
            "Outside share = outside effect / (|outside effect| + |inside effect|). Near 0: the marked region decides."
            " Near 1: the surroundings decide. The intervals resample recipients' and donors' units together. Left-over"
            " is 50 % where nothing is left; ranks notice a trace, and with nothing inside to see a model may turn to"
            " what it otherwise ignores, so it fails only together with the outside share."
        ),
        limits=(
            "Only outside information that goes with the class in these data can show, or with a declared factor: a"
            " shortcut that is absent here stays unseen. Outside is whatever the mask leaves out: also legitimate"
            " context such as mass effect or slice level, and the fringe of a region whose outline is drawn too tight."
            " A wider guard band tells how much of the share is fringe."
        ),
        reference=(
            "Factorial design; two-way bootstrap over units after Owen and Eckles 2012 (arXiv:1106.2125), to first"
            " order; McNemar 1947."
        ),
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return the transplants, the blanked pairs, the factors, and the plain answers that the surgery is compared
        with.
        """
        return (
            self._transplant(facts),
            left_over_trial(facts),
            *self._factors(facts),
            *self._search(facts),
            clean_trial(),
        )

    def _factors(self, facts: Facts) -> tuple[Trial, ...]:
        return tuple(factor_trial(facts, column, donors=self.donors, blend=self.blend) for column in facts.factors)

    def _search(self, facts: Facts) -> tuple[Trial, ...]:
        return (where_trial(facts, self.where),) if self.where else ()

    def _transplant(self, facts: Facts) -> Trial:
        return Trial(
            "transplant",
            settings={"draws": self.donors, "guard": facts.guard, "blend": self.blend},
            zone="outside",
            seed=facts.seed,
        )

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return the outside share, the flip gap, the left-over, one finding per factor and the place that matters
        most.
        """
        trial = self._transplant(facts)
        draws, why = Draws.of(facts, observations, trial), why_not(observations.of(trial).values())
        evidence, inside = Evidence(trials=(observations.key(trial),)), _inside(draws)
        share = judge_share(
            draws,
            self.tolerance,
            why=why,
            evidence=evidence,
            displays=(
                Values(values={"draws": self.donors, "blend": self.blend}, role="draws"),
                Rows(rows=(self._surgery(facts, observations, trial),), role="surgery"),
                *_pairs(draws),
            ),
        )
        effects = [row for rows in of_kind(share.displays, Rows, "effects") for row in rows.rows[:2]]
        moved = sum(abs(row.estimate.value) for row in effects if row.estimate)
        return (
            share,
            judge_flip_gap(draws, self.flips, why=why, evidence=evidence),
            judge_left_over(
                facts,
                observations,
                inside=inside,
                outside=share.verdict,
                tolerance=self.left_over,
                trace=self.tolerance,
            ),
            *(
                judge_factor(facts, observations, one, inside=inside, tolerance=self.tolerance)
                for one in self._factors(facts)
            ),
            *(
                judge_where(facts, observations, one, evidence=moved, outside=share.verdict, tolerance=self.tolerance)
                for one in self._search(facts)
            ),
        )

    def _surgery(self, facts: Facts, observations: Observations, trial: Trial) -> Named:
        """Return how far cutting and pasting alone moves the margin: the control of the seams."""
        clean = observations.of(clean_trial())
        moved = {
            name: row.values["sham"] - clean[name].values["margin"]
            for name, row in observations.of(trial).items()
            if row.missing is None and "sham" in row.values and name in clean and clean[name].missing is None
        }
        found = (
            mean(
                list(moved.values()),
                [facts.unit_of[name] for name in moved],
                seed=facts.seed,
                unit="change of the margin (logits)",
            )
            if moved
            else None
        )
        missing = "" if found else "the plain answers were not measured"
        return Named(name="cutting and pasting alone", estimate=found, note=missing)


def _inside(draws: Draws) -> Part:
    """Return the inside effect of every draw, which the effect of a factor is measured against."""
    return Part(effects_of(draws.margins)[:, :1], draws.part.units)


def _pairs(draws: Draws) -> tuple[TableDisplay, ...]:
    """Return the outside share of every pair of classes, where there are more than two."""
    facts, y = draws.facts, np.array(draws.facts.y)
    own, other = y[draws.who[:, 0]], y[draws.who[:, 2]]
    rows = []
    for one, two in combinations(range(len(facts.classes)) if len(facts.classes) > 2 else (), 2):
        mine = draws.where(((own == one) & (other == two)) | ((own == two) & (other == one)))
        if len(mine) and mine.moved:
            share, effects, *_ = estimates(mine, 0.0)
            rows.append((f"{facts.classes[one]} and {facts.classes[two]}", share, effects[1], effects[0]))
    if not rows:
        return ()
    rows.sort(key=lambda row: -row[1].low)
    title = f"Outside share by pair of classes{most_pairs(len(rows))}"
    columns = ("Classes", "Outside share", "Outside effect", "Inside effect")
    return (TableDisplay(title=title, columns=columns, rows=tuple(rows[:MOST_PAIRS])),)
