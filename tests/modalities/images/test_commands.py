"""auditor masks: what is shown, what is asked, what is written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from auditor.cli.main import cli
from auditor.core.errors import AuditorError
from auditor.modalities.images.data.images import images
from auditor.modalities.images.data.reading import MaskSource
from auditor.modalities.images.sheet import MASK_COLOURS, overlay, write_example

SIZE = (24, 36)
LESION = np.zeros(SIZE, bool)
LESION[6:14, 10:22] = True


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """An audit file without a model: three images, of which one has no mask and one an empty mask."""
    lines = ["path,label,mask"]
    for number, mask in enumerate((LESION * 255, LESION * 0, None)):
        Image.fromarray(np.full(SIZE, 60 * number, np.uint8)).save(tmp_path / f"{number}.png")
        if mask is not None:
            Image.fromarray(mask.astype(np.uint8)).save(tmp_path / f"{number}_mask.png")
        lines.append(f"{number}.png,{'ab'[number % 2]},{'' if mask is None else f'{number}_mask.png'}")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    (tmp_path / "audit.yaml").write_text(
        "model: {source: torchscript, path: none.pt, classes: [a, b]}\ndata: {manifest: list.csv, mask: mask}\n"
    )
    return tmp_path


def masks(*arguments: object) -> tuple[int, str]:
    """Return the exit code and what was printed; an error of the user is raised as it is to `auditor`."""
    ended = CliRunner().invoke(cli, ["masks", *map(str, arguments)], standalone_mode=False)
    if ended.exception is not None:
        raise ended.exception
    return ended.return_value, ended.output


def test_the_page_shows_every_sample(study: Path) -> None:
    code, said = masks("show", study / "audit.yaml", "--out", study / "masks.html")
    page = (study / "masks.html").read_text()
    assert code == 0 and "1 of 3 samples are marked, 1 are empty; the mask covers 11.1% of the picture" in said
    assert page.count("<img") == 3 and page.count("data:image/png;base64,") == 3
    for words in ("mask: 11.1%", "mask: empty", "mask: no mask"):
        assert page.count(words) == 1, words
    assert not re.search(r"(src|href)=\"(?!data:)", page), "it needs nothing else"


def test_what_is_open_is_drawn_as_it_is(study: Path) -> None:
    labels = (LESION.astype(np.uint8) + np.eye(*SIZE, dtype=np.uint8)).clip(0, 2)
    Image.fromarray(labels).save(study / "0_mask.png")
    code, said = masks("show", study / "audit.yaml", "--out", study / "masks.html")
    page = (study / "masks.html").read_text()
    assert code == 2 and "name those that mark what should matter" in said
    assert "leaves open what is meant" in page and "mask 1: 1 of 3" in page and "mask 2: 1 of 3" in page


def test_what_cannot_be_read_is_named_and_the_rest_is_shown(study: Path) -> None:
    (study / "2.png").write_text("nothing")
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(study / "1_mask.png")
    code, said = masks("show", study / "audit.yaml", "--out", study / "masks.html")
    page = (study / "masks.html").read_text()
    assert code == 2 and "sample '2'" in said and "expected a mask of its image's size (24 x 36" in said
    assert page.count("<img") == 2 and page.count("not understood</p>") == 2


def test_masks_are_written_as_the_audit_reads_them(study: Path) -> None:
    code, said = masks("convert", study / "audit.yaml", "coco", "--out", study / "out")
    assert code == 0 and f"1 files of 2 samples in {study / 'out'}" in said
    source = MaskSource.model_validate({"file": "out/instances.json", "value": "mask"})
    (study / "two.csv").write_text("path,label\n0.png,a\n1.png,b")
    found = images(study, ("a", "b"), (1, *SIZE), manifest="two.csv", mask=source)
    assert np.array_equal(found.load([0]).inside[0, 0].numpy(), LESION) and found.mask_share[1] == 0


@pytest.mark.parametrize(
    ("format", "made", "sentence"),
    [
        ("geojsn", "", "expected a format, got 'geojsn'; did you mean 'geojson'"),
        ("npy", "out", "expected a new or empty folder, so that nothing of yours is overwritten"),
    ],
)
def test_what_is_not_written(study: Path, format: str, made: str, sentence: str) -> None:
    (study / "out").mkdir()
    if made:
        (study / made / "mine.txt").write_text("mine")
    with pytest.raises(AuditorError, match=sentence):
        masks("convert", study / "audit.yaml", format, "--out", study / "out")


def test_tables_have_no_masks(study: Path) -> None:
    text = (study / "audit.yaml").read_text()
    (study / "audit.yaml").write_text(re.sub("data: .*", "data: {source: table, path: a.csv, label: y}", text))
    with pytest.raises(AuditorError, match="expected data of images, which alone have masks, got the source 'table'"):
        masks("show", study / "audit.yaml")


def test_a_mask_is_drawn_where_it_is() -> None:
    drawn = overlay(np.full((1, *SIZE), 0.5), {MASK_COLOURS[0]: LESION})
    changed = (drawn != 128).any(2)
    assert np.array_equal(changed, LESION) and tuple(drawn[6, 10]) == MASK_COLOURS[0]


def test_the_example_is_the_sample_of_median_share(study: Path) -> None:
    samples = images(study, ("a", "b"), (1, *SIZE), manifest="list.csv", mask="mask")
    file = write_example(samples)
    assert file is not None
    changed = np.asarray(Image.open(file)).any(2)
    assert np.array_equal(changed, LESION)
    assert write_example(images(study, ("a", "b"), (1, *SIZE), manifest="list.csv")) is None
