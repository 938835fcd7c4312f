"""What the fairness section shows, read out of the findings: one block per attribute, in which the groups of its
findings meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from auditor.core.records import VERDICTS, Estimate, Finding
from auditor.report.views import Point, Row, Smallest, items, listed, read_estimate, read_points, read_smallest, rows
from auditor.report.words import is_number

ACCURACY, ROBUSTNESS, EXPOSURE, HARM, RELIANCE = (
    "accuracy-gap",
    "robustness-gap",
    "exposure-gap",
    "targeted-harm",
    "reliance-gap",
)
KINDS = {
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
QUANTITIES = ("clean", "sensitivity", "specificity", "selection", "calibration", "robust", "success", "share")
RANKED = 12
"""A ranking longer than this is cut; every group is in the tables."""
MOST_FITTED = 8
"""A matrix of targeted harm with more groups than this would not fit the page."""


@dataclass(frozen=True)
class Member:
    """One group's row in one finding."""

    name: str
    values: tuple[str, ...] = ()
    """Its value in each column of the attribute."""
    n: int | None = None
    units: int | None = None
    note: str = ""
    few: bool = False
    """Whether the group is too small to be compared."""
    numbers: Mapping[str, Estimate | None] = field(default_factory=dict)
    """Quantity -> estimate, over QUANTITIES."""
    median_text: str = ""


@dataclass(frozen=True)
class Panel:
    """One quantity of every group that has it, as one half of a figure shows it."""

    title: str
    quantity: str
    members: Mapping[str, Member]
    pair: tuple[str, ...]
    """The groups whose gap the finding reports."""
    tolerance: float | None
    zone: str = ""
    epsilon: float | None = None

    def estimate(self, name: str) -> Estimate | None:
        """Return a group's estimate."""
        return self.members[name].numbers[self.quantity] if name in self.members else None


@dataclass(frozen=True)
class Ranking:
    """The groups of one finding, those first that are worse off for certain."""

    title: str
    rows: tuple[tuple[Row, float | None], ...]
    """Each group with how much worse it is than everyone else, and its q."""
    cut: int
    """Groups further down that are not listed."""


@dataclass(frozen=True)
class Harm:
    """What a change fitted to one group does to each group."""

    names: tuple[str, ...]
    cells: Mapping[tuple[str, str], Row]
    """(fitted, judged) -> success among correct predictions."""

    @property
    def fits(self) -> bool:
        """Return whether the whole matrix can be printed."""
        return len(self.names) <= MOST_FITTED

    @property
    def measured(self) -> bool:
        """Return whether anything in it was measured."""
        return any(row.estimate for row in self.cells.values())

    def cell(self, fitted: str, judged: str) -> Row:
        """Return one cell; what is missing was not measured."""
        return self.cells.get((fitted, judged), Row("", None))


@dataclass(frozen=True)
class Block:
    """One attribute, or the intersection of several columns, with its findings."""

    name: str
    columns: tuple[str, ...]
    findings: tuple[Finding, ...]
    """In the order of the kinds, then the others."""
    kinds: Mapping[str, str] = field(default_factory=lambda: KINDS)

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

    def members(self, kind: str) -> dict[str, Member]:
        """Return the groups of one finding by name; none where there is no such finding."""
        found = self.finding(kind)
        return {member.name: member for member in map(_member, items(found, "groups"))} if found else {}

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
        plain = (
            ACCURACY if any(member.numbers["clean"] for member in self.members(ACCURACY).values()) else self.attacked
        )
        return self._panel("As it is", plain, "clean"), self._panel("Under attack", self.attacked, "robust")

    def _panel(self, title: str, kind: str, quantity: str) -> Panel:
        found = self.finding(kind)
        details, matters = (
            found.details if found else {},
            found is not None and (quantity == "robust" or kind == ACCURACY),
        )
        epsilon = details.get("epsilon")
        return Panel(
            title,
            quantity,
            self.members(kind),
            texts(details.get("pair")) if matters else (),
            found.tolerance if found and matters else None,
            str(details.get("zone") or ""),
            epsilon if is_number(epsilon) else None,
        )

    @property
    def unknown(self) -> int | None:
        """Return how many samples have no group; None where no finding says so."""
        counted = [item.details.get("unknown") for item in self.findings]
        return next((int(n) for n in counted if is_number(n)), None)  # type: ignore[arg-type]

    @property
    def rankings(self) -> list[Ranking]:
        """Return who is worse off, per finding that says so."""
        found = [(KINDS[kind], item) for kind in KINDS if (item := self.finding(kind))]
        return [_ranking(title, item) for title, item in found if items(item, "ranking")]

    def smallest(self, kind: str = ROBUSTNESS) -> list[Smallest]:
        """Return the smallest epsilons of each group."""
        found = self.finding(kind)
        read = (read_smallest(item, _name(item), _name(item)) for item in items(found, "smallest")) if found else ()
        return [one for one in read if one]

    def curves(self, kind: str, *, pair: bool = False) -> dict[str, tuple[Point, ...]]:
        """Return each group's accuracy under attack by budget, or that of the compared pair alone."""
        found = self.finding(kind)
        read = {_name(item): read_points(item.get("points")) for item in items(found, "curves")} if found else {}
        compared = texts(found.details.get("pair")) if found else ()
        return {name: points for name, points in read.items() if name in compared} if pair else read


