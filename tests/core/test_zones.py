"""Zones: where an attacker may write, from the expert's mask."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import label

from auditor.core.errors import AuditorError
from auditor.core.outcomes import Missing
from auditor.core.zones import (
    CONTROL_ZONES,
    GUARD,
    RESERVED,
    check_zone,
    control_zone,
    coverage,
    expand_zones,
    grow,
    make_zone,
    not_applicable,
    one_zone,
    resolve_zones,
    single_zone,
    usable_name,
)

Mask = NDArray[np.bool_]


@st.composite
def masks(draw: st.DrawFn, most: int = 14) -> Mask:
    height, width = draw(st.integers(1, most)), draw(st.integers(1, most))
    return np.random.default_rng(draw(st.integers(0, 2**31))).random((height, width)) < draw(
        st.sampled_from([0.0, 0.05, 0.4, 1.0])
    )


@given(masks(), st.sampled_from([0.0, 0.02, 0.1, 0.3]))
def test_the_guard_band_by_brute_force(mask: Mask, guard: float) -> None:
    reach = guard * np.hypot(*mask.shape)
    marked = np.argwhere(mask)
    for place in np.ndindex(*mask.shape):
        near = len(marked) > 0 and np.sqrt(((marked - place) ** 2).sum(1)).min() <= reach
        assert grow(mask, guard)[place] == near


@given(masks(), st.integers(0, 99), st.sampled_from([0.0, 0.02, 0.1]))
def test_zones_and_mask_fit_together(mask: Mask, seed: int, guard: float) -> None:
    inside, outside, everywhere = (
        one_zone(name, mask, guard=guard, seed=seed) for name in ("inside", "outside", "everywhere")
    )
    assert np.array_equal(inside, mask) and everywhere.all() and everywhere.shape == mask.shape
    assert not (outside & mask).any() and np.array_equal(outside, ~grow(mask, guard))
    if guard == 0:
        assert np.array_equal(outside, ~mask)
    for number in range(7):
        control = one_zone(f"control/{number}", mask, guard=guard, seed=seed)
        assert control.shape == mask.shape and control.sum() == outside.sum()
        assert np.array_equal(control, one_zone(f"control/{number}", mask, guard=guard, seed=seed))


@given(st.integers(8, 20), st.integers(8, 20), st.integers(0, 200))
def test_a_shifted_zone_leaves_its_place(height: int, width: int, seed: int) -> None:
    zone = np.ones((height, width), dtype=bool)
    zone[: height // 4, : width // 4] = False
    assert not (~zone & ~control_zone(zone, 0, np.random.default_rng(seed))).any()


def test_controls_differ_by_number_and_seed() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[2:6, 3:9] = True
    drawn = {
        one_zone(f"control/{number}", mask, guard=0.0, seed=seed).tobytes() for number in range(6) for seed in range(20)
    }
    assert len(drawn) > 70


def every_move(zone: Mask, kind: int) -> Iterator[Mask]:
    """All that a control of this kind may be, written out by hand; of a scattered one, its shifts are enough to tell
    whether it can differ.
    """
    height, width = zone.shape
    if kind == 1:
        for flipped in (zone, zone[::-1], zone[:, ::-1], zone[::-1, ::-1]):
            yield flipped
            if height == width:
                yield flipped.T
        return
    least = (height // 4, width // 4) if kind == 0 else (0, 0)
    for down in range(least[0], height - least[0] + 1):
        for right in range(least[1], width - least[1] + 1):
            yield zone[(np.arange(height) - down) % height][:, (np.arange(width) - right) % width]


@given(masks(7), st.integers(0, 99), st.sampled_from([0, 1, 2]))
def test_a_control_differs_from_outside_whenever_one_of_its_kind_can(mask: Mask, seed: int, kind: int) -> None:
    found = one_zone(f"control/{kind}", mask, guard=0.0, seed=seed)
    moves = [move for move in every_move(~mask, kind) if not np.array_equal(move, ~mask)]
    assert np.array_equal(found, ~mask) == (not moves)
    if moves and kind < 2:
        assert any(np.array_equal(found, move) for move in moves)


def test_a_centred_symmetric_mask() -> None:
    mask = np.zeros((16, 16), dtype=bool)
    mask[6:10, 6:10] = True
    for seed in range(30):
        shifted, turned, scattered = (one_zone(name, mask, guard=0.0, seed=seed) for name in CONTROL_ZONES)
        assert not np.array_equal(shifted, ~mask) and not np.array_equal(scattered, ~mask)
        assert np.array_equal(turned, ~mask), "no turn can move it"
    mask[6:10, 10] = True
    assert {tuple(np.argwhere(~one_zone("control/1", mask, guard=0.0, seed=seed)).mean(0)) for seed in range(40)} == {
        (7.5, 7.0),
        (8.0, 7.5),
        (7.0, 7.5),
    }


@pytest.mark.parametrize("shape", [(64, 64), (61, 83)])
def test_a_scattered_hole_is_cut_into_a_few_pieces_anywhere(shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, dtype=bool)
    mask[20:32, 30:42] = True
    holes = [~one_zone("control/2", mask, guard=0.0, seed=seed) for seed in range(60)]
    pieces = [label(hole)[1] for hole in holes]
    assert np.median(pieces) >= 4 and max(pieces) <= 16 and all(hole.sum() == 144 for hole in holes)
    share = np.mean(holes, axis=0)
    assert abs(share[mask].mean() - mask.mean()) < 0.02, "no place is preferred, the old one neither"


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_zone_of_all_or_nothing_stays(kind: int) -> None:
    for zone in (np.zeros((5, 6), dtype=bool), np.ones((5, 6), dtype=bool), np.ones(4, dtype=bool)):
        assert np.array_equal(control_zone(zone, kind, np.random.default_rng(0)), zone)


@given(st.integers(1, 12), st.integers(0, 2**31))
def test_masks_of_columns(width: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random(width) < 0.5
    assert np.array_equal(one_zone("outside", mask, guard=0.5, seed=0), ~mask)
    for name in CONTROL_ZONES:
        control = one_zone(name, mask, guard=0.5, seed=seed)
        assert control.sum() == (~mask).sum() and np.array_equal(control, ~mask) == (mask.all() or not mask.any())


@pytest.mark.parametrize("name", ["inside", "outside", "everywhere", *CONTROL_ZONES])
def test_channels_share_a_zone(name: str) -> None:
    inside = torch.rand(3, 2, 6, 9, generator=torch.Generator().manual_seed(0)) < 0.1
    zone = make_zone(name, inside, seeds=[1, 2, 3])
    assert zone.shape == inside.shape and zone.dtype == torch.bool
    assert torch.equal(zone[:, 0], zone[:, 1])
    for row in range(3):
        assert np.array_equal(
            zone[row, 0].numpy(), one_zone(name, inside[row].any(0).numpy(), guard=GUARD, seed=row + 1)
        )
    if name == "outside":
        assert not (zone & inside).any()
    assert make_zone(name, inside[:0], seeds=[]).shape == (0, 2, 6, 9)


def test_flat_samples_keep_their_shape() -> None:
    inside = torch.tensor([[True, False, False], [False, False, True]])
    assert torch.equal(make_zone("outside", inside, seeds=[0, 0]), ~inside)
    assert make_zone("control/0", inside, seeds=[0, 1]).sum(1).tolist() == [2, 2]


REASONS = [
    ("inside", None, Missing.not_applicable("no mask", "inside")),
    ("outside", 0.0, Missing.not_applicable("empty mask", "outside")),
    ("control/0", 1.0, Missing.not_applicable("full mask", "control/0")),
    ("outside", 1.0, Missing.not_applicable("full mask", "outside")),
    ("organ", None, Missing.not_applicable("no mask", "organ")),
    ("organ", 0.0, Missing.not_applicable("empty mask", "organ")),
    ("organ", 1.0, Missing.not_applicable("full mask", "organ")),
    ("organ", 0.3, None),
    ("outside", 0.3, None),
    ("inside", 0.3, None),
    ("everywhere", None, None),
    ("", None, None),
]


@pytest.mark.parametrize(("zone", "share", "why"), REASONS)
def test_why_a_sample_has_no_such_zone(zone: str, share: float | None, why: Missing | None) -> None:
    assert not_applicable(zone, share) == why


def test_coverage_counts_every_sample_once() -> None:
    found = coverage([None, 0.0, 0.2, 1.0, 0.5, None, 0.3, 0.1])
    assert (found["present"], found["empty"], found["full"], found["missing"]) == (4, 1, 1, 2)
    assert (found["median_share"], found["least_share"], found["most_share"]) == (0.25, 0.1, 0.5)
    assert coverage([0.0])["median_share"] is None and coverage([])["most_share"] is None


@pytest.mark.parametrize("name", ["inside", "outside", "everywhere", "control/0", "control/17", "organ"])
def test_names_of_zones(name: str) -> None:
    assert check_zone(name, ["organ"]) == name
    assert expand_zones([name]) == (name,) and single_zone(name) == name


@pytest.mark.parametrize(
    "name", ["", "outsid", "control", "control/", "control/x", "control/\u00b2", "inside/1", "organ"]
)
def test_other_names_are_refused(name: str) -> None:
    sentence = (
        "zone: expected 'inside', 'outside', 'everywhere', 'control/<number>' or a named zone of the data, got"
        f" '{name}'"
    )
    with pytest.raises(AuditorError, match=sentence):
        make_zone(name, torch.zeros(0, 1, 2, 2, dtype=torch.bool), seeds=[])


def test_control_stands_for_the_three_controls() -> None:
    assert expand_zones(("outside", "control", "control/0")) == ("outside", *CONTROL_ZONES)
    assert expand_zones(("named", "organ")) == ("named", "organ")
    for name in ("mask", "control/x", "a b", "not", ""):
        with pytest.raises(ValueError, match="expected 'inside', 'outside'"):
            expand_zones((name,))
    with pytest.raises(ValueError, match="expected one zone"):
        single_zone("named")


def test_named_stands_for_the_zones_that_the_data_have() -> None:
    named = {"organ": (0.3,), "air": (0.7,)}
    assert resolve_zones(("outside", "named", "organ"), named) == ("outside", "air", "organ")
    assert resolve_zones(("outside", "named"), {}) == ("outside",) and resolve_zones((), {}) == ()
    with pytest.raises(AuditorError, match="got 'orgn'; did you mean 'organ'"):
        resolve_zones(("orgn",), named)
    with pytest.raises(AuditorError, match="only 'named' is asked for, got none"):
        resolve_zones(("named",), {})


def test_a_named_zone_is_taken_as_it_is() -> None:
    inside = torch.rand(3, 2, 6, 9, generator=torch.Generator().manual_seed(0)) < 0.1
    regions = {"organ": ~inside}
    assert torch.equal(make_zone("organ", inside, regions=regions, guard=0.2, seeds=[1, 2, 3]), ~inside)
    assert torch.equal(
        make_zone("outside", inside, regions=regions, seeds=[1, 2, 3]), make_zone("outside", inside, seeds=[1, 2, 3])
    )


def test_what_a_named_zone_may_be_called() -> None:
    assert all(map(usable_name, ("organ", "air_2", "L\u00e4sion")))
    assert not any(map(usable_name, (*RESERVED, "", "2nd", "a-b", "a b", "not", "or")))
