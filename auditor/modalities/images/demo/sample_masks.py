"""The files in sample_masks/, made by code: python -m auditor.modalities.images.demo.sample_masks FOLDER."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.modalities.images.convert.marked import Marked
from auditor.modalities.images.convert.writers import WRITERS
from auditor.modalities.images.demo.image import write_pair
from auditor.modalities.images.demo.phantoms import Phantoms, phantoms
from auditor.modalities.images.masks.reading_files import needed

PAIRS, SEED = 5, 12
_FIRST = "phantom_01"
WRITTEN: Mapping[str, tuple[str, str]] = {
    "npy": (f"{_FIRST}_mask.npz", "NumPy, structures by name"),
    "geojson": (f"{_FIRST}_mask.geojson", "QuPath"),
    "labelme": (f"{_FIRST}_mask.json", "LabelMe"),
    "coco": ("instances.json", "COCO, one file for all images"),
    "cvat": ("annotations.xml", "CVAT for images, one file for all images"),
    "imagej": (f"{_FIRST}_mask.zip", "ImageJ and Fiji"),
    "nifti": (f"{_FIRST}_mask.nii.gz", "NIfTI"),
    "nrrd": (f"{_FIRST}_mask.seg.nrrd", "3D Slicer"),
    "dicom-seg": (f"{_FIRST}_segmentation.dcm", "DICOM segmentation of phantom_01.dcm"),
    "dicom-rt": (f"{_FIRST}_structures.dcm", "DICOM structure set of phantom_01.dcm"),
}
"""Format -> file and what writes such files."""

README = """\
# Sample masks

One of each mask format, with the image it belongs to. The mask marks where the answer should be looked for: here the
lesion, with a narrow collar so that its outline lies inside. An audit never lets the attacker touch it.

| image | class | marker | mask | lesion and collar |
|---|---|---|---|---|
{rows}

All are 64 x 64 pixels, 8-bit grey; the images are phantoms drawn by code. The mask of the first image is there in every
format that Auditor reads:

| format | file | written by |
|---|---|---|
| `picture` | `{first}_mask.png` | any picture editor |
| `npy` | `{first}_mask.npy` | NumPy |
{formats}
| boxes | `boxes.csv` | a manifest: left, top, width and height in the place of a file |

Made by `python -m auditor.modalities.images.demo.sample_masks sample_masks`.
"""


def write_sample_masks(folder: Path) -> None:
    """Write image and mask pairs, the first mask in every format, and a README that describes them."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = phantoms(PAIRS, seed=SEED, marker_given_class=0.5)
    rows = [_write(folder, drawn, row) for row in range(PAIRS)]
    np.save(folder / f"{_FIRST}_mask.npy", drawn.masks[0])
    _write_dicom(folder / f"{_FIRST}.dcm", drawn.images[0])
    for format, (name, _) in WRITTEN.items():
        _write_format(folder, drawn, format, name=name)
    _write_boxes(folder / "boxes.csv", drawn)
    formats = "\n".join(f"| `{format}` | `{name}` | {tool} |" for format, (name, tool) in WRITTEN.items())
    (folder / "README.md").write_text(
        README.format(rows="\n".join(rows), formats=formats, first=_FIRST), encoding="utf-8"
    )


def _write(folder: Path, drawn: Phantoms, row: int) -> str:
    """Write one pair and return its line of the README's table."""
    image, mask = f"phantom_{row + 1:02d}.png", f"phantom_{row + 1:02d}_mask.png"
    write_pair(drawn, row, image=folder / image, mask=folder / mask)
    return (
        f"| `{image}` | {drawn.classes[drawn.labels[row]]} | {'yes' if drawn.marker[row] else 'no'} | `{mask}` |"
        f" {drawn.masks[row].mean():.1%} of the image |"
    )


def _write_format(folder: Path, drawn: Phantoms, format: str, *, name: str) -> None:
    """Write the first mask, or all of them where one file holds all."""
    count, image = (PAIRS, ".png") if format in ("coco", "cvat") else (1, ".dcm" if name.endswith(".dcm") else ".png")
    samples = [
        Marked(name.partition(".")[0], folder / f"phantom_{row + 1:02d}{image}", {"lesion": drawn.masks[row]})
        for row in range(count)
    ]
    WRITERS[format](folder, samples)


def _write_boxes(file: Path, drawn: Phantoms) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "label", "mask"])
        for row, mask in enumerate(drawn.masks):
            down, right = np.nonzero(mask)
            left, top = int(right.min()), int(down.min())
            box = f"{left} {top} {int(right.max()) - left + 1} {int(down.max()) - top + 1}"
            table.writerow([f"phantom_{row + 1:02d}.png", drawn.classes[drawn.labels[row]], box])


def _write_dicom(file: Path, image: NDArray[Any]) -> None:
    """Write a grey picture as a DICOM image of nobody."""
    pydicom = needed("pydicom", "dicom", file)
    made = pydicom.Dataset()
    made.SOPClassUID, made.Modality = pydicom.uid.SecondaryCaptureImageStorage, "OT"
    for number, name in enumerate(("SOPInstance", "StudyInstance", "SeriesInstance", "FrameOfReference"), 1):
        setattr(made, f"{name}UID", pydicom.uid.generate_uid(entropy_srcs=[_FIRST, str(number)]))
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = "Phantom^", _FIRST, "", "O"
    made.StudyDate = made.StudyTime = made.StudyID = made.AccessionNumber = made.ReferringPhysicianName = ""
    made.SeriesNumber = made.InstanceNumber = made.SliceThickness = 1
    made.ImagePositionPatient, made.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    made.PixelSpacing, (made.Rows, made.Columns) = [1, 1], image.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    made.PixelData = np.ascontiguousarray(image, np.uint8).tobytes()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    made.save_as(file, enforce_file_format=True)


if __name__ == "__main__":
    write_sample_masks(Path(sys.argv[1]))
