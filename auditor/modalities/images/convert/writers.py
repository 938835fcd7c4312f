"""Name of a mask format -> what writes it."""

from __future__ import annotations

from collections.abc import Mapping

from auditor.modalities.images.convert.dicom import write_dicom_rt, write_dicom_seg
from auditor.modalities.images.convert.marked import Writer
from auditor.modalities.images.convert.outlines import (
    write_coco,
    write_cvat,
    write_geojson,
    write_imagej,
    write_labelme,
)
from auditor.modalities.images.convert.pixels import write_arrays, write_nifti, write_nrrd, write_pictures

WRITERS: Mapping[str, Writer] = {
    "picture": write_pictures,
    "npy": write_arrays,
    "geojson": write_geojson,
    "labelme": write_labelme,
    "coco": write_coco,
    "cvat": write_cvat,
    "imagej": write_imagej,
    "nifti": write_nifti,
    "nrrd": write_nrrd,
    "dicom-seg": write_dicom_seg,
    "dicom-rt": write_dicom_rt,
}
"""Formats that can be written, named as those that are read."""
