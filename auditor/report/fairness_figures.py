"""The figures of the fairness section: accuracy and robustness side by side, smallest epsilons per group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from auditor.core.displays import Steps
from auditor.report.canvas import ACCENT, GREY, INK, SECOND, Drawing, draw, shorten, whisker
from auditor.report.fairness import Block, Panel
from auditor.report.figures import WIDTH, names, pale_grid
from auditor.report.flip_figures import FAINT, LOOKS, SPARE, Lines, Look, smallest_curves
from auditor.report.words import declared, epsilon_text, estimate_text, zone_text

PAGE_OF_GROUPS = 24
MOST_LINES = 6
"""With more groups than this only the compared pair has colours."""
MOST_BANDS = 3
"""With more groups than this only the compared pair has bands."""


def forest(block: Block) -> list[Drawing]:
    """Return accuracy as it is beside accuracy under attack, per group; a long list is cut into several figures, a list
    without numbers makes none.
    """
    if not any(panel.estimate(name) for panel in block.panels for name in block.names):
        return []
    return [
        _forest(block, block.names[start : start + PAGE_OF_GROUPS])
        for start in range(0, len(block.names), PAGE_OF_GROUPS)
    ]


def attack_text(panel: Panel, data: Mapping[str, Any]) -> str:
    """Return where and how far the attack of a panel went, such as 'the whole input, 2/255'; an empty text where
    nothing says so.
    """
    if panel.attacked is None:
        return ""
    return ", ".join(part for part in (zone_text(panel.attacked.zone), epsilon_text(panel.attacked.size, data)) if part)


def _forest(block: Block, shown: Sequence[str]) -> Drawing:
    panels, rows = block.panels, len(shown)
    tolerated = any(panel.tolerance is not None for panel in panels)

    def paint(figure: Figure) -> None:
        both = figure.subplots(1, 2, sharey=True)
        for axes, panel, look in zip(both, panels, ((ACCENT, "-", "o"), (SECOND, "--", "s")), strict=True):
            pale_grid(axes, panel.title, axis="x")
            for place, name in enumerate(shown):
                _dot(axes, panel, name, place=place, look=look)
            axes.set_xlim(-0.02, 1.02)
            axes.set_xticks([0.0, 0.25, 0.5, 0.75, 1.0])
            axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
            axes.set_xlabel("Accuracy")
            axes.tick_params(axis="y", length=0)
            if panel.tolerance is not None:
                _tolerance(axes, panel.tolerance, rows)
        names(both[0], [f"{shorten(name, 30)}  (n = {_size(block, name)})" for name in shown])
        for label, name in zip(both[0].get_yticklabels(), shown, strict=True):
            label.set_fontweight("bold" if any(name in panel.pair for panel in panels) else "normal")
        both[0].set_ylim(rows + (0.3 if tolerated else -0.4), -0.6)

    said = [f"{panel.title}, {name}: {panel_text(panel, name)}" for panel in panels for name in shown]
    height = 0.95 + 0.27 * (rows + tolerated)
    return draw(
        paint, width=WIDTH, height=height, alt=f"Accuracy per group of {block.name} with intervals. {'; '.join(said)}."
    )


def _size(block: Block, name: str) -> str:
    known = [member.n for panel in block.panels if (member := panel.members.get(name))]
    return str(known[0]) if known else "?"


def panel_text(panel: Panel, name: str) -> str:
    """Return a group's estimate in words, with its note."""
    note = panel.members[name].note if name in panel.members else ""
    estimate = panel.estimate(name)
    return estimate_text(estimate, note) + (f" ({note})" if estimate and note else "")


def _dot(axes: Axes, panel: Panel, name: str, *, place: int, look: Look) -> None:
    member, estimate = panel.members.get(name), panel.estimate(name)
    few = member is not None and member.few
    if few:
        axes.annotate(
            "too few",
            (1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=6.5,
            color=GREY,
        )
    if estimate is None:
        axes.annotate(
            "not measured",
            (0.0, place),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=6.5,
            color=GREY,
        )
        return
    colour, style, marker = (GREY, ":", look[2]) if few else look
    whisker(axes, at=place, low=estimate.low, high=estimate.high, colour=colour, style=style)
    heavy = name in panel.pair
    axes.plot(
        [estimate.value],
        [place],
        marker=marker,
        color=colour,
        markerfacecolor="white" if few else colour,
        markersize=6.5 if heavy else 5,
        zorder=3,
    )


def _tolerance(axes: Axes, tolerance: float, at: float) -> None:
    end = min(1.0, max(0.0, tolerance))
    axes.plot([0.0, end], [at - 0.15] * 2, color=INK, linewidth=3.5, solid_capstyle="butt")
    axes.annotate(
        f"tolerated gap, {declared(tolerance, share=True)}", (end + 0.02, at - 0.15), va="center", fontsize=6.5
    )


def group_curves(
    block: Block, *, data: Mapping[str, Any], declared: Sequence[float], primary: float | None = None
) -> Drawing | None:
    """Return the share of each group flipped at or below each epsilon; None where no smallest epsilon is known.

    Every group has its own line and its entry in the key up to MOST_LINES; beyond that the compared pair alone, the
    others are grey.
    """
    found, panel = block.smallest(block.attacked), block.panels[1]
    few = {name for name, member in panel.members.items() if member.few}
    coloured = (
        [one.name for one in found if one.name in panel.pair]
        if len(found) > MOST_LINES
        else [one.name for one in found]
    )
    styles = iter((*LOOKS.values(), *SPARE))
    looks: dict[str, Look] = {name: (GREY, ":", "") if name in few else next(styles) for name in coloured}
    banded = panel.pair if len(found) > MOST_BANDS else set(coloured) - few
    looks |= {one.name: FAINT for one in found if one.name not in looks}
    grey = [one.name for one in found if one.name not in coloured]
    key = {
        one.name: f"{shorten(one.name, 24)}: {beyond(one, data)}{' (too few)' if one.name in few else ''}"
        for one in found
        if one.name in coloured
    }
    key |= {name: f"the {len(grey)} other groups, see the table" for name in grey[:1]}
    shown = sorted((replace(one, label=key.get(one.name, "")) for one in found), key=lambda one: one.name in coloured)
    lines = Lines(looks=looks, banded=banded, per="group")
    return smallest_curves(shown, data=data, declared=declared, primary=primary, lines=lines) if shown else None


def beyond(one: Steps, data: Mapping[str, Any]) -> str:
    """Return in words how many samples nothing flipped within the reach of the search, such as '12 of 40 beyond
    16/255'.
    """
    return f"{one.beyond} of {one.n} beyond {epsilon_text(one.reach, data) if one.reach else 'the reach of the search'}"
