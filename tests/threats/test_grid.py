"""Quantising: toward the original, on the grid, never beyond the budget."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from auditor.threats.grid import quantise
from auditor.threats.threat import Threat


def from_grid(steps: torch.Tensor, levels: int, low: float, high: float) -> torch.Tensor:
    """Return the float32 values of whole grid steps."""
    return steps.float() / levels * (high - low) + low


RANGES = [(0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)]


@given(
    st.integers(0, 2**31), st.sampled_from([255, 65535]), st.sampled_from(RANGES), st.sampled_from([0.001, 0.1, 1.0])
)
def test_rounding_goes_toward_the_original(seed: int, levels: int, span: tuple[float, float], reach: float) -> None:
    (low, high), rng = span, torch.Generator().manual_seed(seed)
    x0 = from_grid(torch.randint(0, levels + 1, (2, 30), generator=rng), levels, low, high)
    x = (x0 + reach * (high - low) * (torch.rand(2, 30, generator=rng) - 0.5)).clamp(low, high)
    x[:, :5] = x0[:, :5]
    found, step = quantise(x, x0, levels, low=low, high=high), (high - low) / levels
    on_grid = ((found.double() - low) / step).round()
    assert torch.equal(found, from_grid(on_grid, levels, low, high))
    change, wanted = found.double() - x0.double(), x.double() - x0.double()
    rounding = 4 * np.finfo(np.float32).eps * max(abs(low), abs(high))
    assert (change.abs() <= wanted.abs() + rounding).all()
    assert (change * wanted >= 0).all()
    assert ((wanted - change).abs() < step + rounding).all()
    assert torch.equal(found[:, :5], x0[:, :5]) and torch.equal(found[change == 0], x0[change == 0])
    if low == 0:
        assert torch.equal(quantise(found, x0, levels, low=low, high=high), found)


WRITTEN = [2 / 255, 8 / 255, 0.00392, 0.00784, 0.0078431, 0.0157, 0.0314, 0.03137, 0.031372, 1 / 255, 0.5 / 255]


@given(st.sampled_from(WRITTEN), st.sampled_from([255, 65535]), st.integers(0, 255), st.sampled_from([-1, 1]))
def test_a_saved_change_stays_within_any_written_budget(epsilon: float, levels: int, value: int, sign: int) -> None:
    """Budgets are often written with three digits: 0.00784 is a little less than two steps and must give one, not a
    refused two.
    """
    x0 = from_grid(torch.full((1, 1), value) * (levels // 255), levels, 0.0, 1.0)
    threat = Threat.ball().over(x0)
    found = quantise(threat.project(x0 + sign, x0, epsilon), x0, levels, low=0.0, high=1.0)
    assert threat.allows(found, x0, epsilon).all()
    # a bright pixel's last digits are coarser
    steps = {int(np.floor(epsilon * levels * (1 + slack))) for slack in (-1e-6, 1e-6, 2e-5)}
    room = value * (levels // 255) if sign < 0 else levels - value * (levels // 255)
    assert round(float((found - x0).abs().double() * levels)) in {min(step, room) for step in steps}


def test_whole_steps_survive_in_both_depths() -> None:
    for levels in (255, 65535):
        start = torch.arange(0, levels - levels // 100, levels // 255)
        x0 = from_grid(start, levels, 0.0, 1.0)[None]
        moved = quantise(x0 + 514 / 65535, x0, levels, low=0.0, high=1.0)
        assert torch.equal(moved[0], from_grid(start + (2 if levels == 255 else 514), levels, 0.0, 1.0))


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
@given(seed=st.integers(0, 2**31))
def test_a_quantised_point_is_still_allowed(norm: str, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    x0 = from_grid(torch.randint(0, 256, (3, 1, 4, 4), generator=rng), 255, 0.0, 1.0)
    zone = torch.rand(3, 1, 4, 4, generator=rng) < 0.5
    threat, epsilon = Threat.ball(norm, zone).over(x0), {"l1": 0.5, "l0": 3}.get(norm, 0.03)
    found = quantise(threat.project(x0 + torch.randn(x0.shape, generator=rng), x0, epsilon), x0, 255, low=0.0, high=1.0)
    assert threat.allows(found, x0, epsilon).all()
    assert torch.equal(found[~zone], x0[~zone])


def test_without_a_grid_nothing_is_rounded() -> None:
    x = torch.rand(2, 3)
    assert Threat.ball().over(x).saved(x, torch.zeros(2, 3)) is x
