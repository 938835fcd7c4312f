"""What is particular to one norm: sparse changes (l1) and counted ones (l0)."""

from itertools import combinations

import pytest
import torch

from auditor.core.seeds import RowGenerators
from auditor.threats.threat import Threat


@pytest.mark.parametrize("seed", range(20))
def test_the_l0_projection_is_the_best_of_all_subsets(seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    x0, zone = torch.rand(1, 7, generator=rng, dtype=torch.float64), torch.rand(1, 7, generator=rng) < 0.8
    x = x0 + torch.randn(1, 7, generator=rng, dtype=torch.float64)
    for epsilon in range(8):
        found = Threat.ball("l0", zone).over(x0).project(x, x0, epsilon)
        assert (found != x0).sum() <= epsilon
        boxed = torch.where(zone, x.clamp(0, 1), x0)[0]
        every = [[place in chosen for place in range(7)] for chosen in combinations(range(7), epsilon)]
        distances = [float((torch.where(torch.tensor(kept), boxed, x0[0]) - x[0]).norm()) for kept in every]
        assert float((found - x).norm()) == pytest.approx(min(distances), abs=1e-12)


def test_a_projection_onto_a_large_input_is_exact() -> None:
    """Every size of change at once, where a bracket has many pieces; at 1e30 nothing but the promise to end and to be
    allowed is left.
    """
    rng = torch.Generator().manual_seed(0)
    x0 = torch.rand(4, 3, 60, 60, generator=rng)
    x = x0 + torch.randn(x0.shape, generator=rng) * 10 ** (6 * torch.rand(x0.shape, generator=rng) - 4)
    x[3, 0, 0, 0] = 1e30
    threat, epsilon = Threat.ball("l1").over(x0), torch.tensor([1e-3, 12.0, 2000.0, 5.0])
    found = threat.project(x, x0, epsilon)
    assert threat.allows(found, x0, epsilon).all()
    assert torch.allclose(threat.size(found, x0)[:3], epsilon[:3], rtol=1e-4, atol=1e-6)


def test_l0_starts_choose_any_values_of_the_zone_and_move_them_anywhere() -> None:
    x0 = torch.full((2000, 5), 0.25, dtype=torch.float64)
    threat = Threat.ball("l0", torch.tensor([True, True, False, True, True])).over(x0)
    points = threat.start(x0, RowGenerators.of(0, 2000), 2.9)
    assert (threat.size(points, x0) == 2).all()
    assert ((points != x0).double().mean(0) - torch.tensor([0.5, 0.5, 0.0, 0.5, 0.5])).abs().max() < 0.04
    moved = points[points != x0]
    assert abs(float(moved.mean()) - 0.5) < 0.02 and abs(float(moved.std()) - 12**-0.5) < 0.02


def test_an_l1_step_moves_the_best_values_alike_and_passes_over_those_at_an_edge() -> None:
    x0 = torch.full((1, 60), 0.5, dtype=torch.float64)
    gradient = torch.arange(1.0, 61.0, dtype=torch.float64)[None]
    x0[0, 59] = 1.0
    threat = Threat.ball("l1").over(x0)
    moved = threat.step(x0, gradient, x0, 0.6) - x0
    assert torch.allclose(moved[0, 56:59], torch.full((3,), 0.2, dtype=torch.float64)) and (moved != 0).sum() == 3
    assert (threat.step(x0, torch.ones_like(gradient), x0, 0.6) != x0)[0].nonzero()[:, 0].tolist() == [0, 1, 2], (
        "of equal ones the first"
    )
    assert (threat.step(threat.project(x0 + moved, x0, 0.6), gradient, x0, 0.6) != x0 + moved).sum() == 2, (
        "a sparse change is thinned out"
    )


def test_an_l0_step_exchanges_the_values_that_promise_least() -> None:
    x0 = torch.tensor([[0.0, 0.5, 0.9, 0.0, 0.5]], dtype=torch.float64)
    gradient = torch.tensor([[1.0, -3.0, 8.0, 2.0, 0.0]], dtype=torch.float64)  # promises 1, 1.5, 0.8, 2 and 0
    threat = Threat.ball("l0").over(x0)
    x = torch.tensor([[0.3, 0.5, 1.0, 0.0, 0.5]], dtype=torch.float64)
    once = threat.project(threat.step(x, gradient, x0, 0.1), x0, 2)
    twice = threat.project(threat.step(once, gradient, x0, 0.1), x0, 2)
    assert once.tolist() == [[1.0, 0.5, 0.9, 1.0, 0.5]] and twice.tolist() == [[0.0, 0.0, 0.9, 1.0, 0.5]]


def test_allows_counts_changed_values_exactly() -> None:
    x0 = torch.full((5, 4), 0.5)
    threat = Threat.ball("l0", torch.tensor([True, True, True, False])).over(x0)
    x = x0 + torch.tensor(
        [[0.1, 0.2, 0.0, 0.0], [0.1, 0.2, 1e-7, 0.0], [0.1, 0.0, 0.0, 1e-7], [0.6, 0.0, 0.0, 0.0], [0.1, 0.2, 0.1, 0.0]]
    )
    assert threat.allows(x, x0, 2).tolist() == [True, False, False, False, False]
    assert threat.allows(x, x0, torch.tensor([1.999999, 3.0, 1.0, 1.0, 2.999999])).tolist() == [
        False,
        True,
        False,
        False,
        False,
    ]
