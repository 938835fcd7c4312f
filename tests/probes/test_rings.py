"""A mask as a frame of reference: by direction and distance from its edge a place is found again in another picture."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from auditor.modalities.images.probes.rings import MaskFrame

SHAPE = (60, 72)
NEAR = 9
"""How far from the edge the tests look, in pixels."""
DOWN, RIGHT = np.indices(SHAPE)


def ellipse(row: float, column: float, tall: float, wide: float) -> np.ndarray:
    return np.asarray(((DOWN - row) / tall) ** 2 + ((RIGHT - column) / wide) ** 2 <= 1)


def box(row: float, column: float, tall: float, wide: float) -> np.ndarray:
    return np.asarray((abs(DOWN - row) <= tall) & (abs(RIGHT - column) <= wide))


shapes = st.builds(
    lambda make, *sizes: make(*sizes),
    st.sampled_from([ellipse, box]),
    st.floats(24, 36),
    st.floats(26, 46),
    st.floats(4, 9),
    st.floats(4, 9),
)
"""Convex masks whose near surroundings lie within the picture."""
rounds = st.builds(ellipse, st.floats(24, 36), st.floats(26, 46), *[st.floats(5, 8)] * 2)
scattered = st.builds(
    lambda seed, share: np.random.default_rng(seed).random(SHAPE) < share,
    st.integers(0, 2**31),
    st.sampled_from([0.001, 0.01, 0.2, 0.7]),
).filter(lambda mask: mask.any() and not mask.all())


def ring(mask: np.ndarray, high: float = NEAR) -> np.ndarray:
    """Return the pixels (n, 2) outside a mask that lie within so many pixels of it."""
    away = distance_transform_edt(~mask)
    return np.argwhere((away > 0) & (away <= high))


def directions(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    offset = pixels - np.argwhere(mask).mean(0)
    return np.arctan2(offset[:, 0], offset[:, 1])


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the angle between directions, from 0 to pi."""
    return np.abs((one - other + np.pi) % (2 * np.pi) - np.pi)


@given(shapes)
def test_to_itself_a_place_stays_where_it_is(mask: np.ndarray) -> None:
    pixels, frame = ring(mask), MaskFrame(mask)
    places, found = frame.at(pixels, MaskFrame(mask))
    assert found.mean() > 0.99
    moved = np.hypot(*(places - pixels)[found].T)
    assert moved.max() <= 2 and moved.mean() <= 0.7


@settings(max_examples=30)
@given(st.one_of(shapes, scattered), st.one_of(shapes, scattered))
def test_distance_and_direction_are_kept(donor: np.ndarray, own: np.ndarray) -> None:
    """To within a pixel, whatever the masks are: what is not found so is not given."""
    pixels = ring(own)
    assume(len(pixels))
    places, found = MaskFrame(donor).at(pixels, MaskFrame(own))
    given_, wanted = places[found], pixels[found]
    away = [distance_transform_edt(~mask)[tuple(where.T)] for mask, where in ((donor, given_), (own, wanted))]
    assert (np.abs(away[0] - away[1]) <= 1.0).all()
    length = np.hypot(*(given_ - np.argwhere(donor).mean(0)).T)
    # half a degree of the nearest ray, and half a pixel's diagonal; in the centre itself there is no direction
    slack = np.pi / 360 + np.where(length > 0.75, np.arcsin(0.75 / np.maximum(length, 0.75)), np.pi)
    assert (apart(directions(given_, donor), directions(wanted, own)) <= slack).all()


@settings(max_examples=30)
@given(st.one_of(shapes, scattered), st.one_of(shapes, scattered))
def test_nothing_inside_the_donors_mask_is_given(donor: np.ndarray, own: np.ndarray) -> None:
    pixels = ring(own)
    places, found = MaskFrame(donor).at(pixels, MaskFrame(own))
    assert not donor[tuple(places[found].T)].any()
    assert places.shape == pixels.shape and (places >= 0).all() and (places < np.array(SHAPE)).all()


@given(shapes, shapes)
def test_round_masks_find_nearly_everything(donor: np.ndarray, own: np.ndarray) -> None:
    _, found = MaskFrame(donor).at(ring(own), MaskFrame(own))
    assert found.mean() > 0.97


