"""Attack quality: may it be believed that nothing was found?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from auditor.checks import checks
from auditor.checks.common import clean_trial, evasion_trial, shown_zone
from auditor.core.facts import Facts
from auditor.core.records import Card, Finding, Observations, Trial
from auditor.modalities.images.checks.attack_signs import OTHERS, Signs, wide_epsilon

WHITE_BOX = "gradient"


@checks.register("attack_quality", modality="image")
@dataclass(frozen=True, kw_only=True)
class AttackQuality:
    """Whether 'nothing found' may be believed: signs that the attack was too weak for this model."""

    samples: Annotated[int, Field(ge=10)] = 48
    """Samples, drawn by seed, on which further attacks are tried."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """Largest share of the correct samples that another attack may flip where the audit's own attack failed."""
    queries: Annotated[int, Field(ge=1)] = 300
    """Points that the attack without gradients may try for each sample."""

    card: ClassVar[Card] = Card(
        title="Attack quality: may 'nothing found' be believed?",
        purpose=(
            "Whether the attack behind exposure and fairness was strong enough for its failures to say something about"
            " the model."
        ),
        mechanism=(
            "On samples drawn by seed: is there a gradient to follow; are answers repeatable and scores not"
            " probabilities; does an attack without gradients, one carried over from another network, or a stronger one"
            " flip what the audit's attack left standing; does a very large epsilon reach everything; does success grow"
            " with the budget."
        ),
        reading=(
            "A failure here is no fault of the model. It means that 'pass' in exposure and in the robustness gaps"
            " cannot be believed, and the report says 'too few to tell' there instead. What the attack did find stays"
            " found."
        ),
        limits=(
            "No sign is no proof of strength. The signs are those of known failures; a defence may hide gradients in a"
            " new way."
        ),
        reference=(
            "Athalye et al. 2018 (arXiv:1802.00420); Carlini et al. 2019 (arXiv:1902.06705); Croce et al. 2020"
            " (arXiv:2003.01690)."
        ),
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return the attacks whose success is looked at, and those that are tried on their survivors."""
        curve = tuple(evasion_trial(facts, shown_zone(facts), epsilon) for epsilon in facts.epsilons)
        return (clean_trial(), *curve, *self._own(facts).values())

    def _own(self, facts: Facts) -> dict[str, Trial]:
        base = evasion_trial(facts, shown_zone(facts), facts.primary)
        wide = {**base.threat, "epsilon": wide_epsilon(facts)}
        own = {
            "gradient": Trial("gradient", samples=self.samples),
            "large-epsilon": Trial(
                "evasion", facts.attack, facts.attack_settings, "everywhere", wide, facts.seed, samples=self.samples
            ),
        }
        for name, (method, settings) in self._rivals(facts).items():
            own[name] = Trial(
                "evasion", method, settings, base.zone, base.threat, facts.seed, source=base, samples=self.samples
            )
        return own

    def _rivals(self, facts: Facts) -> dict[str, tuple[str, dict[str, Any]]]:
        """Return the attacks that are tried on the survivors, with their settings."""
        blind: tuple[str, dict[str, Any]]
        stronger: tuple[str, dict[str, Any]]
        blind = (
            ("square", {"queries": self.queries})
            if facts.norm in ("linf", "l2")
            else ("random_noise", {"tries": self.queries})
        )
        if WHITE_BOX not in facts.offers:
            stronger = (blind[0], {name: 5 * number for name, number in blind[1].items()})
        else:
            harder = facts.attack == "evade" and facts.attack_settings.get("effort") != "fast"
            stronger = ("evade", {"effort": "thorough" if harder else "default"})
        return {"black-box": blind, "transfer": ("transfer", {"surrogate": None}), "stronger": stronger}

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return one finding per sign; a failed one makes every pass that rests on attacks inconclusive."""
        own, signs = self._own(facts), Signs(facts, observations, self.tolerance)
        return (
            signs.gradient(own["gradient"]),
            *signs.answers(),
            *(signs.rival(name, own[name]) for name in OTHERS),
            signs.reach(own["large-epsilon"]),
            signs.monotone(),
        )
