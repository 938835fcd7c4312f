"""Masks as pictures and arrays: what is inside, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from auditor.core.errors import DataError
from auditor.core.zones import Mask
from auditor.modalities.images.data.mask_files import mask_in_file
from auditor.modalities.images.data.reading import MaskSource
from auditor.modalities.images.masks.content import Wanted

TRUTH = np.zeros((6, 9), dtype=bool)
TRUTH[1:4, 2:8] = True
GREY = (TRUTH * 255).astype(np.uint8)


def mask_in(file: Path, slice: int | None = None, **source: object) -> Mask:
    made = MaskSource.model_validate({"column": "mask", **source})
    return mask_in_file(file, Wanted("s", Path("s.png"), (6, 9), slice), made)


def _palette(background: tuple[int, int, int]) -> Image.Image:
    image = Image.fromarray(TRUTH.astype(np.uint8)).convert("P")
    image.putdata(TRUTH.astype(np.uint8).ravel().tolist())
    image.putpalette([*background, 0, 200, 0])
    return image


def _coloured(*colour: int) -> Image.Image:
    return Image.fromarray((TRUTH[..., None] * np.array(colour)).astype(np.uint8))


def _with_alpha(colours: tuple[int, int, int], alpha: np.ndarray) -> Image.Image:
    pixels = np.empty((6, 9, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = colours, alpha
    return Image.fromarray(pixels)


def _opaque() -> Image.Image:
    return Image.fromarray(np.dstack([np.zeros((6, 9, 2), np.uint8), TRUTH, np.full((6, 9), 255)]).astype(np.uint8))


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(TRUTH),
        Image.fromarray(TRUTH.astype(np.uint8)),
        Image.fromarray((TRUTH * 256).astype(np.uint16)),
        _coloured(0, 0, 1),
        _with_alpha((0, 0, 0), GREY),
        _with_alpha((255, 255, 255), GREY),
        _opaque(),
        _palette((0, 0, 0)),
        _palette((0, 215, 255)),
    ],
    ids=["1-bit", "grey", "16-bit", "blue", "clear black", "clear white", "opaque", "palette", "coloured background"],
)
def test_the_other_of_two_values_is_inside(tmp_path: Path, image: Image.Image, ending: str) -> None:
    file = tmp_path / f"mask{ending}"
    image.save(file)
    assert np.array_equal(mask_in(file), TRUTH)


@pytest.mark.parametrize("ending", [".jpg", ".webp"])
def test_lossy_pictures_have_soft_edges(tmp_path: Path, ending: str) -> None:
    drawn = np.zeros((64, 96), np.uint8)
    drawn[10:40, 20:80] = 255
    Image.fromarray(drawn).save(tmp_path / f"mask{ending}", quality=90)
    found = mask_in(tmp_path / f"mask{ending}")
    assert np.array_equal(found, drawn > 0)


@pytest.mark.parametrize(("bits", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_white_may_be_zero(tmp_path: Path, bits: type, top: int) -> None:
    tifffile.imwrite(tmp_path / "mask.tif", np.where(TRUTH, 0, top).astype(bits), photometric="miniswhite")
    assert np.array_equal(mask_in(tmp_path / "mask.tif"), TRUTH)


def test_one_page_of_several_is_named(tmp_path: Path) -> None:
    pages = np.stack([GREY * 0, GREY, 255 - GREY])
    tifffile.imwrite(tmp_path / "mask.tif", pages, photometric="minisblack")
    with pytest.raises(DataError, match="got 3 pages; name the one by `slice`"):
        mask_in(tmp_path / "mask.tif")
    with pytest.raises(DataError, match="from 0 to 2 as `slice`, got 3"):
        mask_in(tmp_path / "mask.tif", 3)
    assert np.array_equal(mask_in(tmp_path / "mask.tif", 1), TRUTH)
    np.save(tmp_path / "volume.npy", pages)
    assert np.array_equal(mask_in(tmp_path / "volume.npy", 2), ~TRUTH)
    with pytest.raises(DataError, match="got a volume of 3; name the one by `slice`"):
        mask_in(tmp_path / "volume.npy")


def test_an_opaque_black_image_is_empty(tmp_path: Path) -> None:
    _with_alpha((0, 0, 0), np.full((6, 9), 255)).save(tmp_path / "mask.png")
    assert not mask_in(tmp_path / "mask.png").any()


@pytest.mark.parametrize(
    "array",
    [TRUTH, TRUTH.astype(int) * 3, TRUTH.astype(np.float16)[..., None], TRUTH[None]],
    ids=["bool", "int", "last axis", "first axis"],
)
def test_arrays(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "mask.npy", array)
    np.savez_compressed(tmp_path / "one.npz", anything=array)
    np.savez(tmp_path / "two.npz", mask=array, other=np.ones(3))
    for name in ("mask.npy", "one.npz", "two.npz"):
        assert np.array_equal(mask_in(tmp_path / name), TRUTH)


def test_arrays_of_several_names_are_structures(tmp_path: Path) -> None:
    np.savez(tmp_path / "both.npz", lesion=TRUTH, organ=~TRUTH * 7)
    with pytest.raises(DataError, match=r"hold 'lesion' and 'organ'; say which .* \{column: mask, value: organ\}"):
        mask_in(tmp_path / "both.npz")
    with pytest.raises(DataError, match="expected the name of a structure, got 'organs'; did you mean 'organ'"):
        mask_in(tmp_path / "both.npz", value="organs")
    assert np.array_equal(mask_in(tmp_path / "both.npz", value="organ"), ~TRUTH)
    assert mask_in(tmp_path / "both.npz", value=["lesion", "organ"]).all()


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
        mask_in(file)
    assert not Path("bomb").exists()


def test_a_bare_pickle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mask.npy").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match=r"mask\.npy"):
        mask_in(tmp_path / "mask.npy")
    assert not Path("bomb").exists()


def test_what_cannot_be_used(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.ones(4))
    np.save(tmp_path / "nan.npy", np.array([[np.nan, 1.0]]))
    np.savez(tmp_path / "levels.npz", a=np.arange(6).reshape(2, 3), b=TRUTH)
    np.savez(tmp_path / "empty.npz")
    np.save(tmp_path / "text.npy", np.array([["a"]]))
    Image.fromarray(GREY).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:-30])
    (tmp_path / "cut.npy").write_bytes((tmp_path / "flat.npy").read_bytes()[:-9])
    (tmp_path / "words.png").write_text("not an image")
    cases = {
        "flat.npy": r"\(height, width\), got \(4,\)",
        "nan.npy": "1 NaN",
        "levels.npz": "arrays of two values .* got more in 'a'",
        "empty.npz": "an empty .npz",
        "text.npy": "booleans or numbers",
        "cut.png": "truncated",
        "cut.npy": "whole NumPy array",
        "words.png": "another kind of file",
        "missing.png": "no such file",
        "missing.npy": "no such file",
        "mask.gif": r"ending in \.bmp, \.dcm, .*got '\.gif'",
    }
    for name, sentence in cases.items():
        with pytest.raises(DataError, match=sentence) as caught:
            mask_in(tmp_path / name)
        assert name in str(caught.value) and "\n" not in str(caught.value)
