"""Zones: where an attacker may write, from the expert's mask."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from auditor.errors import AuditorError
from auditor.zones import GUARD, check_zone, expand_zones, grow, make_zone, moved, not_applicable, one_zone

Mask = NDArray[np.bool_]


@st.composite
def masks(draw: st.DrawFn, most: int = 14) -> Mask:
    height, width = draw(st.integers(1, most)), draw(st.integers(1, most))
    return np.random.default_rng(draw(st.integers(0, 2**31))).random((height, width)) < draw(st.sampled_from([0.0, 0.05, 0.4, 1.0]))


@given(masks(), st.sampled_from([0.0, 0.02, 0.1, 0.3]))
def test_the_guard_band_by_brute_force(mask: Mask, guard: float) -> None:
    reach = guard * np.hypot(*mask.shape)
    marked = np.argwhere(mask)
    for place in np.ndindex(*mask.shape):
        near = len(marked) > 0 and np.sqrt(((marked - place) ** 2).sum(1)).min() <= reach
        assert grow(mask, guard)[place] == near


@given(masks(), st.integers(0, 99), st.sampled_from([0.0, 0.02, 0.1]))
def test_zones_and_mask_fit_together(mask: Mask, seed: int, guard: float) -> None:
    inside, outside, everywhere = (one_zone(name, mask, guard=guard, seed=seed) for name in ("inside", "outside", "everywhere"))
    assert np.array_equal(inside, mask) and everywhere.all() and everywhere.shape == mask.shape
    assert not (outside & mask).any() and np.array_equal(outside, ~grow(mask, guard))
    if guard == 0:
        assert np.array_equal(outside, ~mask)
    for number in range(4):
        control = one_zone(f"control/{number}", mask, guard=guard, seed=seed)
        assert control.shape == mask.shape and control.sum() == outside.sum()
        assert np.array_equal(control, one_zone(f"control/{number}", mask, guard=guard, seed=seed))


@given(st.integers(8, 20), st.integers(8, 20), st.integers(0, 200))
def test_a_shifted_zone_leaves_its_place(height: int, width: int, seed: int) -> None:
    zone = np.ones((height, width), dtype=bool)
    zone[: height // 4, : width // 4] = False
    assert not (~zone & ~moved(zone, 0, np.random.default_rng(seed))).any()


def test_controls_differ_by_number_and_seed() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[2:6, 3:9] = True
    drawn = {one_zone(f"control/{number}", mask, guard=0.0, seed=seed).tobytes() for number in (0, 1) for seed in range(20)}
    assert len(drawn) > 15


@given(st.integers(1, 12), st.integers(0, 2**31))
def test_masks_of_columns(width: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random(width) < 0.5
    assert np.array_equal(one_zone("outside", mask, guard=0.5, seed=0), ~mask)
    assert one_zone("control/0", mask, guard=0.5, seed=seed).sum() == (~mask).sum()


@pytest.mark.parametrize("name", ["inside", "outside", "everywhere", "control/0", "control/1"])
def test_channels_share_a_zone(name: str) -> None:
    inside = torch.rand(3, 2, 6, 9, generator=torch.Generator().manual_seed(0)) < 0.1
    zone = make_zone(name, inside, seeds=[1, 2, 3])
    assert zone.shape == inside.shape and zone.dtype == torch.bool
    assert torch.equal(zone[:, 0], zone[:, 1])
    for row in range(3):
        assert np.array_equal(zone[row, 0].numpy(), one_zone(name, inside[row].any(0).numpy(), guard=GUARD, seed=row + 1))
    if name == "outside":
        assert not (zone & inside).any()
    assert make_zone(name, inside[:0], seeds=[]).shape == (0, 2, 6, 9)


def test_flat_samples_keep_their_shape() -> None:
    inside = torch.tensor([[True, False, False], [False, False, True]])
    assert torch.equal(make_zone("outside", inside, seeds=[0, 0]), ~inside)
    assert make_zone("control/0", inside, seeds=[0, 1]).sum(1).tolist() == [2, 2]


REASONS = [
    ("inside", None, "not applicable for zone inside: no mask"),
    ("outside", 0.0, "not applicable for zone outside: empty mask"),
    ("control/0", 1.0, "not applicable for zone control/0: full mask"),
    ("outside", 1.0, "not applicable for zone outside: full mask"),
    ("outside", 0.3, ""),
    ("inside", 0.3, ""),
    ("everywhere", None, ""),
    ("", None, ""),
]


@pytest.mark.parametrize(("zone", "share", "why"), REASONS)
def test_why_a_sample_has_no_such_zone(zone: str, share: float | None, why: str) -> None:
    assert not_applicable(zone, share) == why


@pytest.mark.parametrize("name", ["inside", "outside", "everywhere", "control/0", "control/17"])
def test_names_of_zones(name: str) -> None:
    assert check_zone(name) == name


@pytest.mark.parametrize("name", ["", "outsid", "control", "control/", "control/x", "inside/1"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(AuditorError, match=f"zone: expected 'inside', 'outside', 'everywhere' or 'control/<number>', got '{name}'"):
        make_zone(name, torch.zeros(0, 1, 2, 2, dtype=torch.bool), seeds=[])


def test_control_stands_for_both_controls() -> None:
    assert expand_zones(("outside", "control", "control/0")) == ("outside", "control/0", "control/1")
    with pytest.raises(ValueError, match="expected 'inside', 'outside'"):
        expand_zones(("outsid",))
