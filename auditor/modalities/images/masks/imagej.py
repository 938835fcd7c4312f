"""Regions of interest of ImageJ and Fiji."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from auditor.modalities.images.masks import masks
from auditor.modalities.images.masks.content import Outlined, Wanted, by_structure
from auditor.modalities.images.masks.polygons import Outline, outline
from auditor.modalities.images.masks.reading_files import changed, needed, parsed

_UNNAMED = re.compile(r"[\d-]*")
"""What ImageJ calls a region that nobody named: its position."""


@masks.register("imagej", endings=(".roi", ".zip"))
def imagej(path: Path, wanted: Wanted) -> Outlined:
    """ImageJ regions (.roi, or several in a .zip): areas by name; lines and points mark nothing."""
    changed(path)
    return parsed(path, "ImageJ regions", lambda: _regions(path, wanted))


def _regions(path: Path, wanted: Wanted) -> Outlined:
    roifile = needed("roifile", "masks", path)
    try:
        found = roifile.roiread(path)
    except Exception as error:  # the library raises struct.error, zlib.error, BadZipFile and more
        raise ValueError(str(error) or type(error).__name__) from None
    regions = [one for one in (found if isinstance(found, list) else [found]) if _shown(one, wanted.slice)]
    names = {str(one.name) for one in regions}
    return Outlined(by_structure((_name(one, names), part) for one in regions for part in _area(one, roifile.ROI_TYPE)))


def _shown(region: Any, slice: int | None) -> bool:
    position = int(region.z_position or region.position or 0)
    return slice is None or position in (0, slice + 1)


def _name(region: Any, names: set[str]) -> str:
    """Return a region's name; empty where nobody gave it one, and without the number by which ImageJ tells it from
    another of that name.
    """
    name = str(region.name or "")
    plain, _, number = name.rpartition("-")
    return "" if _UNNAMED.fullmatch(name) else plain if number.isdecimal() and plain in names else name


def _area(region: Any, kinds: Any) -> list[Outline]:
    areas = (kinds.POLYGON, kinds.RECT, kinds.OVAL, kinds.FREEHAND, kinds.TRACED)
    if region.roitype not in areas:
        return []
    rings = [np.asarray(ring, float) for ring in region.coordinates(multi=True)]
    return [outline([ring for ring in rings if len(ring) >= 3])]
