"""One gap between groups: the largest difference of a share, compared among equals, with what a sceptic asks next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.checks.common import listed, percent, plain, reason, span
from auditor.checks.fairness.group_rows import Group
from auditor.checks.fairness.measured import Flags
from auditor.core.facts import Facts
from auditor.core.records import Finding, Verdict
from auditor.stats.exchange import breslow_day_p, mantel_haenszel_p, permutation_p
from auditor.stats.shares import decide, difference
from auditor.stats.strata import Gap, Side, Strata, largest_gap, needed_per_group, shortfalls


@dataclass(frozen=True)
class Question:
    """What is compared between groups: a share of which more is better."""

    flags: Flags
    what: str
    """What the flags are shares of, in the claim: 'accuracy'."""
    when: str
    missing: str
    """Why there are no flags."""


@dataclass(frozen=True)
class Rule:
    """How a gap is judged."""

    tolerance: float
    minimum: int
    level: float
    """Level of the interval that holds for all pairs of groups together."""


def judge_gap(
    facts: Facts, attribute: str, groups: Sequence[Group], asked: Question, rule: Rule, **base: Any
) -> Finding:
    """Return the finding on the largest difference between two groups; `base` holds id, evidence, details and the
    like.
    """
    usable = {group.name: group.among(asked.flags) for group in groups}
    large = {name: strata(facts, ids, asked.flags) for name, ids in usable.items() if len(ids) >= rule.minimum}
    gap = largest_gap(large, against=rule.tolerance, level=rule.level) if len(large) > 1 else None
    needed = _needed(large, asked.flags, rule)
    details: dict[str, Any] = {**base.pop("details"), "needed": needed}
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
        return Finding(verdict="not_measured", claim=claim, reason=why, advice=advice, details=details, **base)
    verdict = decide(gap.estimate, rule.tolerance)
    beside = _beside(facts, large, usable, asked, gap)
    beside["tests"] += details.pop("tests", [])
    details |= {"pair": list(gap.pair), "raw": plain(gap.raw), "ratio": plain(gap.ratio), **beside}
    return Finding(
        verdict=verdict,
        claim=_claim(attribute, asked, gap, rule, excluded=len(large) < len(usable)),
        estimate=gap.estimate,
        tolerance=rule.tolerance,
        reason=_reason(verdict, gap, rule, usable, large, needed),
        advice=_advice(verdict, attribute),
        p=gap.p,
        details=details,
        **base,
    )


def small_cells(groups: Sequence[Group], minimum: int) -> str:
    """Return why the cells of an intersection cannot be compared; empty where at least two are large enough."""
    if sum(len(group.ids) >= minimum for group in groups) > 1:
        return ""
    return (
        f"too few to say: fewer than two cells have {minimum} samples"
        f" ({listed({group.name: len(group.ids) for group in groups})})"
    )


def strata(facts: Facts, ids: Sequence[str], flags: Flags) -> Strata:
    """Return the flags of some samples with their units, by class."""
    found: dict[str, tuple[list[float], list[str]]] = {}
    for name in ids:
        values, units = found.setdefault(facts.classes[facts.y[facts.position_of[name]]], ([], []))
        values.append(flags[name])
        units.append(facts.unit_of[name])
    return found


def _claim(attribute: str, asked: Question, gap: Gap, rule: Rule, *, excluded: bool) -> str:
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
    rule: Rule,
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


def _too_few(usable: Mapping[str, list[str]], rule: Rule, needed: int | None) -> str:
    counts = listed({name: len(ids) for name, ids in sorted(usable.items()) if len(ids) < rule.minimum})
    hint = f"; about {needed} per group would show a difference of {percent(rule.tolerance)}" if needed else ""
    return f"too few to say for {counts} (fewer than {rule.minimum}{hint})"


def _needed(large: Mapping[str, Strata], flags: Flags, rule: Rule) -> int | None:
    """Return how many samples per group would show a difference as large as the tolerance, at the share seen in all
    samples.
    """
    if not flags:
        return None
    return needed_per_group(rule.tolerance, sum(flags.values()) / len(flags), groups=max(2, len(large)))


def _beside(
    facts: Facts, large: Mapping[str, Strata], usable: Mapping[str, list[str]], asked: Question, gap: Gap
) -> dict[str, Any]:
    """Return what stands beside the gap: who is worse off than everyone else, classical tests, the same pair class by
    class.
    """
    better, worse = (large[name] for name in gap.pair)
    names = [(one, group) for group in large for one in usable[group]]
    positions = [facts.position_of[one] for one, _ in names]
    chance = permutation_p(
        [asked.flags[one] for one, _ in names],
        [group for _, group in names],
        [facts.y[position] for position in positions],
        [facts.units[position] for position in positions],
        seed=facts.seed,
    )
    pair = f"{gap.pair[0]} and {gap.pair[1]}"
    tests = [
        (
            "Permutation of the groups",
            chance,
            "whether any two groups differ at all: labels exchanged within classes, whole units",
        ),
        (
            "Cochran, Mantel and Haenszel",
            mantel_haenszel_p(better, worse),
            f"whether {pair} differ at all, class by class",
        ),
        ("Breslow and Day", breslow_day_p(better, worse), f"whether {pair} differ by the same odds in every class"),
    ]
    ranked = [
        {"group": one.group, "estimate": plain(one.estimate), "p": one.p, "q": one.q, "note": ""}
        for one in shortfalls(large, level=gap.estimate.level)
    ]
    return {
        "tests": [{"name": name, "p": p, "note": note} for name, p, note in tests],
        "ranking": ranked,
        "raw_largest": _raw(large, gap.estimate.level),
        "tables": [_by_class(large, gap, f"{asked.what} {asked.when}")] if len(facts.classes) > 1 else [],
    }


def _raw(large: Mapping[str, Strata], level: float) -> dict[str, Any]:
    """Return the largest gap as it is seen, whatever classes the groups have: what a reader of raw shares would hold
    against the model.
    """
    whole = {name: {"": Side(strata).together} for name, strata in large.items()}
    found = largest_gap(whole, against=0.0, level=level)
    assert found is not None
    return {"estimate": plain(found.estimate), "pair": list(found.pair)}


def _by_class(large: Mapping[str, Strata], gap: Gap, what: str) -> dict[str, Any]:
    better, worse = (large[name] for name in gap.pair)
    rows: list[list[Any]] = []
    for name in sorted(set(better) | set(worse)):
        ends = [len(side[name][0]) if name in side else 0 for side in (better, worse)]
        both = (
            plain(difference(better[name][0], worse[name][0], better[name][1], worse[name][1])) if all(ends) else None
        )
        rows.append([name, both if both else "only one of the two has this class", *ends])
    columns = ["Class", f"{gap.pair[0]} less {gap.pair[1]}", f"Samples of {gap.pair[0]}", f"Samples of {gap.pair[1]}"]
    return {"title": f"Class by class: {what}", "columns": columns, "rows": rows}


def _advice(verdict: Verdict, attribute: str) -> str:
    if verdict == "fail":
        return (
            f"Find out why groups by {attribute} differ (how their data were taken, how severe their cases are) before"
            " the model is used for all of them."
        )
    return "No action." if verdict == "pass" else "Audit more samples of each group."