def blocks(findings: Sequence[Finding], kinds: Mapping[str, str] = KINDS) -> list[Block]:
    """Return one block per attribute in the order of the findings, declared attributes first, then intersections."""
    by_name: dict[str, list[Finding]] = {}
    for item in findings:
        by_name.setdefault(attribute_of(item), []).append(item)
    order, found = [*kinds], []
    for name, mine in by_name.items():
        columns = next(
            (columns for item in mine if (columns := texts(item.details.get("columns")))), tuple(name.split("+"))
        )
        place = sorted(mine, key=lambda item: order.index(kind_of(item)) if kind_of(item) in order else len(order))
        found.append(Block(name, columns, tuple(place), kinds))
    return sorted(found, key=lambda block: block.crossed)


def orders(found: Sequence[Block]) -> dict[str, list[str]]:
    """Return each declared column's values in the order of its own findings."""
    return {block.columns[0]: block.names for block in found if not block.crossed}


def budgets(lines: Mapping[str, Sequence[Point]]) -> list[float]:
    """Return every budget of some curves, smallest first."""
    return sorted({point.epsilon for points in lines.values() for point in points})


def attribute_of(finding: Finding) -> str:
    """Return the attribute that a finding speaks of: of its details, else of its id."""
    said = finding.details.get("attribute")
    return (
        said
        if isinstance(said, str) and said
        else finding.id.partition("/")[2].rpartition("/")[0] or finding.id.partition("/")[2]
    )


def kind_of(finding: Finding) -> str:
    """Return the last part of a finding's id, such as 'accuracy-gap'."""
    return finding.id.rpartition("/")[2]


def texts(value: Any) -> tuple[str, ...]:
    """Return a list as texts; an empty one of anything else."""
    return tuple(str(item) for item in listed(value) if item is not None)


def harm(finding: Finding) -> Harm | None:
    """Return the matrix of targeted harm; None where there is none."""
    cells = {}
    for item in items(finding, "matrix"):
        cells[str(item.get("fitted", "")), str(item.get("judged", ""))] = Row(
            "", read_estimate(item.get("estimate")), _note(item)
        )
    names = texts(finding.details.get("names")) or tuple(dict.fromkeys(name for pair in cells for name in pair))
    return Harm(names, cells) if cells and names else None


def excess(finding: Finding) -> list[Row]:
    """Return how much more each group is harmed by the change fitted to it than everyone else, the most harmed for
    certain first.
    """
    return sorted(rows(finding, "excess"), key=_by_lower_bound)


def aimed(finding: Finding) -> dict[str, Row]:
    """Return by how much each group's own change is ahead of the other groups' changes on the same samples."""
    return {str(item.get("group", "")): Row("", read_estimate(item.get("aimed"))) for item in items(finding, "excess")}


def tests(finding: Finding) -> list[tuple[str, Any, str]]:
    """Return name, p and note of a finding's tests."""
    return [(str(item.get("name") or "test"), item.get("p"), _note(item)) for item in items(finding, "tests")]


def _member(item: Mapping[str, Any]) -> Member:
    return Member(
        name=_name(item),
        values=texts(item.get("values")),
        n=_count(item.get("n")),
        units=_count(item.get("units")),
        note=_note(item),
        few=bool(item.get("few")),
        numbers={quantity: read_estimate(item.get(quantity)) for quantity in QUANTITIES},
        median_text=str(item.get("median_text") or ""),
    )


def _ranking(title: str, finding: Finding) -> Ranking:
    read = [
        (Row(_name(item), read_estimate(item.get("estimate")), _note(item)), _q(item.get("q")))
        for item in items(finding, "ranking")
    ]
    order = sorted(read, key=lambda pair: _by_lower_bound(pair[0]))
    shown = order if len(order) <= RANKED else order[: RANKED - 2]
    return Ranking(title, tuple(shown), len(order) - len(shown))


def _by_lower_bound(row: Row) -> tuple[bool, float]:
    return row.estimate is None, -row.estimate.low if row.estimate else 0.0


def _q(value: Any) -> float | None:
    return float(value) if is_number(value) else None


def _count(value: Any) -> int | None:
    return int(value) if is_number(value) else None


def _name(item: Mapping[str, Any]) -> str:
    return str(item.get("group") or "unknown")


def _note(item: Mapping[str, Any]) -> str:
    return str(item.get("note") or item.get("reason") or "")
