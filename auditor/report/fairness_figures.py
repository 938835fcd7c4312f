"""The figures of the fairness section: accuracy and robustness side by side, smallest epsilons per group, maps of
intersections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from auditor.core.displays import GroupRow, Steps
from auditor.core.records import Estimate
from auditor.report.canvas import ACCENT, GREY, INK, SECOND, Drawing, draw, shorten, whisker
from auditor.report.fairness import Block, Panel
from auditor.report.figures import FAINT, LOOKS, SPARE, WIDTH, Look, grid, names, smallest_curves
from auditor.report.words import amount, declared, epsilon_text, estimate_text, zone_text

PAGE_OF_GROUPS = 24
MOST_LINES = 6
"""With more groups than this only the compared pair has colours."""
MOST_BANDS = 3
"""With more groups than this only the compared pair has bands."""
SIDE_BY_SIDE, MOST_COLUMNS, PAGE_OF_ROWS = 4, 10, 14
"""Maps with more columns than the first lie below one another; with more than the second they are not drawn; longer
ones are cut into several figures.
"""
SHADES = LinearSegmentedColormap.from_list("accuracy", [ACCENT, "#f4f7fa"])
DARK, EMPTY = 0.33, "#eceff2"
"""Below this accuracy a cell is so dark that its number is white; the grey of a cell without samples."""
TILTED = 36
"""Names of columns that take more characters than this are tilted."""


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
            grid(axes, panel.title, axis="x")
            for place, name in enumerate(shown):
                _dot(axes, panel, name, place, look)
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

    said = [f"{panel.title}, {name}: {_said(panel, name)}" for panel in panels for name in shown]
    height = 0.95 + 0.27 * (rows + tolerated)
    return draw(
        paint, width=WIDTH, height=height, alt=f"Accuracy per group of {block.name} with intervals. {'; '.join(said)}."
    )


def _size(block: Block, name: str) -> str:
    known = [member.n for panel in block.panels if (member := panel.members.get(name))]
    return str(known[0]) if known else "?"


def _said(panel: Panel, name: str) -> str:
    note = panel.members[name].note if name in panel.members else ""
    estimate = panel.estimate(name)
    return estimate_text(estimate, note) + (f" ({note})" if estimate and note else "")


def _dot(axes: Axes, panel: Panel, name: str, place: int, look: Look) -> None:
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
    return (
        smallest_curves(shown, data=data, declared=declared, primary=primary, looks=looks, banded=banded, per="group")
        if shown
        else None
    )


def beyond(one: Steps, data: Mapping[str, Any]) -> str:
    """Return in words how many samples nothing flipped within the reach of the search, such as '12 of 40 beyond
    16/255'.
    """
    return f"{one.beyond} of {one.n} beyond {epsilon_text(one.reach, data) if one.reach else 'the reach of the search'}"


def intersection_maps(block: Block, orders: Mapping[str, Sequence[str]]) -> list[Drawing]:
    """Return maps of accuracy, as it is and under attack, over the values of two columns; none for another number of
    columns or too many of them.

    `orders`: column -> its values in the order of the report.
    """
    members = {name: member for panel in block.panels for name, member in panel.members.items()}
    parts = [part for member in members.values() if (part := _values(member, len(block.columns)))]
    if len(block.columns) != 2 or not parts:
        return []
    sides = [_ordered([part[at] for part in parts], orders.get(block.columns[at], ())) for at in (0, 1)]
    turned = len(sides[1]) > MOST_COLUMNS >= len(sides[0])
    down, across = (1, 0) if turned else (0, 1)
    if len(sides[across]) > MOST_COLUMNS:
        return []
    pages = [sides[down][start : start + PAGE_OF_ROWS] for start in range(0, len(sides[down]), PAGE_OF_ROWS)]
    return [_maps(block, page, sides[across], (down, across)) for page in pages]


def _maps(block: Block, rows: Sequence[str], columns: Sequence[str], order: tuple[int, int]) -> Drawing:
    down, across = order
    beside = len(columns) <= SIDE_BY_SIDE
    placed = [
        {(part[down], part[across]): name for name, member in panel.members.items() if (part := _values(member, 2))}
        for panel in block.panels
    ]
    known = {place for panel in placed for place in panel}
    heads = [shorten(column, 14) for column in columns]
    tilted = len(columns) * max(map(len, heads)) > (TILTED if beside else 2 * TILTED)

    def paint(figure: Figure) -> None:
        both = figure.subplots(1, 2, sharey=True) if beside else figure.subplots(2, 1)
        for axes, panel, cells in zip(both, block.panels, placed, strict=True):
            image = _shades(axes, panel, [[cells.get((row, column)) for column in columns] for row in rows])
            for at, place in enumerate((row, column) for row in rows for column in columns):
                _cell(axes, panel, cells.get(place), divmod(at, len(columns)), known=place in known)
            axes.set_title(panel.title)
            axes.set_xticks(
                range(len(columns)), heads, fontsize=7, rotation=20 if tilted else 0, ha="right" if tilted else "center"
            )
            axes.set_yticks(range(len(rows)), [shorten(row, 24) for row in rows])
            axes.set_xlabel(shorten(block.columns[across], 40))
            axes.tick_params(length=0)
        figure.supylabel(shorten(block.columns[down], 40), fontsize=8)
        _colours(figure, image, list(both))

    said = [
        f"{panel.title}, {name}: {_cell_said(panel, name)}"
        for panel, cells in zip(block.panels, placed, strict=True)
        for name in cells.values()
    ]
    height = 0.95 + 0.36 * len(rows) if beside else 1.6 + 0.72 * len(rows)
    return draw(
        paint,
        width=WIDTH,
        height=height,
        alt=f"Accuracy by {block.columns[down]} and {block.columns[across]}. {'; '.join(said)}.",
    )


def _cell_said(panel: Panel, name: str) -> str:
    return f"{_said(panel, name)}, n = {_number_of(panel, name)}"


def _number_of(panel: Panel, name: str) -> str:
    estimate, member = panel.estimate(name), panel.members.get(name)
    n = estimate.n if estimate and estimate.n else member.n if member else None
    return "?" if n is None else str(n)


def _shades(axes: Axes, panel: Panel, table: Sequence[Sequence[str | None]]) -> AxesImage:
    values = np.array([[_shade(panel, name) for name in line] for line in table], dtype=float)
    return axes.imshow(
        np.ma.masked_invalid(values), cmap=SHADES, vmin=0.0, vmax=1.0, interpolation="nearest", aspect="auto"
    )


def _cell(axes: Axes, panel: Panel, name: str | None, place: tuple[int, int], *, known: bool) -> None:
    """Write one cell's number and n; hatched where it cannot be compared, grey where no sample is."""
    row, column = place
    shade, estimate = _shade(panel, name), panel.estimate(name) if name is not None else None
    hatch = "////" if known and np.isnan(shade) else None
    frame: dict[str, Any] = {
        "facecolor": EMPTY,
        "fill": not known,
        "hatch": hatch,
        "edgecolor": "#c3cad2",
        "linewidth": 0.4,
    }
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **frame))
    number = amount(estimate.value, share=True) if estimate else "not measured"
    text = "n = 0" if not known else f"{number}\nn = {_number_of(panel, name)}" if name is not None else number
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0} if hatch else None
    colour = "white" if shade < DARK else INK if known else GREY
    axes.text(
        column,
        row,
        text,
        ha="center",
        va="center",
        fontsize=5.5 if known and estimate is None else 6.5,
        color=colour,
        bbox=box,
    )


def _shade(panel: Panel, name: str | None) -> float:
    """Return what colours a cell; NaN where it is empty or too few to be compared."""
    estimate: Estimate | None = panel.estimate(name) if name is not None else None
    return estimate.value if estimate and name is not None and not panel.members[name].few else np.nan


def _colours(figure: Figure, image: AxesImage, both: list[Axes]) -> None:
    bar = figure.colorbar(image, ax=both, shrink=0.9, pad=0.02, format=PercentFormatter(1.0, symbol=" %"))
    bar.set_label("Accuracy", fontsize=7)
    bar.ax.tick_params(labelsize=6.5)


def _values(member: GroupRow, columns: int) -> tuple[str, ...]:
    """Return a group's value in every column; nothing where it has another number of them."""
    return member.values if len(member.values) == columns else ()


def _ordered(values: Sequence[str], order: Sequence[str]) -> list[str]:
    """Return distinct values, those of an order first."""
    present = dict.fromkeys(values)
    return [*(value for value in order if value in present), *(value for value in present if value not in order)]
