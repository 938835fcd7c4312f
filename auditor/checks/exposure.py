"""Exposure: can the prediction be flipped without touching what matters?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from auditor.checks import checks
from auditor.checks.common import evasion_trial, grey, percent, plain, reason, span, usable, why_not
from auditor.records import Card, Estimate, Evidence, Facts, Finding, Observations, Trial
from auditor.stats import decide, proportion, proportion_p
from auditor.zones import expand_zones, resolve_zones

LABELS = {
    "outside": "outside the expert's mask",
    "inside": "inside the expert's mask",
    "everywhere": "anywhere in the image",
    "control/0": "in a control zone (the outside, shifted)",
    "control/1": "in a control zone (the outside, turned)",
    "control/2": "in a control zone (the outside, scattered)",
}


@checks.register("exposure")
@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Masked attack per zone and epsilon, beside control zones and random noise."""

    zones: Annotated[tuple[str, ...], AfterValidator(expand_zones), Field(min_length=1)] = ("outside", "inside", "everywhere", "control/0", "control/1")
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.10
    noise: bool = True

    card: ClassVar[Card] = Card(
        title="Exposure: the masked attack",
        purpose="Whether a prediction can be flipped while every pixel that matters stays as it is, bit for bit.",
        mechanism="For each correctly classified sample an attack searches for a change of at most epsilon per value that may be written in one zone only. "
        "The found point is rounded to what an image file can hold, checked against zone, value range and epsilon, and shown to the model "
        "again; only then it counts. "
        "The same budget spent on random noise, and on zones of the same area that ignore the anatomy, stands beside it.",
        reading="The curve shows which share of the correct predictions flips at each budget. High in 'outside' means that an attacker does not need "
        "the lesion. "
        "If the control zones flip as often, place does not matter to the attack.",
        limits="Exposure is a finding about security. It is never by itself evidence of a shortcut: honest networks flip too, and reliance decides "
        "that question. "
        "A low rate shows that this attack found nothing, not that nothing exists.",
        reference="Madry et al. 2018 (arXiv:1706.06083); Wilson 1927 for the intervals.",
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return one trial per zone and epsilon, and one of random noise."""
        attacks = (None, "random_noise") if self.noise else (None,)
        return tuple(
            evasion_trial(facts, zone, epsilon, attack=attack)
            for zone in resolve_zones(self.zones, facts.regions)
            for attack in attacks
            for epsilon in facts.epsilons
        )

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return one finding per zone; the one on 'outside' decides."""
        return tuple(self._zone(facts, observations, zone) for zone in resolve_zones(self.zones, facts.regions))

    def _zone(self, facts: Facts, observations: Observations, zone: str) -> Finding:
        curve = self._curve(facts, observations, zone, None)
        details = {
            "zone": zone,
            "label": LABELS.get(zone, zone),
            "curve": curve,
            "noise": self._curve(facts, observations, zone, "random_noise") if self.noise else [],
        }
        trial = evasion_trial(facts, zone, facts.primary)
        rows = observations.of(trial)
        hits = usable(rows)
        flags = [row.values["fooled"] for row in hits.values()]
        units = [facts.unit_of[name] for name in hits]
        estimate = proportion(flags, units, unit="share of correct predictions flipped")
        shown = Evidence(
            tuple(name for name, row in hits.items() if row.values["fooled"])[:20],
            tuple(observations.key(evasion_trial(facts, zone, e)) for e in facts.epsilons),
        )
        budget, primary = grey(facts, facts.primary), zone == "outside"
        base: dict[str, Any] = {
            "id": f"exposure/{zone}",
            "check": "exposure",
            "evidence": shown,
            "question": 4,
            "primary": primary,
            "details": details,
            "rests_on": ("attack_quality",),
        }
        if estimate is None:
            return Finding(verdict="not_measured", claim=f"Flips {LABELS.get(zone, zone)} were not measured.", reason=why_not(rows.values()), **base)
        verdict = decide(estimate, self.tolerance)
        where = LABELS.get(zone, zone)
        claim = f"{span(estimate)} of {estimate.n} correct predictions flip when values {where} change by at most {budget}{self._noise_clause(details, facts)}."
        p = proportion_p(flags, units, self.tolerance)
        advice = _advice(verdict, zone, estimate)
        return Finding(
            verdict=verdict,
            claim=claim,
            estimate=estimate,
            tolerance=self.tolerance,
            reason=reason(verdict, estimate, self.tolerance),
            advice=advice,
            p=p,
            **base,
        )

    def _curve(self, facts: Facts, observations: Observations, zone: str, attack: str | None) -> list[dict[str, Any]]:
        points = []
        for epsilon in facts.epsilons:
            rows = observations.of(evasion_trial(facts, zone, epsilon, attack=attack))
            hits = usable(rows)
            estimate = proportion(
                [row.values["fooled"] for row in hits.values()], [facts.unit_of[name] for name in hits], unit="share of correct predictions flipped"
            )
            points.append({"epsilon": epsilon, "estimate": plain(estimate), "reason": "" if estimate else why_not(rows.values())})
        return points

    def _noise_clause(self, details: dict[str, Any], facts: Facts) -> str:
        for point in details["noise"]:
            if point["epsilon"] == facts.primary and point["estimate"]:
                return f"; random noise of the same size flips {percent(point['estimate']['value'])}"
        return ""


def _advice(verdict: str, zone: str, estimate: Estimate) -> str:
    if zone != "outside":
        return ""
    if verdict == "fail":
        return (
            "Treat input images as untrusted: control who can alter them before the model sees them, or train against such attacks. "
            "This is a security finding; whether the model relies on the background is question 1."
        )
    if verdict == "pass":
        return "No action; repeat with stronger attacks before calling the model robust."
    return "Audit more samples, or declare another tolerance before the next run."
