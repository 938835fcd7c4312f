"""Exposure: can the prediction be flipped without touching what matters?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from auditor.checks import checks
from auditor.checks.common import evasion_trial, grey, label, percent
from auditor.checks.exposure.against import Comparison, ComparisonNames, beside, paired_table
from auditor.checks.exposure.directions import Pair, by_class, class_table, directed_trial, pairs
from auditor.checks.exposure.judge import FlipClaim, judge_flips
from auditor.checks.exposure.search import curve
from auditor.checks.exposure.smallest import relative, search_trial, thresholds, zone_steps
from auditor.core.displays import Display, Steps, TableDisplay
from auditor.core.facts import Facts
from auditor.core.records import Card, Finding, Observations, Trial, Verdict
from auditor.core.zones import control_number, expand_zones, resolve_zones
from auditor.modalities.images.checks.attacked import EveryZone, attacked, by_epsilon

DENSE = ("square", "boundary", "carlini_wagner")
"""Attacks that do not serve the norm l0."""
_COUNTED = "correct predictions"
_RESTS_ON = ("attack_quality",)
_NAMES = ComparisonNames(label, "random noise of the same size")
_ADVICE: Mapping[Verdict, str] = {
    "fail": (
        "Treat input images as untrusted: control who can alter them before the model sees them, or train against"
        " such attacks. This is a security finding; whether the model relies on the background is question 1."
    ),
    "pass": "No action; repeat with stronger attacks before calling the model robust.",
    "inconclusive": "Audit more samples, or declare another tolerance before the next run.",
}


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
        return not self.smallest or (control_number(zone) or 0) == 0

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
        every = {zone: attacked(facts, observations, evasion_trial(facts, zone, facts.primary)) for zone in named}
        found = {zone: thresholds(facts, observations, zone, search=self._search(facts, zone)) for zone in named}
        seen = EveryZone(facts, observations, every, found)
        zones = [self._zone(seen, zone) for zone in named]
        few = [self._few(facts, observations)] if self.few_values else []
        return (*zones, *few, *(self._direction(facts, observations, pair) for pair in pairs(facts, self.directions)))

    def _zone(self, seen: EveryZone, zone: str) -> Finding:
        facts, where = seen.facts, label(zone)
        trials = [evasion_trial(facts, zone, epsilon) for epsilon in facts.epsilons]
        noise = by_epsilon(facts, seen.observations, zone, attack="random_noise") if self.noise else {}
        against = beside(zone, seen.every, noise.get(facts.primary), budget=facts.primary, names=_NAMES)
        shown: list[Display] = [
            curve(by_epsilon(facts, seen.observations, zone).items(), zone=zone, label=where, role="attack"),
            curve(noise.items(), zone=zone, label=where, role="noise"),
            *seen.every[zone].area(),
            *([self._smallest(seen, zone)] if self._searched(zone) else []),
            *(self._tables(seen, against) if zone == "outside" else []),
        ]
        said = FlipClaim(
            id=f"exposure/{zone}",
            counted=_COUNTED,
            samples="samples",
            claim=f"flip when values {where} change by at most {grey(facts, facts.primary)}{_clause(zone, against)}.",
            missing=f"Flips {where} were not measured.",
            trials=tuple(seen.observations.key(trial) for trial in trials),
            displays=tuple(shown),
            primary=zone == "outside",
            advice=_ADVICE if zone == "outside" else {},
            rests_on=_RESTS_ON,
        )
        reached = {name: float(one.within(facts.primary)) for name, one in seen.found[zone].items()}
        return judge_flips(seen.every[zone], said, budget=facts.primary, tolerance=self.tolerance, elsewhere=reached)

    def _tables(self, seen: EveryZone, against: Sequence[Comparison]) -> list[TableDisplay]:
        """Return what stands beside the attack outside, and what becomes of each class there."""
        facts, used = seen.facts, seen.every["outside"].used
        budget = grey(facts, facts.primary)
        title = f"Outside compared with its controls at {budget}, on the same samples"
        classes = by_class(facts, used, seen.found["outside"]) if used else []
        paired = paired_table(facts, against, title=title, less="Outside less that", samples="Samples")
        return [paired, class_table(facts, classes, budget)]

    def _smallest(self, seen: EveryZone, zone: str) -> Steps:
        facts, flags, known = seen.facts, seen.every[zone].flags(seen.facts.primary), seen.found[zone]
        compared = zone != "outside" and "outside" in seen.found
        return replace(
            zone_steps(facts, seen.observations, known, search=self._search(facts, zone), zone=zone),
            missed=sum(name in flags and not flags[name] and one.within(facts.primary) for name, one in known.items()),
            relative=relative(facts, known, seen.found["outside"]) if compared else None,
        )

    def _few(self, facts: Facts, observations: Observations) -> Finding:
        trial = self._few_trial(facts)
        search = attacked(facts, observations, trial)
        single = all(row.values["channels"] == 1 for row in search.used.values() if "channels" in row.values)
        plural = "" if self.few_values == 1 else "s"
        what = (
            f"{self.few_values} pixel{plural}"
            if single
            else f"{self.few_values} value{plural} (each colour channel of a pixel is one)"
        )
        said = FlipClaim(
            id="exposure/few-pixels",
            counted=_COUNTED,
            samples="samples",
            claim=f"flip when at most {what} outside the expert's mask change, but these to any grey level.",
            missing=(
                f"Flips by a change of at most {self.few_values} values outside the expert's mask were not measured."
            ),
            trials=(observations.key(trial),),
            rests_on=_RESTS_ON,
        )
        return judge_flips(search, said, budget=search.epsilon, tolerance=self.tolerance)

    def _direction(self, facts: Facts, observations: Observations, pair: Pair) -> Finding:
        trial, (own, end) = self._directed_trial(facts, pair), (facts.classes[place] for place in pair)
        label_of = dict(zip(facts.ids, facts.y, strict=True))
        search = attacked(facts, observations, trial)
        mine = replace(search, rows={name: row for name, row in search.rows.items() if label_of[name] == pair[0]})
        way = f"from '{own}' to exactly '{end}'"
        said = FlipClaim(
            id=f"exposure/{own}-to-{end}",
            counted=_COUNTED,
            samples="samples",
            claim=f"go {way} when values {label(trial.zone)} change by at most {grey(facts, facts.primary)}.",
            missing=f"Flips {way} were not measured.",
            trials=(observations.key(trial),),
            rests_on=_RESTS_ON,
        )
        return judge_flips(mine, said, budget=search.epsilon, tolerance=self.tolerance)


def _clause(zone: str, against: Sequence[Comparison]) -> str:
    """Return what flips without the attack, and in a control zone, at the primary epsilon."""
    said = ""
    for one in against:
        if one.there and one.zone in ("control/0", zone):
            what = "random noise of the same size" if one.zone == zone else "a control zone of the same area"
            said += f"; {what} flips {percent(one.there.value)}"
    return said
