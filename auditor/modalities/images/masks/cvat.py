"""Outlines of CVAT."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from auditor.core.errors import DataError
from auditor.modalities.images.masks import masks
from auditor.modalities.images.masks.content import Outlined, Piece, Wanted, by_structure
from auditor.modalities.images.masks.drawn import entry_of
from auditor.modalities.images.masks.polygons import box, ellipse, outline
from auditor.modalities.images.masks.reading_files import changed, parsed

_FILES = 4


@masks.register("cvat", endings=(".xml",), recognises=lambda head: b"<annotations" in head)
def cvat(path: Path, wanted: Wanted) -> Outlined:
    """CVAT for images (XML): polygons, boxes, ellipses and masks by label; one file for all images, asked by name."""
    return parsed(path, "a CVAT file of images", lambda: _parsed(path, wanted))


def _parsed(path: Path, wanted: Wanted) -> Outlined:
    root = _root(path, changed(path))
    images = list(root.iter("image"))
    image = images[entry_of([one.attrib["name"] for one in images], wanted, path)]
    size = (int(image.attrib["height"]), int(image.attrib["width"]))
    known = [one.findtext("name") or "" for one in root.iter("label")]
    found = ((one.attrib.get("label", ""), part) for one in image for part in _part(one, size))
    return Outlined(by_structure(found), size, tuple(name for name in known if name))


@lru_cache(_FILES)
def _root(path: Path, _changed: float) -> Any:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: expected a readable mask file, got: {error.strerror}.") from None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("a document that declares entities, which no CVAT file does")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None


def _part(shape: Any, size: tuple[int, int]) -> list[Piece]:
    given = shape.attrib
    turned = np.deg2rad(float(given.get("rotation", 0)))
    if shape.tag == "polygon":
        return [outline([[pair.split(",") for pair in given["points"].split(";")]])]
    if shape.tag == "box":
        left, top, right, bottom = (float(given[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
        centre = np.array([left + right, top + bottom]) / 2
        ring = box((left, top), (right - left, bottom - top))[0] - centre
        cos, sin = np.cos(turned), np.sin(turned)
        return [(ring @ np.array([[cos, sin], [-sin, cos]]) + centre,)]
    if shape.tag == "ellipse":
        x, y, wide, high = (float(given[name]) for name in ("cx", "cy", "rx", "ry"))
        return [ellipse((x, y), (wide, high), turned=turned)]
    if shape.tag == "mask":
        left, top, width, height = (int(given[name]) for name in ("left", "top", "width", "height"))
        counts = [int(one) for one in given["rle"].split(",")]
        mask = np.zeros(size, dtype=np.bool_)
        piece = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
        mask[top : top + height, left : left + width] = piece
        return [mask]
    return []
