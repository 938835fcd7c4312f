"""Reliance of signals: how much of the class evidence comes from outside the expert's mask?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from auditor.checks import checks
from auditor.checks.common import why_not
from auditor.checks.reliance.arms import Draws, judge_flip_gap, judge_share
from auditor.core.facts import Facts
from auditor.core.records import Card, Evidence, Finding, Observations, Trial


@checks.register("reliance", modality="signal")
@dataclass(frozen=True, kw_only=True)
class Reliance:
    """How much of the class evidence comes from outside the mask, by exchanging insides and outsides."""

    donors: Annotated[int, Field(ge=1)] = 4
    """How often each signal is exchanged with others."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.20
    """Largest share of the class evidence that may come from outside the mask."""

    card: ClassVar[Card] = Card(
        title="Reliance: where the evidence comes from, in signals",
        purpose="Whether the model decides by what the expert marked, or by what surrounds it.",
        mechanism="The outside of each signal is exchanged with that of signals of the same and of another class.",
        reading="Near 0 the marked part decides, near 1 the surroundings do.",
        limits="Only what goes with the class in these data can show.",
        reference="Owen and Eckles 2012 (arXiv:1106.2125).",
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return the exchange."""
        return (Trial("splice", settings={"draws": self.donors}, zone="outside", seed=facts.seed),)

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return the outside share and the flip gap."""
        (trial,) = self.trials(facts)
        draws, why = Draws.of(facts, observations, trial), why_not(observations.of(trial).values())
        evidence = Evidence(trials=(observations.key(trial),))
        return (
            judge_share(draws, self.tolerance, why=why, evidence=evidence, displays=()),
            judge_flip_gap(draws, 0.10, why=why, evidence=evidence),
        )
