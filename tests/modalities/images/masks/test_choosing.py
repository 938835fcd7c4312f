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
from auditor.modalities.images.masks import endings, masks, open_mask
from auditor.modalities.images.masks.content import Outlined, Painted, Wanted
from auditor.modalities.images.masks.polygons import box
from auditor.samples import data

SIZE = (6, 9)


WANTED = Wanted("a", Path("a.png"), SIZE)


def boxes(file: Path, wanted: Wanted) -> Outlined:
    """One file that holds a box (left, top, width, height) for each of many samples."""
    found = json.loads(file.read_text())["boxes"]
    if wanted.sample not in found:
        raise DataError(f"{file}: expected a box of '{wanted.sample}', got none.")
    left, top, width, height = found[wanted.sample]
    return Outlined({"box": [box((left, top), (width, height))]})


def lines(file: Path, _wanted: Wanted) -> Painted:
    """One file that holds the rows of one sample's mask."""
    return Painted(np.array([[cell == "1" for cell in row] for row in json.loads(file.read_text())["lines"]]))


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
    (tmp_path / "many.json").write_text(json.dumps({"boxes": {"a": [2, 1, 6, 3], "b": [0, 0, 1, 1]}}))
    (tmp_path / "one.JSON").write_text(json.dumps({"lines": ["010", "000"]}))
    for sample, area in (("a", 18), ("b", 1)):
        wanted = Wanted(sample, Path("a.png"), SIZE)
        content = open_mask(tmp_path / "many.json", wanted)
        assert isinstance(content, Outlined)
        assert content.mask(["box"], wanted, tmp_path).shape == SIZE
        assert content.mask(["box"], wanted, tmp_path).sum() == area
    one = open_mask(tmp_path / "one.JSON", WANTED)
    assert isinstance(one, Painted) and one.values.tolist() == [[False, True, False], [False] * 3]
    assert {".json", ".npy", ".png"} <= set(endings())


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("odd.json", '{"other": []}', "expected a mask of .*'boxes'.*, got another kind of file"),
        ("both.json", '{"boxes": {}, "lines": []}', "that one format reads, got a file that 'boxes' and 'lines' read"),
        ("none.json", '{"boxes": {}}', "expected a box of 'a', got none"),
        ("missing.json", None, "no such file"),
        ("mask.svg", "{}", r"ending in \.bmp, .*\.json, .*got '\.svg'"),
        ("mask", "{}", r"ending in .*got ''"),
    ],
)
def test_what_no_format_reads(tmp_path: Path, name: str, content: str | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=sentence) as caught:
        open_mask(tmp_path / name, WANTED)
    assert str(tmp_path / name) in str(caught.value) and str(caught.value).count(". ") == 0


def test_the_longest_ending_decides(tmp_path: Path, enter: Callable[..., None]) -> None:
    enter("packed", lambda *_: Painted(np.zeros((1, 1))), endings=(".gz",))
    enter("volume", lambda *_: Painted(np.ones((1, 1))), endings=(".vol", ".vol.gz"))
    for name, value in (("a.vol.gz", 1), ("a.b.gz", 0)):
        content = open_mask(tmp_path / name, WANTED)
        assert isinstance(content, Painted) and content.values == value


def test_a_format_that_does_not_look_reads_what_the_others_leave(tmp_path: Path, enter: Callable[..., None]) -> None:
    enter("layers", lambda *_: Painted(np.ones((2, 2))), endings=(".tif",), recognises=lambda head: b"layers" in head)
    Image.fromarray(np.array([[0, 255, 0]], np.uint8)).save(tmp_path / "plain.tif")
    (tmp_path / "layers.tif").write_bytes(b"II*\0layers")
    for name, shape in (("plain.tif", (1, 3)), ("layers.tif", (2, 2))):
        content = open_mask(tmp_path / name, WANTED)
        assert isinstance(content, Painted) and content.values.shape == shape


@pytest.mark.parametrize(
    "answer", [np.ones((2, 2), bool), Painted(np.ones((1, 2, 2), bool)), Painted(np.ones((0, 2), bool)), None]
)
def test_a_format_that_answers_no_mask_is_named(tmp_path: Path, enter: Callable[..., None], answer: Any) -> None:
    enter("wrong", lambda *_: answer, endings=(".odd",))
    with pytest.raises(DataError, match=r"expected (pixels|Painted).* from mask format 'wrong', got"):
        open_mask(tmp_path / "a.odd", WANTED)


@pytest.mark.usefixtures("two")
def test_one_file_holds_the_masks_of_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (4, *SIZE), dtype=np.uint8)
    for number, pixels in enumerate(grey):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "all.json").write_text(json.dumps({"boxes": {f"case {one}": [0, 0, 9, 1 + one] for one in range(3)}}))
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
