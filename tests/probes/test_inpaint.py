"""Filling a hole: nothing of what was there is left, and no single mark beside it decides what is put there."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from auditor.modalities.images.probes.inpaint import FILLS

Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]
SHAPES = [(7, 9), (1, 6), (4, 4), (2, 2), (48, 40), (30, 47)]
fills = st.sampled_from(sorted(FILLS)).map(FILLS.__getitem__)
holes = st.builds(
    lambda seed, share, shape: np.random.default_rng(seed).random(shape) < share,
    st.integers(0, 2**31),
    st.sampled_from([0.0, 0.2, 0.6, 0.95]),
    st.sampled_from(SHAPES),
).filter(lambda hole: not hole.all())


@given(fills, holes, st.integers(0, 2**31))
def test_nothing_of_the_holes_content_is_left(fill: Fill, hole: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.random((2, *hole.shape)).astype(np.float32)
    other = np.where(hole, 1e3 * rng.random(image.shape), image).astype(np.float32)
    before, filled = image.copy(), fill(image, hole)
    assert np.array_equal(filled, fill(other, hole)) and filled.dtype == np.float32
    assert np.array_equal(filled[:, ~hole], image[:, ~hole]) and np.array_equal(image, before)


@given(fills, holes, st.integers(0, 2**31))
def test_a_fill_stays_in_the_range_of_the_rest(fill: Fill, hole: np.ndarray, seed: int) -> None:
    """Of every channel by itself."""
    image = np.random.default_rng(seed).random((2, *hole.shape)).astype(np.float32) + np.array([[[0]], [[3]]], "f4")
    filled, rest = fill(image, hole), image[:, ~hole]
    assert np.isfinite(filled).all()
    assert (filled >= rest.min(1)[:, None, None] - 1e-6).all() and (filled <= rest.max(1)[:, None, None] + 1e-6).all()


@given(fills, holes)
def test_a_plain_image_stays_plain(fill: Fill, hole: np.ndarray) -> None:
    assert np.allclose(fill(np.full((1, *hole.shape), 0.3, np.float32), hole), 0.3, atol=1e-6)


@pytest.mark.parametrize("fill", FILLS.values(), ids=FILLS)
def test_without_a_hole_nothing_changes(fill: Fill) -> None:
    image = np.random.default_rng(0).random((3, 8, 8)).astype(np.float32)
    assert np.array_equal(fill(image, np.zeros((8, 8), bool)), image)


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    down, right = np.indices(shape)
    return np.asarray(np.hypot(down - centre[0], right - centre[1]) <= radius)


def comet(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Fill from the nearest pixel: what a mark beside the hole smears into."""
    down, right = distance_transform_edt(hole, return_distances=False, return_indices=True)
    return np.asarray(np.where(hole, image[:, down, right], image))


def beside(hole: np.ndarray, angle: float, away: float) -> np.ndarray:
    """Return a mark of 3 x 3 pixels whose middle lies this far from a hole's edge."""
    shape, centre = hole.shape, np.argwhere(hole).mean(0)
    radius = np.sqrt(hole.sum() / np.pi)
    middle = centre + (radius + away) * np.array([np.sin(angle), np.cos(angle)])
    mark = np.zeros(shape, bool)
    row, column = np.rint(middle).astype(int)
    mark[row - 1 : row + 2, column - 1 : column + 2] = True
    return mark & ~hole


@pytest.mark.parametrize("shape", [(64, 64), (48, 60)])
def test_a_single_mark_beside_the_hole_does_not_decide(shape: tuple[int, int]) -> None:
    """A bright mark changes no pixel of a fill by 3 % of its own brightness, from wherever it stands; the nearest
    pixels alone would carry all of it into the hole.
    """
    rng = np.random.default_rng(0)
    hole = disc(shape, (shape[0] / 2 + 0.3, shape[1] / 2 - 0.6), 8)
    image = (0.4 + 0.05 * rng.normal(size=(1, *shape))).astype(np.float32)
    worst = dict.fromkeys([*FILLS, "comet"], 0.0)
    for angle in np.linspace(0, 2 * np.pi, 16, endpoint=False):
        mark = beside(hole, angle, 2.0)
        marked = image.copy()
        marked[:, mark] += 10.0  # strongly bright
        for name, fill in {**FILLS, "comet": comet}.items():
            moved = (fill(marked, hole) - fill(image, hole))[0][hole] / 10.0
            worst[name] = max(worst[name], float(np.abs(moved).max()))
    assert worst["comet"] == pytest.approx(1, abs=1e-3), "the mistake that both fills avoid"
    assert worst["smooth"] < 0.03 and worst["flat"] < 0.03, worst


def test_the_smooth_fill_follows_a_slope_and_the_even_one_does_not() -> None:
    """They are of different kinds, so that what a fill does shows: on a slope of 1 they part, on average they agree."""
    shape = (64, 64)
    image = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32), (1, *shape)).copy()
    hole = disc(shape, (32, 31.5), 10)
    smooth, flat = (FILLS[name](image, hole)[0] for name in ("smooth", "flat"))
    assert np.abs(smooth - image[0])[hole].max() < 0.15 and np.ptp(flat[hole]) == 0
    assert flat[hole][0] == pytest.approx(image[0][hole].mean(), abs=0.02)
    assert smooth[hole].mean() == pytest.approx(flat[hole].mean(), abs=0.02) and np.ptp(smooth[hole]) > 0.2


@pytest.mark.parametrize("fill", FILLS.values(), ids=FILLS)
def test_a_fill_reads_the_neighbourhood_alone(fill: Fill) -> None:
    """What lies at the other end of the picture changes nothing: an outside is not carried across it."""
    rng = np.random.default_rng(1)
    image = rng.random((1, 96, 96)).astype(np.float32)
    hole, other = disc((96, 96), (20, 20), 6), image.copy()
    other[:, 60:, 60:] = rng.random((1, 36, 36))
    assert np.array_equal(fill(image, hole)[:, hole], fill(other, hole)[:, hole])


@pytest.mark.parametrize("corner", [(16, 8), (8, 16), (24, 40)])
def test_a_mark_as_large_as_a_block_is_outvoted(corner: tuple[int, int]) -> None:
    """It fills one block of which a median is taken, beside the hole: its neighbours decide in its place."""
    hole, rng = np.zeros((64, 48), bool), np.random.default_rng(0)
    hole[16:32, 16:40] = True
    image = (0.4 + 0.05 * rng.normal(size=(1, 64, 48))).astype(np.float32)
    marked, (top, left) = image.copy(), corner
    marked[:, top : top + 8, left : left + 8] = 10.0  # the picture's blocks are 8 pixels wide
    moved = np.abs(FILLS["smooth"](marked, hole) - FILLS["smooth"](image, hole))[0][hole].max()
    assert moved < 0.05 * 10
