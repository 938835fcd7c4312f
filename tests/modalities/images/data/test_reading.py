"""What a mask file means is looked at, not guessed: planted files that mislead, and their honest twins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from auditor.core.errors import DataError
from auditor.modalities.images.data.images import images
from auditor.modalities.images.data.reading import MaskSource
from auditor.samples.samples import Samples

SIZE = (40, 56)
LESION = np.zeros(SIZE, bool)
LESION[12:24, 20:36] = True
ORGAN = np.zeros(SIZE, bool)
ORGAN[4:36, 6:50] = True
LABELS = (ORGAN.astype(np.uint8) + LESION).astype(np.uint8)
"""0 around, 1 organ, 2 lesion."""
Draw = Callable[[Path, int], None]


def grey(values: np.ndarray) -> Draw:
    return lambda file, _: Image.fromarray(values.astype(np.uint8)).save(file)


def array(values: np.ndarray) -> Draw:
    return lambda file, _: np.save(file, values)


def study(folder: Path, draw: Draw, *, ending: str = ".png", mask: object = "mask", **settings: object) -> Samples:
    """Four samples with one mask file each."""
    lines = ["path,label,mask,slice"]
    for number in range(4):
        name = f"{number}{ending}"
        Image.fromarray(np.full(SIZE, 40 * number, np.uint8)).save(folder / f"{number}_image.png")
        draw(folder / name, number)
        lines.append(f"{number}_image.png,{'ab'[number % 2]},{name},{number}")
    (folder / "list.csv").write_text("\n".join(lines))
    given = MaskSource.model_validate(mask) if isinstance(mask, dict) else mask
    return images(folder, ("a", "b"), (1, *SIZE), manifest="list.csv", mask=given, **settings)  # type: ignore[arg-type]


def inside(samples: Samples, row: int = 0) -> np.ndarray:
    return samples.load([row]).inside[0, 0].numpy()


def soft(radius: float) -> Draw:
    picture = Image.fromarray((LESION * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return lambda file, _: picture.save(file)


def picture() -> np.ndarray:
    smooth = gaussian_filter(np.random.default_rng(0).normal(size=(200, 300)), 12)
    return np.rint(255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint16)[:40, :56] * 5


def test_labels_are_asked_for(tmp_path: Path) -> None:
    sentence = (
        r"hold the values 0 \([\d.]+%\), 1 \([\d.]+%\) and 2 \(8.6%\); name those that mark what should matter, such as"
        r" \{column: mask, value: 2\}\.$"
    )
    with pytest.raises(DataError, match=sentence):
        study(tmp_path, grey(LABELS))
    chosen = study(tmp_path, grey(LABELS), mask={"column": "mask", "value": 2})
    assert np.array_equal(inside(chosen), LESION)
    assert any("the mask is what has the value 2 of the values 0" in note for note in chosen.notes)
    both = study(tmp_path, grey(LABELS), mask={"column": "mask", "value": [1, 2]})
    assert np.array_equal(inside(both), ORGAN) and both.digest != chosen.digest
    with pytest.raises(DataError, match="expected a value of the mask files, got 3; they hold the values 0"):
        study(tmp_path, grey(LABELS), mask={"column": "mask", "value": 3})


def test_labels_that_differ_between_files_are_counted_together(tmp_path: Path) -> None:
    """Every file alone looks like a mask of two values."""
    with pytest.raises(DataError, match=r"values 0 .*, 1 .* and 2 "):
        study(tmp_path, lambda file, number: grey(LESION * (1 + number % 2))(file, number))


def test_one_mask_for_each_label(tmp_path: Path) -> None:
    column = {"column": "mask"}
    found = study(
        tmp_path,
        grey(LABELS),
        mask={**column, "value": 2},
        masks={"organ": MaskSource.model_validate({**column, "value": [1, 2]})},
    )
    loaded = found.load([0])
    assert np.array_equal(loaded.inside[0, 0].numpy(), LESION)
    assert np.array_equal(loaded.regions["organ"][0, 0].numpy(), ORGAN)


@pytest.mark.parametrize("radius", [0.7, 1.5])
def test_a_soft_edge_is_cut_at_half(tmp_path: Path, radius: float) -> None:
    samples = study(tmp_path, soft(radius))
    wide = np.asarray(Image.open(tmp_path / "0.png")) > 0
    assert wide.sum() > 1.2 * LESION.sum(), "any value but 0 would make the mask larger"
    assert np.abs(inside(samples).sum() / LESION.sum() - 1) < 0.03
    assert any("soft edges (values from 0 to 25" in note for note in samples.notes)


def test_half_of_the_largest_value_of_all_files(tmp_path: Path) -> None:
    """An empty mask that was packed as JPEG holds faint noise, whose own half would be a mask."""

    def draw(file: Path, number: int) -> None:
        if number % 2:
            soft(1.0)(file, number)
        else:
            grey(np.random.default_rng(number).integers(0, 6, SIZE))(file, number)

    samples = study(tmp_path, draw, ending=".jpg")
    assert samples.mask_share[0] == samples.mask_share[2] == 0.0
    assert samples.mask_share[1] == pytest.approx(LESION.mean(), rel=0.05)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (np.where(LESION, 1, -1), "got -1, which often denotes what was not labelled"),
        (np.where(LESION, 1, 0) + 255 * (ORGAN ^ LESION), "255 often denotes what was not labelled"),
        (picture(), "far from any edge, as in a picture"),
        (np.arange(2240).reshape(SIZE) / 2240, "far from any edge, as in a picture"),
        (np.arange(12)[:, None].repeat(56, 1).repeat(4, 0)[:40], "such as {column: mask, value: 9}."),
    ],
    ids=["minus one", "void", "a picture", "a ramp", "many labels"],
)
def test_what_misleads_is_refused(tmp_path: Path, values: np.ndarray, sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        study(tmp_path, array(values), ending=".npy")
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_probabilities_need_a_threshold(tmp_path: Path) -> None:
    wide = np.clip(1.2 - np.hypot(*np.mgrid[-20:20, -28:28]) / 25, 0, 1)
    with pytest.raises(DataError, match="for a map of probabilities name the smallest one"):
        study(tmp_path, array(wide), ending=".npy")
    samples = study(tmp_path, array(wide), ending=".npy", mask={"column": "mask", "threshold": 0.7})
    assert np.array_equal(inside(samples), wide >= 0.7)
    assert any("what has a value from 0.7" in note for note in samples.notes)


def test_colours_are_named_as_colours(tmp_path: Path) -> None:
    painted = np.zeros((*SIZE, 3), np.uint8)
    painted[ORGAN], painted[LESION] = (0, 128, 0), (255, 0, 0)
    with pytest.raises(DataError, match=r"#000000 .* #008000 .* and #ff0000 .* value: '#ff0000'"):
        study(tmp_path, grey(painted))
    samples = study(tmp_path, grey(painted), mask={"column": "mask", "value": "#008000"})
    assert np.array_equal(inside(samples), ORGAN & ~LESION)
    with pytest.raises(DataError, match="expected a colour such as '#ff0000' as `value`"):
        study(tmp_path, grey(painted), mask={"column": "mask", "value": "red"})
    photograph = np.random.default_rng(0).integers(0, 256, (*SIZE, 3))
    with pytest.raises(DataError, match="as in a photograph or in a picture with its mask drawn over it"):
        study(tmp_path, grey(photograph))


def test_masks_that_leave_no_outside_are_noted(tmp_path: Path) -> None:
    samples = study(tmp_path, grey(np.full(SIZE, 255)))
    assert "the mask covers the whole picture, so that no outside is left: 4 of 4 images" in samples.notes


def test_a_slice_may_have_its_own_column(tmp_path: Path) -> None:
    volume = np.stack([np.roll(LESION, number, axis=1) for number in range(4)])
    source = {"column": "mask", "slice": "slice"}
    samples = study(tmp_path, array(volume), ending=".npy", mask=source)
    for number in range(4):
        assert np.array_equal(inside(samples, number), volume[number])
    (tmp_path / "list.csv").write_text((tmp_path / "list.csv").read_text().replace("npy,2", "npy,second"))
    with pytest.raises(DataError, match="expected the number of a slice in column 'slice', got 'second'"):
        images(tmp_path, ("a", "b"), (1, *SIZE), manifest="list.csv", mask=MaskSource.model_validate(source))


def test_a_folder_of_masks_beside_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "drawn").mkdir()
    samples_of = {"column": "mask"}
    study(tmp_path, grey(LESION * 255), mask=samples_of)
    grey(LESION * 255)(tmp_path / "drawn/0_image.png", 0)
    grey(ORGAN * 255)(tmp_path / "drawn/3_image.png", 0)
    samples = images(
        tmp_path, ("a", "b"), (1, *SIZE), manifest="list.csv", mask=MaskSource.model_validate({"folder": "drawn"})
    )
    assert samples.mask_share == (LESION.mean(), None, None, ORGAN.mean())
    grey(LESION)(tmp_path / "drawn/0_image.tif", 0)
    with pytest.raises(DataError, match="expected one mask for each sample, got 0_image"):
        images(
            tmp_path, ("a", "b"), (1, *SIZE), manifest="list.csv", mask=MaskSource.model_validate({"folder": "drawn"})
        )


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({}, "expected one of column, folder and file, got none"),
        ({"column": "mask", "file": "all.json"}, "got column and file"),
        ({"column": "mask", "value": 1, "threshold": 0.5}, "either value or threshold"),
    ],
)
def test_a_source_is_complete(source: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MaskSource.model_validate(source)
