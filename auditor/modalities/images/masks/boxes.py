"""Boxes that stand in the manifest itself, in the place of a mask file's path."""

from __future__ import annotations

import re
from pathlib import Path

from auditor.core.errors import DataError
from auditor.modalities.images.masks.content import Outlined
from auditor.modalities.images.masks.polygons import box

_CELL = re.compile(r"[\s\d.,;+()\[\]-]+")
NOTE = "boxes of the manifest are read as left, top, width and height in pixels; several are separated by semicolons"


def is_box(path: Path) -> bool:
    """Return whether a cell holds the numbers of a box rather than a path."""
    return bool(_CELL.fullmatch(path.name)) and len(re.findall(r"\d+", path.name)) >= 4


def boxes(path: Path) -> Outlined:
    """Return the boxes of a cell (DataError: not four numbers each, or no size)."""
    found = []
    for text in filter(str.strip, path.name.split(";")):
        numbers = [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?", text)]
        if len(numbers) != 4 or min(numbers[2:]) <= 0 or max(numbers) <= 1:
            raise DataError(
                f"{path.parent}: expected left, top, width and height in pixels as a box in the place of a mask file,"
                f" got '{text.strip()}'."
            )
        found.append(box(numbers[:2], numbers[2:]))
    return Outlined({"box": found}, notes=(NOTE,))
