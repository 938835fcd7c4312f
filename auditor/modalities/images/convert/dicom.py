"""Masks as DICOM segmentations and structure sets, made for DICOM images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from auditor.core.errors import DataError
from auditor.modalities.images.convert.marked import Marked, whole
from auditor.modalities.images.masks.reading_files import needed

_STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
_MAKER = "Auditor"


def _image(one: Marked, format: str) -> Any:
    pydicom = needed("pydicom", "dicom", one.image)
    try:
        return pydicom.dcmread(one.image)
    except (OSError, pydicom.errors.InvalidDicomError):
        raise DataError(
            f"{one.image}: expected a DICOM image, to which the format '{format}' refers, got another file; use another"
            " format."
        ) from None


def write_dicom_seg(folder: Path, samples: Sequence[Marked]) -> list[Path]:
    """Write one DICOM segmentation for each sample, whose image must be DICOM."""
    highdicom, codes = needed("highdicom", "dicom", folder), needed("pydicom.sr.codedict", "dicom", folder).codes
    files = []
    for one in samples:
        image = _image(one, "dicom-seg")
        segments = [
            highdicom.seg.SegmentDescription(
                segment_number=number,
                segment_label=name,
                segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
                segmented_property_type=codes.SCT.Lesion,
                algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
            )
            for number, name in enumerate(one.structures, 1)
        ]
        made = highdicom.seg.Segmentation(
            source_images=[image],
            pixel_array=np.stack(list(one.structures.values()), -1)[None].astype(np.uint8),
            segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=segments,
            series_instance_uid=highdicom.UID(),
            series_number=2,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer=_MAKER,
            manufacturer_model_name=_MAKER,
            software_versions="1",
            device_serial_number="1",
        )
        file = one.file(folder, ".dcm")
        made.save_as(file)
        files.append(file)
    return files


def write_dicom_rt(folder: Path, samples: Sequence[Marked]) -> list[Path]:
    """Write one radiotherapy structure set for each sample, whose image must be DICOM; it cannot hold masks with
    holes.
    """
    pydicom = needed("pydicom", "dicom", folder)
    files = []
    for one in samples:
        image = _image(one, "dicom-rt")
        made = pydicom.Dataset()
        made.SOPClassUID, made.SOPInstanceUID, made.Modality = _STRUCTURES, pydicom.uid.generate_uid(), "RTSTRUCT"
        made.StudyInstanceUID, made.SeriesInstanceUID = image.StudyInstanceUID, pydicom.uid.generate_uid()
        made.StructureSetLabel, made.Manufacturer = "masks", _MAKER
        made.StructureSetROISequence, made.ROIContourSequence = [], []
        for number, (name, mask) in enumerate(one.structures.items(), 1):
            structure, contours = pydicom.Dataset(), pydicom.Dataset()
            structure.ROINumber, structure.ROIName = number, name
            contours.ReferencedROINumber = number
            contours.ContourSequence = [_contour(ring, image, pydicom) for ring in whole(mask, one, "dicom-rt")]
            made.StructureSetROISequence.append(structure)
            made.ROIContourSequence.append(contours)
        file = one.file(folder, ".dcm")
        made.file_meta = pydicom.dataset.FileMetaDataset()
        made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        made.save_as(file, enforce_file_format=True)
        files.append(file)
    return files


def _contour(ring: np.ndarray, image: Any, pydicom: Any) -> Any:
    """Return the corners of a ring in millimetres of the patient."""
    right, down = np.asarray(image.ImageOrientationPatient, float).reshape(2, 3)
    down_step, right_step = (float(one) for one in image.PixelSpacing)
    x, y = ((ring - 0.5) * [right_step, down_step]).T
    points = np.asarray(image.ImagePositionPatient, float) + x[:, None] * right + y[:, None] * down
    made = pydicom.Dataset()
    made.ContourGeometricType, made.NumberOfContourPoints = "CLOSED_PLANAR", len(ring)
    made.ContourData = [f"{value:.10g}"[:16] for value in points.ravel()]
    return made
