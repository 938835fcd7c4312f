"""Targeted harm: how much more one perturbation, fitted on one group, harms that group than everyone else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from auditor.checks.common import grey, label, listed, percent, reason, span, why_not
from auditor.checks.fairness.compared import partition_of
from auditor.checks.fairness.harm_displays import excess_rows, success_matrix
from auditor.checks.fairness.held_out import Held, excess_p, largest_excess, null
from auditor.core.displays import AttackBudget, Display
from auditor.core.facts import Facts
from auditor.core.records import Estimate, Evidence, Finding, Observations, Trial, Verdict
from auditor.stats.decisions import decide
from auditor.stats.grouping import Attribute, dealt

FIT: Mapping[str, Any] = {"steps": 20, "batch": 32, "starts": 2, "most": 512}
"""How hard each perturbation is fitted: at most steps x batch x starts gradients, after which more of them change
little.
"""


@dataclass(frozen=True)
class HarmAim:
    """Where harm may be aimed, and at whom."""

    zone: str
    minimum_group: int
    """Samples of a group that a perturbation is fitted on, and correct predictions of one that is compared."""
    refits: int = 0
    """How often the perturbations are fitted again on exchanged labels."""


def harm_trials(facts: Facts, attribute: Attribute, aim: HarmAim) -> tuple[Trial, ...]:
    """Return what fits one perturbation per large group and what judges them on held-out halves, then the same on
    exchanged labels.

    None where fewer than two groups have `minimum_group` samples with the zone: nobody could be told apart.
    """
    names = [name for name, n in _counts(facts, attribute, aim.zone).items() if n >= aim.minimum_group]
    found: list[Trial] = []
    for exchange in range(aim.refits + 1) if len(names) > 1 else ():
        settings = {"attribute": attribute.as_dict(), "names": names, **FIT, "exchange": exchange}
        threat = {"norm": facts.norm, "epsilon": facts.primary, "guard": facts.guard}
        fit = Trial("universal", "", settings, aim.zone, threat, facts.seed, samples=1, keep=True)
        found += [fit, Trial("aimed", "", settings, aim.zone, threat, facts.seed, source=fit)]
    return tuple(found)


def judge_harm(
    facts: Facts, observations: Observations, attribute: Attribute, *, aim: HarmAim, tolerance: float
) -> Finding:
    """Return the finding on the largest excess: success on a group's held-out correct predictions less that on everyone
    else's.
    """
    return _Judge(facts, observations, attribute, aim, tolerance).finding()


@dataclass(frozen=True)
class _Judge:
    """What is known of the harm that was aimed at the groups of one attribute."""

    facts: Facts
    observations: Observations
    attribute: Attribute
    aim: HarmAim
    tolerance: float

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Return the fitting and the judging trial, then those on exchanged labels."""
        return harm_trials(self.facts, self.attribute, self.aim)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Return group -> number of its samples that can be attacked."""
        return _counts(self.facts, self.attribute, self.aim.zone)

    @cached_property
    def seen(self) -> dict[str, float]:
        """Return group -> share of the samples that its perturbations were fitted on and flip."""
        return _seen(self.observations, self.trials)

    @cached_property
    def held(self) -> list[Held]:
        """Return what each judging trial found."""
        minimum = self.aim.minimum_group
        return [Held.of(self.facts, self.observations, self.attribute, trial, minimum) for trial in self.trials[1::2]]

    @cached_property
    def found(self) -> Held:
        """Return what the first judging trial found."""
        return self.held[0] if self.held else Held.empty(self.aim.minimum_group)

    @cached_property
    def excess(self) -> dict[str, Estimate]:
        """Return the excess of each group that has one."""
        return {name: one for name in self.found.names if (one := self.found.excess(name)) is not None}

    def finding(self) -> Finding:
        """Return the finding, whatever its verdict."""
        found, name = self.found, self.attribute.name
        large = {group: one for group, one in self.excess.items() if found.n(group) >= self.aim.minimum_group}
        base: dict[str, Any] = {
            "id": f"fairness/{name}/targeted-harm",
            "check": "fairness",
            "question": 2,
            "evidence": Evidence(trials=tuple(self.observations.key(trial) for trial in self.trials[:2])),
        }
        if len(large) > 1:
            return self.compared(large, base)
        claim = f"Whether harm can be aimed at groups by {name} {self.when} was not measured."
        why = _why_not(found, self.counts, self.observations, trials=self.trials)
        advice = "Audit more samples of each group."
        return Finding(verdict="not_measured", claim=claim, reason=why, advice=advice, displays=self.displays(), **base)

    def compared(self, large: Mapping[str, Estimate], base: Mapping[str, Any]) -> Finding:
        """Return the finding on the groups that are large enough."""
        found, tolerance = self.found, self.tolerance
        estimate, name = largest_excess(found, large), max(large, key=lambda one: (large[one].value, one))
        loose, small = _loose(found, large, self.seen, tolerance=tolerance), sorted(set(self.counts) - set(large))
        verdict, chance = decide(estimate, tolerance), null(self.facts, self.attribute, self.held, trial=self.trials[1])
        why = f"{reason(verdict, estimate, tolerance)}{loose if verdict == 'pass' else ''}"
        why += f"; p = {chance.p:.3f} ({chance.method})"
        why += f"; too few to say for {', '.join(small)} (fewer than {self.aim.minimum_group})" if small else ""
        verdict = "inconclusive" if verdict == "pass" and loose else verdict
        return Finding(
            verdict=verdict,
            claim=_claim(found, self.attribute, name, when=self.when, estimate=estimate),
            estimate=estimate,
            tolerance=tolerance,
            reason=why,
            p=excess_p(found, large, tolerance),
            advice=_advice(verdict, name),
            displays=(*self.displays(), chance),
            rests_on=("attack_quality",),
            **base,
        )

    @property
    def when(self) -> str:
        """Return how far and where a perturbation may go, in words."""
        return f"at {grey(self.facts, self.facts.primary)} {label(self.aim.zone)}"

    def displays(self) -> tuple[Display, ...]:
        """Return what stands beside the claim, whether or not groups could be compared."""
        return (
            partition_of(self.attribute, sum(value == "" for value in self.attribute.values(self.facts.groups))),
            AttackBudget(zone=self.aim.zone, size=self.facts.primary),
            success_matrix(self.found, self.counts),
            *excess_rows(self.found, self.counts, self.excess, seen=self.seen),
        )


def _claim(held: Held, attribute: Attribute, name: str, *, when: str, estimate: Estimate) -> str:
    """Return the sentence with the largest excess, and one that tells aimed harm from a group that anything breaks."""
    aimed = held.aimed(name)
    said = (
        f"By {attribute.name}, one perturbation fitted on half of a group and tried {when} flips more of the group's"
        " other half than of everyone else by at "
    )
    said += f"most {span(estimate)} of correct predictions: {name}, of which it flips {percent(held.success(name))}."
    return said + (
        f" On {name} alone it is ahead of the other groups' perturbations by {span(aimed)}." if aimed else ""
    )


def _loose(held: Held, large: Iterable[str], seen: Mapping[str, float], *, tolerance: float) -> str:
    """Return why a pass cannot be believed: a perturbation flips far more of what it was fitted on, so with more to fit
    on it may flip more of the rest.
    """
    gaps = {name: seen[name] - held.success(name) for name in large if name in seen}
    worst = max(gaps, key=lambda name: (gaps[name], name), default="")
    if not worst or gaps[worst] <= tolerance:
        return ""
    return (
        f"; but too few to fit on: the perturbations of {worst} flip {percent(seen[worst])} of the samples that they"
        f" were fitted on and {percent(held.success(worst))} of the others, so harm may be aimed better than was found"
    )


def _seen(observations: Observations, trials: Sequence[Trial]) -> dict[str, float]:
    """Return the share of the samples that each group's perturbations were fitted on and flip."""
    rows = [row.values for trial in trials[:1] for row in observations.of(trial).values() if row.missing is None]
    found = {}
    for place, name in enumerate(trials[0].settings["names"] if rows else ()):
        sizes = [
            (rows[0].get(f"samples/{place}/{side}", 0), rows[0].get(f"success/{place}/{side}", 0)) for side in (0, 1)
        ]
        if sum(n for n, _ in sizes):
            found[name] = sum(n * share for n, share in sizes) / sum(n for n, _ in sizes)
    return found


