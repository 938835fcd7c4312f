"""What figures and tables of flips need, gathered from the displays of several findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from auditor.core.displays import Curve, Named, Point, Steps, Values, first, of_kind
from auditor.core.records import Finding


@dataclass(frozen=True)
class ZoneCurves:
    """Flip rate by size of the change in one zone: by search, and by random changes of the same size."""

    name: str
    label: str
    attack: tuple[Point, ...]
    noise: tuple[Point, ...]
    area: float | None = None
    """Median share of the input that the zone covers; None where inputs have no area."""


def curves(findings: Iterable[Finding]) -> list[ZoneCurves]:
    """Return the flip-rate curves of every finding that has some."""
    found = []
    for finding in findings:
        attack, noise = (first(finding.displays, Curve, role) for role in ("attack", "noise"))
        if attack and (attack.points or (noise and noise.points)):
            area = first(finding.displays, Values, "area")
            share = float(area.values["share"]) if area else None
            label = attack.label or attack.name
            found.append(ZoneCurves(attack.name, label, attack.points, noise.points if noise else (), share))
    return found


def epsilons(found: Sequence[ZoneCurves]) -> list[float]:
    """Return every epsilon of some curves, smallest first."""
    return sorted({point.size for curve in found for point in (*curve.attack, *curve.noise)})


def smallest(findings: Iterable[Finding]) -> list[Steps]:
    """Return the smallest sizes that flip in every zone in which some were looked for."""
    return [one for finding in findings for one in of_kind(finding.displays, Steps, "zone") if one.n]


def common_unit(found: Sequence[Named]) -> str:
    """Return the unit that every measured row has; an empty text where they differ."""
    units = {row.estimate.unit for row in found if row.estimate}
    return units.pop() if len(units) == 1 else ""
