"""The map of the shortcut search: what each place in the image frame is worth, over all samples and per group of
samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from auditor.core.records import Finding
from auditor.report.canvas import GREY, INK, Drawing, draw
from auditor.report.views import items
from auditor.report.words import is_number, number

WIDTH, HEIGHT = 6.8, 3.0


def where_map(finding: Finding) -> Drawing | None:
    """Return the averaged map beside the small maps of the groups; None where nothing was searched."""
    cells, groups = items(finding, "cells"), items(finding, "clusters")
    rows, columns = (int(finding.details.get(side) or 0) for side in ("rows", "columns"))
    if not cells or not rows or not columns:
        return None
    values = np.full((rows, columns), np.nan)
    for cell in cells:
        values[cell["row"], cell["column"]] = cell["estimate"]["value"]
    # one group is the map of all over again
    small = [_values(group["map"]) for group in groups] if len(groups) > 1 else []
    scale = _reach([values])

    def paint(figure: Figure) -> None:
        left, right = _halves(figure) if small else (figure, None)
        axes = left.add_subplot()
        image = _grid(axes, values, scale)
        for cell in cells:
            if cell.get("stands_out"):
                axes.add_patch(
                    Rectangle(
                        (cell["column"] - 0.5, cell["row"] - 0.5),
                        1,
                        1,
                        fill=False,
                        edgecolor=INK,
                        linewidth=2.0,
                        zorder=3,
                    )
                )
        axes.set_title("All samples searched")
        _colours(left, image, axes)
        if right is not None:
            _groups(right, groups, small)

    return draw(paint, width=WIDTH if small else 3.8, height=HEIGHT, alt=_alt(finding, cells, groups, rows, columns))


def _halves(figure: Figure) -> tuple[Any, Any]:
    places = figure.add_gridspec(1, 2, width_ratios=(1.15, 1))
    return figure.add_subfigure(places[0]), figure.add_subfigure(places[1])


def _grid(axes: Axes, values: NDArray[np.float64], scale: float) -> AxesImage:
    """Draw one map; places without a number are hatched."""
    image = axes.imshow(values, cmap="RdBu_r", vmin=-scale, vmax=scale, interpolation="nearest")
    for row, column in np.argwhere(np.isnan(values)).tolist():
        axes.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, hatch="////", edgecolor="#b4bdc7", linewidth=0)
        )
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=GREY)
    return image


def _colours(figure: Any, image: AxesImage, axes: Any) -> None:
    bar = figure.colorbar(image, ax=axes, shrink=0.9, pad=0.02)
    bar.set_label("Change of the margin (logits)", fontsize=7)
    bar.ax.tick_params(labelsize=6.5)
    bar.outline.set_linewidth(0.5)


def _groups(figure: Any, groups: Sequence[Mapping[str, Any]], small: Sequence[NDArray[np.float64]]) -> None:
    across = 2 if len(small) <= 4 else 3
    grid = np.atleast_1d(figure.subplots(-(-len(small) // across), across)).ravel()
    scale = _reach(small)
    for axes, values, group in zip(grid, small, groups, strict=False):
        image = _grid(axes, values, scale)
        axes.set_title(f"{number(group['size'])} samples:\n{group['peak']['place']}", fontsize=7)
    for axes in grid[len(small) :]:
        axes.set_visible(False)
    _colours(figure, image, list(grid[: len(small)]))


def _values(lines: Any) -> NDArray[np.float64]:
    return np.array([[float(value) if is_number(value) else np.nan for value in line] for line in lines])


def _reach(maps: Sequence[NDArray[np.float64]]) -> float:
    return max((float(np.nanmax(np.abs(values))) for values in maps if not np.isnan(values).all()), default=0.0) or 1.0


def _alt(
    finding: Finding, cells: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]], rows: int, columns: int
) -> str:
    peak = finding.details.get("peak") or {}
    out = [cell for cell in cells if cell.get("stands_out")]
    named = "; ".join(
        f"row {cell['row'] + 1}, column {cell['column'] + 1}: {number(cell['estimate']['value'])}" for cell in out
    )
    parts = [
        f"Map of {rows} x {columns} places over the image frame, in logits",
        f"strongest at the {peak.get('place')}, row {peak.get('row', 0) + 1}, column {peak.get('column', 0) + 1}",
        f"{len(out)} of {len(cells)} places stand out" + (f" ({named})" if named else ""),
        *(
            f"group of {number(group['size'])} samples: {group['peak']['place']} {number(group['peak']['value'])}"
            for group in groups
        ),
    ]
    return ". ".join(parts) + "."
