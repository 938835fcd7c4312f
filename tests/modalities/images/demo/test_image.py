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
from auditor.modalities.images.demo.sample_masks import write_sample_masks
from auditor.modalities.images.masks.content import Wanted
from auditor.models.classifier import Classifier
from auditor.models.load import load_classifier

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
        assert np.array_equal(mask_in_file(folder / table["mask"][row], Wanted("", Path(), (1, 1))), drawn.masks[row])


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
    made = {file.name: file for file in tmp_path.iterdir()}
    assert set(made) <= {file.name for file in SHIPPED.iterdir()}
    for name, file in made.items():
        if "_mask" in name:
            mine, shipped = (mask_in_file(one, Wanted("", Path(), (1, 1))) for one in (file, SHIPPED / name))
            assert np.array_equal(mine, shipped), name
        elif file.suffix == ".png":
            # another machine's arithmetic may round a grey level the other way; compressed bytes differ with the
            # library
            one, two = (np.asarray(Image.open(path)).astype(int) for path in (file, SHIPPED / name))
            assert np.abs(one - two).max() <= 1, name
        else:
            assert file.read_text("utf-8") == (SHIPPED / name).read_text("utf-8")
