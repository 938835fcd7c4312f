"""Masks of volumes: NIfTI, and NRRD as 3D Slicer writes it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError
from auditor.modalities.images.masks import masks
from auditor.modalities.images.masks.content import Content, Outlined, Painted, Wanted
from auditor.modalities.images.masks.reading_files import changed, needed, unreadable

_VOLUMES = 4
"""Volumes kept in memory, since the slices of one follow each other."""
_AXES = ("L", "P", "S")
"""The patient's left, back and head: x to the right and y down of an axial picture as radiologists see it, and the
slices."""


def plane(volume: NDArray[Any], slice: int | None, path: Path) -> NDArray[Any]:
    """Return one slice (height, width) of a volume (slices, height, width) (DataError: none is named, or there is none
    of that number).
    """
    if slice is None and len(volume) > 1:
        raise DataError(
            f"{path}: expected one slice, got a volume of {len(volume)}; name the one by `slice` (from 0), best as the"
            " column of the manifest that has each sample's number."
        )
    if not 0 <= (slice or 0) < len(volume):
        raise DataError(f"{path}: expected a slice from 0 to {len(volume) - 1}, got {slice}.")
    return np.asarray(volume[slice or 0])


@masks.register("nifti", endings=(".nii", ".nii.gz"))
def nifti(path: Path, wanted: Wanted) -> Painted:
    """NIfTI volume, turned by its affine to axial slices: x towards the patient's left, y towards the back, slices
    towards the head.
    """
    return Painted(plane(_nifti(path, changed(path)), wanted.slice, path))


@lru_cache(_VOLUMES)
def _nifti(path: Path, _changed: float) -> NDArray[Any]:
    """Return the volume (slices, height, width)."""
    nibabel = needed("nibabel", "masks", path)
    try:
        image = nibabel.load(path)
        array = np.asarray(image.dataobj)
        if array.ndim == 2:
            array = array[..., None]
        if array.ndim != 3:
            raise ValueError(f"{array.ndim} axes of {array.shape}")
        turn = nibabel.orientations.ornt_transform(
            nibabel.orientations.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(_AXES)
        )
        return _whole(nibabel.orientations.apply_orientation(array, turn).transpose(2, 1, 0))
    except (OSError, ValueError, EOFError, nibabel.filebasedimages.ImageFileError) as error:
        raise unreadable(path, "NIfTI", error) from None


@masks.register("nrrd", endings=(".nrrd", ".nhdr"))
def nrrd(path: Path, wanted: Wanted) -> Content:
    """NRRD label map, or segmentation of 3D Slicer (.seg.nrrd), whose segments are structures by name."""
    volume, header = _nrrd(path, changed(path))
    layers = {name: _segment(volume, header, number) for number, name in _segments(header).items()}
    if layers:
        return Outlined({name: [plane(layer, wanted.slice, path)] for name, layer in layers.items()})
    if volume.ndim != 3:
        raise DataError(f"{path}: expected a label map of three axes, got {volume.ndim}.")
    return Painted(plane(volume, wanted.slice, path))


@lru_cache(_VOLUMES)
def _nrrd(path: Path, _changed: float) -> tuple[NDArray[Any], dict[str, Any]]:
    """Return the volume (..., slices, height, width) and the header."""
    library = needed("nrrd", "masks", path)
    try:
        array, header = library.read(str(path))
        header = dict(header)
        array = array[..., None] if array.ndim == 2 else array
        if array.ndim not in (3, 4):
            raise ValueError(f"{array.ndim} axes of {array.shape}")
        return _upright(array, header).transpose(*range(array.ndim - 3), -1, -2, -3), header
    except (OSError, ValueError, KeyError, EOFError, library.NRRDError) as error:
        raise unreadable(path, "NRRD", error) from None


def _upright(array: NDArray[Any], header: dict[str, Any]) -> NDArray[Any]:
    """Return the array with its last three axes towards the patient's left, back and head; as it is stored where the
    header does not say.
    """
    space = str(header.get("space", "")).lower()
    if space not in ("left-posterior-superior", "lps", "right-anterior-superior", "ras") or (
        header.get("space directions") is None
    ):
        return array
    directions = np.asarray(header["space directions"], dtype=float)[-3:]
    if space in ("right-anterior-superior", "ras"):
        directions = directions * [-1, -1, 1]
    axis = [int(np.argmax(np.abs(one))) for one in directions]
    if sorted(axis) != [0, 1, 2]:
        raise ValueError("axes that are too oblique to say which one is which")
    before = tuple(range(array.ndim - 3))
    turned = array.transpose(*before, *(array.ndim - 3 + axis.index(place) for place in range(3)))
    signs = [np.sign(directions[axis.index(place)][place]) for place in range(3)]
    backwards = tuple(place - 3 for place, sign in enumerate(signs) if sign < 0)
    return np.flip(turned, backwards) if backwards else turned


def _segments(header: dict[str, Any]) -> dict[int, str]:
    """Return the number of each segment in a Slicer segmentation and its name."""
    found: dict[int, str] = {}
    while f"Segment{len(found)}_Name" in header:
        found[len(found)] = str(header[f"Segment{len(found)}_Name"])
    return found


def _segment(volume: NDArray[Any], header: dict[str, Any], number: int) -> NDArray[np.bool_]:
    label = int(header.get(f"Segment{number}_LabelValue", 1))
    layer = int(header.get(f"Segment{number}_Layer", 0))
    return np.asarray((volume[layer] if volume.ndim == 4 else volume) == label)


def _whole(array: NDArray[Any]) -> NDArray[Any]:
    """Return labels as whole numbers where scaling has made floating-point numbers of them."""
    if array.dtype.kind == "f":
        if np.isnan(array).any():
            raise ValueError(f"{int(np.isnan(array).sum())} NaN values")
        if (array == np.rint(array)).all():
            return array.astype(np.int64)
    return array
