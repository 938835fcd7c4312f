"""Exposure of signals: can the answer be flipped without touching what matters?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from auditor.checks import checks
from auditor.checks.common import evasion_trial, label, usable
from auditor.checks.exposure.judge import FlipClaim, judge_flips
from auditor.checks.exposure.search import FlipAnswer, FlipSearch, curve
from auditor.core.facts import Facts
from auditor.core.outcomes import Outcome
from auditor.core.records import Card, Finding, Observation, Observations, Trial

ZONES = ("outside", "everywhere", "control/0")


@dataclass(frozen=True)
class Attacked(FlipSearch):
    """The rows of one attack at one epsilon."""

    epsilon: float

    unit = "share of correct predictions flipped"
    proves = False

    @property
    def used(self) -> dict[str, Observation]:
        """Return the rows of the signals that were attacked."""
        return usable(self.rows)

    def answer(self, row: Observation) -> FlipAnswer:
        """Return whether a signal flips at this epsilon."""
        outcome = Outcome.of(row.values)
        return FlipAnswer(outcome, self.epsilon if outcome.flipped else math.inf)


@checks.register("exposure", modality="signal")
@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How often an attack flips the answer, by zone."""

    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.10
    """Largest share of correct predictions that an attack outside the mask may flip."""

    card: ClassVar[Card] = Card(
        title="Exposure: the masked attack on signals",
        purpose="Whether an answer can be flipped while every marked value stays as it is.",
        mechanism="An attack searches for a change of at most epsilon per value, in one zone only.",
        reading="A high share outside the mask means that an attacker need not touch what matters.",
        limits="A low share shows that this attack found nothing.",
        reference="Madry et al. 2018 (arXiv:1706.06083).",
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return one attack per zone and epsilon."""
        return tuple(evasion_trial(facts, zone, epsilon) for zone in ZONES for epsilon in facts.epsilons)

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return one finding per zone, of which 'outside' decides."""
        return tuple(self._zone(facts, observations, evasion_trial(facts, zone, facts.primary)) for zone in ZONES)

    def _zone(self, facts: Facts, observations: Observations, trial: Trial) -> Finding:
        found = {
            epsilon: Attacked(facts, observations.of(evasion_trial(facts, trial.zone, epsilon)), epsilon)
            for epsilon in facts.epsilons
        }
        said = FlipClaim(
            id=f"exposure/{trial.zone}",
            counted="correct predictions",
            samples="signals",
            claim=f"flip when values {label(trial.zone)} change by at most {facts.primary:g}.",
            missing=f"Flips {label(trial.zone)} were not measured.",
            trials=(observations.key(trial),),
            displays=(curve(found.items(), zone=trial.zone, label=label(trial.zone), role="attack"),),
            primary=trial.zone == "outside",
        )
        return judge_flips(found[facts.primary], said, budget=facts.primary, tolerance=self.tolerance)
