"""Pictures of every kind that experts bring: what is read, what is said of it, what is refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image

from auditor.core.errors import DataError
from auditor.modalities.images.data import pixels
from auditor.modalities.images.data.decoded import DEEP, DecodedImage, HowRead
from auditor.modalities.images.data.images import images
from auditor.modalities.images.data.pixels import decode, resized

SIZE = (14, 20)
GREY = np.random.default_rng(0).integers(0, 256, SIZE, dtype=np.uint8)
HOUNSFIELD = np.random.default_rng(1).integers(-1024, 3000, SIZE)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff(array: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def dicom(stored: np.ndarray, **tags: object) -> bytes:
    """Return a DICOM image: stored values, and tags in the place of the usual ones."""
    made = pydicom.Dataset()
    made.SOPClassUID, made.SOPInstanceUID, made.Modality = "1.2.840.10008.5.1.4.1.1.2", "1.2.3", "CT"
    made.PatientName, made.PatientID, made.PatientBirthDate = "Findme^Secret", "SECRET-4711", "19500101"
    frames = stored.shape[0] if stored.ndim == 3 and tags.get("SamplesPerPixel", 1) == 1 else 1
    made.Rows, made.Columns = stored.shape[-2:] if frames > 1 or stored.ndim == 2 else stored.shape[:2]
    if frames > 1:
        made.NumberOfFrames = frames
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    bits = stored.dtype.itemsize * 8
    made.BitsAllocated = made.BitsStored = bits
    made.HighBit, made.PixelRepresentation = bits - 1, int(stored.dtype.kind == "i")
    for name, value in tags.items():
        setattr(made, name, value)
    made.PixelData = stored.tobytes()
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    stream = io.BytesIO()
    made.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def windowed(values: np.ndarray, centre: float, width: float) -> np.ndarray:
    """The formula of PS3.3 C.11.2.1.2.1, as shares."""
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def shares(found: DecodedImage) -> np.ndarray:
    return found.values[0] / found.levels


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("x.webp", lambda: saved(Image.fromarray(GREY), "WEBP", lossless=True)),
        ("x.jp2", lambda: saved(Image.fromarray(GREY), "JPEG2000", irreversible=False)),
        ("x.npy", lambda: npy(GREY)),
        ("x.tif", lambda: tiff(255 - GREY, photometric="miniswhite")),
    ],
)
def test_8_bits_without_loss(name: str, make: Callable[[], bytes]) -> None:
    found = decode(make(), Path(name))
    assert found.levels == 255 and np.array_equal(found.values[0], GREY)


def test_white_is_zero_in_16_bits_too() -> None:
    deep = GREY.astype(np.uint16) * 257
    found = decode(tiff(DEEP - deep, photometric="miniswhite"), Path("x.tif"))
    assert found.levels == DEEP and np.array_equal(found.values[0], deep)


@pytest.mark.parametrize(
    ("name", "make", "range", "expected"),
    [
        ("x.tif", lambda: tiff(HOUNSFIELD.astype(np.int32)), (-1024, 3071), (HOUNSFIELD + 1024) / 4095),
        ("x.tif", lambda: tiff(HOUNSFIELD.astype(np.float32)), (-1024, 3071), (HOUNSFIELD + 1024) / 4095),
        ("x.npy", lambda: npy(HOUNSFIELD), (-160, 240), np.clip((HOUNSFIELD + 160) / 400, 0, 1)),
        ("x.png", lambda: saved(Image.fromarray(GREY.astype(np.uint16) * 16), "PNG"), (0, 4080), GREY / 255),
        ("x.png", lambda: saved(Image.fromarray(GREY), "PNG"), (0, 100), np.clip(GREY / 100, 0, 1)),
    ],
)
def test_a_declared_range(
    name: str, make: Callable[[], bytes], range: tuple[float, float], expected: np.ndarray
) -> None:
    found = decode(make(), Path(name), HowRead(range=range))
    assert found.levels == DEEP and np.abs(shares(found) - expected).max() <= 0.5 / DEEP + 1e-7
    assert (found.cut > 0) == bool(((expected == 0) | (expected == 1)).mean() > 0.1)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("x.tif", lambda: tiff(HOUNSFIELD.astype(np.int32))),
        ("x.tif", lambda: tiff(HOUNSFIELD.astype(np.float32))),
        ("x.npy", lambda: npy(HOUNSFIELD)),
    ],
)
def test_without_a_range_it_is_asked_for(name: str, make: Callable[[], bytes]) -> None:
    with pytest.raises(DataError, match=r"declare the range of the values as `range: \[smallest, largest\]`"):
        decode(make(), Path(name))


def test_one_page_is_named() -> None:
    pages = np.stack([GREY, 255 - GREY])
    content = tiff(pages, photometric="minisblack")
    assert "only the first page was read" in decode(content, Path("x.tif")).notes
    second = decode(content, Path("x.tif"), HowRead(frame=1))
    assert np.array_equal(second.values[0], 255 - GREY) and second.notes == ()
    with pytest.raises(DataError, match="expected a page from 0 to 1 as `frame`, got 2"):
        decode(content, Path("x.tif"), HowRead(frame=2))


STORED = (HOUNSFIELD + 1024).astype(np.uint16)
CT = {"RescaleSlope": 1, "RescaleIntercept": -1024}


@pytest.mark.parametrize(
    ("tags", "how", "expected", "said"),
    [
        (CT | {"WindowCenter": 40, "WindowWidth": 400}, {}, windowed(HOUNSFIELD, 40, 400), "window of the file"),
        (CT | {"WindowCenter": [40, 600], "WindowWidth": [400, 2000]}, {}, windowed(HOUNSFIELD, 40, 400), "centre 40"),
        (CT | {"WindowCenter": 40, "WindowWidth": 400}, {"window": (600, 2000)}, windowed(HOUNSFIELD, 600, 2000), ""),
        (CT | {"WindowCenter": 40, "WindowWidth": 400}, {"range": (-1024, 3071)}, (HOUNSFIELD + 1024) / 4095, ""),
        (CT | {"BitsStored": 12, "HighBit": 11}, {}, STORED / 4095, "from -1024 to 3071"),
        (CT | {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12}, {}, 1 - STORED / 4095, "MONOCHROME1"),
    ],
    ids=["window", "first of two windows", "declared window", "declared range", "no window", "white is low"],
)
def test_dicom_grey(tags: dict[str, object], how: dict[str, object], expected: np.ndarray, said: str) -> None:
    found = decode(dicom(STORED, **tags), Path("x.dcm"), HowRead(**how))  # type: ignore[arg-type]
    assert found.levels == DEEP and np.abs(shares(found) - expected).max() <= 0.5 / DEEP + 1e-7
    assert any(said in note for note in found.notes) if said else found.notes == ()


def test_dicom_colours_and_frames() -> None:
    colours = np.random.default_rng(2).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    rgb = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    found = decode(dicom(colours, **rgb), Path("x"))
    assert found.levels == 255 and np.array_equal(found.values, colours.transpose(2, 0, 1))
    frames = dicom(np.stack([GREY, 255 - GREY]))
    with pytest.raises(DataError, match="got 2 frames; name the one by `frame`"):
        decode(frames, Path("x.dcm"))
    assert np.array_equal(shares(decode(frames, Path("x.dcm"), HowRead(frame=1))) * 255, 255 - GREY)
    with pytest.raises(DataError, match="expected a frame from 0 to 1, got 5"):
        decode(frames, Path("x.dcm"), HowRead(frame=5))


def test_a_damaged_dicom_file_is_refused_in_one_sentence() -> None:
    with pytest.raises(DataError, match="expected a DICOM image that can be read, got: ") as caught:
        decode(dicom(STORED)[:-100], Path("x.dcm"))
    assert "\n" not in str(caught.value)


def listed(folder: Path, files: dict[str, bytes], *columns: str, **settings: object) -> object:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    lines = [f"{name},{'ab'[place % 2]},{place}" for place, name in enumerate(files)]
    (folder / "list.csv").write_text("\n".join(["path,label,frame", *lines]))
    return images(folder, ("a", "b"), (1, *SIZE), manifest="list.csv", **settings)  # type: ignore[arg-type]


def test_the_patient_is_the_unit_and_nobody_is_named(tmp_path: Path) -> None:
    other = {"PatientID": "OTHER-1"}
    files = {"0.dcm": dicom(STORED), "1.dcm": dicom(STORED + 1), "2.dcm": dicom(STORED + 2, **other)}
    samples = listed(tmp_path, files)
    assert samples.units[0] == samples.units[1] != samples.units[2]
    text = repr(samples)
    for secret in ("SECRET", "Findme", "4711", "1950", "OTHER"):
        assert secret not in text
    assert any("the patient in the DICOM file is the unit of 3 of 3 images, under a number" in n for n in samples.notes)
    declared = listed(tmp_path, files, unit="path")
    assert declared.units == ("0.dcm", "1.dcm", "2.dcm")


def test_every_sample_has_its_frame(tmp_path: Path) -> None:
    frames = np.stack([np.full(SIZE, 50 * number, np.uint8) for number in range(3)])
    content = dicom(frames)
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "list.csv").write_text("path,id,label,frame\na,1,a,0\na,2,b,1\na,3,a,2")
    samples = images(tmp_path, ("a", "b"), (1, *SIZE), manifest="list.csv", id="id", frame="frame")
    assert [round(float(samples.load([row]).x.mean()) * 255) for row in range(3)] == [0, 50, 100]


def test_what_was_done_is_noted(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 3
    files = {
        "0.jpg": saved(Image.fromarray(GREY), "JPEG", exif=turned),
        "1.png": saved(Image.fromarray(GREY), "PNG"),
    }
    assert any(
        note.startswith("the image was turned upright by its EXIF orientation") and note.endswith("1 of 2 images")
        for note in listed(tmp_path, files).notes
    )
    dark = {f"{n}.png": saved(Image.fromarray(GREY.astype(np.uint16) * 16 + n), "PNG") for n in range(2)}
    assert any("declare the range, such as range: [0, 4095]" in note for note in listed(tmp_path, dark).notes)
    ranged = listed(tmp_path, dark, range=(0, 4095))
    assert "values from 0 to 4095 of the files become 0 to 1" in ranged.notes
    assert not any("declare the range" in note for note in ranged.notes)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"range": (5, 5)}, "'data.range': expected the smallest"), ({"window": (40, 0)}, "'data.window': expected a ce")],
)
def test_settings_that_cannot_be(tmp_path: Path, settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        listed(tmp_path, {"0.png": saved(Image.fromarray(GREY), "PNG")}, **settings)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_large_picture_is_reduced_before_it_is_floating_point(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """To within a grey level of what the whole picture gives, two for JPEG, which shrinks it itself."""
    down, right = np.mgrid[0:900, 0:1200] / 1200
    drawn = np.stack([255 * down, 255 * right, 127 + 127 * np.sin(9 * down)], 2).astype(np.uint8)
    content = saved(Image.fromarray(drawn), kind)
    whole = decode(content, Path("x"))
    monkeypatch.setattr(pixels, "LARGE", 100_000)
    small = decode(content, Path("x"), HowRead(target=(60, 80)))
    assert small.size == whole.size == (900, 1200)
    assert small.values.shape == ((3, 60, 80) if kind == "PNG" else (3, 225, 300))
    found, expected = (resized(one, (3, 60, 80), 255) * 255 for one in (small, whole))
    assert np.abs(found - expected).max() <= (1 if kind == "PNG" else 2)
