"""The figures of the report: vector drawings of numbers that the findings hold, each with a text alternative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from auditor.core.displays import Named
from auditor.core.records import Estimate
from auditor.report.canvas import ACCENT, GREY, PALE, SECOND, Drawing, draw, shorten, whisker
from auditor.report.words import amount, declared, estimate_text, interval, number

WIDTH = 6.8


def strip(estimate: Estimate, *, tolerance: float | None = None, two_sided: bool = False) -> Drawing:
    """Return one estimate with its interval on a line that always holds zero and the tolerance, on both sides of zero
    where it holds on both.
    """
    limits = [] if tolerance is None else [tolerance, -tolerance] if two_sided else [tolerance]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        _bare(axes)
        whisker(axes, at=0, low=estimate.low, high=estimate.high, colour=ACCENT)
        axes.plot([estimate.value], [0], marker="o", color=ACCENT, markersize=6)
        axes.axvline(0, color=GREY, linewidth=0.7)
        for limit in limits:
            axes.axvline(limit, color=SECOND, linestyle="--", linewidth=1.2)
        if tolerance is not None:
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
            [0.0, estimate.low, estimate.high, *limits],
            rate=estimate.share,
        )

    against = "" if tolerance is None else f"; tolerance {declared(tolerance, estimate.share, two_sided)}"
    alt = f"Estimate {amount(estimate.value, estimate.share)}, interval {interval(estimate)}{against}."
    return draw(paint, width=3.0, height=0.55, alt=alt)


def intervals(found: Sequence[Named], *, tolerance: float | None = None, label: str = "") -> Drawing:
    """Return named estimates as dots with intervals; a row without a number says so in its place."""
    measured = [row.estimate for row in found if row.estimate]
    rate = bool(measured) and all(estimate.share for estimate in measured)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        pale_grid(axes, "", axis="x")
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


def _bare(axes: Axes) -> None:
    axes.yaxis.set_major_locator(NullLocator())
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", labelsize=6.5, length=2, pad=2)
    axes.set_ylim(-1, 1)


def pale_grid(axes: Axes, title: str, *, axis: Any = "y") -> None:
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
