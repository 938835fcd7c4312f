"""Reliance of signals: how much of the class evidence comes from outside the expert's mask?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from auditor.checks import checks
from auditor.checks.reliance.arms import Draws, estimates
from auditor.checks.reliance.flips import judge_flip_gap
from auditor.checks.reliance.share import judge_share, unmeasured_share
from auditor.checks.reliance.ways import Ways, transplanted
from auditor.core.facts import Facts
from auditor.core.records import Card, Finding, Observations, Trial


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
        draws = Draws.of(facts, observations, trial)
        flips = judge_flip_gap(draws, 0.10)
        if not len(draws):
            return (unmeasured_share(draws), flips)
        measured = estimates(draws)
        way = transplanted(draws, measured, self.tolerance, misses="what the cut takes away")
        confirmed = "the flip gap" if flips.verdict == "pass" else ""
        share = judge_share(draws, measured, Ways((way,), self.tolerance, draws.trials, confirmed))
        return (share, flips)
