"""Attribution: can the explanation be believed?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from auditor.checks import checks
from auditor.checks.attribution.explained import Judge, Methods, method_settings
from auditor.checks.common import evasion_trial, shown_zone
from auditor.core.facts import Facts
from auditor.core.records import Card, Finding, Observations, Trial

_DEFAULTS: dict[str, dict[str, Any]] = {"integrated_gradients": {"steps": 16}, "saliency": {}}


@checks.register("attribution", modality="image")
@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Whether heat maps agree with the mask, stay as they are under harmless noise, and notice a flip."""

    methods: Methods = ("integrated_gradients", "saliency")
    """Explanations that are judged: names, or names with settings such as `{integrated_gradients: {steps: 64}}`."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Least stability: 1 where a small change of the input leaves the explanation as it is, 0 where it becomes as
    unlike as that of another input."""
    blind_tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Largest share of flips after which the explanation may still look like the old one."""
    samples: Annotated[int, Field(ge=1)] = 64
    """Samples that are explained."""

    card: ClassVar[Card] = Card(
        title="Attribution: can the explanation be believed?",
        purpose=(
            "Whether a heat map shows where the model looks, stays put when nothing changes, and moves when the"
            " decision does."
        ),
        mechanism=(
            "Each method explains the predicted class of the same image clean, with harmless random noise, and as the"
            " adversarial that exposure found. Maps are compared by rank correlation; the similarity of maps of two"
            " unrelated images of one class is the null, since unrelated maps are alike too."
        ),
        reading=(
            "Agreement: how many times more of the map's mass lies inside the mask than its area would give (1 = a"
            " random map). Stability: 1 = the map does not move under noise, 0 = as unlike as maps of unrelated images."
            " Blindness: share of flips after which the map still looks like the old one, that is above 95 % of the"
            " similarities of unrelated images."
        ),
        limits=(
            "A map that agrees with the mask does not show that the model relies on it (reliance does). Blindness is"
            " judged on the flips that exposure found."
        ),
        reference=(
            "Sundararajan et al. 2017 (arXiv:1703.01365); Simonyan et al. 2014 (arXiv:1312.6034); Ghorbani et al. 2019"
            " (arXiv:1710.10547)."
        ),
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return one trial per method; each reads the adversarials of exposure's primary trial."""
        return tuple(self._trial(facts, method) for method in self.methods)

    def _trial(self, facts: Facts, method: str) -> Trial:
        source = evasion_trial(facts, shown_zone(facts), facts.primary)
        threat = {"norm": facts.norm, "epsilon": facts.primary, "guard": facts.guard}
        return Trial(
            "attribution",
            method,
            method_settings(self.methods, method, _DEFAULTS),
            "",
            threat,
            facts.seed,
            source=source,
            samples=self.samples,
            keep=True,
        )

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return agreement, stability and blindness of every method."""
        judge = Judge(facts, self.tolerance, self.blind_tolerance)
        return tuple(
            finding for method in self.methods for finding in judge.findings(observations, self._trial(facts, method))
        )
