"""What the fairness section shows, gathered from the displays of its findings: one block per attribute, in which groups
meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from auditor.core.displays import (
    AttackBudget,
    Curve,
    Disparity,
    GroupRow,
    Groups,
    Matrix,
    Named,
    Partition,
    Point,
    Rows,
    Steps,
    first,
    of_kind,
)
from auditor.core.records import VERDICTS, Estimate, Finding

ACCURACY, ROBUSTNESS, EXPOSURE = "accuracy-gap", "robustness-gap", "exposure-gap"
HARM, RELIANCE = "targeted-harm", "reliance-gap"
GAP_KINDS = {
    ACCURACY: "Accuracy",
    ROBUSTNESS: "Robustness",
    EXPOSURE: "Exposure",
    HARM: "Targeted harm",
    RELIANCE: "Reliance",
}
OF_TABLES = {
    "impact-ratio": "Impact ratio",
    "scoring-rate": "Scoring rate",
    ACCURACY: "Accuracy",
    "true-positive-gap": "True positives",
    "false-positive-gap": "False positives",
    "reachability-gap": "Reachability of the favourable decision",
    "recourse-cost": "Cost of recourse",
    EXPOSURE: "Exposure",
    "invariance": "Invariance",
}
"""Kinds of findings on the groups of a table."""
RANKED = 12
"""A ranking longer than this is cut; every group is in the tables."""
MOST_FITTED = 8
"""A matrix of targeted harm with more groups than this would not fit the page."""


@dataclass(frozen=True)
class Panel:
    """One quantity of every group that has it, as one half of a figure shows it."""

    title: str
    quantity: str
    members: Mapping[str, GroupRow]
    pair: tuple[str, ...]
    """The groups whose gap the finding reports."""
    tolerance: float | None
    attacked: AttackBudget | None = None

    def estimate(self, name: str) -> Estimate | None:
        """Return a group's estimate."""
        return self.members[name].measures.get(self.quantity) if name in self.members else None


@dataclass(frozen=True)
class Ranking:
    """The groups of one finding, those first that are worse off for certain."""

    title: str
    rows: tuple[Named, ...]
    """Each group with how much worse it is than everyone else, and its q."""
    cut: int
    """Groups further down that are not listed."""


@dataclass(frozen=True)
class Block:
    """One attribute, or the intersection of several columns, with its findings."""

    name: str
    columns: tuple[str, ...]
    findings: tuple[Finding, ...]
    """In the order of the kinds, then the others."""
    kinds: Mapping[str, str] = field(default_factory=lambda: GAP_KINDS)

    @property
    def crossed(self) -> bool:
        """Return whether it is an intersection."""
        return len(self.columns) > 1

    @property
    def known(self) -> bool:
        """Return whether it holds a finding that compares groups, and not only one that says why there is none."""
        return any(kind_of(item) in self.kinds for item in self.findings)

    @property
    def lead(self) -> Finding:
        """Return the finding that is shown first: the worst of those that decide, else the worst."""
        return min(self.findings, key=lambda item: (not item.primary, VERDICTS.index(item.verdict)))

    def finding(self, kind: str) -> Finding | None:
        """Return the attribute's finding of one kind."""
        return next((item for item in self.findings if kind_of(item) == kind), None)

    def members(self, kind: str) -> dict[str, GroupRow]:
        """Return the groups of one finding by name; none where there is no such finding."""
        found = self.finding(kind)
        groups = first(found.displays, Groups) if found else None
        return {row.name: row for row in groups.rows} if groups else {}

    @cached_property
    def names(self) -> list[str]:
        """Return every group that was measured or attacked, in the order of the findings."""
        return list(dict.fromkeys(name for kind in (ACCURACY, ROBUSTNESS, EXPOSURE) for name in self.members(kind)))

    @property
    def attacked(self) -> str:
        """Return the kind of finding that speaks for all attacks: the one whose attack may write anywhere, else the
        other.
        """
        return ROBUSTNESS if self.members(ROBUSTNESS) or not self.members(EXPOSURE) else EXPOSURE

    @cached_property
    def panels(self) -> tuple[Panel, Panel]:
        """Return accuracy as it is and accuracy under attack."""
        known = any(member.measures.get("clean") for member in self.members(ACCURACY).values())
        kind = ACCURACY if known else self.attacked
        return self._panel("As it is", kind, "clean"), self._panel("Under attack", self.attacked, "robust")

    def _panel(self, title: str, kind: str, quantity: str) -> Panel:
        found, members = self.finding(kind), self.members(kind)
        if found is None or (quantity != "robust" and kind != ACCURACY):
            return Panel(title, quantity, members, (), None)
        attacked = first(found.displays, AttackBudget)
        return Panel(title, quantity, members, _pair(found), found.tolerance, attacked)

    @property
    def unknown(self) -> int | None:
        """Return how many samples have no group; None where no finding says so."""
        made = (partition for item in self.findings if (partition := first(item.displays, Partition)))
        return next((partition.unknown for partition in made if partition.unknown is not None), None)

    @property
    def gaps(self) -> list[tuple[Finding, Disparity]]:
        """Return the findings that compare two groups, each with what stands beside its estimate."""
        found = [(item, first(item.displays, Disparity)) for item in self.findings if item.estimate]
        return [(item, beside) for item, beside in found if beside]

    @property
    def rankings(self) -> list[Ranking]:
        """Return who is worse off, per finding that says so."""
        found = [(GAP_KINDS[kind], item) for kind in GAP_KINDS if (item := self.finding(kind))]
        return [_ranking(title, rows) for title, item in found if (rows := _rows(item, "ranking"))]

    def smallest(self, kind: str = ROBUSTNESS) -> list[Steps]:
        """Return the smallest epsilons of each group in which some were looked for."""
        found = self.finding(kind)
        return [one for one in of_kind(found.displays, Steps) if one.n] if found else []

    def curves(self, kind: str, *, pair: bool = False) -> dict[str, tuple[Point, ...]]:
        """Return each group's accuracy under attack by budget, or that of the compared pair alone."""
        found = self.finding(kind)
        if found is None:
            return {}
        lines = {curve.name: curve.points for curve in of_kind(found.displays, Curve)}
        return {name: points for name, points in lines.items() if name in _pair(found)} if pair else lines


