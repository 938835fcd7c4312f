"""The map of the shortcut search: what each place in the image frame is worth, over all samples and per group of
samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from auditor.core.displays import Cluster, Map
from auditor.report.canvas import GREY, INK, Drawing, draw
from auditor.report.words import number

WIDTH, HEIGHT = 6.8, 3.0


def where_map(frame: Map) -> Drawing:
    """Return the averaged map beside the small maps of the groups."""
    values = np.full((frame.rows, frame.columns), np.nan)
    for spot in frame.spots:
        values[spot.row, spot.column] = spot.estimate.value
    groups = frame.clusters if len(frame.clusters) > 1 else ()  # one group is the map of all over again
    scale = _reach([values])

    def paint(figure: Figure) -> None:
        left, right = _halves(figure) if groups else (figure, None)
        axes = left.add_subplot()
        image = _grid(axes, values, scale)
        for spot in frame.spots:
            if spot.stands_out:
                corner = (spot.column - 0.5, spot.row - 0.5)
                axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=INK, linewidth=2.0, zorder=3))
        axes.set_title("All samples searched")
        _colours(left, image, axes)
        if right is not None:
            _groups(right, groups)

    return draw(paint, width=WIDTH if groups else 3.8, height=HEIGHT, alt=_alt(frame))


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


def _groups(figure: Any, groups: Sequence[Cluster]) -> None:
    across = 2 if len(groups) <= 4 else 3
    grid = np.atleast_1d(figure.subplots(-(-len(groups) // across), across)).ravel()
    small = [np.array(group.values, dtype=np.float64) for group in groups]
    scale = _reach(small)
    for axes, values, group in zip(grid, small, groups, strict=False):
        image = _grid(axes, values, scale)
        axes.set_title(f"{number(group.size)} samples:\n{group.peak.name}", fontsize=7)
    for axes in grid[len(small) :]:
        axes.set_visible(False)
    _colours(figure, image, list(grid[: len(small)]))


def _reach(maps: Sequence[NDArray[np.float64]]) -> float:
    return max((float(np.nanmax(np.abs(values))) for values in maps if not np.isnan(values).all()), default=0.0) or 1.0


def _alt(frame: Map) -> str:
    peak, out = frame.peak, [spot for spot in frame.spots if spot.stands_out]
    named = "; ".join(f"row {one.row + 1}, column {one.column + 1}: {number(one.estimate.value)}" for one in out)
    parts = [
        f"Map of {frame.rows} x {frame.columns} places over the image frame, in logits",
        f"strongest at the {peak.name}, row {peak.row + 1}, column {peak.column + 1}",
        f"{len(out)} of {len(frame.spots)} places stand out" + (f" ({named})" if named else ""),
        *(
            f"group of {number(group.size)} samples: {group.peak.name} {number(group.peak.value)}"
            for group in frame.clusters
        ),
    ]
    return ". ".join(parts) + "."
