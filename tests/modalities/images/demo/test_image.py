"""The demonstration as it is shipped: its files fit together, and the two classifiers are what they are said to be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from auditor.config.config import Audit, load_audit
from auditor.modalities.images.data.images import images
from auditor.modalities.images.data.mask_files import mask_in_file
from auditor.modalities.images.demo.image import IMAGES, INPUT, MARKER_GIVEN_CLASS, SEED, WEIGHTS, write_image_demo
from auditor.modalities.images.demo.phantoms import CLASSES, GROUPS, Phantoms, phantoms
from auditor.modalities.images.demo.sample_masks import WRITTEN, write_sample_masks
from auditor.modalities.images.masks.content import Wanted
from auditor.models.classifier import Classifier
from auditor.models.load import load_classifier

WANTED = Wanted("", Path(), (1, 1))
SHIPPED = Path(__file__).parents[4] / "sample_masks"
SIZE = INPUT["size"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("demo")
    write_image_demo(path)
    yield path


def classifier(folder: Path, name: str) -> Classifier:
    audit: Audit = load_audit(folder / f"audit-{name}.yaml")
    model = dict(audit.model)
    return load_classifier(model.pop("weights"), base=folder, **model)


def correct(judge: Classifier, drawn: Phantoms) -> np.ndarray:
    with torch.no_grad():
        logits = judge.logits(torch.from_numpy(drawn.images)[:, None].float() / 255)
    return logits.argmax(1).numpy() == drawn.labels


@pytest.mark.slow
def test_manifest_reads_back(folder: Path) -> None:
    table = pandas.read_csv(folder / "manifest.csv")
    drawn = phantoms(IMAGES, seed=SEED, marker_given_class=MARKER_GIVEN_CLASS)
    assert list(table.label) == [CLASSES[label] for label in drawn.labels]
    assert list(table.marker == "yes") == list(drawn.marker)
    for row in (0, 57, IMAGES - 1):
        assert np.array_equal(np.asarray(Image.open(folder / table.path[row])), drawn.images[row])
        assert np.array_equal(mask_in_file(folder / table["mask"][row], WANTED), drawn.masks[row])


@pytest.mark.parametrize("name", ["honest", "marker"])
def test_audit_file_is_valid_and_finds_its_data(folder: Path, name: str) -> None:
    audit = load_audit(folder / f"audit-{name}.yaml")
    samples = images(folder, CLASSES, (1, SIZE, SIZE), **audit.data)
    assert len(samples) == IMAGES and tuple(samples.groups) == tuple(GROUPS)
    assert audit.model["classes"] == list(CLASSES)
    assert "marker" not in samples.groups
    assert len(set(samples.units)) < IMAGES


def test_weights_are_small() -> None:
    files = sorted(WEIGHTS.glob("*.safetensors"))
    assert [file.stem for file in files] == ["honest", "marker"]
    assert all(file.stat().st_size < 700_000 for file in files)


@pytest.mark.slow
def test_honest_classifier_does_not_heed_the_marker(folder: Path) -> None:
    judge = classifier(folder, "honest")
    with_class, against = (
        correct(judge, phantoms(500, seed=31, marker_given_class=share)).mean() for share in (1.0, 0.0)
    )
    assert min(with_class, against) >= 0.93
    assert abs(with_class - against) < 0.02


@pytest.mark.slow
def test_marker_classifier_leans_on_the_marker(folder: Path) -> None:
    judge = classifier(folder, "marker")
    with_class, against = (
        correct(judge, phantoms(500, seed=31, marker_given_class=share)).mean() for share in (1.0, 0.0)
    )
    assert with_class >= 0.97
    assert against < with_class - 0.15


@pytest.mark.slow
def test_honest_classifier_is_as_good_for_every_group(folder: Path) -> None:
    drawn = phantoms(1000, seed=32, marker_given_class=0.5)
    right = correct(classifier(folder, "honest"), drawn)
    for values in drawn.groups.values():
        shares = [right[values == value].mean() for value in np.unique(values)]
        assert max(shares) - min(shares) < 0.05


def test_sample_masks_are_what_the_code_makes(tmp_path: Path) -> None:
    write_sample_masks(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in SHIPPED.iterdir()}
    for number in range(1, 6):
        name = f"phantom_{number:02d}"
        # another machine's arithmetic may round a grey level the other way; compressed bytes differ with the library
        one, two = (np.asarray(Image.open(folder / f"{name}.png")).astype(int) for folder in (tmp_path, SHIPPED))
        assert np.abs(one - two).max() <= 1, name
        mine, shipped = (mask_in_file(folder / f"{name}_mask.png", WANTED) for folder in (tmp_path, SHIPPED))
        assert np.array_equal(mine, shipped), name
    for name in ("README.md", "boxes.csv"):
        assert (tmp_path / name).read_text("utf-8") == (SHIPPED / name).read_text("utf-8")


@pytest.mark.parametrize("name", ["phantom_01_mask.npy", *(name for name, _ in WRITTEN.values())])
def test_the_sample_masks_of_every_format_are_one_mask(name: str) -> None:
    image = SHIPPED / ("phantom_01.dcm" if name.endswith(".dcm") else "phantom_01.png")
    found = mask_in_file(SHIPPED / name, Wanted("phantom_01", image, (64, 64)))
    assert np.array_equal(found, mask_in_file(SHIPPED / "phantom_01_mask.png", WANTED))


def test_the_sample_boxes_hold_the_sample_masks() -> None:
    samples = images(SHIPPED, CLASSES, (1, 64, 64), manifest="boxes.csv", mask="mask")
    for row in range(5):
        mask = mask_in_file(SHIPPED / f"phantom_{row + 1:02d}_mask.png", WANTED)
        box = samples.load([row]).inside[0, 0].numpy()
        down, right = np.nonzero(mask)
        assert box.sum() == (np.ptp(down) + 1) * (np.ptp(right) + 1) and (box & mask).sum() == mask.sum()
    assert any("boxes of the manifest are read as left, top, width and height" in note for note in samples.notes)