def blocks(findings: Sequence[Finding], kinds: Mapping[str, str] = GAP_KINDS) -> list[Block]:
    """Return one block per attribute in the order of the findings, declared attributes first, then intersections."""
    by_name: dict[str, list[Finding]] = {}
    for item in findings:
        by_name.setdefault(attribute_of(item), []).append(item)
    order, found = [*kinds], []
    for name, mine in by_name.items():
        made = (partition.columns for item in mine if (partition := first(item.displays, Partition)))
        place = sorted(mine, key=lambda item: order.index(kind_of(item)) if kind_of(item) in order else len(order))
        found.append(Block(name, next(made, tuple(name.split("+"))), tuple(place), kinds))
    return sorted(found, key=lambda block: block.crossed)


def orders(found: Sequence[Block]) -> dict[str, list[str]]:
    """Return each declared column's values in the order of its own findings."""
    return {block.columns[0]: block.names for block in found if not block.crossed}


def budgets(lines: Mapping[str, Sequence[Point]]) -> list[float]:
    """Return every budget of some curves, smallest first."""
    return sorted({point.size for points in lines.values() for point in points})


def attribute_of(finding: Finding) -> str:
    """Return the attribute that a finding speaks of: that of its partition, else of its id."""
    made = first(finding.displays, Partition)
    name = finding.id.partition("/")[2]
    return made.attribute if made else name.rpartition("/")[0] or name


def kind_of(finding: Finding) -> str:
    """Return the last part of a finding's id, such as 'accuracy-gap'."""
    return finding.id.rpartition("/")[2]


def harm(finding: Finding) -> Matrix | None:
    """Return the matrix of targeted harm; None where nothing in it was measured."""
    found = first(finding.displays, Matrix)
    measured = found is not None and any(entry.estimate for line in found.entries for entry in line)
    return found if measured else None


def excess(finding: Finding) -> list[Named]:
    """Return how much more each group is harmed by the change fitted to it than everyone else, the most harmed for
    certain first.
    """
    return sorted(_rows(finding, "excess"), key=_by_lower_bound)


def aimed_lead(finding: Finding) -> dict[str, Named]:
    """Return by how much each group's own change is ahead of the other groups' changes on the same samples."""
    return {row.name: row for row in _rows(finding, "aimed")}


def _pair(finding: Finding) -> tuple[str, ...]:
    disparity = first(finding.displays, Disparity)
    return disparity.pair if disparity else ()


def _rows(finding: Finding, role: str) -> tuple[Named, ...]:
    found = first(finding.displays, Rows, role)
    return found.rows if found else ()


def _ranking(title: str, rows: Sequence[Named]) -> Ranking:
    order = sorted(rows, key=_by_lower_bound)
    shown = order if len(order) <= RANKED else order[: RANKED - 2]
    return Ranking(title, tuple(shown), len(order) - len(shown))


def _by_lower_bound(row: Named) -> tuple[bool, float]:
    return row.estimate is None, -row.estimate.low if row.estimate else 0.0
