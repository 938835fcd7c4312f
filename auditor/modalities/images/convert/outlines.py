"""Masks as outlines: GeoJSON of QuPath, LabelMe, COCO, CVAT, ImageJ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from auditor.core.zones import Mask
from auditor.modalities.images.convert.marked import Marked, pieces, whole
from auditor.modalities.images.masks.reading_files import needed


def write_geojson(folder: Path, samples: Sequence[Marked]) -> list[Path]:
    """Write one GeoJSON file for each sample, as QuPath reads it."""
    files = []
    for one in samples:
        features = [
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [[*ring.tolist(), ring[0].tolist()] for ring in piece]},
                "properties": {"objectType": "annotation", "classification": {"name": name}},
            }
            for name, mask in one.structures.items()
            for piece in pieces(mask)
        ]
        file = one.file(folder, ".geojson")
        file.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
        files.append(file)
    return files


def write_labelme(folder: Path, samples: Sequence[Marked]) -> list[Path]:
    """Write one LabelMe file for each sample; it cannot hold masks with holes."""
    files = []
    for one in samples:
        shapes = [
            {"label": name, "points": ring.tolist(), "shape_type": "polygon", "flags": {}, "group_id": None}
            for name, mask in one.structures.items()
            for ring in whole(mask, one, "labelme")
        ]
        height, width = one.size
        content: dict[str, Any] = {
            "version": "5.0.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": one.image.name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        file = one.file(folder, ".json")
        file.write_text(json.dumps(content), encoding="utf-8")
        files.append(file)
    return files


def write_coco(folder: Path, samples: Sequence[Marked]) -> list[Path]:
    """Write one COCO file, instances.json, for all samples; masks are run lengths, column by column."""
    names = list(dict.fromkeys(name for one in samples for name in one.structures))
    images = [
        {"id": number, "file_name": one.image.name, "height": one.size[0], "width": one.size[1]}
        for number, one in enumerate(samples)
    ]
    marked = [
        (number, names.index(name) + 1, mask)
        for number, one in enumerate(samples)
        for name, mask in one.structures.items()
        if mask.any()
    ]
    annotations = [
        {
            "id": number,
            "image_id": image,
            "category_id": category,
            "segmentation": {"size": list(mask.shape), "counts": run_lengths(mask.T)},
            "area": int(mask.sum()),
            "bbox": _bounds(mask),
            "iscrowd": 1,
        }
        for number, (image, category, mask) in enumerate(marked)
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    file = folder / "instances.json"
    content = {"images": images, "annotations": annotations, "categories": categories}
    file.write_text(json.dumps(content), encoding="utf-8")
    return [file]


def _bounds(mask: Mask) -> list[int]:
    """Return left, top, width and height."""
    rows, columns = np.nonzero(mask)
    left, top = int(columns.min()), int(rows.min())
    return [left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1]


def run_lengths(mask: Mask) -> list[int]:
    """Return the lengths of the runs of a mask, line by line, beginning with what is not marked."""
    lengths = [(value, len(list(same))) for value, same in groupby(mask.ravel().tolist())]
    return [0] * bool(lengths[0][0]) + [length for _, length in lengths]


def write_cvat(folder: Path, samples: Sequence[Marked]) -> list[Path]:
    """Write one CVAT file for images, annotations.xml, for all samples."""
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    labels = ElementTree.SubElement(ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task"), "labels")
    for name in dict.fromkeys(name for one in samples for name in one.structures):
        ElementTree.SubElement(ElementTree.SubElement(labels, "label"), "name").text = name
    for number, one in enumerate(samples):
        height, width = one.size
        settings = {"id": str(number), "name": one.image.name, "width": str(width), "height": str(height)}
        image = ElementTree.SubElement(root, "image", settings)
        for name, mask in one.structures.items():
            if mask.any():
                left, top, wide, high = _bounds(mask)
                place = {"left": left, "top": top, "width": wide, "height": high}
                counts = run_lengths(mask[top : top + high, left : left + wide])
                given = {"label": name, "rle": ", ".join(map(str, counts))}
                ElementTree.SubElement(image, "mask", given | {key: str(value) for key, value in place.items()})
    file = folder / "annotations.xml"
    ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
    return [file]


def write_imagej(folder: Path, samples: Sequence[Marked]) -> list[Path]:
    """Write the ImageJ regions of each sample into one .zip file; it cannot hold masks with holes."""
    roifile = needed("roifile", "masks", folder)
    files = []
    for one in samples:
        regions = []
        for name, mask in one.structures.items():
            for number, ring in enumerate(whole(mask, one, "imagej")):
                # ImageJ itself tells regions of one name apart in this way
                called = f"{name}-{number}" if number else name
                region = roifile.ImagejRoi.frompoints(ring.astype(np.float32), name=called)
                region.roitype = roifile.ROI_TYPE.POLYGON
                regions.append(region)
        file = one.file(folder, ".zip")
        file.unlink(missing_ok=True)
        roifile.roiwrite(file, regions)
        files.append(file)
    return files