def test_what_lies_beyond_the_picture_is_not_found() -> None:
    own, donor = ellipse(30, 36, 6, 6), ellipse(6, 36, 6, 6)
    pixels = ring(own)
    _, found = MaskFrame(donor).at(pixels, MaskFrame(own))
    above = pixels[:, 0] < 22
    assert above.any() and not found[above].any() and found[pixels[:, 0] > 36].all()


@settings(max_examples=30)
@given(rounds, rounds, st.floats(0, 2 * np.pi), st.integers(3, 7))
def test_a_mark_arrives_at_its_direction_and_distance(
    donor: np.ndarray, own: np.ndarray, angle: float, away: int
) -> None:
    """A mark of the donor, so many pixels off its mask in this direction, is so far off the recipient's mask in the
    same direction; at the same place of the picture it is not, unless the masks lie alike.
    """
    distance, pixels = distance_transform_edt(~donor), np.argwhere(~donor)
    turned = apart(directions(pixels, donor), np.full(len(pixels), angle))
    middle = pixels[(np.abs(distance[tuple(pixels.T)] - away) + 8 * turned).argmin()]
    mark = np.hypot(DOWN - middle[0], RIGHT - middle[1]) <= 2
    assume(not (mark & donor).any())
    wanted = ring(own, 12)
    places, found = MaskFrame(donor).at(wanted, MaskFrame(own))
    arrived = wanted[found & mark[tuple(places.T)]]
    assert len(arrived) >= 5, "it is whole, or nearly"
    centre = arrived.mean(0)[None]
    assert apart(directions(centre, own), directions(middle[None], donor)).max() <= 0.12
    there = distance_transform_edt(~own)[tuple(arrived.T)]
    assert abs(there.mean() - distance[tuple(middle)]) <= 1.0
    moved = np.hypot(*(np.argwhere(donor).mean(0) - np.argwhere(own).mean(0)))
    if moved > 8:  # the naive way: the same place of the picture
        naive = np.argwhere(mark & ~own)
        off = distance_transform_edt(~own)[tuple(naive.T)].mean() if len(naive) else 0.0
        turned_by = apart(directions(middle[None], own), directions(middle[None], donor)).max()
        assert abs(off - distance[tuple(middle)]) > 1.0 or turned_by > 0.12


def test_an_empty_mask_is_endlessly_far() -> None:
    empty = MaskFrame(np.zeros(SHAPE, bool))
    assert np.isinf(empty.away).all() and not empty.grown(5.0).any()
    assert not empty.ring(0.0, 0.2).any() and empty.ring(0.09).all()


@settings(max_examples=30)
@given(st.one_of(shapes, scattered), st.sampled_from([0.0, 0.02, 0.09, 0.2]), st.sampled_from([0.05, 0.2, np.inf]))
def test_rings_by_brute_force(mask: np.ndarray, low: float, high: float) -> None:
    """In shares of the diagonal: above the first, at most the second; the mask and its rings tile the picture."""
    frame, diagonal = MaskFrame(mask), np.hypot(*SHAPE)
    inside = np.argwhere(mask)
    rng = np.random.default_rng(0)
    for row, column in zip(rng.integers(0, SHAPE[0], 20), rng.integers(0, SHAPE[1], 20), strict=True):
        away = np.hypot(*(inside - [row, column]).T).min()
        assert frame.ring(low, high)[row, column] == (low * diagonal < away <= high * diagonal)
        assert frame.grown(low)[row, column] == (away <= low * diagonal)
    if low < high:
        parts = [frame.grown(low), frame.ring(low, high), frame.ring(high)]
        assert (np.sum(parts, axis=0) == 1).all()


@pytest.mark.parametrize("size", [1, 2])
def test_a_mask_of_a_single_pixel_is_a_frame_too(size: int) -> None:
    own, donor = (np.zeros(SHAPE, bool) for _ in range(2))
    own[30, 36], donor[20 : 20 + size, 40] = True, True
    places, found = MaskFrame(donor).at(ring(own, 5), MaskFrame(own))
    assert found.mean() > 0.9 and not donor[tuple(places[found].T)].any()
