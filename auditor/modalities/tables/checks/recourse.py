"""Fairness of what a change can reach: who can get the favourable decision, at what cost, and whose decision is flipped
by what should not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from auditor.checks.common import listed, percent, reason, span
from auditor.checks.fairness.compared import Compared
from auditor.checks.fairness.gaps import GapRule, Question, judge_gap, strata
from auditor.checks.fairness.measured import Flags
from auditor.core.displays import Disparity, Named, Rows
from auditor.core.facts import Facts
from auditor.core.records import Estimate, Finding, Verdict
from auditor.modalities.tables.checks.common import table_of, zone_label
from auditor.modalities.tables.checks.searches import Searches, search_displays
from auditor.stats.censored import log_rank_p, restricted_mean
from auditor.stats.decisions import decide
from auditor.stats.gaps import bounded_ends
from auditor.stats.ratios import largest_ratio
from auditor.stats.simultaneous import simultaneous_level


def judge_reach(done: Searches, one: Compared, rule: GapRule, *, favourable: str, **base: Any) -> Finding:
    """Return the finding on the largest difference in who can reach the favourable decision."""
    when = f"by a permitted change that costs at most {done.cost:g}"
    asked = Question(
        done.flipped, f"the share of those decided otherwise who can reach '{favourable}'", when, done.missing
    )
    return _bounded(done, one, rule, asked=asked, ends=(done.flipped, done.possible), **base)


def judge_exposure(done: Searches, one: Compared, rule: GapRule, **base: Any) -> Finding:
    """Return the finding on the largest difference in whose decision withstands changes of what should not matter."""
    held = {name: 1 - flag for name, flag in done.flipped.items()}
    proven = {name: 1 - flag for name, flag in done.possible.items()}
    when = f"{zone_label(done.trial.zone)} at a cost of at most {done.cost:g}"
    asked = Question(held, "the share of decisions that withstand a change", when, done.missing)
    return _bounded(done, one, rule, asked=asked, ends=(proven, held), **base)


def _bounded(
    done: Searches, one: Compared, rule: GapRule, *, asked: Question, ends: tuple[Flags, Flags], **base: Any
) -> Finding:
    """Return the finding on a gap, judged on the interval that holds whatever the rows without a proof would be; `ends`
    are the flags if none of these counts, and if all do.
    """
    least, most = ends
    shown = search_displays(done, one, rule.minimum)
    base = {"check": "fairness", "question": 2, "evidence": done.evidence, "displays": shown, **base}
    facts = done.decided
    found = judge_gap(facts, one.name, one.groups, asked=asked, rule=rule, **base)
    ids = {group.name: mine for group in one.groups if len(mine := group.among(asked.flags)) >= rule.minimum}
    open_ones = sum(most[name] != least[name] for mine in ids.values() for name in mine)
    if found.estimate is None or not open_ones:
        return found
    sides = [{name: strata(facts, mine, flags) for name, mine in ids.items()} for flags in (least, most)]
    low, high = bounded_ends(sides[0], sides[1], level=rule.level)
    method = f"{found.estimate.method}, whatever the unproven rows are"
    value = found.estimate.value
    return _doubted(
        found, replace(found.estimate, low=min(low, value), high=max(high, value), method=method), open_ones
    )


def _doubted(found: Finding, wide: Estimate, open_ones: int) -> Finding:
    """Return a finding with the verdict that holds whatever is true of the rows for which nothing was found and nothing
    proven.
    """
    assert found.estimate is not None and found.tolerance is not None
    rows = f"{open_ones} of {wide.n} searches found nothing and proved nothing"
    bounds = Rows(rows=(Named(name="whatever is true of the unproven", estimate=wide, note=rows),), role="bounds")
    shown = (*found.displays, bounds)
    verdict = decide(wide, found.tolerance)
    if verdict == found.verdict:
        return replace(
            found,
            reason=f"{found.reason}; {rows}"
            + ("" if verdict == "inconclusive" else ": the verdict holds whatever is true of them"),
            displays=shown,
        )
    ends = " to ".join(percent(end) if wide.share else f"{end:.3g}" for end in (wide.low, wide.high))
    why = f"too few to tell: {rows}; over all that may be true of them the interval goes from {ends}"
    return replace(
        found,
        verdict=verdict,
        p=None,
        reason=why,
        advice="Search with a method that proves more, or audit more rows.",
        displays=shown,
    )


def judge_cost(done: Searches, one: Compared, minimum: int, *, tolerance: float, **base: Any) -> Finding:
    """Return the finding on how much more the favourable decision costs one group than another; what cannot be reached
    costs all that was tried.
    """
    base = {"check": "fairness", "question": 2, "evidence": done.evidence, **base}
    large = {group.name: ids for group in one.groups if len(ids := group.among(done.flips.used)) >= minimum}
    means = least = _means(done, large, one.level, unknown=done.reach)
    if any(done.unknown.values()):
        least = _means(done, large, one.level, unknown=min(done.reach, cheapest(done.facts)))
    whole = len(large) > 1 and len(means) == len(least) == len(large)
    found, wide = (largest_ratio(means, low, level=one.level) if whole else None for low in (means, least))
    shown = (*search_displays(done, one, minimum), Rows(rows=(_log_rank(done, large),), role="tests"))
    small = {group.name: len(group.among(done.flips.used)) for group in one.groups if group.name not in large}
    if found is None or wide is None:
        claim = f"Groups by {one.name} could not be compared in what the favourable decision costs."
        why = f"too few to say: fewer than two groups have {minimum} searched rows ({listed(small)})"
        why = "a group's cost has no interval" if len(large) > 1 else why if done.flips.used else done.missing
        advice = "Search more rows of the small groups." if done.flips.used else ""
        return Finding(verdict="not_measured", claim=claim, reason=why, advice=advice, displays=shown, **base)
    estimate, (dear, cheap) = found
    verdict = decide(estimate, tolerance)
    why = reason(verdict, estimate, tolerance, share=False)
    open_ones = int(sum(done.unknown[name] for ids in large.values() for name in ids))
    why += f"; too few to say for {listed(small)} (fewer than {minimum})" if small else ""
    costs = f"{means[dear].value:.3g} against {means[cheap].value:.3g}"
    result = Finding(
        verdict=verdict,
        claim=(
            f"By {one.name}, the favourable decision costs {dear} most: {span(estimate, share=False)} times the mean of"
            f" {cheap} ({costs}, what no change reaches counted as {done.reach:g})."
        ),
        estimate=estimate,
        tolerance=tolerance,
        reason=why,
        advice=_advice(verdict, one.name),
        displays=(*shown, Disparity(pair=(dear, cheap))),
        **base,
    )
    return _doubted(result, wide[0], open_ones) if open_ones else result


def cheapest(facts: Facts) -> float:
    """Return what any change costs at least."""
    prices = [
        column.cost * (column.step if column.numeric else 1.0) for column in table_of(facts).columns if column.mutable
    ]
    return min(prices, default=0.0)


def _means(done: Searches, groups: Mapping[str, Sequence[str]], level: float, *, unknown: float) -> dict[str, Estimate]:
    """Return each group's mean cost, a row for which nothing was found nor excluded counted as `unknown`."""
    found, costs, open_ones = {}, done.flips.costs, done.unknown
    for name, ids in groups.items():
        sizes = [unknown if open_ones[one] else costs[one] for one in ids]
        units = [done.facts.unit_of[one] for one in ids]
        mean = restricted_mean(
            sizes, done.reach, units, seed=done.facts.seed, unit="cost", level=simultaneous_level(len(groups), level)
        )
        if mean is not None:
            found[name] = mean
    return found


def _log_rank(done: Searches, groups: Mapping[str, Sequence[str]]) -> Named:
    ids = [(one, name) for name, members in groups.items() for one in members]
    y = [done.decided.y[done.facts.position_of[one]] for one, _ in ids]
    units = [done.facts.unit_of[one] for one, _ in ids]
    p = log_rank_p(
        [done.flips.costs[one] for one, _ in ids], done.reach, [name for _, name in ids], y, units, seed=done.facts.seed
    )
    note = "whether the costs of any two groups differ; what lies beyond the search is censored"
    return Named(name="Log-rank", p=p, note=note)


def _advice(verdict: Verdict, attribute: str) -> str:
    if verdict == "fail":
        return f"Find out which requirements are harder to meet by {attribute}, and whether the decision needs them."
    return "No action." if verdict == "pass" else "Search more rows of each group, or with a search that proves more."
