"""Phantom images with a known truth: the lesion's outline carries the class, a marker far from it may go with the
class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import AuditorError
from auditor.modalities.images.demo.drawing import Lesions, collar, draw_lesions, draw_markers, tissue

CLASSES = ("benign", "malignant")
GROUPS: dict[str, tuple[str, ...]] = {
    "sex": ("F", "M"),
    "age_band": ("18-49", "50-69", "70+"),
    "site": ("harbour", "hillside"),
}
COLLAR = 0.04
"""Width of the mask's collar around the lesion, as a share of the image's side."""

SMOOTH, SPICULATED = (0.0, 0.16), (0.22, 0.66)
"""Range of the spiculation of each class; the nearer they are, the harder the task."""


@dataclass(frozen=True, eq=False)
class Phantoms:
    """Images with everything that is known of them."""

    images: NDArray[np.uint8]
    """(n, size, size) grey levels."""
    masks: NDArray[np.bool_]
    """(n, size, size) the lesion with its outline."""
    labels: NDArray[np.int64]
    """(n,) index in `classes`."""
    marker: NDArray[np.bool_]
    """(n,) whether the image carries a marker."""
    marks: NDArray[np.bool_]
    """(n, size, size) the marker's pixels."""
    patients: NDArray[np.str_]
    """(n,) a patient has one to three images, all of the same class."""
    groups: Mapping[str, NDArray[np.str_]]
    """Attribute -> value of each image (n,); the same for all images of a patient, independent of class and marker."""
    classes: tuple[str, ...] = CLASSES

    def __len__(self) -> int:
        return len(self.images)


def phantoms(
    n: int, *, seed: int, marker_given_class: float, size: int = 64, classes: Sequence[str] = CLASSES
) -> Phantoms:
    """Return n phantom images, the same for the same arguments.

    Parameters
    ----------
    marker_given_class
        Share of the second class's images with a marker; the first class has 1 less this share, so 0.5 means that the
        marker tells nothing.
    size
        Side of the square images, in pixels; at least 32.
    classes
        Names of the smooth and of the spiculated class.
    """
    _check(n, marker_given_class, size, classes=classes)
    rng = np.random.default_rng(seed)
    patient = _visits(n, rng)
    labels, groups = _people(patient, rng)
    marker = _marked(labels, marker_given_class, rng)
    images = tissue(n, size, rng)
    region = draw_lesions(images, _lesions(labels, rng), rng)
    marks = draw_markers(images, marker, rng)
    grey = np.rint(images.clip(0, 1) * 255).astype(np.uint8)
    names = np.array([f"P{number + 1:04d}" for number in range(int(patient.max()) + 1)])[patient]
    return Phantoms(grey, collar(region, COLLAR), labels, marker, marks, names, groups, tuple(classes))


def _check(n: int, marker_given_class: float, size: int, *, classes: Sequence[str]) -> None:
    if n < 1 or size < 32:
        raise AuditorError(f"phantoms: expected at least 1 image of at least 32 pixels, got {n} of {size}.")
    if not 0 <= marker_given_class <= 1:
        raise AuditorError(f"phantoms: expected marker_given_class between 0 and 1, got {marker_given_class}.")
    if len(classes) != 2:
        raise AuditorError(f"phantoms: expected two class names, got {list(classes)}.")


def _visits(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the number of the patient (n,) of each image."""
    return np.repeat(np.arange(n), rng.integers(1, 4, n))[:n]


def _people(
    patient: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.str_]]]:
    """Return labels and groups (n,): patients are dealt evenly over every combination, so that no group goes with a
    class.
    """
    cells = np.array(np.meshgrid(range(2), *(range(len(values)) for values in GROUPS.values()))).reshape(
        1 + len(GROUPS), -1
    )
    people = int(patient.max()) + 1
    rounds = -(-people // cells.shape[1])
    dealt = np.concatenate([rng.permutation(cells.shape[1]) for _ in range(rounds)])[:people]
    of_image = cells[:, dealt][:, patient]
    groups = {name: np.array(values)[row] for (name, values), row in zip(GROUPS.items(), of_image[1:], strict=True)}
    return of_image[0].astype(np.int64), groups


def _marked(labels: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which images (n,) have a marker: in each class the wanted share, to the nearest image."""
    marker = np.zeros(len(labels), bool)
    for label, wanted in ((0, 1 - share), (1, share)):
        members = rng.permutation(np.flatnonzero(labels == label))
        marker[members[: round(wanted * len(members))]] = True
    return marker


def _lesions(labels: NDArray[np.int64], rng: np.random.Generator) -> Lesions:
    """Return lesions that differ between the classes in their spiculation only."""
    n = len(labels)
    smooth, spiculated = rng.uniform(*SMOOTH, n), rng.uniform(*SPICULATED, n)
    return Lesions(
        row=rng.uniform(0.43, 0.57, n),
        column=rng.uniform(0.43, 0.57, n),
        area=rng.uniform(0.055, 0.090, n),
        contrast=rng.uniform(0.16, 0.26, n),
        edge=rng.uniform(0.008, 0.016, n),
        spiculation=np.where(labels == 1, spiculated, smooth),
    )
