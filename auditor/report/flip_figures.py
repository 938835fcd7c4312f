"""Curves of what is flipped: over the declared budgets, and over the smallest change that each sample needs."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

from auditor.core.displays import Point, Steps
from auditor.core.records import Estimate
from auditor.report.canvas import ACCENT, GREY, INK, SECOND, Drawing, draw, shorten
from auditor.report.figures import WIDTH, pale_grid
from auditor.report.views import ZoneCurves, epsilons
from auditor.report.words import epsilon_text, estimate_text, is_number

BANDED = "outside"
"""The zone whose interval is drawn as a band; five bands on one another could not be told apart."""
LOOKS: dict[str, Look] = {
    "outside": (SECOND, "-", "o"),
    "inside": (ACCENT, "--", "s"),
    "everywhere": (INK, "-.", "^"),
    "control/0": ("#5c7a3a", ":", "D"),
    "control/1": ("#7d5a94", (0, (5, 1, 1, 1, 1, 1)), "v"),
    "control/2": ("#a8577e", (0, (1, 1)), "p"),
}
Look = tuple[str, Any, str]
"""Colour, line style and marker."""
SPARE: tuple[Look, ...] = (("#00707a", "-", "P"), ("#8a6d00", "--", "X"), (GREY, "-.", "*"))
FAINT: Look = ("#aab4bf", "-", "")
"""One line of many."""


@dataclass(frozen=True)
class Said:
    """What a figure of flips calls things."""

    attack: str = "Attack"
    noise: str = "Random noise of the same size"
    budget: str = "Budget of the attacker (epsilon)"
    share: str = "Share of samples flipped"
    smallest: str = "Smallest epsilon that flips the sample (logarithmic scale)"
    flipped: str = "Correct predictions flipped"
    size: str = "epsilon"
    beside: str = "noise"


IMAGES = Said()
TABLES = Said(
    "Search",
    "Random changes of the same cost",
    "Cost of the change, at most",
    "Share of decisions flipped",
    "Cheapest change found (logarithmic scale)",
    "Decisions flipped",
    "cost",
    "random changes",
)


def flip_curves(
    found: Sequence[ZoneCurves],
    *,
    data: Mapping[str, Any],
    primary: float | None = None,
    tolerance: float | None = None,
    said: Said = IMAGES,
) -> Drawing:
    """Return flip rate over epsilon per zone: attacks on the left, random noise of the same size on the right."""
    places = {epsilon: place for place, epsilon in enumerate(epsilons(found))}

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 2])
        _zones((left, right), found, places)
        for axes, title in ((left, said.attack), (right, said.noise)):
            pale_grid(axes, title)
            _budget_axis(axes, places, data, primary=primary)
            axes.set_xlabel(said.budget)
        if tolerance is not None:
            left.axhline(tolerance, color=GREY, linewidth=0.9)
            left.annotate(
                "tolerance", (len(places) - 0.62, tolerance), fontsize=6.5, color=GREY, va="bottom", ha="right"
            )
        _share_axis(left, said.share)
        figure.legend(loc="outside lower center", ncols=2, fontsize=7.5, handlelength=4)

    return draw(paint, width=WIDTH, height=3.5, alt=_curves_alt(found, data, said))


def _zones(sides: tuple[Axes, Axes], found: Sequence[ZoneCurves], places: Mapping[float, int]) -> None:
    """Draw each zone's attacks on the left and its noise on the right, a little beside the other zones'."""
    spare = cycle(SPARE)
    for row, curve in enumerate(found):
        colour, line, marker = LOOKS.get(curve.name) or next(spare)
        aside, band = 0.07 * (row - (len(found) - 1) / 2), curve.name == BANDED
        at = {epsilon: place + aside for epsilon, place in places.items()}
        _line(sides[0], _placed(curve.attack, at), look=(colour, line, marker), label=_entry(curve.label), band=band)
        _line(sides[1], _placed(curve.noise, at), look=(colour, "--", marker), label="", band=band)


def _budget_axis(axes: Axes, places: Mapping[float, int], data: Mapping[str, Any], *, primary: float | None) -> None:
    texts = [epsilon_text(epsilon, data) for epsilon in places]
    axes.set_xticks(list(places.values()), texts, rotation=90 if len(places) > 5 else 0)
    axes.set_xlim(-0.4, len(places) - 0.6)
    if primary is not None and primary in places:
        axes.axvline(places[primary], color=GREY, linewidth=0.8, linestyle=":")


def _share_axis(axes: Axes, label: str) -> None:
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel(label)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))


@dataclass(frozen=True, kw_only=True)
class Lines:
    """How the lines of a figure look, and what each stands for."""

    looks: Mapping[str, Look] = field(default_factory=lambda: LOOKS)
    """By name; a line that is not among them takes the next spare look."""
    banded: Container[str] = (BANDED,)
    """Names of the lines whose interval is drawn."""
    per: str = "zone"
    said: Said = IMAGES


ZONE_LINES = Lines()
TABLE_LINES = Lines(said=TABLES)


def smallest_curves(
    found: Sequence[Steps],
    *,
    data: Mapping[str, Any],
    declared: Sequence[float],
    primary: float | None = None,
    lines: Lines = ZONE_LINES,
) -> Drawing | None:
    """Return the share flipped at or below each epsilon, per zone or group: a step at every sample's smallest one,
    epsilons on a logarithmic scale.

    A line ends at its own reach, with an open arrow where samples are left that nothing flipped. Lines without a label
    have no entry in the key.
    None where no epsilon is known.
    """
    spare = cycle(SPARE)
    chosen = {one.name: lines.looks.get(one.name) or next(spare) for one in found}
    ticks = [epsilon for epsilon in declared if is_number(epsilon) and epsilon > 0]
    sizes = [point.size for one in found for point in one.steps if point.size > 0] + ticks
    if not sizes:
        return None
    first, last = min(sizes) / 2, max([*sizes, *(one.reach for one in found if one.reach)])
    ticks += [last] if last > 1.3 * max(ticks, default=0.0) else []

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        pale_grid(axes, "")
        for one in found:
            _steps(axes, one, chosen[one.name], ends=(first, last), band=one.name in lines.banded)
        _size_axis(axes, ticks, data, ends=(first, last))
        axes.set_xlabel(lines.said.smallest)
        axes.axhline(0.5, color=GREY, linewidth=0.7)
        if primary:
            axes.axvline(primary, color=GREY, linewidth=0.8, linestyle=":")
        _share_axis(axes, lines.said.flipped)
        figure.legend(loc="outside lower center", ncols=2, handlelength=4, fontsize=7.5)

    return draw(paint, width=WIDTH, height=3.4, alt=_smallest_alt(found, lines))


def _size_axis(axes: Axes, ticks: Sequence[float], data: Mapping[str, Any], *, ends: tuple[float, float]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(ticks, [epsilon_text(epsilon, data) for epsilon in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(*ends)


def _smallest_alt(found: Sequence[Steps], lines: Lines) -> str:
    parts = (
        f"{one.label or one.name}: {one.n - one.beyond} of {one.n} flipped, median {one.text or one.reason}"
        for one in found
    )
    return f"Share flipped at or below each {lines.said.size}, per {lines.per}. {'; '.join(parts)}."


def _steps(axes: Axes, one: Steps, look: Look, *, ends: tuple[float, float], band: bool) -> None:
    (colour, line, _), (first, last) = look, ends
    end = one.reach if one.reach and one.reach > first else last
    points = sorted(one.steps, key=lambda point: point.size)
    known = [
        (point.size, point.estimate) for point in points if point.estimate and first < point.size <= end * (1 + 1e-6)
    ]
    if not known and one.beyond < one.n:  # a flat line would say that nothing flips
        axes.plot([], [], color=colour, linestyle=line, label=_entry(f"{one.label} (no curve)" if one.label else ""))
        return
    at = [first, *(epsilon for epsilon, _ in known), end]
    share, low, high = ([0.0, *(getattr(estimate, name) for _, estimate in known)] for name in ("value", "low", "high"))
    width = 0.8 if look == FAINT else None
    axes.step(
        at, [*share, share[-1]], where="post", color=colour, linestyle=line, linewidth=width, label=_entry(one.label)
    )
    if band and known:
        axes.fill_between(
            at[1:], [*low[1:], low[-1]], [*high[1:], high[-1]], step="post", color=colour, alpha=0.14, linewidth=0
        )
    if one.beyond:
        axes.plot([end], [share[-1]], marker=">", color=colour, markerfacecolor="white", clip_on=False, zorder=4)


def _entry(label: str) -> str:
    """Return a label for the key, which leaves out what starts with an underscore."""
    text = shorten(label, 60)
    return f" {text}" if text.startswith("_") else text


def _placed(points: Sequence[Point], at: Mapping[float, float]) -> list[tuple[float, Estimate]]:
    return [(at[point.size], point.estimate) for point in points if point.estimate]


def _line(axes: Axes, known: Sequence[tuple[float, Estimate]], *, look: Look, label: str, band: bool) -> None:
    colour, style, marker = look
    at = [place for place, _ in known]
    axes.plot(at, [estimate.value for _, estimate in known], color=colour, linestyle=style, marker=marker, label=label)
    low, high = [estimate.low for _, estimate in known], [estimate.high for _, estimate in known]
    axes.vlines(at, low, high, color=colour, linewidth=0.9, alpha=0.75)
    if band:
        axes.fill_between(at, low, high, color=colour, alpha=0.14, linewidth=0)


def _curves_alt(found: Sequence[ZoneCurves], data: Mapping[str, Any], said: Said) -> str:
    def series(points: Sequence[Point]) -> str:
        return ", ".join(
            f"{epsilon_text(point.size, data)} {estimate_text(point.estimate, point.reason)}" for point in points
        )

    parts = (
        f"{curve.label}: {said.attack.lower()} {series(curve.attack) or 'none'}; {said.beside}"
        f" {series(curve.noise) or 'none'}"
        for curve in found
    )
    return f"{said.share} by budget. {'. '.join(parts)}."
