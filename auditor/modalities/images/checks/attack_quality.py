"""Attack quality: may it be believed that nothing was found?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from auditor.checks import checks
from auditor.checks.common import clean_trial, evasion_trial, percent, reason, shown_zone, span, usable, why_not
from auditor.core.displays import Values
from auditor.core.facts import Facts
from auditor.core.records import Card, Evidence, Finding, Observations, Trial, Verdict
from auditor.stats.decisions import decide
from auditor.stats.shares import proportion

REPEATED = 1e-4
"""Largest difference between two answers to one input that is rounding."""
REACHED = 0.80
"""Share of samples that a search with a very large epsilon must fool."""
LOST = 0.25
"""Share of samples whose gradient may have vanished."""
WIDER = 32.0
"""A large epsilon in a norm that adds changes up, in the largest declared ones."""
FEWEST = 2
"""Fewer missed samples than this are no sign."""
WHITE_BOX = "gradient"

OTHERS = {
    "black-box": (
        "an attack that sees only scores",
        "Gradients mislead the audit's attack: use attack {name: square} or declare preprocessing and randomness.",
    ),
    "transfer": (
        "points carried over from another network",
        "Gradients mislead the audit's attack: declare preprocessing and randomness, or use transfer.",
    ),
    "stronger": (
        "a stronger attack",
        (
            "The audit's attack is too weak for this model: set attack {name: evade}, with effort thorough if it is set"
            " already."
        ),
    ),
}


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
        wide = {**base.threat, "epsilon": _wide(facts)}
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
        own = self._own(facts)
        return (
            self._gradient(facts, observations, own["gradient"]),
            *self._answers(observations),
            *(self._rival(facts, observations, name, own[name]) for name in OTHERS),
            self._reach(facts, observations, own["large-epsilon"]),
            self._monotone(facts, observations),
        )

    def _base(self, observations: Observations, name: str, *trials: Trial) -> dict[str, Any]:
        return {
            "id": f"attack_quality/{name}",
            "check": "attack_quality",
            "question": 4,
            "evidence": Evidence(trials=tuple(observations.key(trial) for trial in trials)),
        }

    def _gradient(self, facts: Facts, observations: Observations, trial: Trial) -> Finding:
        base, rows = self._base(observations, "gradient", trial), observations.of(trial)
        found = usable(rows)
        estimate = proportion(
            [row.values["vanished"] for row in found.values()],
            [facts.unit_of[name] for name in found],
            unit="share without a gradient",
        )
        if estimate is None:
            return Finding(
                verdict="not_measured",
                claim="Whether there is a gradient to follow was not measured.",
                reason=why_not(rows.values()),
                **base,
            )
        verdict = decide(estimate, LOST)
        claim = f"The gradient is zero, not finite or vanished for {span(estimate)} of {estimate.n} samples."
        advice = (
            "Declare non-differentiable preprocessing (model.input.preprocess), or use attack {name: square}."
            if verdict == "fail"
            else ""
        )
        zero = sum(row.values["zero"] for row in found.values()) / len(found)
        return Finding(
            verdict=verdict,
            claim=claim,
            estimate=estimate,
            tolerance=LOST,
            reason=reason(verdict, estimate, LOST),
            advice=advice,
            displays=(Values(values={"zero": zero}, role="gradients"),),
            **base,
        )

    def _answers(self, observations: Observations) -> tuple[Finding, Finding]:
        trial = clean_trial()
        rows = observations.of(trial)
        measured = [row for row in rows.values() if row.missing is None]
        random, squashed = (self._base(observations, name, trial) for name in ("randomness", "probabilities"))
        if not measured:
            why = why_not(rows.values())
            return (
                Finding(verdict="not_measured", claim="Whether answers repeat was not measured.", reason=why, **random),
                Finding(
                    verdict="not_measured", claim="Whether scores are logits was not measured.", reason=why, **squashed
                ),
            )
        most = max(row.values["repeat_difference"] for row in measured)
        like = sum(row.values["like_probabilities"] for row in measured)
        alike = like == len(measured)
        return (
            Finding(
                verdict="fail" if most > REPEATED else "pass",
                claim=f"The same input asked twice gives scores that differ by at most {most:.2g}.",
                reason=(
                    f"a difference beyond {REPEATED:g} is not rounding"
                    if most > REPEATED
                    else "the classifier repeats itself"
                ),
                advice=(
                    "Declare the randomness (model.draws), so that attacks follow its mean." if most > REPEATED else ""
                ),
                **random,
            ),
            Finding(
                verdict="fail" if alike else "pass",
                claim=f"The scores of {like:g} of {len(measured)} samples look like probabilities.",
                reason="probabilities near 0 and 1 round their gradients away" if alike else "the scores are logits",
                advice="Give the audit the model without its softmax." if alike else "",
                **squashed,
            ),
        )

    def _rival(self, facts: Facts, observations: Observations, name: str, trial: Trial) -> Finding:
        """Judge what another attack flips of what the audit's own left standing: each flip is a proof, so the share
        itself decides.
        """
        base, rows, (what, advice) = (
            self._base(observations, name, trial, *([trial.source] if trial.source else [])),
            observations.of(trial),
            OTHERS[name],
        )
        found = usable(rows)
        if not found:
            return Finding(
                verdict="not_measured",
                claim=f"What {what} adds was not measured.",
                reason=why_not(rows.values()),
                **base,
            )
        flags = [row.values.get("fooled", 0.0) for row in found.values()]
        left = sum(row.values.get("survivor", 0.0) for row in found.values())
        verdict = self._missed(sum(flags), len(flags))
        estimate = proportion(
            flags,
            [facts.unit_of[name] for name in found],
            unit="share of correct predictions that only this attack flips",
        )
        claim = (
            f"{trial.method} ({what}) flips {sum(flags):g} of the {left:g} samples that {facts.attack} left standing,"
            f" of {len(flags)} correct ones."
        )
        return Finding(
            verdict=verdict,
            claim=claim,
            estimate=estimate,
            tolerance=self.tolerance,
            reason=self._why(verdict, sum(flags)),
            advice=advice if verdict == "fail" else "",
            displays=(Values(values={"method": trial.method, "survivors": left}, role="rival"),),
            **base,
        )

    def _missed(self, missed: float, n: int) -> Verdict:
        if missed >= FEWEST and missed > self.tolerance * n:
            return "fail"
        return "pass" if n >= 10 else "inconclusive"

    def _why(self, verdict: Verdict, missed: float) -> str:
        if verdict == "inconclusive":
            return "too few to tell: fewer than 10 samples are classified correctly"
        if verdict == "fail":
            return (
                f"flips that were missed, each shown to the model again, are more than {percent(self.tolerance)} of the"
                " correct samples"
            )
        return (
            "nothing was missed"
            if not missed
            else f"no more than {percent(self.tolerance)} of the correct samples, or a single one, was missed"
        )

    def _reach(self, facts: Facts, observations: Observations, trial: Trial) -> Finding:
        base, rows = self._base(observations, "large-epsilon", trial), observations.of(trial)
        found = usable(rows)
        estimate = proportion(
            [row.values["fooled"] for row in found.values()],
            [facts.unit_of[name] for name in found],
            unit="share flipped",
        )
        if estimate is None:
            return Finding(
                verdict="not_measured",
                claim="A search with a very large epsilon was not measured.",
                reason=why_not(rows.values()),
                **base,
            )
        verdict = decide(estimate, REACHED, worse="below")
        wide = f"{_wide(facts):g} in {facts.norm}, everywhere"
        claim = (
            f"With a very large epsilon ({wide}) {facts.attack} flips {span(estimate)} of {estimate.n} correct"
            " predictions."
        )
        advice = (
            "An attack that may change nearly everything must flip nearly all: use attack {name: evade} or {name:"
            " square}."
            if verdict == "fail"
            else ""
        )
        return Finding(
            verdict=verdict,
            claim=claim,
            estimate=estimate,
            tolerance=REACHED,
            reason=reason(verdict, estimate, REACHED),
            advice=advice,
            **base,
        )

    def _monotone(self, facts: Facts, observations: Observations) -> Finding:
        trials = [evasion_trial(facts, shown_zone(facts), epsilon) for epsilon in facts.epsilons]
        base, found = (
            self._base(observations, "monotone", *trials),
            [usable(observations.of(trial)) for trial in trials],
        )
        names = sorted(set.intersection(*(set(rows) for rows in found)))
        if not names or len(trials) < 2:
            why = (
                "one budget was declared, and a curve needs two"
                if names
                else why_not(observations.of(trials[0]).values())
            )
            return Finding(
                verdict="not_measured",
                claim="Whether success grows with the budget was not measured.",
                reason=why,
                **base,
            )
        lost = [
            name
            for name in names
            if any(a[name].values["fooled"] > b[name].values["fooled"] for a, b in zip(found, found[1:], strict=False))
        ]
        verdict = self._missed(len(lost), len(names))
        claim = f"{len(lost)} of {len(names)} correct predictions flip at one budget and not at the next larger one."
        advice = "More budget can only help a search that works: use attack {name: evade}." if verdict == "fail" else ""
        return Finding(
            verdict=verdict,
            claim=claim,
            tolerance=self.tolerance,
            reason=self._why(verdict, len(lost)),
            advice=advice,
            **base,
        )


def _wide(facts: Facts) -> float:
    """Return an epsilon within which any ordinary classifier flips: a quarter of the value range per value, or many
    times the largest declared.
    """
    if facts.norm == "linf":
        return min(facts.high - facts.low, max(8 * max(facts.epsilons), (facts.high - facts.low) / 4))
    return WIDER * max(facts.epsilons)
