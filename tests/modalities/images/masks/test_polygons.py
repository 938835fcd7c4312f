"""One rule decides which pixels belong to an outline: closed forms, and a library as brute force."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path as Polygon

from auditor.modalities.images.masks.polygons import box, ellipse, filled, outline

SIZE = (23, 31)
CENTRES = np.stack(np.meshgrid(np.arange(SIZE[1]) + 0.5, np.arange(SIZE[0]) + 0.5), -1).reshape(-1, 2)


@pytest.mark.parametrize("seed", range(12))
def test_a_pixel_belongs_when_its_centre_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-4, 35, (rng.integers(3, 9), 2))
    angle = np.argsort(np.arctan2(*(corners - corners.mean(0)).T))  # in order around, so that no side crosses another
    corners = corners[angle]
    expected = Polygon(np.vstack([corners, corners[:1]])).contains_points(CENTRES).reshape(SIZE)
    assert np.array_equal(filled(outline([corners]), SIZE), expected)
    assert np.array_equal(filled(outline([corners[::-1]]), SIZE), expected), "the direction does not matter"


@pytest.mark.parametrize("offset", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_a_rectangle_holds_the_centres_between_its_sides(offset: float) -> None:
    mask = filled(box((3 + offset, 2 + offset), (10, 7)), SIZE)
    assert mask.sum() == 70
    rows, columns = np.nonzero(mask)
    first = 3 + (offset > 0.5)
    assert (columns.min(), columns.max()) == (first, first + 9) and rows.min() == first - 1


def test_neighbours_share_no_pixel_and_leave_none_out() -> None:
    shared = [(0.0, 0.0), (20.3, 11.5), (31.0, 23.0)]
    above = outline([[*shared, (31.0, 0.0)]])
    below = outline([[*shared, (0.0, 23.0)]])
    one, other = filled(above, SIZE), filled(below, SIZE)
    assert not (one & other).any() and (one | other).all()


def test_a_ring_within_a_ring_is_a_hole_and_what_lies_outside_is_cut() -> None:
    outer, hole = box((2, 2), (40, 12))[0], box((5, 5), (4, 3))[0]
    mask = filled((outer, hole), SIZE)
    assert mask.sum() == (31 - 2) * 12 - 12 and not mask[6, 6] and mask[6, 30]


@pytest.mark.parametrize("turned", [0.0, 0.4, 2.0])
def test_an_ellipse_has_its_area(turned: float) -> None:
    made = ellipse((200.0, 180.0), (120.0, 60.0), turned=turned)[0]
    following = np.roll(made, -1, axis=0)
    area = 0.5 * abs((made[:, 0] * following[:, 1] - made[:, 1] * following[:, 0]).sum())
    assert area == pytest.approx(np.pi * 120 * 60, rel=1e-9)
    assert filled(ellipse((200.0, 180.0), (120.0, 60.0), turned=turned), (400, 400)).sum() == pytest.approx(
        area, rel=0.005
    )


@pytest.mark.parametrize("rings", [[], [[(0, 0), (1, 1)]], [[(0, 0), (1, 1), (np.nan, 2)]], [[1, 2, 3]]])
def test_what_is_no_outline(rings: list[object]) -> None:
    with pytest.raises(ValueError, match=r"ring|corner"):
        outline(rings)  # type: ignore[arg-type]
