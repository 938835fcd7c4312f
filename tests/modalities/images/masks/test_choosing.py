"""Which format reads a mask file: by its ending, by its head where two share one, and one file for many samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auditor.core.errors import DataError
from auditor.core.zones import Mask
from auditor.modalities.images.masks import endings, masks, read
from auditor.samples import data

SIZE = (6, 9)


def boxes(file: Path, sample: str, size: tuple[int, int]) -> Mask:
    """One file that holds a box (top, left, bottom, right) for each of many samples."""
    found = json.loads(file.read_text())["boxes"]
    if sample not in found:
        raise DataError(f"{file}: expected a box of '{sample}', got none.")
    top, left, bottom, right = found[sample]
    mask = np.zeros(size, dtype=np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def lines(file: Path, sample: str, size: tuple[int, int]) -> Mask:
    """One file that holds the rows of one sample's mask."""
    mask: Mask = np.array([[cell == "1" for cell in row] for row in json.loads(file.read_text())["lines"]])
    return mask


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return function (name, format, **what it declares): register a format until the test ends."""
    masks.names()
    monkeypatch.setattr(masks, "_entries", dict(masks._entries))

    def register(name: str, make: Any, **facts: Any) -> None:
        masks.register(name, **facts)(make)

    return register


@pytest.fixture
def two(enter: Callable[..., None]) -> None:
    """Two formats that share an ending."""
    enter("boxes", boxes, endings=(".json",), recognises=lambda head: b'"boxes"' in head)
    enter("lines", lines, endings=(".json",), recognises=lambda head: b'"lines"' in head)


@pytest.mark.usefixtures("two")
def test_formats_with_one_ending_are_told_apart_by_the_head(tmp_path: Path) -> None:
    (tmp_path / "many.json").write_text(json.dumps({"boxes": {"a": [1, 2, 4, 8], "b": [0, 0, 1, 1]}}))
    (tmp_path / "one.JSON").write_text(json.dumps({"lines": ["010", "000"]}))
    first, second = (read(tmp_path / "many.json", sample=sample, size=SIZE) for sample in "ab")
    assert first.shape == second.shape == SIZE and (first.sum(), second.sum()) == (18, 1)
    assert read(tmp_path / "one.JSON", sample="a", size=SIZE).tolist() == [[False, True, False], [False] * 3]
    assert {".json", ".npy", ".png"} <= set(endings())


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("odd.json", '{"shapes": []}', "expected a mask of 'boxes' and 'lines', got another kind of file"),
        ("both.json", '{"boxes": {}, "lines": []}', "that one format reads, got a file that 'boxes' and 'lines' read"),
        ("none.json", '{"boxes": {}}', "expected a box of 'a', got none"),
        ("missing.json", None, "no such file"),
        ("mask.geojson", "{}", r"ending in \.bmp, \.json, .*got '\.geojson'"),
        ("mask", "{}", r"ending in .*got ''"),
    ],
)
def test_what_no_format_reads(tmp_path: Path, name: str, content: str | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=sentence) as caught:
        read(tmp_path / name, sample="a", size=SIZE)
    assert str(tmp_path / name) in str(caught.value) and str(caught.value).count(". ") == 0


def test_the_longest_ending_decides(tmp_path: Path, enter: Callable[..., None]) -> None:
    enter("packed", lambda *_: np.zeros((1, 1), bool), endings=(".gz",))
    enter("volume", lambda *_: np.ones((1, 1), bool), endings=(".nii", ".nii.gz"))
    assert read(tmp_path / "a.nii.gz", sample="a", size=SIZE).all()
    assert not read(tmp_path / "a.b.gz", sample="a", size=SIZE).any()


def test_a_format_that_does_not_look_reads_what_the_others_leave(tmp_path: Path, enter: Callable[..., None]) -> None:
    enter("layers", lambda *_: np.ones((2, 2), bool), endings=(".tif",), recognises=lambda head: b"layers" in head)
    drawn = np.array([[0, 255, 0]], np.uint8)
    Image.fromarray(drawn).save(tmp_path / "plain.tif")
    (tmp_path / "layers.tif").write_bytes(b"II*\0layers")
    assert read(tmp_path / "plain.tif", sample="a", size=SIZE).tolist() == [[False, True, False]]
    assert read(tmp_path / "layers.tif", sample="a", size=SIZE).shape == (2, 2)


@pytest.mark.parametrize("answer", [np.ones((2, 2)), np.ones((1, 2, 2), bool), np.ones((0, 2), bool), None])
def test_a_format_that_answers_no_mask_is_named(tmp_path: Path, enter: Callable[..., None], answer: Any) -> None:
    enter("wrong", lambda *_: answer, endings=(".odd",))
    with pytest.raises(DataError, match=r"booleans of shape \(height, width\) from mask format 'wrong', got"):
        read(tmp_path / "a.odd", sample="a", size=SIZE)


@pytest.mark.usefixtures("two")
def test_one_file_holds_the_masks_of_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (4, *SIZE), dtype=np.uint8)
    for number, pixels in enumerate(grey):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "all.json").write_text(json.dumps({"boxes": {f"case {one}": [0, 0, 1 + one, 9] for one in range(3)}}))
    rows = [f"{one}.png,case {one},{'ab'[one % 2]},{'all.json' if one < 3 else ''}" for one in range(4)]
    (tmp_path / "list.csv").write_text("\n".join(["path,id,label,mask", *rows]))
    hashed: list[Path] = []
    plain = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: hashed.append(path) or plain(path))
    settings = data.bind("images", {"manifest": "list.csv", "id": "id", "mask": "mask"})
    samples = data["images"].make(tmp_path, ("a", "b"), None, **settings)
    assert samples.mask_share == (pytest.approx(1 / 6), pytest.approx(2 / 6), pytest.approx(3 / 6), None)
    assert samples.load([1]).inside[0, 0].sum() == 18
    assert 1 <= hashed.count(tmp_path / "all.json") <= 2, "once, or once by each of the two readers"
