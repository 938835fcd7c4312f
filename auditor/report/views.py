"""What figures and tables need, read out of findings' details: anything absent becomes 'not measured' with a reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.core import displays
from auditor.core.displays import Named, Steps
from auditor.core.records import Estimate, Finding
from auditor.report.words import is_number, zone_text

UNSAID = "no reason was recorded"


@dataclass(frozen=True)
class Row:
    """A named number of a figure or a table."""

    name: str
    estimate: Estimate | None
    note: str = ""
    control: bool = False
    """Whether it is what the others are compared with."""


@dataclass(frozen=True)
class Point:
    """One place on a curve."""

    epsilon: float
    estimate: Estimate | None
    reason: str = ""


@dataclass(frozen=True)
class Curve:
    """Flip rate over epsilon in one zone: under attack, and under random noise of the same size."""

    zone: str
    label: str
    attack: tuple[Point, ...]
    noise: tuple[Point, ...]
    area: float | None = None
    """Median share of the input that the zone covers."""


@dataclass(frozen=True)
class Table:
    """A table that a check brought along."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def read_estimate(data: Any) -> Estimate | None:
    """Return an estimate from its JSON data; None where it is absent or a number of it is missing."""
    if not isinstance(data, Mapping) or not all(is_number(data.get(key)) for key in ("value", "low", "high")):
        return None
    n, units, level = data.get("n"), data.get("units"), data.get("level", 0.95)
    return Estimate(
        value=data["value"],
        low=data["low"],
        high=data["high"],
        n=int(n) if is_number(n) else 0,  # type: ignore[arg-type]
        unit=str(data.get("unit") or ""),
        method=str(data.get("method") or ""),
        level=level if is_number(level) else 0.95,
        units=int(units) if is_number(units) else None,  # type: ignore[arg-type]
        share=bool(data.get("share")),
    )


def curves(findings: Iterable[Finding]) -> list[Curve]:
    """Return the flip-rate curve of every finding that has one."""
    return [
        Curve(_zone(finding), _label(finding), _points(finding, "curve"), _points(finding, "noise"), _area(finding))
        for finding in findings
        if _points(finding, "curve") or _points(finding, "noise")
    ]


def epsilons(found: Sequence[Curve]) -> list[float]:
    """Return every epsilon of some curves, smallest first."""
    return sorted({point.epsilon for curve in found for point in (*curve.attack, *curve.noise)})


def smallest(findings: Iterable[Finding]) -> list[Steps]:
    """Return the smallest epsilons of every zone in which they were looked for."""
    read = (
        read_smallest(item.details.get("smallest"), _zone(item), _label(item), relative=item.details.get("relative"))
        for item in findings
    )
    return [one for one in read if one]


def read_smallest(data: Any, zone: str, label: str, *, relative: Any = None) -> Steps | None:
    """Return the smallest epsilons of some samples from their JSON data; None where none were measured."""
    if not isinstance(data, Mapping) or not is_number(data.get("n")) or not data["n"]:
        return None
    return Steps(
        name=zone,
        label=label,
        steps=tuple(displays.Point(size=one.epsilon, estimate=one.estimate) for one in read_points(data.get("steps"))),
        n=int(data["n"]),
        beyond=int(data["beyond"]) if is_number(data.get("beyond")) else 0,
        reach=data.get("reach") if is_number(data.get("reach")) else None,
        median=read_estimate(data.get("median")),
        text=str(data.get("text") or ""),
        reason=str(data.get("reason") or UNSAID),
        sensitivity=read_estimate(data.get("sensitivity")),
        sensitivity_reason=str(data.get("sensitivity_reason") or UNSAID),
        relative=read_estimate(relative),
        missed=int(data["missed"]) if is_number(data.get("missed")) else 0,
        how=str(data.get("how") or ""),
        restricted=read_estimate(data.get("restricted")),
    )


def rows(finding: Finding, key: str = "rows") -> list[Row]:
    """Return the named estimates of a finding."""
    names = ("name", "group")
    return [
        Row(
            next((str(item[name]) for name in names if item.get(name) is not None), ""),
            read_estimate(item.get("estimate")),
            _note(item),
            bool(item.get("control")),
        )
        for item in _items(finding, key)
    ]


def common_unit(found: Sequence[Named | Row]) -> str:
    """Return the unit that every measured row has; an empty text where they differ."""
    units = {row.estimate.unit for row in found if row.estimate}
    return units.pop() if len(units) == 1 else ""


def tables(finding: Finding) -> list[Table]:
    """Return the tables that a finding brought along."""
    return [
        Table(
            str(item.get("title", "")),
            tuple(str(column) for column in listed(item.get("columns"))),
            tuple(tuple(_cell(cell) for cell in listed(row)) for row in listed(item.get("rows"))),
        )
        for item in _items(finding, "tables")
    ]


def items(finding: Finding, key: str) -> list[Mapping[str, Any]]:
    """Return a list of records from a finding's details; empty where it is absent."""
    return _items(finding, key)


def _zone(finding: Finding) -> str:
    return str(finding.details.get("zone") or finding.id.partition("/")[2])


def _label(finding: Finding) -> str:
    return str(finding.details.get("label") or zone_text(_zone(finding)))


def _area(finding: Finding) -> float | None:
    area = finding.details.get("area")
    return area.get("share") if isinstance(area, Mapping) and is_number(area.get("share")) else None


def _points(finding: Finding, key: str) -> tuple[Point, ...]:
    return read_points(finding.details.get(key))


def read_points(data: Any) -> tuple[Point, ...]:
    """Return the places of a curve from their JSON data."""
    return tuple(
        Point(float(item["epsilon"]), read_estimate(item.get("estimate")), str(item.get("reason") or UNSAID))
        for item in listed(data)
        if isinstance(item, Mapping) and is_number(item.get("epsilon"))
    )


def _items(finding: Finding, key: str) -> list[Mapping[str, Any]]:
    return [item for item in listed(finding.details.get(key)) if isinstance(item, Mapping)]


def listed(value: Any) -> list[Any]:
    """Return a list; an empty one of anything else."""
    return list(value) if isinstance(value, list | tuple) else []


def _note(item: Mapping[str, Any]) -> str:
    return str(item.get("note") or item.get("reason") or "")


def _cell(value: Any) -> Any:
    return read_estimate(value) or value if isinstance(value, Mapping) else value
