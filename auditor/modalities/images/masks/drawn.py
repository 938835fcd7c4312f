"""Outlines in JSON, as QuPath (GeoJSON), LabelMe and COCO write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from auditor.core.errors import DataError
from auditor.modalities.images.masks import masks
from auditor.modalities.images.masks.content import Outlined, Piece, Wanted, by_structure
from auditor.modalities.images.masks.polygons import Outline, box, ellipse, outline
from auditor.modalities.images.masks.reading_files import changed, needed, parsed

_FILES = 8
_POINTLIKE = (
    "point",
    "points",
    "line",
    "linestrip",
    "polyline",
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
)


def read_json(path: Path) -> Any:
    """Return what a JSON file holds (DataError: missing, or not JSON)."""
    try:
        return _json(path, changed(path))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected a whole JSON file, got: {str(error).splitlines()[0]}.") from None


@lru_cache(_FILES)
def _json(path: Path, _changed: float) -> Any:
    return json.loads(path.read_text("utf-8-sig"))


@masks.register("geojson", endings=(".geojson", ".json"), recognises=lambda head: b'"Feature' in head)
def geojson(path: Path, _wanted: Wanted) -> Outlined:
    """GeoJSON of QuPath: polygons in pixels, by the name of their class."""
    return parsed(path, "GeoJSON with polygons in pixels", lambda: _geojson(read_json(path)))


def _geojson(content: Any) -> Outlined:
    features = content if isinstance(content, list) else content.get("features", [content])
    return Outlined(by_structure((_class(one), part) for one in features for part in _shapes(one["geometry"])))


def _class(feature: Mapping[str, Any]) -> str:
    properties = feature.get("properties") or {}
    given = properties.get("classification") or {}
    return str((given.get("name") if isinstance(given, Mapping) else given) or properties.get("label") or "")


def _shapes(geometry: Mapping[str, Any]) -> list[Outline]:
    kind = geometry["type"]
    if kind == "GeometryCollection":
        return [part for one in geometry["geometries"] for part in _shapes(one)]
    if kind in _POINTLIKE:
        return []
    if kind not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"the geometry '{kind}'")
    several = [geometry["coordinates"]] if kind == "Polygon" else geometry["coordinates"]
    return [outline([np.asarray(ring, float)[:, :2] for ring in rings]) for rings in several]


@masks.register("labelme", endings=(".json",), recognises=lambda head: b'"shapes"' in head)
def labelme(path: Path, _wanted: Wanted) -> Outlined:
    """LabelMe: polygons, rectangles and circles by their label."""
    return parsed(path, "a LabelMe file with shapes", lambda: _labelme(read_json(path)))


def _labelme(content: Mapping[str, Any]) -> Outlined:
    height, width = content.get("imageHeight"), content.get("imageWidth")
    parts = by_structure((str(one.get("label") or ""), part) for one in content["shapes"] for part in _labelled(one))
    return Outlined(parts, (int(height), int(width)) if height and width else None)


def _labelled(shape: Mapping[str, Any]) -> list[Outline]:
    kind, points = shape.get("shape_type", "polygon"), np.asarray(shape["points"], float)
    if kind in _POINTLIKE:
        return []
    if kind == "polygon":
        return [outline([points])]
    if kind == "rectangle":
        low, high = points.min(axis=0), points.max(axis=0)
        return [box(low, high - low)]
    if kind == "circle":
        radius = float(np.hypot(*(points[1] - points[0])))
        return [ellipse((points[0][0], points[0][1]), (radius, radius))]
    raise ValueError(f"a shape of type '{kind}'")


@masks.register("coco", endings=(".json",), recognises=lambda head: b'"annotations"' in head or b'"images"' in head)
def coco(path: Path, wanted: Wanted) -> Outlined:
    """COCO: polygons and run lengths (packed or not) by category; one file for all images, asked by file name."""
    return parsed(path, "a COCO file", lambda: _coco(read_json(path), wanted, path))


def _coco(content: Mapping[str, Any], wanted: Wanted, path: Path) -> Outlined:
    categories = {one["id"]: str(one["name"]) for one in content["categories"]}
    image = content["images"][entry_of([str(one["file_name"]) for one in content["images"]], wanted, path)]
    size = (int(image["height"]), int(image["width"]))
    found = [one for one in content["annotations"] if one["image_id"] == image["id"]]
    parts = by_structure(
        (categories[one["category_id"]], part) for one in found for part in _segmented(one, size, path)
    )
    return Outlined(parts, size, tuple(categories.values()))


def entry_of(names: Sequence[str], wanted: Wanted, path: Path) -> int:
    """Return the place of the sample's image among the images of a file: by its path's end, or else by its name alone
    (DataError: none, or several).
    """
    mine, plain = wanted.image.as_posix(), [name.replace("\\", "/") for name in names]
    found = [place for place, name in enumerate(plain) if mine == name or mine.endswith(f"/{name}")]
    found = found or [place for place, name in enumerate(plain) if name.rpartition("/")[2] == wanted.image.name]
    if len(found) == 1:
        return found[0]
    raise DataError(
        f"{path}: expected one image called '{wanted.image.name}', got {len(found) or 'none'} among {len(names)}."
    )


def _segmented(annotation: Mapping[str, Any], size: tuple[int, int], path: Path) -> list[Piece]:
    found = annotation.get("segmentation")
    if not found:
        return [box(*np.asarray(annotation["bbox"], float).reshape(2, 2))]
    if isinstance(found, list):
        return [outline([np.asarray(ring, float).reshape(-1, 2)]) for ring in found]
    counts = found["counts"]
    if isinstance(counts, list):
        values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        return [values.reshape(size[::-1]).T]
    packed = {"size": list(size), "counts": counts}
    return [needed("pycocotools.mask", "masks", path).decode(packed).astype(np.bool_)]
