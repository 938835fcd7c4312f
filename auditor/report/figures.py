"""The figures of the report: vector drawings of numbers that the findings hold, each with a text alternative."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

from auditor.core.displays import Named, Point, Steps
from auditor.core.records import Estimate
from auditor.report.canvas import ACCENT, GREY, INK, PALE, SECOND, Drawing, draw, shorten, whisker
from auditor.report.views import ZoneCurves, epsilons
from auditor.report.words import amount, declared, epsilon_text, estimate_text, interval, is_number, number

WIDTH = 6.8
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


def strip(estimate: Estimate, *, tolerance: float | None = None) -> Drawing:
    """Return one estimate with its interval on a line that always holds zero and the tolerance."""

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        _bare(axes)
        whisker(axes, at=0, low=estimate.low, high=estimate.high, colour=ACCENT)
        axes.plot([estimate.value], [0], marker="o", color=ACCENT, markersize=6)
        axes.axvline(0, color=GREY, linewidth=0.7)
        if tolerance is not None:
            axes.axvline(tolerance, color=SECOND, linestyle="--", linewidth=1.2)
            axes.annotate(
                "tolerance",
                (tolerance, 1.0),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="bottom",
                fontsize=6.5,
                color=SECOND,
            )
        _limits(
            axes,
            [0.0, estimate.low, estimate.high, *([] if tolerance is None else [tolerance])],
            rate=estimate.share,
        )

    against = "" if tolerance is None else f"; tolerance {declared(tolerance, estimate.share)}"
    alt = f"Estimate {amount(estimate.value, estimate.share)}, interval {interval(estimate)}{against}."
    return draw(paint, width=3.0, height=0.55, alt=alt)


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
    ticks = epsilons(found)
    places = {epsilon: place for place, epsilon in enumerate(ticks)}
    spare = cycle(SPARE)
    looks = {curve.name: LOOKS.get(curve.name) or next(spare) for curve in found}

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 2])
        for row, curve in enumerate(found):
            colour, line, marker = looks[curve.name]
            aside = 0.07 * (row - (len(found) - 1) / 2)
            _line(
                left,
                curve.attack,
                places,
                (colour, line, marker),
                label=_entry(curve.label),
                aside=aside,
                band=curve.name == BANDED,
            )
            _line(right, curve.noise, places, (colour, "--", marker), label="", aside=aside, band=curve.name == BANDED)
        for axes, title in ((left, said.attack), (right, said.noise)):
            grid(axes, title)
            axes.set_xticks(
                list(places.values()),
                [epsilon_text(epsilon, data) for epsilon in ticks],
                rotation=90 if len(ticks) > 5 else 0,
            )
            axes.set_xlim(-0.4, len(ticks) - 0.6)
            axes.set_xlabel(said.budget)
            if primary in places:
                axes.axvline(places[primary], color=GREY, linewidth=0.8, linestyle=":")
        if tolerance is not None:
            left.axhline(tolerance, color=GREY, linewidth=0.9)
            left.annotate(
                "tolerance", (len(ticks) - 0.62, tolerance), fontsize=6.5, color=GREY, va="bottom", ha="right"
            )
        left.set_ylim(-0.03, 1.03)
        left.set_ylabel(said.share)
        left.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        figure.legend(loc="outside lower center", ncols=2, fontsize=7.5, handlelength=4)

    return draw(paint, width=WIDTH, height=3.5, alt=_curves_alt(found, data, said))


def smallest_curves(
    found: Sequence[Steps],
    *,
    data: Mapping[str, Any],
    declared: Sequence[float],
    primary: float | None = None,
    looks: Mapping[str, Look] = LOOKS,
    banded: Container[str] = (BANDED,),
    per: str = "zone",
    said: Said = IMAGES,
) -> Drawing | None:
    """Return the share flipped at or below each epsilon, per zone or group: a step at every sample's smallest one,
    epsilons on a logarithmic scale.

    A line ends at its own reach, with an open arrow where samples are left that nothing flipped. Lines without a label
    have no entry in the key.
    None where no epsilon is known.
    """
    spare = cycle(SPARE)
    chosen = {one.name: looks.get(one.name) or next(spare) for one in found}
    ticks = [epsilon for epsilon in declared if is_number(epsilon) and epsilon > 0]
    sizes = [point.size for one in found for point in one.steps if point.size > 0] + ticks
    if not sizes:
        return None
    first, last = min(sizes) / 2, max([*sizes, *(one.reach for one in found if one.reach)])
    ticks += [last] if last > 1.3 * max(ticks, default=0.0) else []

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        grid(axes, "")
        for one in found:
            _steps(axes, one, chosen[one.name], first, last, band=one.name in banded)
        axes.set_xscale("log")
        axes.set_xticks(ticks, [epsilon_text(epsilon, data) for epsilon in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(first, last)
        axes.set_xlabel(said.smallest)
        axes.axhline(0.5, color=GREY, linewidth=0.7)
        if primary:
            axes.axvline(primary, color=GREY, linewidth=0.8, linestyle=":")
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.set_ylabel(said.flipped)
        figure.legend(loc="outside lower center", ncols=2, handlelength=4, fontsize=7.5)

    parts = (
        f"{one.label or one.name}: {one.n - one.beyond} of {one.n} flipped, median {one.text or one.reason}"
        for one in found
    )
    return draw(
        paint,
        width=WIDTH,
        height=3.4,
        alt=f"Share flipped at or below each {said.size}, per {per}. {'; '.join(parts)}.",
    )


def _steps(axes: Axes, one: Steps, look: Look, first: float, last: float, *, band: bool) -> None:
    colour, line, _ = look
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


def intervals(found: Sequence[Named], *, tolerance: float | None = None, label: str = "") -> Drawing:
    """Return named estimates as dots with intervals; a row without a number says so in its place."""
    measured = [row.estimate for row in found if row.estimate]
    rate = bool(measured) and all(estimate.share for estimate in measured)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        grid(axes, "", axis="x")
        for place, row in enumerate(found):
            _dot(axes, row, place)
        names(axes, [shorten(row.name, 46) for row in found])
        bounds = [0.0, *(bound for estimate in measured for bound in (estimate.low, estimate.high))]
        axes.axvline(0, color=GREY, linewidth=0.8)
        if tolerance is not None:
            bounds.append(tolerance)
            axes.axvline(tolerance, color=SECOND, linestyle="--", linewidth=1.1)
            axes.annotate(
                "tolerance",
                (tolerance, 1.0),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="bottom",
                fontsize=6.5,
                color=SECOND,
            )
        _limits(axes, bounds, rate=rate)
        axes.set_xlabel(label)

    alt = "; ".join(f"{row.name}: {estimate_text(row.estimate, row.note)}" for row in found)
    return draw(paint, width=WIDTH, height=0.75 + 0.27 * len(found), alt=f"Dots with intervals. {alt}.")


def _dot(axes: Axes, row: Named, place: int) -> None:
    if row.estimate is None:
        axes.annotate(
            f"not measured: {shorten(row.note, 60)}" if row.note else "not measured",
            (0.0, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=GREY,
        )
        return
    control = row.control
    colour = GREY if control else ACCENT
    whisker(axes, at=place, low=row.estimate.low, high=row.estimate.high, colour=colour, style="--" if control else "-")
    axes.plot(
        [row.estimate.value],
        [place],
        marker="D" if control else "o",
        color=colour,
        markerfacecolor="white" if control else colour,
        zorder=3,
    )


def _line(
    axes: Axes,
    points: Sequence[Point],
    places: Mapping[float, int],
    look: Look,
    *,
    label: str,
    aside: float,
    band: bool,
) -> None:
    colour, style, marker = look
    known = [(places[point.size], point.estimate) for point in points if point.estimate]
    at = [place + aside for place, _ in known]
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


def _bare(axes: Axes) -> None:
    axes.yaxis.set_major_locator(NullLocator())
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", labelsize=6.5, length=2, pad=2)
    axes.set_ylim(-1, 1)


def grid(axes: Axes, title: str, *, axis: Any = "y") -> None:
    """Draw pale grid lines behind the data, and a title."""
    axes.grid(axis=axis, color=PALE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_title(title)


def names(axes: Axes, shown: Sequence[str]) -> None:
    """Write one name per row, the first on top."""
    axes.set_yticks(range(len(shown)), shown)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def _limits(axes: Axes, bounds: Sequence[float], *, rate: bool) -> None:
    low, high = min(bounds), max(bounds)
    room = 0.08 * (high - low) or 0.05
    axes.set_xlim(low - room, high + room)
    if rate:
        axes.xaxis.set_major_formatter(lambda value, _: f"{number(round(100 * value, 6))} %")
