"""One gap between groups: the largest difference of a share, compared among equals, with what a sceptic asks next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.checks.common import listed, percent, reason, span
from auditor.checks.fairness.group_rows import Group
from auditor.checks.fairness.measured import Flags
from auditor.core.displays import Disparity, Display, Named, Rows, TableCell, TableDisplay
from auditor.core.facts import Facts
from auditor.core.records import Finding, Verdict
from auditor.stats.decisions import decide
from auditor.stats.exchange import breslow_day_p, mantel_haenszel_p, permutation_p
from auditor.stats.gaps import Gap, largest_gap, needed_per_group, shortfalls
from auditor.stats.shares import difference
from auditor.stats.strata import Side, Strata


@dataclass(frozen=True)
class Question:
    """What is compared between groups: a share of which more is better."""

    flags: Flags
    what: str
    """What the flags are shares of, in the claim: 'accuracy'."""
    when: str
    missing: str
    """Why there are no flags."""
    tests: tuple[Named, ...] = ()
    """Further tests of whether the groups differ."""


@dataclass(frozen=True)
class GapRule:
    """How a gap is judged."""

    tolerance: float
    minimum: int
    level: float
    """Level of the interval that holds for all pairs of groups together."""


def judge_gap(
    facts: Facts, attribute: str, groups: Sequence[Group], *, asked: Question, rule: GapRule, **base: Any
) -> Finding:
    """Return the finding on the largest difference between two groups; `base` holds id, evidence and displays."""
    usable = {group.name: group.among(asked.flags) for group in groups}
    large = {name: strata(facts, ids, asked.flags) for name, ids in usable.items() if len(ids) >= rule.minimum}
    gap = largest_gap(large, against=rule.tolerance, level=rule.level) if len(large) > 1 else None
    needed = _needed(large, asked.flags, rule)
    if gap is None:
        why = (
            asked.missing
            if not asked.flags
            else _too_few(usable, rule, needed)
            if len(large) < 2
            else "the groups have no class in common"
        )
        claim = f"Groups by {attribute} could not be compared in {asked.what} {asked.when}."
        advice = "Collect more samples of the small groups." if asked.flags else ""
        return Finding(verdict="not_measured", claim=claim, reason=why, advice=advice, **base)
    verdict = decide(gap.estimate, rule.tolerance)
    found = Found(facts, asked, {name: usable[name] for name in large}, large, gap)
    base["displays"] = (*base["displays"], *found.displays(needed))
    return Finding(
        verdict=verdict,
        claim=_claim(attribute, asked, gap, rule=rule, excluded=len(large) < len(usable)),
        estimate=gap.estimate,
        tolerance=rule.tolerance,
        reason=_reason(verdict, gap, rule, usable=usable, large=large, needed=needed),
        advice=_advice(verdict, attribute),
        p=gap.p,
        **base,
    )


def strata(facts: Facts, ids: Sequence[str], flags: Flags) -> Strata:
    """Return the flags of some samples with their units, by class."""
    found: dict[str, tuple[list[float], list[str]]] = {}
    for name in ids:
        values, units = found.setdefault(facts.classes[facts.y[facts.position_of[name]]], ([], []))
        values.append(flags[name])
        units.append(facts.unit_of[name])
    return found


def _claim(attribute: str, asked: Question, gap: Gap, *, rule: GapRule, excluded: bool) -> str:
    better, worse = gap.pair
    who = f"Among groups of at least {rule.minimum} by {attribute}" if excluded else f"By {attribute}"
    shares = f"{percent(gap.shares[better])} against {percent(gap.shares[worse])}"
    return (
        f"{who}, {asked.what} {asked.when} differs most between {better} and {worse}: by {span(gap.estimate)} at the"
        f" same mix of classes ({shares})."
    )


def _reason(
    verdict: Verdict,
    gap: Gap,
    rule: GapRule,
    *,
    usable: Mapping[str, list[str]],
    large: Mapping[str, Strata],
    needed: int | None,
) -> str:
    said = reason(verdict, gap.estimate, rule.tolerance)
    if verdict == "inconclusive" and gap.estimate.low > 0:
        said = f"the groups do differ, since the interval lies above 0; whether by more than is tolerated, is {said}"
    left = {name: ids for name, ids in usable.items() if name not in large}
    alone = [
        name
        for name, own in large.items()
        if not any(set(own) & set(other) for key, other in large.items() if key != name)
    ]
    said += f"; not compared, having no class in common with any other group: {', '.join(alone)}" if alone else ""
    return f"{said}; {_too_few(left, rule, needed)}" if left else said


def _too_few(usable: Mapping[str, list[str]], rule: GapRule, needed: int | None) -> str:
    counts = listed({name: len(ids) for name, ids in sorted(usable.items()) if len(ids) < rule.minimum})
    hint = f"; about {needed} per group would show a difference of {percent(rule.tolerance)}" if needed else ""
    return f"too few to say for {counts} (fewer than {rule.minimum}{hint})"


def _needed(large: Mapping[str, Strata], flags: Flags, rule: GapRule) -> int | None:
    """Return how many samples per group would show a difference as large as the tolerance, at the share seen in all
    samples.
    """
    if not flags:
        return None
    return needed_per_group(rule.tolerance, sum(flags.values()) / len(flags), groups=max(2, len(large)))


@dataclass(frozen=True)
class Found:
    """A gap that was found, with the samples of the groups that are large enough."""

    facts: Facts
    asked: Question
    ids: Mapping[str, list[str]]
    large: Mapping[str, Strata]
    gap: Gap

    def displays(self, needed: int | None) -> tuple[Display, ...]:
        """Return what stands beside the gap: other ways of counting it, classical tests, who is worse off than everyone
        else, the same pair class by class.
        """
        gap, level = self.gap, self.gap.estimate.level
        whole = {name: {"": Side(each).together} for name, each in self.large.items()}
        largest = largest_gap(whole, against=0.0, level=level)
        assert largest is not None
        disparity = Disparity(
            pair=gap.pair,
            raw=gap.raw,
            ratio=gap.ratio,
            largest=largest.estimate,
            largest_pair=largest.pair,
            needed=needed,
        )
        worse_off = shortfalls(self.large, level=level)
        ranking = tuple(Named(name=one.group, estimate=one.estimate, p=one.p, q=one.q) for one in worse_off)
        tests = Rows(rows=(*self._tests(), *self.asked.tests), role="tests")
        tables = [self._by_class()] if len(self.facts.classes) > 1 else []
        return disparity, tests, Rows(rows=ranking, role="ranking"), *tables

    def _tests(self) -> tuple[Named, ...]:
        better, worse = (self.large[name] for name in self.gap.pair)
        pair = " and ".join(self.gap.pair)
        return (
            Named(
                name="Permutation of the groups",
                p=self._chance(),
                note="whether any two groups differ at all: labels exchanged within classes, whole units",
            ),
            Named(
                name="Cochran, Mantel and Haenszel",
                p=mantel_haenszel_p(better, worse),
                note=f"whether {pair} differ at all, class by class",
            ),
            Named(
                name="Breslow and Day",
                p=breslow_day_p(better, worse),
                note=f"whether {pair} differ by the same odds in every class",
            ),
        )

    def _chance(self) -> float | None:
        names = [(one, group) for group, ids in self.ids.items() for one in ids]
        positions = [self.facts.position_of[one] for one, _ in names]
        return permutation_p(
            [self.asked.flags[one] for one, _ in names],
            [group for _, group in names],
            [self.facts.y[position] for position in positions],
            units=[self.facts.units[position] for position in positions],
            seed=self.facts.seed,
        )

    def _by_class(self) -> TableDisplay:
        first, second = self.gap.pair
        better, worse = self.large[first], self.large[second]
        rows: list[tuple[TableCell, ...]] = []
        for name in sorted(set(better) | set(worse)):
            (a, units_a), (b, units_b) = better.get(name, ((), ())), worse.get(name, ((), ()))
            both = difference(a, b, units_a, units_b=units_b) if len(a) and len(b) else None
            rows.append((name, both if both else "only one of the two has this class", len(a), len(b)))
        columns = ("Class", f"{first} less {second}", f"Samples of {first}", f"Samples of {second}")
        title = f"Class by class: {self.asked.what} {self.asked.when}"
        return TableDisplay(title=title, columns=columns, rows=tuple(rows))


def _advice(verdict: Verdict, attribute: str) -> str:
    if verdict == "fail":
        return (
            f"Find out why groups by {attribute} differ (how their data were taken, how severe their cases are) before"
            " the model is used for all of them."
        )
    return "No action." if verdict == "pass" else "Audit more samples of each group."
