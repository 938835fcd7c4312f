"""Mask files: every kind of image and array, and what is refused."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auditor.core.errors import DataError
from auditor.modalities.images.masks import read

TRUTH = np.zeros((6, 9), dtype=bool)
TRUTH[1:4, 2:8] = True


def _palette() -> Image.Image:
    image = Image.fromarray(TRUTH.astype(np.uint8), mode=None).convert("P")
    image.putdata((TRUTH * 7).astype(np.uint8).ravel().tolist())
    image.putpalette([0, 0, 0] * 7 + [0, 200, 0])
    return image


def _coloured(*colour: int) -> Image.Image:
    return Image.fromarray((TRUTH[..., None] * np.array(colour)).astype(np.uint8))


def _opaque() -> Image.Image:
    pixels = np.zeros((6, 9, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[TRUTH, 2] = 1
    return Image.fromarray(pixels)


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(TRUTH),
        Image.fromarray(TRUTH.astype(np.uint8)),
        Image.fromarray((TRUTH * 256).astype(np.uint16)),
        _coloured(0, 0, 1),
        _coloured(0, 0, 0, 255),
        _opaque(),
        _palette(),
    ],
    ids=["1-bit", "grey", "16-bit", "blue", "transparency alone", "opaque", "palette"],
)
def test_any_nonzero_colour_is_inside(tmp_path: Path, image: Image.Image, ending: str) -> None:
    file = tmp_path / f"mask{ending}"
    image.save(file)
    assert np.array_equal(read(file, sample="s", size=(6, 9)), TRUTH)


def test_an_opaque_black_image_is_empty(tmp_path: Path) -> None:
    pixels = np.zeros((6, 9, 4), np.uint8)
    pixels[..., 3] = 255
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    assert not read(tmp_path / "mask.png", sample="s", size=(6, 9)).any()


@pytest.mark.parametrize(
    "array",
    [TRUTH, TRUTH.astype(int) * -3, TRUTH.astype(np.float16)[..., None], TRUTH[None]],
    ids=["bool", "int", "last axis", "first axis"],
)
def test_arrays(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "mask.npy", array)
    np.savez_compressed(tmp_path / "one.npz", anything=array)
    np.savez(tmp_path / "two.npz", mask=array, other=np.ones(3))
    for name in ("mask.npy", "one.npz", "two.npz"):
        assert np.array_equal(read(tmp_path / name, sample="s", size=(6, 9)), TRUTH)


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("bomb"),)


@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_python_objects_are_refused(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"mask{ending}"
    array = np.array([[Bomb()]], dtype=object)
    np.save(file, array, allow_pickle=True) if ending == ".npy" else np.savez(file, array)
    with pytest.raises(DataError, match="Python objects"):
        read(file, sample="s", size=(6, 9))
    assert not Path("bomb").exists()


def test_a_bare_pickle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mask.npy").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match=r"mask\.npy"):
        read(tmp_path / "mask.npy", sample="s", size=(6, 9))
    assert not Path("bomb").exists()


def test_what_cannot_be_used(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.ones(4))
    np.save(tmp_path / "nan.npy", np.array([[np.nan, 1.0]]))
    np.savez(tmp_path / "several.npz", a=TRUTH, b=TRUTH)
    np.save(tmp_path / "text.npy", np.array([["a"]]))
    Image.fromarray((TRUTH * 255).astype(np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:-30])
    (tmp_path / "cut.npy").write_bytes((tmp_path / "flat.npy").read_bytes()[:-9])
    (tmp_path / "words.png").write_text("not an image")
    cases = {
        "flat.npy": r"\(height, width\), got \(4,\)",
        "nan.npy": "1 NaN",
        "several.npz": "named 'mask', got a, b",
        "text.npy": "booleans or numbers",
        "cut.png": "truncated",
        "cut.npy": "whole NumPy array",
        "words.png": "another kind of file",
        "missing.png": "no such file",
        "missing.npy": "no such file",
        "mask.jpg": r"ending in \.bmp, \.npy.*got '\.jpg'",
    }
    for name, sentence in cases.items():
        with pytest.raises(DataError, match=sentence) as caught:
            read(tmp_path / name, sample="s", size=(6, 9))
        assert name in str(caught.value) and "\n" not in str(caught.value)
