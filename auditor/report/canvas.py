"""One place where figures become bytes: the same data gives the same SVG on every run, whatever the user's matplotlib
settings.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, GREY, PALE, ACCENT, SECOND = "#1c2733", "#5b6875", "#dfe4ea", "#1f4e79", "#a8481f"
SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "auditor",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "text.parse_math": False,
    "hatch.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.markersize": 5,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@dataclass(frozen=True)
class Drawing:
    """A picture ready for `<img>`: a data address, its text alternative, its size in inches."""

    src: str
    alt: str
    width: float
    height: float


def data_uri(content: bytes, kind: str) -> str:
    """Return the data address of some bytes, such as kind 'image/png'."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def draw(paint: Callable[[Figure], None], *, width: float, height: float, alt: str) -> Drawing:
    """Return the drawing that a function (figure) -> None paints on a blank figure; sizes in inches."""
    with style.context(["default", SETTINGS]), warnings.catch_warnings():
        # A name in a script that the built-in font lacks is drawn as boxes; the table beside the figure spells it out.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure)
        target = io.BytesIO()
        figure.savefig(target, format="svg", metadata={"Date": None})
    return Drawing(data_uri(target.getvalue(), "image/svg+xml"), alt, width, height)


def whisker(axes: Axes, *, at: float, low: float, high: float, colour: str, style: str = "-") -> None:
    """Draw a horizontal interval with end caps."""
    axes.plot(
        [low, high],
        [at, at],
        color=colour,
        linestyle=style,
        linewidth=1.4,
        marker="|",
        markersize=6,
        markeredgewidth=1.2,
        zorder=2,
    )


def shorten(text: str, length: int) -> str:
    """Return a text of at most so many characters, its middle left out."""
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[:half]}…{text[-half:]}"
