"""The figures that only a table's report has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from auditor.core.displays import Outcomes
from auditor.core.outcomes import Outcome
from auditor.report.canvas import ACCENT, INK, PALE, SECOND, Drawing, draw, shorten
from auditor.report.figures import WIDTH, names, pale_grid
from auditor.report.words import amount

_LOOKS: dict[Outcome, tuple[str, str]] = {
    Outcome.FLIPPED_EXACTLY: (SECOND, ""),
    Outcome.FLIPPED_AT_MOST: ("#d9a487", "////"),
    Outcome.PROVEN_IMPOSSIBLE: (ACCENT, ""),
    Outcome.NONE_FOUND: (PALE, "...."),
}
"""Outcome -> colour and hatch, so that no bar is told by its colour alone; what was found is drawn first, what is open
last."""


def outcome_bars(found: Sequence[Outcomes]) -> Drawing:
    """Return how the searches ended as one stacked bar per zone."""

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        pale_grid(axes, "", axis="x")
        starts = [0.0] * len(found)
        for outcome in _LOOKS:
            if any(one.counts[outcome] for one in found):
                starts = _bars(axes, found, outcome=outcome, starts=starts)
        names(axes, [f"{shorten(one.label, 44)}  (n = {one.n})" for one in found])
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.set_xlabel("Share of the rows that were searched")
        figure.legend(loc="outside lower center", ncols=2, fontsize=7.5)

    said = (f"{one.label}: {', '.join(_said(one, outcome) for outcome in _LOOKS)}" for one in found)
    return draw(paint, width=WIDTH, height=1.35 + 0.36 * len(found), alt=f"How the searches ended. {'; '.join(said)}.")


def _bars(axes: Axes, found: Sequence[Outcomes], *, outcome: Outcome, starts: Sequence[float]) -> list[float]:
    """Draw one part of every bar and return where it ends."""
    colour, hatch = _LOOKS[outcome]
    shares = [one.counts[outcome] / one.n for one in found]
    bars: Any = axes.barh(
        range(len(found)),
        shares,
        left=starts,
        color=colour,
        hatch=hatch,
        edgecolor=INK,
        linewidth=0.5,
        height=0.6,
        label=outcome.text,
    )
    axes.bar_label(
        bars,
        [str(one.counts[outcome] or "") for one in found],
        label_type="center",
        fontsize=7,
        color="white" if colour in (SECOND, ACCENT) else INK,
    )
    return [start + share for start, share in zip(starts, shares, strict=True)]


def _said(one: Outcomes, outcome: Outcome) -> str:
    n = one.counts[outcome]
    return f"{outcome.text} {n} ({amount(n / one.n, share=True)})"
