"""What phantoms promise: only the outline tells the class, and the marker lies where nobody should look."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from scipy.stats import chi2_contingency, ks_2samp

from auditor.core.errors import AuditorError
from auditor.core.zones import GUARD
from auditor.modalities.images.demo.drawing import Lesions, draw_lesions
from auditor.modalities.images.demo.phantoms import GROUPS, Phantoms, phantoms


@pytest.fixture(scope="module")
def drawn() -> Phantoms:
    return phantoms(600, seed=5, marker_given_class=0.9)


def test_same_arguments_same_images() -> None:
    one, two, other = (phantoms(20, seed=seed, marker_given_class=0.7) for seed in (1, 1, 2))
    for name in ("images", "masks", "labels", "marker", "marks", "patients"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
    assert all(np.array_equal(one.groups[name], two.groups[name]) for name in GROUPS)
    assert not np.array_equal(one.images, other.images)


@pytest.mark.parametrize(("share", "size"), [(0.5, 64), (0.9, 64), (1.0, 64), (1.0, 96), (0.0, 32)])
def test_marker_follows_class_as_asked(share: float, size: int) -> None:
    made = phantoms(120, seed=3, marker_given_class=share, size=size)
    assert made.images.shape == made.masks.shape == (120, size, size)
    for label, wanted in ((0, 1 - share), (1, share)):
        assert made.marker[made.labels == label].mean() == pytest.approx(wanted, abs=0.01)
    assert np.array_equal(made.marks.any((1, 2)), made.marker)


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 64, 96])
def test_marker_is_never_near_the_mask(size: int) -> None:
    made = phantoms(400, seed=11, marker_given_class=1.0, size=size)
    for mask, mark in zip(made.masks[made.marker], made.marks[made.marker], strict=True):
        assert distance_transform_edt(~mask)[mark].min() > 2 * GUARD * np.hypot(size, size)


def test_marker_changes_nothing_else() -> None:
    all_marked, none = phantoms(50, seed=2, marker_given_class=1.0), phantoms(50, seed=2, marker_given_class=0.0)
    assert np.array_equal(all_marked.masks, none.masks)
    both = np.stack([distance_transform_edt(~mark) <= 3 for mark in all_marked.marks | none.marks])
    assert np.array_equal(all_marked.images[~both], none.images[~both])


def test_only_the_outline_tells_the_class(drawn: Phantoms) -> None:
    """Brightness of the tissue, light of the lesion above it and grey levels near its centre have one distribution."""
    grey = drawn.images / 255
    zones = [distance_transform_edt(~mask) for mask in drawn.masks]
    rim = np.array([image[(zone > 0) & (zone < 4)].mean() for image, zone in zip(grey, zones, strict=True)])
    light = np.array([(image[mask] - level).sum() for image, mask, level in zip(grey, drawn.masks, rim, strict=True)])
    centre = np.array(
        [image[distance_transform_edt(mask) > 7].mean() for image, mask in zip(grey, drawn.masks, strict=True)]
    )
    benign, malignant = drawn.labels == 0, drawn.labels == 1
    for name, values in {"tissue": rim, "light": light, "centre": centre, "contrast": centre - rim}.items():
        assert ks_2samp(values[benign], values[malignant]).pvalue > 0.01, name


def test_area_and_light_do_not_depend_on_the_spiculation() -> None:
    n, areas, lights = 200, [], []
    same = {"row": 0.5, "column": 0.5, "area": 0.07, "contrast": 0.2, "edge": 0.01}
    for spiculation in (0.0, 0.66):
        images = np.zeros((n, 64, 64))
        fields = {name: np.full(n, value) for name, value in {**same, "spiculation": spiculation}.items()}
        areas.append(draw_lesions(images, Lesions(**fields), np.random.default_rng(0)).mean())
        lights.append(images.mean() / 0.2)
    assert areas == pytest.approx([0.07, 0.07], rel=0.01)
    assert lights[0] == pytest.approx(lights[1], rel=0.01)


def test_outline_tells_the_class(drawn: Phantoms) -> None:
    inner = np.array([(distance_transform_edt(mask) > 2).sum() for mask in drawn.masks])
    area = drawn.masks.sum((1, 2))
    assert ((drawn.masks.mean((1, 2)) > 0.05) & (drawn.masks.mean((1, 2)) < 0.30)).all()
    assert np.mean((inner / area)[drawn.labels == 0]) > np.mean((inner / area)[drawn.labels == 1])


def test_groups_go_with_nothing(drawn: Phantoms) -> None:
    for name, values in drawn.groups.items():
        for truth in (drawn.labels, drawn.marker):
            table = [[np.sum((values == value) & (truth == side)) for side in (0, 1)] for value in GROUPS[name]]
            assert chi2_contingency(table).pvalue > 0.05, name


def test_patients_have_one_to_three_images_of_one_class_and_group(drawn: Phantoms) -> None:
    _, counts = np.unique(drawn.patients, return_counts=True)
    assert set(counts) == {1, 2, 3}
    for patient in np.unique(drawn.patients):
        rows = drawn.patients == patient
        assert len(set(drawn.labels[rows])) == 1
        assert all(len(set(values[rows])) == 1 for values in drawn.groups.values())


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 0, "marker_given_class": 0.5},
        {"n": 5, "marker_given_class": 1.5},
        {"n": 5, "marker_given_class": 0.5, "classes": ("one",)},
    ],
)
def test_impossible_phantoms_are_refused(wrong: dict) -> None:
    with pytest.raises(AuditorError, match=r"^phantoms: expected .*\.$"):
        phantoms(**{"seed": 0, **wrong})