def _counts(facts: Facts, attribute: Attribute, zone: str) -> dict[str, int]:
    """Return group -> number of its samples that have the zone, sorted by group."""
    return dict(sorted(Counter(group for group in dealt(attribute, facts, zone, seed=facts.seed)[0] if group).items()))


def _why_not(held: Held, counts: Mapping[str, int], observations: Observations, *, trials: Sequence[Trial]) -> str:
    """Return why no two groups were compared: too few samples, nothing fitted, nothing judged, or too few correct
    predictions.
    """
    small = f"too few to say: fewer than two groups have {held.minimum} samples that can be attacked ({listed(counts)})"
    if not trials:
        return small
    fits, judged = (observations.of(trial).values() for trial in trials[:2])
    if not held.flags.size:
        return why_not(judged if any(row.missing is None for row in fits) else fits)
    correct = {name: held.n(name) for name in held.names}
    if sum(n >= held.minimum for n in correct.values()) > 1:
        return "the groups have no class in common"
    return f"too few to say: fewer than two groups have {held.minimum} correct predictions ({listed(correct)})"


def _advice(verdict: Verdict, name: str) -> str:
    if verdict == "fail":
        return (
            f"Control who can alter inputs of {name}, and train against such perturbations: harm can be aimed at this"
            " group."
        )
    return "No action." if verdict == "pass" else "Audit more samples of each group."
