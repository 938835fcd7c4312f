"""Maps of intersections: accuracy over the values of two columns, as it is and under attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from auditor.core.displays import GroupRow
from auditor.core.records import Estimate
from auditor.report.canvas import ACCENT, GREY, INK, Drawing, draw, shorten
from auditor.report.fairness import Block, Panel
from auditor.report.fairness_figures import panel_text
from auditor.report.figures import WIDTH
from auditor.report.words import amount

SIDE_BY_SIDE, MOST_COLUMNS, PAGE_OF_ROWS = 4, 10, 14
"""Maps with more columns than the first lie below one another; with more than the second they are not drawn; longer
ones are cut into several figures.
"""
SHADES = LinearSegmentedColormap.from_list("accuracy", [ACCENT, "#f4f7fa"])
DARK, EMPTY = 0.33, "#eceff2"
"""Below this accuracy a cell is so dark that its number is white; the grey of a cell without samples."""
TILTED = 36
"""Names of columns that take more characters than this are tilted."""


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
    return [_maps(block, page, sides[across], order=(down, across)) for page in pages]


def _maps(block: Block, rows: Sequence[str], columns: Sequence[str], *, order: tuple[int, int]) -> Drawing:
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
                _cell(axes, panel, cells.get(place), place=divmod(at, len(columns)), known=place in known)
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
    return f"{panel_text(panel, name)}, n = {_number_of(panel, name)}"


def _number_of(panel: Panel, name: str) -> str:
    estimate, member = panel.estimate(name), panel.members.get(name)
    n = estimate.n if estimate and estimate.n else member.n if member else None
    return "?" if n is None else str(n)


def _shades(axes: Axes, panel: Panel, table: Sequence[Sequence[str | None]]) -> AxesImage:
    values = np.array([[_shade(panel, name) for name in line] for line in table], dtype=float)
    return axes.imshow(
        np.ma.masked_invalid(values), cmap=SHADES, vmin=0.0, vmax=1.0, interpolation="nearest", aspect="auto"
    )


def _cell(axes: Axes, panel: Panel, name: str | None, *, place: tuple[int, int], known: bool) -> None:
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
