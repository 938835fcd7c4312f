"""Mask -> format -> mask: every format gives back what was written, to the pixel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from auditor.core.errors import DataError
from auditor.core.zones import Mask
from auditor.modalities.images.convert.marked import Marked
from auditor.modalities.images.convert.writers import WRITERS
from auditor.modalities.images.data.mask_files import mask_in_file
from auditor.modalities.images.data.reading import MaskSource
from auditor.modalities.images.masks import masks
from auditor.modalities.images.masks.content import Wanted

SIZE = (30, 42)
NUMBERS = {"picture": {"lesion": 1, "organ": 2}, "nifti": {"lesion": 1, "organ": 2}}
"""Label maps hold numbers in the place of names."""
OPEN = ("labelme", "imagej", "dicom-rt")
"""Formats that cannot hold a hole."""


def blob(seed: int, *, holes: bool) -> Mask:
    """Irregular pieces, some of a single pixel, some at the border of the picture."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(SIZE, bool)
    for _ in range(6):
        top, left = rng.integers(-3, SIZE[0] - 1), rng.integers(-3, SIZE[1] - 1)
        mask[max(0, top) : top + rng.integers(1, 12) + 1, max(0, left) : left + rng.integers(1, 14) + 1] = True
    if holes:
        mask[8:26, 10:30] = True
        mask[12:15, 14:20] = mask[20, 25] = False
        return mask
    from scipy.ndimage import binary_fill_holes

    return np.asarray(binary_fill_holes(mask))


def dicom_image(file: Path, *, spacing: tuple[float, float] = (0.7, 0.4)) -> Path:
    made = pydicom.Dataset()
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", pydicom.uid.generate_uid()
    made.StudyInstanceUID, made.SeriesInstanceUID = pydicom.uid.generate_uid(), pydicom.uid.generate_uid()
    made.FrameOfReferenceUID = pydicom.uid.generate_uid()
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = "Made^Up", "made-up", "", "O"
    made.StudyDate, made.StudyTime, made.StudyID, made.AccessionNumber, made.ReferringPhysicianName = [""] * 5
    made.Modality, made.SeriesNumber, made.InstanceNumber = "CT", 1, 1
    made.ImagePositionPatient, made.ImageOrientationPatient = [-20.5, 7.25, 3], [0, 1, 0, -1, 0, 0]
    made.PixelSpacing, made.SliceThickness = list(spacing), 2
    made.Rows, made.Columns = SIZE
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PixelData = np.zeros(SIZE, np.uint16).tobytes()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    made.save_as(file, enforce_file_format=True)
    return file


def image_for(format: str, folder: Path, name: str) -> Path:
    if format.startswith("dicom"):
        return dicom_image(folder / f"{name}.dcm")
    file = folder / f"{name}.png"
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(file)
    return file


def given(format: str, folder: Path, structures: Mapping[str, Mask], number: int = 0) -> Marked:
    return Marked(f"case {number}", image_for(format, folder, f"image {number}"), structures)


def test_every_format_that_is_read_is_written() -> None:
    assert set(WRITERS) == set(masks.names())


@pytest.mark.parametrize("format", WRITERS)
@pytest.mark.parametrize("seed", range(3))
def test_one_structure(tmp_path: Path, format: str, seed: int) -> None:
    samples = [
        given(format, tmp_path, {"lesion": blob(10 * seed + number, holes=format not in OPEN)}, number)
        for number in range(2)
    ]
    (tmp_path / "out").mkdir()
    files = WRITERS[format](tmp_path / "out", samples)
    assert len(files) in (1, 2) and all(file.is_file() for file in files)
    for one, file in zip(samples, files * (3 - len(files)), strict=False):
        assert np.array_equal(mask_in_file(file, Wanted(one.sample, one.image, SIZE)), one.structures["lesion"])


@pytest.mark.parametrize("format", WRITERS)
def test_two_structures_by_name(tmp_path: Path, format: str) -> None:
    lesion = np.zeros(SIZE, bool)
    lesion[10:15, 12:20] = True
    organ = np.zeros(SIZE, bool)
    organ[2:9, 3:30] = True
    one = given(format, tmp_path, {"lesion": lesion, "organ": organ})
    file = WRITERS[format](tmp_path, [one])[0]
    for name, mask in one.structures.items():
        source = MaskSource.model_validate({"column": "mask", "value": NUMBERS.get(format, {}).get(name, name)})
        assert np.array_equal(mask_in_file(file, Wanted(one.sample, one.image, SIZE), source), mask)


@pytest.mark.parametrize("format", OPEN)
def test_a_hole_is_refused_where_it_would_be_filled(tmp_path: Path, format: str) -> None:
    with pytest.raises(DataError, match=f"without holes for the format '{format}', got one with a hole"):
        WRITERS[format](tmp_path, [given(format, tmp_path, {"lesion": blob(0, holes=True)})])


@pytest.mark.parametrize("format", NUMBERS)
def test_an_overlap_is_refused_where_one_would_hide_the_other(tmp_path: Path, format: str) -> None:
    both = {"lesion": np.eye(*SIZE, dtype=bool), "organ": np.ones(SIZE, bool)}
    with pytest.raises(DataError, match="expected structures that do not overlap"):
        WRITERS[format](tmp_path, [given(format, tmp_path, both)])


@pytest.mark.parametrize("format", ["dicom-seg", "dicom-rt"])
def test_dicom_masks_belong_to_dicom_images(tmp_path: Path, format: str) -> None:
    one = given("picture", tmp_path, {"lesion": blob(0, holes=False)})
    with pytest.raises(DataError, match=f"expected a DICOM image, to which the format '{format}' refers"):
        WRITERS[format](tmp_path, [one])


def test_an_id_never_leads_outside(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    one = Marked("../away", tmp_path / "a.png", {"lesion": blob(0, holes=False)})
    with pytest.raises(DataError, match=r"expected an id that can be a file name, got '\.\./away'"):
        WRITERS["picture"](tmp_path / "out", [one])
