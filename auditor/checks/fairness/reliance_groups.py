"""Shortcut by group: does the model look at the right place for everyone? From the transplants that reliance asked
for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from auditor.checks.common import few_text, listed, percent, reason, span, why_not
from auditor.checks.fairness.gaps import GapRule
from auditor.checks.fairness.group_rows import Group
from auditor.checks.fairness.measured import Measured
from auditor.checks.reliance.arms import Draws, estimates, shares_of
from auditor.core.displays import Disparity, GroupRow, Groups, Partition
from auditor.core.records import Estimate, Evidence, Finding, Trial
from auditor.stats.crossed import METHOD, Crossed, bounds
from auditor.stats.decisions import decide
from auditor.stats.means import bootstrap_p
from auditor.stats.shares import Array
from auditor.stats.simultaneous import simultaneous_level

WHAT = "the share of the class evidence that comes from outside the mask"


def judge_reliance(
    measured: Measured, trial: Trial, partition: Partition, *, groups: Sequence[Group], rule: GapRule
) -> Finding:
    """Return the finding on the largest difference in outside share between two groups of recipients.

    Donors come from everyone, so two groups share units: the two-way bootstrap draws them together.
    """
    facts, observations, draws = measured.facts, measured.observations, measured.draws(trial)
    attribute = partition.attribute
    mine = {
        group.name: draws.where(np.isin(draws.who[:, 0], [facts.position_of[one] for one in group.ids]))
        for group in groups
    }
    n = {name: len(np.unique(part.who[:, 0])) for name, part in mine.items()}
    rows = tuple(_row(group, mine[group.name], n[group.name], minimum=rule.minimum) for group in groups)
    base: dict[str, Any] = {"id": f"fairness/{attribute}/reliance-gap", "check": "fairness", "question": 2}
    base |= {"evidence": Evidence(trials=(observations.key(trial),)), "displays": (partition, Groups(rows=rows))}
    large = [name for name, k in n.items() if k >= rule.minimum]
    small = {name: k for name, k in n.items() if k < rule.minimum}
    left = f"too few to say for {listed(small)} (fewer than {rule.minimum} transplanted samples)" if small else ""
    arms = _arms(draws, [mine[name] for name in large]) if len(large) > 1 else None
    if arms is not None:
        found = _compared(draws, arms, large, rule=rule, base=base)
        return replace(found, reason=f"{found.reason}; {left}") if left else found
    why = left if len(large) < 2 else "the groups have no class in common"
    why = why if len(draws) else why_not(observations.of(trial).values())
    claim = f"Groups by {attribute} could not be compared in {WHAT}."
    return Finding(verdict="not_measured", claim=claim, reason=why, **base)


def _compared(draws: Draws, arms: Array, large: Sequence[str], *, rule: GapRule, base: Mapping[str, Any]) -> Finding:
    gap, pair, p = _largest(draws, arms, large, rule=rule)
    verdict = decide(gap, rule.tolerance)
    shares = dict(zip(large, shares_of(arms[0]).tolist(), strict=True))
    partition, groups = base["displays"]
    claim = (
        f"By {partition.attribute}, {WHAT} differs most between {pair[0]} and {pair[1]}: by {span(gap)}"
        f" ({percent(shares[pair[0]])} against {percent(shares[pair[1]])})."
    )
    advice = "Find out what the model reads around the marked region of one group and not of another."
    return Finding(
        verdict=verdict,
        claim=claim,
        estimate=gap,
        tolerance=rule.tolerance,
        reason=reason(verdict, gap, rule.tolerance),
        advice=advice if verdict == "fail" else "",
        p=p,
        **{**base, "displays": (partition, groups, Disparity(pair=(pair[1], pair[0])))},
    )


def _row(group: Group, mine: Draws, n: int, *, minimum: int) -> GroupRow:
    units, share = len(np.unique(mine.part.units[:, 0])), estimates(mine).share if n else None
    return GroupRow(
        name=group.name,
        values=group.values,
        n=n,
        units=units,
        few=n < minimum,
        note=few_text(n, minimum),
        measures={"share": share},
    )


def _arms(draws: Draws, groups: Sequence[Draws]) -> Array | None:
    """Return arm means (1 + b, groups, 4) at one mix of the recipients' classes, the first as seen, the others drawn
    anew; None without a common class.
    """
    y = np.array(draws.facts.y)
    own = [y[group.who[:, 0]] for group in groups]
    common = sorted(set.intersection(*(set(labels.tolist()) for labels in own)))
    if not common:
        return None
    weight = np.array([sum((labels == label).sum() for labels in own) for label in common], dtype=float)
    found = Crossed.of(
        [group.where(labels == label).part for group, labels in zip(groups, own, strict=True) for label in common]
    )
    both = np.concatenate([found.point[None], found.draws(draws.facts.seed)]).reshape(-1, len(groups), len(common), 4)
    return np.asarray(np.einsum("bgca,c->bga", both, weight / weight.sum()))


def _largest(
    draws: Draws, arms: Array, names: Sequence[str], *, rule: GapRule
) -> tuple[Estimate, tuple[str, str], float]:
    """Return the largest difference with an interval that holds for all pairs at once, who has the larger and the
    smaller share, and its p-value.
    """
    shares, level = shares_of(arms), simultaneous_level(len(names), rule.level)
    found = []
    for a, b in combinations(range(len(names)), 2):
        one, other = (a, b) if shares[0, a] >= shares[0, b] else (b, a)
        apart = shares[:, one] - shares[:, other]
        low, high = bounds(apart[1:], level)
        p = bootstrap_p(apart[1:], rule.tolerance)
        found.append((float(apart[0]), max(0.0, low), max(high, -low), (names[one], names[other]), p))
    value, _, _, pair, _ = max(found)
    low, high = max(one[1] for one in found), max(one[2] for one in found)
    p = min(1.0, len(found) * (min if low > rule.tolerance else max)(one[4] for one in found))
    recipients = np.unique(draws.who[:, 0])
    units = len(np.unique(draws.facts.unit_numbers[recipients]))
    return (
        Estimate(
            value,
            low,
            high,
            len(recipients),
            "difference of shares",
            f"{METHOD}, simultaneous over pairs",
            rule.level,
            units,
            share=True,
        ),
        pair,
        p,
    )
