"""Fairness: is the model as accurate, and as hard to break, for everyone?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from auditor.checks import checks
from auditor.checks.common import clean_trial, evasion_trial, grey, plain, reason, span, why_not
from auditor.records import Card, Estimate, Evidence, Facts, Finding, Observations, Trial, Verdict
from auditor.stats import decide, proportion
from auditor.strata import Strata, stratified_difference, stratified_difference_p
from auditor.zones import single_zone

Flags = dict[str, float]
"""sample id -> 0 or 1"""


@dataclass(frozen=True)
class Gap:
    """The largest difference between any two groups, with an interval that holds for all pairs at once."""

    estimate: Estimate
    pair: tuple[str, str]
    """Groups with the larger and with the smaller share."""
    p: float


@checks.register("fairness")
@dataclass(frozen=True, kw_only=True)
class Fairness:
    """Clean accuracy and attack success per group, compared among equals."""

    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.10
    minimum_group: Annotated[int, Field(ge=2)] = 30
    zone: Annotated[str, AfterValidator(single_zone)] = "everywhere"

    card: ClassVar[Card] = Card(
        title="Fairness: as reliable for everyone?",
        purpose="Whether the model errs more often, or is easier to break, for some groups of people than for others.",
        mechanism="Per group: accuracy, robust accuracy (still correct under attack) and attack success among correct predictions, from the same "
        "attacks as exposure. "
        "Gaps between groups are standardised to the same mix of classes, with intervals that hold for all pairs at once and count patients, not images.",
        reading="A gap whose whole interval lies beyond the tolerance fails; wholly within passes; anything else is too few to tell.",
        limits="Groups below the declared minimum are listed but not compared. A gap may come from the data (scanner, stage of disease) and not "
        "from the group itself. "
        "Where an attack flips nearly everyone, no gap in robustness can show.",
        reference="Newcombe 1998 (method 10); Zou and Donner 2008 for the combination over classes; Bonferroni over pairs.",
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return the plain answers and the attacks that exposure asks for too; none without groups."""
        return (clean_trial(), evasion_trial(facts, self.zone, facts.primary)) if facts.groups else ()

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return two findings per attribute: the gap in accuracy, and in attack success."""
        if not facts.groups:
            claim = "No group column is declared, so nothing can be said about groups of people."
            return (Finding("fairness/groups", "fairness", "not_measured", claim, reason="data.groups is empty", question=2, primary=True),)
        return tuple(found for attribute in sorted(facts.groups) for found in self._attribute(facts, observations, attribute))

    def _attribute(self, facts: Facts, observations: Observations, attribute: str) -> tuple[Finding, ...]:
        trials = self.trials(facts)
        clean_rows, attack_rows = (observations.of(trial) for trial in trials)
        clean = {name: row.values["correct"] for name, row in clean_rows.items() if row.error is None}
        fooled = {name: row.values["fooled"] for name, row in attack_rows.items() if row.error is None and row.values["correct"] == 1}
        robust = {name: float(clean[name] == 1 and fooled.get(name, 1.0) == 0) for name in clean if clean[name] == 0 or name in fooled}
        members = _members(facts, attribute)
        table = [self._group(facts, name, ids, clean, robust, fooled) for name, ids in sorted(members.items())]
        unknown = sum(value == "" for value in facts.groups[attribute])
        details = {"zone": self.zone, "epsilon": facts.primary, "groups": table, "unknown": unknown}
        where = Evidence(trials=tuple(observations.key(trial) for trial in trials))
        texts = {
            "gap": ("attack success among correct predictions", f"at {grey(facts, facts.primary)} {self.zone}", fooled, attack_rows),
            "accuracy-gap": ("accuracy", "without any attack", clean, clean_rows),
        }
        result = []
        for kind, (what, when, flags, rows) in texts.items():
            base: dict[str, Any] = {"id": f"fairness/{attribute}/{kind}", "check": "fairness", "evidence": where, "question": 2, "primary": True}
            base |= {"rests_on": ("attack_quality",)} if kind == "gap" else {}
            usable = {name: [one for one in ids if one in flags] for name, ids in members.items()}
            large = {name: ids for name, ids in usable.items() if len(ids) >= self.minimum_group}
            gap = _largest_gap(facts, large, flags, against=self.tolerance)
            shown = details if kind == "gap" else {"unknown": unknown}
            if gap is None:
                claim = f"Groups by {attribute} could not be compared in {what} {when}."
                why = why_not(rows.values()) if not flags else self._too_few(usable) if len(large) < 2 else "the groups have no class in common"
                result.append(
                    Finding(verdict="not_measured", claim=claim, reason=why, advice="Collect more samples of the small groups.", details=shown, **base)
                )
                continue
            verdict = decide(gap.estimate, self.tolerance)
            claim = f"By {attribute}, the largest difference in {what} {when} is {span(gap.estimate)}: {gap.pair[0]} is above {gap.pair[1]}."
            small = sorted(set(usable) - set(large))
            why = reason(verdict, gap.estimate, self.tolerance) + (
                f"; too few to say for {', '.join(small)} (fewer than {self.minimum_group})" if small else ""
            )
            result.append(
                Finding(
                    verdict=verdict,
                    claim=claim,
                    estimate=gap.estimate,
                    tolerance=self.tolerance,
                    reason=why,
                    advice=_advice(verdict, attribute),
                    p=gap.p,
                    details={**shown, "pair": list(gap.pair)},
                    **base,
                )
            )
        return tuple(result)

    def _group(self, facts: Facts, name: str, ids: list[str], clean: Flags, robust: Flags, fooled: Flags) -> dict[str, Any]:
        def share(flags: Flags, unit: str) -> dict[str, Any] | None:
            mine = [one for one in ids if one in flags]
            return plain(proportion([flags[one] for one in mine], [facts.unit_of[one] for one in mine], unit=unit))

        note = f"too few to say: {len(ids)} of at least {self.minimum_group} samples" if len(ids) < self.minimum_group else ""
        return {
            "group": name,
            "n": len(ids),
            "clean": share(clean, "accuracy"),
            "robust": share(robust, "robust accuracy"),
            "success": share(fooled, "attack success among correct"),
            "note": note,
        }

    def _too_few(self, usable: dict[str, list[str]]) -> str:
        counts = ", ".join(f"{name} {len(ids)}" for name, ids in sorted(usable.items()))
        return f"too few to say: fewer than two groups have {self.minimum_group} usable samples ({counts})"


def _members(facts: Facts, attribute: str) -> dict[str, list[str]]:
    members: dict[str, list[str]] = defaultdict(list)
    for name, value in zip(facts.ids, facts.groups[attribute], strict=True):
        if value:
            members[value].append(name)
    return dict(members)


def _strata(facts: Facts, ids: list[str], flags: Flags) -> Strata:
    label = dict(zip(facts.ids, facts.y, strict=True))
    strata: dict[str, tuple[list[float], list[str]]] = {}
    for name in ids:
        values, units = strata.setdefault(facts.classes[label[name]], ([], []))
        values.append(flags[name])
        units.append(facts.unit_of[name])
    return strata


def _largest_gap(facts: Facts, groups: dict[str, list[str]], flags: Flags, *, against: float) -> Gap | None:
    pairs = list(combinations(sorted(groups), 2))
    strata = {name: _strata(facts, ids, flags) for name, ids in groups.items()}
    found: list[tuple[float, float, float, tuple[str, str], float]] = []
    for a, b in pairs:
        one = stratified_difference(strata[a], strata[b], level=1 - 0.05 / len(pairs))
        if one is None:
            continue
        value, low, high = one
        higher, lower = (a, b) if value >= 0 else (b, a)
        low, high = (low, high) if value >= 0 else (-high, -low)
        p = stratified_difference_p(strata[higher], strata[lower], against)
        found.append((abs(value), max(0.0, low), max(high, -low), (higher, lower), min(1.0, p * len(pairs))))
    if not found:
        return None
    value, _, _, pair, _ = max(found)
    low, high = max(one[1] for one in found), max(one[2] for one in found)
    p = min(one[4] for one in found) if low > against else max(one[4] for one in found)
    n = sum(len(ids) for ids in groups.values())
    units = len({facts.unit_of[name] for ids in groups.values() for name in ids})
    method = "Newcombe by class, standardised, effective sample size by unit, simultaneous over pairs"
    return Gap(Estimate(value, low, high, n, "difference of shares", method, 0.95, units if units < n else None), pair, p)


def _advice(verdict: Verdict, attribute: str) -> str:
    if verdict == "fail":
        return f"Find out why groups by {attribute} differ (data, image quality, stage of disease) before the model is used for all of them."
    return "No action." if verdict == "pass" else "Audit more people of each group."
