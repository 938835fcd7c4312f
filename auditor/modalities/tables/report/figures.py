"""The figures that only a table's report has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from auditor.core.outcomes import Outcome
from auditor.modalities.tables.report.views import Outcomes
from auditor.report.canvas import ACCENT, INK, PALE, SECOND, Drawing, draw, shorten
from auditor.report.figures import WIDTH, grid, names
from auditor.report.words import amount

_LOOKS: dict[str, tuple[str, str]] = {
    Outcome.FLIPPED_EXACTLY.text: (SECOND, ""),
    Outcome.FLIPPED_AT_MOST.text: ("#d9a487", "////"),
    Outcome.PROVEN_IMPOSSIBLE.text: (ACCENT, ""),
    Outcome.NONE_FOUND.text: (PALE, "...."),
}
"""Outcome -> colour and hatch, so that no bar is told by its colour alone."""
OTHER = ("#ffffff", "xx")


def outcome_bars(found: Sequence[Outcomes]) -> Drawing:
    """Return how the searches ended as one stacked bar per zone."""
    kinds = list(dict.fromkeys([*_LOOKS, *(name for one in found for name, _ in one.counts)]))
    kinds = [kind for kind in kinds if any(dict(one.counts).get(kind) for one in found)]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        grid(axes, "", axis="x")
        starts = [0.0] * len(found)
        for kind in kinds:
            shares = [dict(one.counts).get(kind, 0) / one.n for one in found]
            colour, hatch = _LOOKS.get(kind, OTHER)
            bars: Any = axes.barh(
                range(len(found)),
                shares,
                left=starts,
                color=colour,
                hatch=hatch,
                edgecolor=INK,
                linewidth=0.5,
                height=0.6,
                label=kind,
            )
            light = colour in (SECOND, ACCENT)
            axes.bar_label(
                bars,
                [str(dict(one.counts).get(kind) or "") for one in found],
                label_type="center",
                fontsize=7,
                color="white" if light else INK,
            )
            starts = [start + share for start, share in zip(starts, shares, strict=True)]
        names(axes, [f"{shorten(one.label, 44)}  (n = {one.n})" for one in found])
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.set_xlabel("Share of the rows that were searched")
        figure.legend(loc="outside lower center", ncols=2, fontsize=7.5)

    said = (
        f"{one.label}: " + ", ".join(f"{name} {n} ({amount(n / one.n, share=True)})" for name, n in one.counts)
        for one in found
    )
    return draw(paint, width=WIDTH, height=1.35 + 0.36 * len(found), alt=f"How the searches ended. {'; '.join(said)}.")
