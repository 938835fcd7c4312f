"""The rows of the fairness tables: every group's numbers with their intervals, however small the group is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from auditor.checks.common import few_text, grey
from auditor.checks.exposure.sizes import SmallestSizes
from auditor.checks.exposure.smallest import Thresholds, reach, sizes_of
from auditor.checks.fairness.measured import Flags, Measured
from auditor.core.displays import Curve, GroupRow, Groups, Named, Point, Steps
from auditor.core.facts import Facts
from auditor.core.records import Estimate
from auditor.stats.censored import log_rank_p, restricted_mean
from auditor.stats.means import mean
from auditor.stats.shares import proportion


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


def share(facts: Facts, flags: Flags, ids: Iterable[str], *, unit: str) -> Estimate | None:
    """Return the share of true flags among some samples; None where nothing is known of any."""
    mine = [one for one in ids if one in flags]
    return proportion([flags[one] for one in mine], _units(facts, mine), unit=unit)


def as_it_is(measured: Measured, groups: Sequence[Group], *, positive: str, minimum: int) -> Groups:
    """Return each group's answers without any attack: accuracy, sensitivity, specificity, selection rate, calibration
    error.
    """
    facts, answers = measured.facts, measured.answers
    label = dict(zip(facts.ids, facts.y, strict=True))
    wanted = facts.classes.index(positive) if positive else -1
    chosen = {name: float(row.values["predicted"] == wanted) for name, row in answers.items()} if positive else {}
    sensed = {name: flag for name, flag in chosen.items() if label[name] == wanted}
    spared = {name: 1 - flag for name, flag in chosen.items() if label[name] != wanted}
    rows = []
    for group in groups:
        measures = {
            "clean": share(facts, measured.correct, group.ids, unit="accuracy"),
            "sensitivity": share(facts, sensed, group.ids, unit="sensitivity (share)"),
            "specificity": share(facts, spared, group.ids, unit="specificity (share)"),
            "selection": share(facts, chosen, group.ids, unit="selection rate"),
            "calibration": _calibration(measured, group),
        }
        rows.append(_row(facts, group, group.among(measured.correct), minimum=minimum, measures=measures))
    return Groups(rows=tuple(rows), positive=positive)


def _row(
    facts: Facts, group: Group, known: Sequence[str], *, minimum: int, measures: Mapping[str, Estimate | None]
) -> GroupRow:
    """Return a group's measures with the number of samples of which something is known."""
    return GroupRow(
        name=group.name,
        values=group.values,
        n=len(known),
        units=len(set(_units(facts, known))),
        few=len(known) < minimum,
        note=few_text(len(known), minimum),
        measures=measures,
    )


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


def under_attack(measured: Measured, groups: Sequence[Group], zone: str, *, minimum: int) -> Groups:
    """Return each group's numbers under the attack in one zone at the primary budget."""
    facts = measured.facts
    withstood, robust = measured.withstood(zone, facts.primary), measured.robust(zone, facts.primary)
    success = {name: 1 - flag for name, flag in withstood.items()}
    rows = []
    for group in groups:
        measures = {
            "clean": share(facts, measured.correct, group.ids, unit="accuracy"),
            "robust": share(facts, robust, group.ids, unit="robust accuracy"),
            "success": share(facts, success, group.ids, unit="attack success among correct"),
        }
        rows.append(_row(facts, group, group.among(withstood), minimum=minimum, measures=measures))
    return Groups(rows=tuple(rows))


def robust_curves(measured: Measured, groups: Sequence[Group], zone: str) -> tuple[Curve, ...]:
    """Return each group's robust accuracy at every budget at which the zone was attacked."""
    facts, why = measured.facts, "no sample was attacked"
    by_budget = {epsilon: measured.robust(zone, epsilon) for epsilon in measured.epsilons(zone)}
    found = []
    for group in groups:
        at = {size: share(facts, robust, group.ids, unit="robust accuracy") for size, robust in by_budget.items()}
        points = (Point(size=size, estimate=one, reason="" if one else why) for size, one in at.items())
        found.append(Curve(name=group.name, points=tuple(points), role="group"))
    return tuple(found)


def group_steps(measured: Measured, groups: Sequence[Group], zone: str) -> tuple[Steps, ...]:
    """Return each group's smallest epsilons: what lies beyond the reach of the search is censored there, not
    infinite.
    """
    found = measured.smallest(zone)
    return tuple(_steps(measured, group.name, _of(found, group), zone=zone) for group in groups)


def _steps(measured: Measured, name: str, mine: Thresholds, *, zone: str) -> Steps:
    facts, limit = measured.facts, search_reach(measured, zone)
    sizes = sizes_of(facts, mine, limit)
    steps = sizes.steps(name, short=_no_median(facts, sizes), role="group")
    mean_size = restricted_mean(sizes.sizes, limit, sizes.units, seed=facts.seed, unit="epsilon") if mine else None
    return replace(steps, restricted=mean_size)


def same_sizes(measured: Measured, groups: Sequence[Group], zone: str, *, minimum: int) -> Named:
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
    note = "whether the smallest epsilons of any two groups differ, class by class; what lies beyond the search is"
    return Named(name="Log-rank", p=p, note=f"{note} censored")


def search_reach(measured: Measured, zone: str) -> float:
    """Return the largest size that was tried in a zone."""
    return max(measured.facts.epsilons) if measured.search(zone) is None else reach(measured.facts)


def _no_median(facts: Facts, found: SmallestSizes) -> str:
    n, beyond = len(found.sizes), found.beyond
    return f"{beyond} of {n} beyond {grey(facts, found.limit)}" if beyond else f"{n} samples are too few"


def _of(found: Thresholds, group: Group) -> Thresholds:
    return {one: found[one] for one in group.ids if one in found}


def _units(facts: Facts, ids: Iterable[str]) -> list[str]:
    return [facts.unit_of[one] for one in ids]
