"""The rows of the fairness tables: every group's numbers with their intervals, however small the group is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.checks.common import few, grey, noted, plain
from auditor.checks.exposure.smallest import Thresholds, median_size, reach, shares, sized
from auditor.checks.fairness.measured import Flags, Measured
from auditor.core.facts import Facts
from auditor.core.records import Estimate
from auditor.stats.censored import log_rank_p, restricted_mean
from auditor.stats.shares import mean, proportion


@dataclass(frozen=True)
class Group:
    """Some samples that are compared with others."""

    name: str
    values: tuple[str, ...]
    """Its value in each column of the attribute."""
    ids: tuple[str, ...]

    def among(self, flags: Mapping[str, Any]) -> list[str]:
        """Return its samples of which something is known."""
        return [one for one in self.ids if one in flags]


def share(facts: Facts, flags: Flags, ids: Iterable[str], unit: str) -> dict[str, Any] | None:
    """Return the share of true flags among some samples, as JSON-ready data."""
    mine = [one for one in ids if one in flags]
    return plain(proportion([flags[one] for one in mine], _units(facts, mine), unit=unit))


def as_it_is(measured: Measured, groups: Sequence[Group], *, positive: str, minimum: int) -> list[dict[str, Any]]:
    """Return each group's answers without any attack: accuracy, sensitivity, specificity, selection rate, calibration
    error.
    """
    facts, answers = measured.facts, measured.answers
    label = dict(zip(facts.ids, facts.y, strict=True))
    wanted = facts.classes.index(positive) if positive else -1
    chosen = {name: float(row.values["predicted"] == wanted) for name, row in answers.items()} if positive else {}
    sensed = {name: flag for name, flag in chosen.items() if label[name] == wanted}
    spared = {name: 1 - flag for name, flag in chosen.items() if label[name] != wanted}
    return [
        {
            **_head(facts, group, group.among(measured.correct), minimum),
            "clean": share(facts, measured.correct, group.ids, "accuracy"),
            "sensitivity": share(facts, sensed, group.ids, "sensitivity (share)"),
            "specificity": share(facts, spared, group.ids, "specificity (share)"),
            "selection": share(facts, chosen, group.ids, "selection rate"),
            "calibration": plain(_calibration(measured, group)),
        }
        for group in groups
    ]


def _head(facts: Facts, group: Group, known: Sequence[str], minimum: int) -> dict[str, Any]:
    units = len(set(_units(facts, known)))
    return {
        "group": group.name,
        "values": list(group.values),
        "n": len(known),
        "units": units,
        **noted(few(len(known), minimum)),
    }


def _calibration(measured: Measured, group: Group) -> Estimate | None:
    """Return the mean confidence less the accuracy.

    Not the expected calibration error of binned confidences: that one grows as a group shrinks, and would accuse every
    minority.
    """
    facts = measured.facts
    if "scores" not in facts.offers:
        return None
    over = {name: row.values["confidence"] - row.values["correct"] for name, row in measured.answers.items()}
    mine = group.among(over)
    return mean(
        [over[one] for one in mine],
        _units(facts, mine),
        seed=facts.seed,
        unit="mean confidence less accuracy",
        share=True,
    )


def under_attack(measured: Measured, groups: Sequence[Group], zone: str, *, minimum: int) -> list[dict[str, Any]]:
    """Return each group's numbers under the attack in one zone at the primary budget, and its median smallest
    epsilon.
    """
    facts = measured.facts
    withstood, robust, found = (
        measured.withstood(zone, facts.primary),
        measured.robust(zone, facts.primary),
        measured.smallest(zone),
    )
    success = {name: 1 - flag for name, flag in withstood.items()}
    rows = []
    for group in groups:
        middle = median_size(facts, _of(found, group))
        rows.append(
            {
                **_head(facts, group, group.among(withstood), minimum),
                "clean": share(facts, measured.correct, group.ids, "accuracy"),
                "robust": share(facts, robust, group.ids, "robust accuracy"),
                "success": share(facts, success, group.ids, "attack success among correct"),
                "median": plain(middle),
                "median_text": sized(facts, middle) if middle else _no_median(facts, measured, _of(found, group), zone),
            }
        )
    return rows


def curves(measured: Measured, groups: Sequence[Group], zone: str) -> list[dict[str, Any]]:
    """Return each group's robust accuracy at every budget at which the zone was attacked."""
    by_budget = {epsilon: measured.robust(zone, epsilon) for epsilon in measured.epsilons(zone)}
    return [
        {
            "group": group.name,
            "points": [
                {
                    "epsilon": epsilon,
                    "estimate": share(measured.facts, robust, group.ids, "robust accuracy"),
                    "reason": "no sample was attacked",
                }
                for epsilon, robust in by_budget.items()
            ],
        }
        for group in groups
    ]


def smallest(measured: Measured, groups: Sequence[Group], zone: str) -> list[dict[str, Any]]:
    """Return each group's smallest epsilons: what lies beyond the reach of the search is censored there, not
    infinite.
    """
    facts, found, limit = measured.facts, measured.smallest(zone), search_reach(measured, zone)
    rows = []
    for group in groups:
        mine = _of(found, group)
        sizes, units = [one.size for one in mine.values()], _units(facts, mine)
        middle = median_size(facts, mine)
        rows.append(
            {
                "group": group.name,
                "n": len(mine),
                "beyond": sum(math.isinf(size) for size in sizes),
                "reach": limit,
                "steps": shares(facts, mine, limit),
                "median": plain(middle),
                "text": sized(facts, middle) if middle else "",
                "reason": "" if middle else _no_median(facts, measured, mine, zone),
                "restricted": (
                    plain(restricted_mean(sizes, limit, units, seed=facts.seed, unit="epsilon")) if sizes else None
                ),
            }
        )
    return rows


def same_sizes(measured: Measured, groups: Sequence[Group], zone: str, *, minimum: int) -> dict[str, Any]:
    """Return the test that the smallest epsilons of all large groups are alike, class by class."""
    facts, found = measured.facts, measured.smallest(zone)
    large = [(one, group.name) for group in groups if len(_of(found, group)) >= minimum for one in _of(found, group)]
    ids = [one for one, _ in large]
    labels = [facts.y[facts.position_of[one]] for one in ids]
    p = log_rank_p(
        [found[one].size for one in ids],
        search_reach(measured, zone),
        [name for _, name in large],
        labels,
        _units(facts, ids),
        seed=facts.seed,
    )
    return {
        "name": "Log-rank",
        "p": p,
        "note": (
            "whether the smallest epsilons of any two groups differ, class by class; what lies beyond the search is"
            " censored"
        ),
    }


def search_reach(measured: Measured, zone: str) -> float:
    """Return the largest size that was tried in a zone."""
    return max(measured.facts.epsilons) if measured.search(zone) is None else reach(measured.facts)


def _no_median(facts: Facts, measured: Measured, found: Thresholds, zone: str) -> str:
    if not found:
        return "not measured"
    beyond = sum(math.isinf(one.size) for one in found.values())
    limit = grey(facts, search_reach(measured, zone))
    return f"{beyond} of {len(found)} beyond {limit}" if beyond else f"{len(found)} samples are too few"


def _of(found: Thresholds, group: Group) -> Thresholds:
    return {one: found[one] for one in group.ids if one in found}


def _units(facts: Facts, ids: Iterable[str]) -> list[str]:
    return [facts.unit_of[one] for one in ids]
