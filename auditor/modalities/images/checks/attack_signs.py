"""The signs that the attack was too weak for a model, each judged from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auditor.checks.common import clean_trial, evasion_trial, percent, reason, shown_zone, span, usable, why_not
from auditor.core.displays import Values
from auditor.core.facts import Facts
from auditor.core.records import Estimate, Evidence, Finding, Observation, Observations, Trial, Verdict
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
_FEWEST = 2
"""Fewer missed samples than this are no sign."""

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


@dataclass(frozen=True)
class Signs:
    """The signs in one audit's observations."""

    facts: Facts
    observations: Observations
    tolerance: float
    """Largest share of the correct samples that another attack may flip where the audit's own attack failed."""

    def _base(self, name: str, *trials: Trial) -> dict[str, Any]:
        return {
            "id": f"attack_quality/{name}",
            "check": "attack_quality",
            "question": 4,
            "evidence": Evidence(trials=tuple(self.observations.key(trial) for trial in trials)),
        }

    def _share(self, found: Mapping[str, Observation], key: str, *, unit: str) -> Estimate | None:
        units = [self.facts.unit_of[name] for name in found]
        return proportion([row.values[key] for row in found.values()], units, unit=unit)

    def gradient(self, trial: Trial) -> Finding:
        """Return whether there is a gradient to follow."""
        base, rows = self._base("gradient", trial), self.observations.of(trial)
        found = usable(rows)
        estimate = self._share(found, "vanished", unit="share without a gradient")
        if estimate is None:
            return _unmeasured("Whether there is a gradient to follow was not measured.", why_not(rows.values()), base)
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

    def answers(self) -> tuple[Finding, Finding]:
        """Return whether answers repeat, and whether scores are logits."""
        trial = clean_trial()
        rows = self.observations.of(trial)
        measured = [row for row in rows.values() if row.missing is None]
        repeats, squashed = (self._base(name, trial) for name in ("randomness", "probabilities"))
        if not measured:
            why = why_not(rows.values())
            return (
                _unmeasured("Whether answers repeat was not measured.", why, repeats),
                _unmeasured("Whether scores are logits was not measured.", why, squashed),
            )
        most = max(row.values["repeat_difference"] for row in measured)
        like = sum(row.values["like_probabilities"] for row in measured)
        random, alike = most > REPEATED, like == len(measured)
        return (
            Finding(
                verdict="fail" if random else "pass",
                claim=f"The same input asked twice gives scores that differ by at most {most:.2g}.",
                reason=f"a difference beyond {REPEATED:g} is not rounding"
                if random
                else "the classifier repeats itself",
                advice="Declare the randomness (model.draws), so that attacks follow its mean." if random else "",
                **repeats,
            ),
            Finding(
                verdict="fail" if alike else "pass",
                claim=f"The scores of {like:g} of {len(measured)} samples look like probabilities.",
                reason="probabilities near 0 and 1 round their gradients away" if alike else "the scores are logits",
                advice="Give the audit the model without its softmax." if alike else "",
                **squashed,
            ),
        )

    def rival(self, name: str, trial: Trial) -> Finding:
        """Judge what another attack flips of what the audit's own left standing: each flip is a proof, so the share
        itself decides.
        """
        base = self._base(name, trial, *([trial.source] if trial.source else []))
        rows, (what, advice) = self.observations.of(trial), OTHERS[name]
        found = usable(rows)
        if not found:
            return _unmeasured(f"What {what} adds was not measured.", why_not(rows.values()), base)
        flags = [row.values.get("fooled", 0.0) for row in found.values()]
        left = sum(row.values.get("survivor", 0.0) for row in found.values())
        verdict = self._missed(sum(flags), len(flags))
        estimate = proportion(
            flags,
            [self.facts.unit_of[name] for name in found],
            unit="share of correct predictions that only this attack flips",
        )
        claim = (
            f"{trial.method} ({what}) flips {sum(flags):g} of the {left:g} samples that {self.facts.attack} left"
            f" standing, of {len(flags)} correct ones."
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
        if missed >= _FEWEST and missed > self.tolerance * n:
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

    def reach(self, trial: Trial) -> Finding:
        """Return whether a search with a very large epsilon reaches everything."""
        base, rows = self._base("large-epsilon", trial), self.observations.of(trial)
        found = usable(rows)
        estimate = self._share(found, "fooled", unit="share flipped")
        if estimate is None:
            return _unmeasured("A search with a very large epsilon was not measured.", why_not(rows.values()), base)
        verdict = decide(estimate, REACHED, worse="below")
        wide = f"{wide_epsilon(self.facts):g} in {self.facts.norm}, everywhere"
        claim = (
            f"With a very large epsilon ({wide}) {self.facts.attack} flips {span(estimate)} of {estimate.n} correct"
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

    def monotone(self) -> Finding:
        """Return whether success grows with the budget."""
        trials = [evasion_trial(self.facts, shown_zone(self.facts), epsilon) for epsilon in self.facts.epsilons]
        base = self._base("monotone", *trials)
        found = [usable(self.observations.of(trial)) for trial in trials]
        names = sorted(set.intersection(*(set(rows) for rows in found)))
        if not names or len(trials) < 2:
            why = (
                "one budget was declared, and a curve needs two"
                if names
                else why_not(self.observations.of(trials[0]).values())
            )
            return _unmeasured("Whether success grows with the budget was not measured.", why, base)
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


def _unmeasured(claim: str, why: str, base: dict[str, Any]) -> Finding:
    return Finding(verdict="not_measured", claim=claim, reason=why, **base)


def wide_epsilon(facts: Facts) -> float:
    """Return an epsilon within which any ordinary classifier flips: a quarter of the value range per value, or many
    times the largest declared.
    """
    if facts.norm == "linf":
        return min(facts.high - facts.low, max(8 * max(facts.epsilons), (facts.high - facts.low) / 4))
    return WIDER * max(facts.epsilons)
