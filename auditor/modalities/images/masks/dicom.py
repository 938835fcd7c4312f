"""DICOM segmentations and radiotherapy structure sets."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError
from auditor.core.zones import Mask
from auditor.modalities.images.masks import masks
from auditor.modalities.images.masks.content import Outlined, Wanted, by_structure
from auditor.modalities.images.masks.polygons import Outline, outline
from auditor.modalities.images.masks.reading_files import changed, needed, parsed

_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
_FILES = 4
_PLANE = 0.5
"""Farthest that a contour may lie from an image's plane, in slice thicknesses, to be drawn on it."""


@masks.register("dicom-seg", endings=(".dcm", ".dicom"), recognises=lambda head: _SEGMENTATION.encode() in head)
def dicom_seg(path: Path, wanted: Wanted) -> Outlined:
    """DICOM segmentation: segments by label, the frames of the sample's DICOM image, or of `slice`."""
    return parsed(path, "a DICOM segmentation", lambda: _segments(_read(path, changed(path)), wanted, path))


@masks.register("dicom-rt", endings=(".dcm", ".dicom"), recognises=lambda head: _STRUCTURES.encode() in head)
def dicom_rt(path: Path, wanted: Wanted) -> Outlined:
    """DICOM radiotherapy structure set: contours by the structure's name, on the plane of the sample's DICOM image."""
    return parsed(path, "a DICOM structure set", lambda: _structures(_read(path, changed(path)), wanted, path))


@lru_cache(_FILES)
def _read(path: Path, _changed: float) -> Any:
    pydicom = needed("pydicom", "dicom", path)
    try:
        return pydicom.dcmread(path)
    except (OSError, pydicom.errors.InvalidDicomError) as error:
        raise ValueError(str(error)) from None


@lru_cache(64)
def _image(path: Path, _changed: float) -> Any:
    """Return the header of the sample's image; None where it is no DICOM file."""
    pydicom = needed("pydicom", "dicom", path)
    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except (OSError, pydicom.errors.InvalidDicomError):
        return None


def _segments(file: Any, wanted: Wanted, path: Path) -> Outlined:
    names = {int(one.SegmentNumber): str(one.SegmentLabel) for one in file.SegmentSequence}
    pixels = np.asarray(file.pixel_array).reshape(-1, int(file.Rows), int(file.Columns))
    frames = list(file.PerFrameFunctionalGroupsSequence)
    chosen, marked = _frames(frames, wanted, path), pixels >= _half(file)
    return Outlined(
        by_structure(
            (names[_segment_of(file, frames[place])], np.ascontiguousarray(marked[place])) for place in chosen
        ),
        (int(file.Rows), int(file.Columns)),
        tuple(names.values()),
    )


def _half(file: Any) -> float:
    """Return the smallest value inside: half of the largest one of a segmentation in probabilities."""
    return float(file.MaximumFractionalValue) / 2 if file.SegmentationType == "FRACTIONAL" else 1.0


def _segment_of(file: Any, frame: Any) -> int:
    groups = frame if "SegmentIdentificationSequence" in frame else file.SharedFunctionalGroupsSequence[0]
    return int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)


def _frames(frames: list[Any], wanted: Wanted, path: Path) -> list[int]:
    """Return the frames of the sample: those made of its DICOM image, else those of its slice, else the only ones."""
    image = _image(wanted.image, changed(wanted.image))
    sources = [_sources(frame) for frame in frames]
    if image is not None and any(sources):
        return [place for place, made in enumerate(sources) if str(image.SOPInstanceUID) in made]
    heights = [_position(frame) for frame in frames]
    planes = sorted(set(heights))
    if wanted.slice is None and len(planes) > 1:
        raise DataError(
            f"{path}: expected one plane, got a segmentation of {len(planes)}; name each sample's by `slice` (from 0)"
            " or list its DICOM image, by which its frame is found."
        )
    if not 0 <= (wanted.slice or 0) < len(planes):
        raise DataError(f"{path}: expected a slice from 0 to {len(planes) - 1}, got {wanted.slice}.")
    return [place for place, height in enumerate(heights) if height == planes[wanted.slice or 0]]


def _sources(frame: Any) -> set[str]:
    return {
        str(source.ReferencedSOPInstanceUID)
        for derived in frame.get("DerivationImageSequence", ())
        for source in derived.get("SourceImageSequence", ())
    }


def _position(frame: Any) -> tuple[float, ...]:
    """Return where a frame lies, head last, so that planes sort from the feet up."""
    place = [float(one) for one in frame.PlanePositionSequence[0].ImagePositionPatient]
    return tuple(reversed(place))


def _structures(file: Any, wanted: Wanted, path: Path) -> Outlined:
    image = _image(wanted.image, changed(wanted.image))
    if image is None or "ImagePositionPatient" not in image:
        raise DataError(
            f"{path}: a structure set is drawn in millimetres, so that it needs the DICOM image of each sample as its"
            f" picture, got '{wanted.image.name}'."
        )
    names = {int(one.ROINumber): str(one.ROIName) for one in file.StructureSetROISequence}
    rings: dict[str, list[NDArray[np.float64]]] = {}
    for structure in file.get("ROIContourSequence", ()):
        for contour in structure.get("ContourSequence", ()):
            ring = _on_plane(contour, image)
            if ring is not None:
                rings.setdefault(names[int(structure.ReferencedROINumber)], []).append(ring)
    size = (int(image.Rows), int(image.Columns))
    parts: dict[str, list[Outline | Mask]] = {name: [outline(several)] for name, several in rings.items()}
    return Outlined(parts, size, tuple(names.values()))


def _on_plane(contour: Any, image: Any) -> NDArray[np.float64] | None:
    """Return the corners (n, 2) of a contour in pixels of the image; None where it lies on another plane."""
    if str(contour.get("ContourGeometricType", "")) not in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"):
        return None
    points = np.asarray(contour.ContourData, float).reshape(-1, 3) - np.asarray(image.ImagePositionPatient, float)
    right, down = np.asarray(image.ImageOrientationPatient, float).reshape(2, 3)
    apart = points @ np.cross(right, down)
    if np.abs(apart).max() > _PLANE * float(image.get("SliceThickness") or 1.0):
        return None
    down_step, right_step = (float(one) for one in image.PixelSpacing)
    # DICOM measures from the centre of the first pixel
    return np.stack([points @ right / right_step + 0.5, points @ down / down_step + 0.5], 1)
