"""The search for the place, by brute force on tiny images and in closed form on a linear classifier."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.modalities.images.probes.collage import Cutting
from auditor.modalities.images.probes.where import LEAST, exchanged, grid, where
from auditor.models.classifier import wrap
from auditor.probes import Bench, Row, probes
from auditor.samples.samples import Samples

Make = Callable[..., Samples]
N, SIDE = 24, 8
# every pixel tells whose it is
X = np.stack([np.full((1, SIDE, SIDE), (row + 1) / 100) for row in range(N)]).astype(np.float32)
BLOCKS = np.zeros((N, 1, SIDE, SIDE), dtype=bool)
for _row in range(N):
    BLOCKS[_row, 0, 1 + _row % 4 : 4 + _row % 4, 2 + _row % 3 : 5 + _row % 3] = True
Y = [row % 2 for row in range(N)]
UNITS = [f"u{row // 2}" for row in range(N)]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9))
def test_cells_cover_the_frame_once(height: int, width: int, cells: int) -> None:
    times = np.zeros((height, width), int)
    for down, right in grid((height, width), cells).values():
        times[down, right] += 1
    assert (times == 1).all() and len(grid((height, width), cells)) == cells**2


@pytest.mark.parametrize("arriving", [False, True])
@pytest.mark.parametrize(("i", "k"), [(0, 3), (5, 2), (11, 20)])
def test_whose_pixel_is_whose(make_samples: Make, arriving: bool, i: int, k: int) -> None:
    made = exchanged(make_samples(X, Y, BLOCKS), i, k, cells=4, cutting=Cutting(0.0), arriving=arriving)
    assert made is not None
    start, giver = (k, i) if arriving else (i, k)
    hole = BLOCKS[i, 0] | BLOCKS[k, 0]
    for cell, (down, right) in grid((SIDE, SIDE), 4).items():
        assert (cell in made) == ((~hole[down, right]).mean() >= LEAST)
    for cell, image in made.items():
        for place in np.ndindex(SIDE, SIDE):
            here = cell is not None and place[0] // 2 == cell[0] and place[1] // 2 == cell[1]
            whose = i if BLOCKS[i, 0][place] else giver if here else start
            assert image[0][place] == pytest.approx(X[whose, 0, 0, 0], abs=1e-6)


@pytest.mark.parametrize("arriving", [False, True])
def test_what_lies_under_the_donors_mask_is_never_shown(make_samples: Make, arriving: bool) -> None:
    marked = X.copy()
    marked[BLOCKS] = 1.0
    made = exchanged(make_samples(marked, Y, BLOCKS), 0, 3, cells=4, cutting=Cutting(0.0), arriving=arriving)
    assert made is not None
    for image in made.values():
        assert (image[0][BLOCKS[0, 0]] == 1.0).all() and (image[0][~BLOCKS[0, 0]] < 0.5).all()


def test_the_guard_band_travels_with_the_inside(make_samples: Make) -> None:
    mask = np.zeros((2, 1, SIDE, SIDE), dtype=bool)
    mask[0, 0, 4, 4] = True
    # 0.09 of the diagonal reaches one pixel
    made = exchanged(make_samples(X[:2], [0, 1], mask), 0, 1, cells=4, cutting=Cutting(0.09), arriving=True)
    assert made is not None and (made[None] == X[0, 0, 0, 0]).sum() == 5


class Weighted(nn.Module):
    """Evidence for class 1 is the sum of a fixed region, twice in the margin."""

    def __init__(self, region: np.ndarray) -> None:
        super().__init__()
        self.region = torch.from_numpy(region.astype(np.float32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = (x * self.region).flatten(1).sum(1)
        return torch.stack([-total, total], 1)


def run(samples: Samples, region: np.ndarray, positions: Any = None, **settings: float) -> list[Row]:
    trial = Trial(
        "where", settings={"cells": 4, "draws": 4, "guard": 0.0, "fill": "smooth", **settings}, zone="outside", seed=1
    )
    bench = Bench(wrap(Weighted(region), ["a", "b"]), samples, lambda name: None, batch_size=5)
    assert probes["where"].make is where
    return where(bench, trial, samples.load(range(len(samples)) if positions is None else positions))


def test_a_linear_classifier_in_closed_form(make_samples: Make) -> None:
    """Only the cell that is read has an effect, and in both kinds of draw it is the difference of the two outsides
    there.
    """
    region = np.zeros((1, SIDE, SIDE))
    region[0, 6:8, 0:2] = [[1.0, 2.0], [0.5, -1.0]]
    for position, row in enumerate(run(make_samples(X, Y, BLOCKS, units=UNITS), region)):
        for draw in range(4):
            donor = int(row.values[f"k/{draw}"])
            free = ~BLOCKS[position, 0, 6:8, 0:2]
            gap = (X[position, 0, 0, 0] - X[donor, 0, 0, 0]) * (region[0, 6:8, 0:2] * free).sum()
            effects = {
                key: value for key, value in row.values.items() if key.startswith("cell/") and key.endswith(f"/{draw}")
            }
            assert effects.pop(f"cell/3/0/{draw}") == pytest.approx((2 if Y[position] else -2) * gap, abs=1e-5)
            assert len(effects) >= 5 and all(value == pytest.approx(0, abs=1e-5) for value in effects.values())


def test_donors_are_of_another_class_and_unit(make_samples: Make) -> None:
    for position, row in enumerate(run(make_samples(X, Y, BLOCKS, units=UNITS), np.ones((1, SIDE, SIDE)))):
        donors = {int(row.values[f"k/{draw}"]) for draw in range(4)}
        assert all(Y[donor] != Y[position] and UNITS[donor] != UNITS[position] for donor in donors) and len(donors) > 1


def test_a_recipient_is_measured_alike_in_any_chunk(make_samples: Make) -> None:
    samples, region = make_samples(X, Y, BLOCKS, units=UNITS), np.ones((1, SIDE, SIDE))
    (alone,) = run(samples, region, [13])
    assert alone.values == pytest.approx(run(samples, region)[13].values, abs=1e-5)


def test_a_cue_that_is_there_twice_shows_in_the_odd_draws(make_samples: Make) -> None:
    """A classifier that asks whether any of two markers is there does not move when one is taken away, but does when
    one is brought back.
    """

    class Either(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen = x[:, 0].flatten(1)[:, [0, SIDE**2 - 1]].amax(1)
            return torch.stack([-seen, seen], 1)

    mask = np.zeros((N, 1, SIDE, SIDE), dtype=bool)
    mask[:, :, 3:5, 3:5] = True
    x = np.zeros_like(X)
    x[1::2, 0, 0, 0] = x[1::2, 0, -1, -1] = 1.0
    samples = make_samples(x, Y, mask)
    trial = Trial("where", settings={"cells": 4, "draws": 2, "guard": 0.0, "fill": "smooth"}, zone="outside", seed=1)
    (row,) = where(Bench(wrap(Either(), ["a", "b"]), samples, lambda name: None), trial, samples.load([1]))
    assert row.values["cell/0/0/0"] == 0 and row.values["cell/0/0/1"] == 2 == row.values["cell/3/3/1"]


def test_what_a_seam_does_cancels(make_samples: Make) -> None:
    """A classifier that sees edges, not content: taking away and bringing back move it in opposite directions."""

    class Edges(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            total = x.diff(dim=-1).abs().flatten(1).sum(1) + x.diff(dim=-2).abs().flatten(1).sum(1)
            return torch.stack([-total, total], 1)

    mask = np.zeros((N, 1, SIDE, SIDE), dtype=bool)
    mask[:, :, 3:5, 3:5] = True
    x = np.where(np.arange(N) % 4 < 2, 0.2, 0.6)[:, None, None, None] * np.ones((N, 1, SIDE, SIDE))
    samples = make_samples(x.astype(np.float32), Y, mask)
    trial = Trial("where", settings={"cells": 4, "draws": 40, "guard": 0.0, "fill": "smooth"}, zone="outside", seed=1)
    (row,) = where(Bench(wrap(Edges(), ["a", "b"]), samples, lambda name: None), trial, samples.load([1]))
    draws = np.array([row.values[f"cell/0/0/{draw}"] for draw in range(40)])
    unlike = draws[np.abs(draws) > 1e-6]
    assert len(unlike) > 10 and (draws[::2] <= 1e-6).all() and (draws[1::2] >= -1e-6).all()
    assert np.abs(unlike).min() == pytest.approx(np.abs(unlike).max(), abs=1e-5)


def test_reasons(make_samples: Make) -> None:
    region = np.ones((1, SIDE, SIDE))
    alone = run(make_samples(X, [0] * N, BLOCKS), region)
    assert {row.missing for row in alone} == {Missing.not_applicable("no donor of another class from another unit")}
    wide = run(make_samples(X, Y, BLOCKS), region, guard=0.9)
    assert {row.missing for row in wide} == {
        Missing.not_applicable("the masks of one draw leave nothing outside to exchange")
    }


def test_cost() -> None:
    assert probes["where"].facts["cost"](method="", settings={"draws": 2, "cells": 6}) == (74, 0)
