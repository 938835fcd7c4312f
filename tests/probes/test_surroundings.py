"""Surroundings exchanged without filling, by brute force on tiny images where each pixel tells whose it is and where
it was.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.modalities.images.probes.rings import PARTS
from auditor.modalities.images.probes.surroundings import Widths, replaced, surroundings, without_region
from auditor.models.classifier import wrap
from auditor.probes import Bench, Row, probes
from auditor.samples.samples import Samples

Make = Callable[..., Samples]
N, HEIGHT, WIDTH = 12, 20, 24
DIAGONAL = float(np.hypot(HEIGHT, WIDTH))
WIDTHS = Widths(guard=0.05, near=0.25, far=0.12)
Y = [row % 2 for row in range(N)]
UNITS = [f"u{row // 2}" for row in range(N)]
# the first channel says whose a pixel is, the others at which row and column it was
X = np.stack(
    [np.stack([np.full((HEIGHT, WIDTH), row / 20), *(np.indices((HEIGHT, WIDTH)) / 30)]) for row in range(N)]
).astype(np.float32)
MASKS = np.zeros((N, 1, HEIGHT, WIDTH), dtype=bool)
for _row in range(N):
    _top, _left = 4 + _row % 5, 5 + _row % 7
    MASKS[_row, 0, _top : _top + 3 + _row % 3, _left : _left + 4 + _row % 2] = True


def everywhere(masks: np.ndarray = MASKS) -> np.ndarray:
    return np.repeat(masks, 3, axis=1)


def distance(mask: np.ndarray) -> np.ndarray:
    """Return how far every pixel is from a mask, as a share of the diagonal; endless where it is empty."""
    inside = np.argwhere(mask)
    found = np.full(mask.shape, np.inf)
    for place in np.ndindex(mask.shape) if len(inside) else ():
        found[place] = np.hypot(*(inside - place).T).min() / DIAGONAL
    return found


def lies_in(part: str, away: np.ndarray) -> np.ndarray:
    low, high = {
        "beside": (0.0, WIDTHS.near),
        "near": (WIDTHS.guard, WIDTHS.near),
        "far": (WIDTHS.far, np.inf),
        "outside": (WIDTHS.guard, np.inf),
    }[part]
    return np.asarray((away > low) & (away <= high))


def origin(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return whose each pixel is, and its row and column there."""
    return np.rint(image[0] * 20).astype(int), *(np.rint(image[axis] * 30).astype(int) for axis in (1, 2))


DRAWS = [(0, (2, 1)), (5, (7, 2)), (9, (3, 4)), (8, (10, 11))]


@pytest.mark.parametrize(("i", "donors"), DRAWS)
def test_whose_pixel_is_whose(make_samples: Make, i: int, donors: tuple[int, int]) -> None:
    made = replaced(make_samples(X, Y, everywhere(), units=UNITS), i, donors, widths=WIDTHS)
    assert made is not None and tuple(made) == PARTS
    own, others = distance(MASKS[i, 0]), [distance(MASKS[one, 0]) for one in donors]
    spared = np.minimum(*others) <= WIDTHS.far
    for part, (pair, covered) in made.items():
        changed = [origin(image)[0] != i for image in pair]
        assert np.array_equal(*changed), "both donors give exactly the same pixels"
        wanted = lies_in(part, own)
        assert not (changed[0] & ~wanted).any() and not changed[0][MASKS[i, 0]].any()
        assert covered == pytest.approx(changed[0].sum() / wanted.sum()) and covered > 0.5
        for image, donor, away in zip(pair, donors, others, strict=True):
            whose, row, column = origin(image)
            for place in zip(*np.nonzero(changed[0]), strict=True):
                there = (row[place], column[place])
                assert whose[place] == donor and not MASKS[donor, 0][there], "nothing of the donor's own region"
                if part == "far" or (part == "outside" and own[place] > WIDTHS.far):
                    assert there == place and not spared[place]
                else:
                    assert abs(away[there] - own[place]) * DIAGONAL <= 1.0
        if part == "far":
            assert np.array_equal(changed[0], wanted & ~spared)


@pytest.mark.parametrize(("i", "donors"), DRAWS)
def test_outside_is_what_is_near_and_what_is_far(make_samples: Make, i: int, donors: tuple[int, int]) -> None:
    """Near up to where far begins, and all that is far; beside is near and the edge."""
    made = replaced(make_samples(X, Y, everywhere()), i, donors, widths=WIDTHS)
    assert made is not None
    own = distance(MASKS[i, 0])
    for which in (0, 1):
        image = {part: pair[which] for part, (pair, _) in made.items()}
        assert np.array_equal(image["outside"], np.where(own <= WIDTHS.far, image["near"], image["far"]))
        assert np.array_equal(image["near"], np.where(own <= WIDTHS.guard, X[i], image["beside"]))


@pytest.mark.parametrize("bare", [(3,), (2,), (2, 3)])
def test_a_donor_without_a_mask_gives_the_same_place(make_samples: Make, bare: tuple[int, ...]) -> None:
    """Near the mask too, since it has no frame of its own; less what lies in the other's mask or at its edge."""
    masks = MASKS.copy()
    masks[list(bare)] = False
    made = replaced(make_samples(X, Y, everywhere(masks)), 0, (2, 3), widths=WIDTHS)
    assert made is not None
    own, other = distance(masks[0, 0]), np.minimum(distance(masks[2, 0]), distance(masks[3, 0]))
    for part, (pair, _) in made.items():
        free = other > (WIDTHS.far if part == "far" else WIDTHS.guard)
        free = np.where(own > WIDTHS.far, other > WIDTHS.far, free) if part == "outside" else free
        for image, donor in zip(pair, (2, 3), strict=True):
            assert np.array_equal(image, np.where(lies_in(part, own) & free, X[donor], X[0]))


