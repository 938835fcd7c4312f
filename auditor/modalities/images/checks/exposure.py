"""Exposure: can the prediction be flipped without touching what matters?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import AfterValidator, Field

from auditor.checks import checks
from auditor.checks.common import evasion_trial, grey, label, percent, plain, reason, span, usable, why_not
from auditor.checks.exposure.against import compared, paired_table
from auditor.checks.exposure.directions import Pair, by_class, class_table, directed_trial, pairs
from auditor.checks.exposure.smallest import Thresholds, described, relative, search_trial, thresholds
from auditor.core.facts import Facts
from auditor.core.records import Card, Estimate, Evidence, Finding, Observation, Observations, Trial
from auditor.core.zones import expand_zones, resolve_zones
from auditor.stats.shares import decide, proportion, proportion_p

DENSE = ("square", "boundary", "carlini_wagner")
"""Attacks that do not serve the norm l0."""
FLIPPED = "share of correct predictions flipped"
Rows = Mapping[str, Observation]


@checks.register("exposure", modality="image")
@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How often an attack flips the answer, by zone and budget, beside control zones and random noise."""

    zones: Annotated[tuple[str, ...], AfterValidator(expand_zones), Field(min_length=1)] = (
        "outside",
        "inside",
        "everywhere",
        "control/0",
        "control/1",
        "named",
    )
    """Where an attack may write, one zone after the other; 'control' means three control zones, 'named' all zones
    that the data name."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.10
    """Largest share of correct predictions that an attack may flip; what it does outside the mask decides."""
    noise: bool = True
    """Whether random noise of the same size stands beside every attack."""
    smallest: bool = True
    """Whether the smallest change that flips is searched for each sample."""
    few_values: Annotated[int, Field(ge=0)] = 10
    """How many values an attack may change to anything it likes, in one more finding; 0: no such attack."""
    directions: tuple[tuple[str, str], ...] = ()
    """Pairs of classes; an attack aims from the first to the second, and back."""
    samples: Annotated[int, Field(ge=1)] = 200
    """Samples in the searches for the smallest change, for few values and for directions."""

    card: ClassVar[Card] = Card(
        title="Exposure: the masked attack",
        purpose="Whether a prediction can be flipped while every pixel that matters stays as it is, bit for bit.",
        mechanism=(
            "For each correctly classified sample an attack searches for a change of at most epsilon per value that may"
            " be written in one zone only. The found point is rounded to what an image file can hold, checked against"
            " zone, value range and epsilon, and shown to the model again; only then it counts. The same budget spent"
            " on random noise, and on zones of the same area that ignore the anatomy, stands beside it, compared on the"
            " same samples. A further search looks for each sample's smallest epsilon, and an attack that may change a"
            " few values only, but these at will, is tried too."
        ),
        reading=(
            "The curve shows which share of the correct predictions flips at each budget. High in 'outside' means that"
            " an attacker does not need the lesion. If the control zones flip as often, place does not matter to the"
            " attack. Sensitivity is the margin divided by the smallest epsilon and by the number of values that may"
            " change together (its square root under l2), so that zones of different size can be compared."
        ),
        limits=(
            "Exposure is a finding about security. It is never by itself evidence of a shortcut: honest networks flip"
            " too, and reliance decides that question. A low rate shows that this attack found nothing, not that"
            " nothing exists; a smallest epsilon is an upper bound for the same reason."
        ),
        reference=(
            "Madry et al. 2018 (arXiv:1706.06083); Wilson 1927, Lancaster 1961 (mid-P) and Newcombe 1998 for the"
            " intervals; McNemar 1947 for pairs."
        ),
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return one trial per zone and epsilon, and one of random noise; then the searches on fewer samples
        (ConfigError: unknown class).
        """
        attacks = (None, "random_noise") if self.noise else (None,)
        zones = resolve_zones(self.zones, facts.regions)
        plain_ones = [
            evasion_trial(facts, zone, epsilon, attack=attack)
            for zone in zones
            for attack in attacks
            for epsilon in facts.epsilons
        ]
        searches = [trial for zone in zones if (trial := self._search(facts, zone)) is not None]
        aimed = [self._directed_trial(facts, pair) for pair in pairs(facts, self.directions)]
        few = [self._few_trial(facts)] if self.few_values else []
        return tuple(dict.fromkeys([*plain_ones, *searches, *aimed, *few]))

    def _searched(self, zone: str) -> bool:
        """Return whether smallest epsilons are shown for a zone: one control zone is enough, and what was not searched
        alike is not comparable.
        """
        return not self.smallest or not zone.startswith("control/") or zone == "control/0"

    def _search(self, facts: Facts, zone: str) -> Trial | None:
        return search_trial(facts, zone, self.samples) if self.smallest and self._searched(zone) else None

    def _directed_trial(self, facts: Facts, pair: Pair) -> Trial:
        return directed_trial(evasion_trial(facts, "outside", facts.primary), pair, self.samples)

    def _few_trial(self, facts: Facts) -> Trial:
        if facts.norm == "l0" and self.few_values in facts.epsilons:
            return evasion_trial(facts, "outside", float(self.few_values))
        method, settings = (
            (facts.attack, facts.attack_settings) if facts.attack not in DENSE else ("evade", {"effort": "fast"})
        )
        threat = {"norm": "l0", "epsilon": float(self.few_values), "guard": facts.guard}
        return Trial("evasion", method, settings, "outside", threat, facts.seed, samples=self.samples)

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return one finding per zone, of which 'outside' decides, and one each for few values and for every
        direction.
        """
        named = resolve_zones(self.zones, facts.regions)
        found = {zone: thresholds(facts, observations, zone, self._search(facts, zone)) for zone in named}
        zones = [self._zone(facts, observations, zone, found) for zone in named]
        few = [self._few(facts, observations)] if self.few_values else []
        return (*zones, *few, *(self._direction(facts, observations, pair) for pair in pairs(facts, self.directions)))

    def _zone(self, facts: Facts, observations: Observations, zone: str, found: Mapping[str, Thresholds]) -> Finding:
        rows, where = observations.of(evasion_trial(facts, zone, facts.primary)), label(zone)
        trials = [evasion_trial(facts, zone, epsilon) for epsilon in facts.epsilons]
        details = self._details(facts, observations, zone, usable(rows), found)
        said = f"flip when values {where} change by at most {grey(facts, facts.primary)}{_clause(details)}."
        base: dict[str, Any] = {"id": f"exposure/{zone}", "primary": zone == "outside", "details": details}
        finding = self._finding(
            facts, observations, trials, rows=rows, said=said, missing=f"Flips {where} were not measured.", **base
        )
        return self._doubted(facts, finding, usable(rows), found[zone])

    def _doubted(self, facts: Facts, finding: Finding, hits: Rows, found: Thresholds) -> Finding:
        """Return the finding with its advice, and no pass where flips that only the search for the smallest epsilon
        found say otherwise.
        """
        flags = [
            float(bool(row.values["fooled"]) or (name in found and found[name].within(facts.primary)))
            for name, row in hits.items()
        ]
        known = proportion(flags, [facts.unit_of[name] for name in hits], unit=FLIPPED)
        if finding.verdict == "pass" and known is not None and decide(known, self.tolerance) != "pass":
            why = (
                f"{finding.reason}; but with what the search for the smallest change flips at this budget it is"
                f" {span(known)}"
            )
            finding = replace(finding, verdict="inconclusive", reason=why)
        return replace(finding, advice=_advice(finding.verdict)) if finding.primary and finding.estimate else finding

    def _details(
        self, facts: Facts, observations: Observations, zone: str, hits: Rows, found: Mapping[str, Thresholds]
    ) -> dict[str, Any]:
        areas = [(row.values["area"], row.values["area_share"]) for row in hits.values() if "area" in row.values]
        missed = [
            name
            for name, one in found[zone].items()
            if name in hits and not hits[name].values["fooled"] and one.within(facts.primary)
        ]
        against = self._against(facts, observations, zone, hits)
        details: dict[str, Any] = {
            "zone": zone,
            "label": label(zone),
            "curve": self._curve(facts, observations, zone, None),
            "noise": self._curve(facts, observations, zone, "random_noise") if self.noise else [],
            "area": (
                {
                    "values": float(np.median([one for one, _ in areas])),
                    "share": float(np.median([one for _, one in areas])),
                }
                if areas
                else None
            ),
            "smallest": (
                {
                    **described(facts, observations, found[zone], self._search(facts, zone)),
                    "missed": len(missed),
                }
                if self._searched(zone)
                else None
            ),
            "relative": (
                plain(relative(facts, found[zone], found["outside"]))
                if self._searched(zone) and zone != "outside" and "outside" in found
                else None
            ),
            "against": against,
        }
        if zone == "outside":
            classes = by_class(facts, hits, found[zone]) if hits else []
            title = f"Outside compared with its controls at {grey(facts, facts.primary)}, on the same samples"
            paired = paired_table(facts, against, title=title, less="Outside less that", samples="Samples")
            details |= {"classes": classes, "tables": [paired, class_table(facts, classes, grey(facts, facts.primary))]}
        return details

    def _against(self, facts: Facts, observations: Observations, zone: str, hits: Rows) -> list[dict[str, Any]]:
        """Return how much more often a zone flips than random noise in it and, for 'outside', than each control zone,
        on the same samples.
        """
        others = [
            (label(other), evasion_trial(facts, other, facts.primary))
            for other in self.zones
            if zone == "outside" and other.startswith("control/")
        ]
        others += (
            [("random noise of the same size", evasion_trial(facts, zone, facts.primary, attack="random_noise"))]
            if self.noise
            else []
        )
        found = []
        mine = _flags(hits)
        for name, trial in others:
            rows = observations.of(trial)
            found.append(compared(facts, name, trial.zone, mine, _flags(usable(rows)), rows, FLIPPED))
        return found

    def _curve(self, facts: Facts, observations: Observations, zone: str, attack: str | None) -> list[dict[str, Any]]:
        points = []
        for epsilon in facts.epsilons:
            rows = observations.of(evasion_trial(facts, zone, epsilon, attack=attack))
            estimate = _share(facts, usable(rows))
            points.append(
                {"epsilon": epsilon, "estimate": plain(estimate), "reason": "" if estimate else why_not(rows.values())}
            )
        return points

    def _few(self, facts: Facts, observations: Observations) -> Finding:
        trial = self._few_trial(facts)
        rows = observations.of(trial)
        single = all(row.values["channels"] == 1 for row in usable(rows).values() if "channels" in row.values)
        plural = "" if self.few_values == 1 else "s"
        what = (
            f"{self.few_values} pixel{plural}"
            if single
            else f"{self.few_values} value{plural} (each colour channel of a pixel is one)"
        )
        return self._finding(
            facts,
            observations,
            [trial],
            rows=rows,
            said=f"flip when at most {what} outside the expert's mask change, but these to any grey level.",
            missing=(
                f"Flips by a change of at most {self.few_values} values outside the expert's mask were not measured."
            ),
            id="exposure/few-pixels",
            details={"zone": trial.zone, "values": self.few_values, "method": trial.method},
        )

    def _direction(self, facts: Facts, observations: Observations, pair: Pair) -> Finding:
        trial, (own, end) = self._directed_trial(facts, pair), (facts.classes[place] for place in pair)
        label_of = dict(zip(facts.ids, facts.y, strict=True))
        way = f"from '{own}' to exactly '{end}'"
        return self._finding(
            facts,
            observations,
            [trial],
            rows={name: row for name, row in observations.of(trial).items() if label_of[name] == pair[0]},
            said=f"go {way} when values {label(trial.zone)} change by at most {grey(facts, facts.primary)}.",
            missing=f"Flips {way} were not measured.",
            id=f"exposure/{own}-to-{end}",
            details={"zone": trial.zone, "from": own, "to": end},
        )

    def _finding(
        self,
        facts: Facts,
        observations: Observations,
        trials: list[Trial],
        *,
        rows: Rows,
        said: str,
        missing: str,
        **base: Any,
    ) -> Finding:
        """Return a finding on the share of correct predictions that are fooled, with its evidence; `missing` is said
        where there are none.
        """
        hits = usable(rows)
        estimate, flags = _share(facts, hits), [row.values["fooled"] for row in hits.values()]
        shown = Evidence(
            tuple(name for name, row in hits.items() if row.values["fooled"])[:20],
            tuple(observations.key(trial) for trial in trials),
        )
        base |= {"check": "exposure", "evidence": shown, "question": 4, "rests_on": ("attack_quality",)}
        if estimate is None:
            return Finding(verdict="not_measured", claim=missing, reason=why_not(rows.values()), **base)
        verdict, p = (
            decide(estimate, self.tolerance),
            proportion_p(flags, [facts.unit_of[name] for name in hits], self.tolerance),
        )
        claim, why = (
            f"{span(estimate)} of {estimate.n} correct predictions {said}",
            reason(verdict, estimate, self.tolerance),
        )
        return Finding(
            verdict=verdict, claim=claim, estimate=estimate, tolerance=self.tolerance, reason=why, p=p, **base
        )


def _share(facts: Facts, hits: Rows) -> Estimate | None:
    return proportion(
        [row.values["fooled"] for row in hits.values()], [facts.unit_of[name] for name in hits], unit=FLIPPED
    )


def _clause(details: Mapping[str, Any]) -> str:
    """Return what flips without the attack, and in a control zone, at the primary epsilon."""
    said = ""
    for one in details["against"]:
        if one["there"] and one["zone"] in ("control/0", details["zone"]):
            what = (
                "random noise of the same size" if one["zone"] == details["zone"] else "a control zone of the same area"
            )
            said += f"; {what} flips {percent(one['there']['value'])}"
    return said


def _flags(hits: Rows) -> dict[str, float]:
    return {name: row.values["fooled"] for name, row in hits.items()}


def _advice(verdict: str) -> str:
    if verdict == "fail":
        return (
            "Treat input images as untrusted: control who can alter them before the model sees them, or train against"
            " such attacks. This is a security finding; whether the model relies on the background is question 1."
        )
    if verdict == "pass":
        return "No action; repeat with stronger attacks before calling the model robust."
    return "Audit more samples, or declare another tolerance before the next run."