def test_healthy_tissue_takes_the_place_of_the_region(make_samples: Make) -> None:
    masks = MASKS.copy()
    masks[3] = False
    samples = make_samples(X, Y, everywhere(masks))
    image = without_region(samples, 0, 3, guard=WIDTHS.guard)
    assert image is not None and np.array_equal(image, np.where(distance(MASKS[0, 0]) <= WIDTHS.guard, X[3], X[0]))
    assert without_region(samples, 0, 1, guard=WIDTHS.guard) is None, "another region is no healthy tissue"


def test_a_mark_at_the_masks_corner_is_taken_along(make_samples: Make) -> None:
    """The mark of the donor's class stands at the same corner of every mask, wherever the mask lies: what is near moves
    it, what is far does not, and a mark in the picture's corner is moved by what is far alone.
    """
    for place, moved, still in (("mask", "near", "far"), ("picture", "far", "near")):
        x = np.full((N, 1, HEIGHT, WIDTH), 0.2, np.float32)
        for row in range(1, N, 2):
            top, left = np.argwhere(MASKS[row, 0]).min(0) - 3 if place == "mask" else (0, WIDTH - 2)
            x[row, 0, top : top + 2, left : left + 2] = 1.0
        # the recipient's and the donors' masks lie apart
        made = replaced(make_samples(x, Y, MASKS), 0, (2, 3), widths=Widths(0.02, 0.15, 0.15))
        assert made is not None
        gained = {part: (pair[1] - pair[0]).sum() for part, (pair, _) in made.items()}
        assert gained[moved] > 1.5 and gained[still] == pytest.approx(0, abs=1e-6)
        assert gained["outside"] == pytest.approx(gained[moved], abs=1e-5)


class Counting(nn.Module):
    """Evidence for class 1 is a weighted sum of the pixels; it counts the images that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.weights = torch.from_numpy(np.random.default_rng(0).normal(size=(3, HEIGHT, WIDTH)).astype("f4"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += len(x)
        total = (x * self.weights).flatten(1).sum(1)
        return torch.stack([-total, total], 1)


SETTINGS = {"draws": 2, "guard": WIDTHS.guard, "near": WIDTHS.near, "far": WIDTHS.far}


def run(
    samples: Samples, module: nn.Module, positions: Any = range(N), *, batch: int = 5, **changes: float
) -> list[Row]:
    trial = Trial("surroundings", settings={**SETTINGS, **changes}, zone="outside", seed=1)
    bench = Bench(wrap(module, ["a", "b"]), samples, lambda name: None, batch_size=batch)
    assert probes["surroundings"].make is surroundings
    return surroundings(bench, trial, samples.load(list(positions)))


def test_margins_are_those_of_the_images(make_samples: Make) -> None:
    samples, module = make_samples(X, Y, everywhere(), units=UNITS), Counting()
    for position, row in enumerate(run(samples, module)):
        for draw in range(2):
            donors = int(row.values[f"j/{draw}"]), int(row.values[f"k/{draw}"])
            assert Y[donors[0]] == Y[position] != Y[donors[1]]
            assert len({UNITS[one] for one in (position, *donors)}) == 3
            made = replaced(samples, position, donors, widths=WIDTHS)
            assert made is not None
            for part, (pair, covered) in made.items():
                assert row.values[f"covered/{part}/{draw}"] == covered
                for kind, image in zip(("same", "other"), pair, strict=True):
                    edge = (2 if Y[position] else -2) * float((image * module.weights.numpy()).sum())
                    assert row.values[f"{part}/{kind}/{draw}"] == pytest.approx(edge, abs=1e-3)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_a_recipient_is_measured_alike_in_any_chunk_and_batch(make_samples: Make, batch: int) -> None:
    samples = make_samples(X, Y, everywhere(), units=UNITS)
    whole = run(samples, Counting())
    (alone,) = run(samples, Counting(), [7], batch=batch)
    assert alone.values == pytest.approx(whole[7].values, abs=1e-4)


def test_cost(make_samples: Make) -> None:
    """As many passes as registered where the other class has no masks; else one less in every draw."""
    bound = probes["surroundings"].facts["cost"](method="", settings=SETTINGS)
    masks, module = MASKS.copy(), Counting()
    masks[::2] = False
    rows = run(make_samples(X, Y, everywhere(masks), units=UNITS), module, range(1, N, 2))
    assert bound == (18, 0) and module.seen == 18 * N // 2
    assert all(f"marked/{draw}" in row.values for row in rows for draw in range(2))
    both = Counting()
    rows = run(make_samples(X, Y, everywhere(), units=UNITS), both)
    assert both.seen == 16 * N and not any(key.startswith("marked") for row in rows for key in row.values)


def test_reasons(make_samples: Make) -> None:
    none = Missing.not_applicable("no donor of the same and one of another class from other units")
    for y, units in (([0] * N, UNITS), (Y, ["one"] * N)):
        rows = run(make_samples(X, y, everywhere(), units=units), Counting())
        assert {row.missing for row in rows} == {none}
    full = np.ones((N, 1, HEIGHT, WIDTH), dtype=bool)
    full[:, :, 0, 0] = False  # the only pixel outside, which is the edge of every mask
    samples = make_samples(X, Y, everywhere(full))
    assert {row.missing for row in run(samples, Counting(), guard=0.2, near=0.01, far=0.3)} == {
        Missing.not_applicable("the masks of one draw leave nothing outside to exchange")
    }
