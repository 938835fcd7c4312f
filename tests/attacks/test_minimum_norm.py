"""The smallest change: linear models whose distance to the boundary is known, and what a budget-free
attack promises.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from auditor.attacks.attack import attack
from auditor.core.errors import AuditorError
from auditor.models.classifier import margin, wrap
from auditor.threats.threat import Threat

DUAL = {"linf": 1, "l2": 2, "l1": float("inf")}


class Linear(nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.T


def case(classes: int) -> tuple[Linear, Tensor, Tensor, Tensor]:
    """Return a linear model, samples near its boundaries and far from the box (-2, 2), their labels and
    random zones.
    """
    rng = torch.Generator().manual_seed(classes)
    module = Linear(torch.randn(classes, 20, generator=rng, dtype=torch.float64))
    x = 0.2 * torch.randn(30, 20, generator=rng, dtype=torch.float64)
    zone = torch.rand(30, 20, generator=rng) < 0.6
    return module, x, module(x).argmax(1), zone


@pytest.mark.slow
@pytest.mark.parametrize("norm", DUAL)
@pytest.mark.parametrize("classes", [2, 4])
def test_the_smallest_epsilon_of_a_linear_model(norm: str, classes: int) -> None:
    module, x, y, zone = case(classes)
    found = attack(
        "minimum_norm",
        wrap(module, [str(k) for k in range(classes)], low=-2.0, high=2.0),
        x,
        y,
        Threat.ball(norm, zone, -2.0, 2.0),
        rounds=18,
        steps=60,
    )
    logits = module(x).detach()
    for row in range(len(x)):
        distances = []
        for other in set(range(classes)) - {int(y[row])}:
            slope = ((module.weight[y[row]] - module.weight[other]) * zone[row]).detach()
            distances.append(float((logits[row, y[row]] - logits[row, other]) / slope.norm(p=DUAL[norm])))
        if min(distances) < 1.5:
            assert found.fooled[row] and float(found.size[row]) == pytest.approx(min(distances), abs=1e-4)
    assert (found.x - x)[~zone].abs().max() == 0
    assert (margin(module(found.x), y)[found.fooled] < 0).all()


def least(norm: str, slope: Tensor, way: Tensor, gap: float) -> float:
    """Return the smallest size that closes the gap where each value gains its slope (d,) per unit and may go its way
    (d,); infinite where none does.
    """
    if float((slope * way).sum()) < gap:
        return float("inf")
    if norm == "l1":  # the steepest value goes to its edge, then the next
        order = slope.argsort(descending=True)
        spent = 0.0
        for gain, room in zip(slope[order].tolist(), way[order].tolist(), strict=True):
            step = min(room, gap / gain) if gain > 0 else 0.0
            spent, gap = spent + step, gap - step * gain
            if gap <= 1e-12:
                break
        return spent
    bottom, top = 0.0, 1e6
    for _ in range(200):  # by the optimality conditions the change is min(t, way), or min(t slope, way)
        middle = (bottom + top) / 2
        change = torch.minimum(middle * (slope if norm == "l2" else torch.ones_like(slope)), way)
        bottom, top = (bottom, middle) if float((slope * change).sum()) >= gap else (middle, top)
    change = torch.minimum(top * (slope if norm == "l2" else torch.ones_like(slope)), way)
    return float(change.norm()) if norm == "l2" else float(change.max())


@pytest.mark.slow
@pytest.mark.parametrize("norm", DUAL)
def test_the_smallest_epsilon_in_an_active_box(norm: str) -> None:
    rng = torch.Generator().manual_seed(7)
    module = Linear(torch.randn(2, 20, generator=rng, dtype=torch.float64))
    x, zone = torch.rand(30, 20, generator=rng, dtype=torch.float64), torch.rand(30, 20, generator=rng) < 0.6
    y = module(x).argmax(1)
    found = attack("minimum_norm", wrap(module, ["a", "b"]), x, y, Threat.ball(norm, zone), rounds=18, steps=60)
    slope, gaps = ((module.weight[1 - y] - module.weight[y]) * zone).detach(), margin(module(x), y).detach()
    expected = [
        least(norm, one.abs(), torch.where(one > 0, 1 - here, here), float(gap))
        for one, here, gap in zip(slope, x, gaps, strict=True)
    ]
    assert 5 < sum(size < float("inf") for size in expected) < 30
    for row, size in enumerate(expected):
        assert bool(found.fooled[row]) == (size < float("inf"))
        assert size == float("inf") or float(found.size[row]) == pytest.approx(size, abs=1e-4)


@pytest.mark.slow
def test_the_fewest_values_of_a_linear_model() -> None:
    module, x, y, zone = case(2)
    found = attack(
        "minimum_norm", wrap(module, ["a", "b"], low=-2.0, high=2.0), x, y, Threat.ball("l0", zone, -2.0, 2.0)
    )
    slope = (module.weight[1 - y] - module.weight[y]) * zone
    gains = (slope.abs() * torch.where(slope > 0, 2 - x, x + 2)).sort(dim=1, descending=True).values.cumsum(1).detach()
    fewest = (gains <= margin(module(x), y).detach()[:, None]).sum(1) + 1
    can = fewest <= zone.sum(1)
    assert can.any() and found.fooled.tolist() == can.tolist()
    assert found.size[can].tolist() == fewest[can].tolist()


@pytest.mark.slow
def test_what_cannot_be_reached_is_not_fooled() -> None:
    module, x, y, _ = case(2)
    found = attack(
        "minimum_norm",
        wrap(module, ["a", "b"], low=-2.0, high=2.0),
        x,
        y,
        Threat.ball("linf", torch.zeros_like(x, dtype=torch.bool), -2.0, 2.0),
    )
    assert not found.fooled.any() and torch.equal(found.x, x)


def test_a_wrong_prediction_needs_no_change() -> None:
    module, x, y, zone = case(2)
    found = attack(
        "minimum_norm", wrap(module, ["a", "b"], low=-2.0, high=2.0), x, 1 - y, Threat.ball("linf", zone, -2.0, 2.0)
    )
    assert found.fooled.all() and found.size.max() == 0 and found.forwards.max() == 1


@pytest.mark.slow
def test_targets_are_reached() -> None:
    module, x, y, zone = case(4)
    targets = (y + 1) % 4
    found = attack(
        "minimum_norm",
        wrap(module, list("abcd"), low=-2.0, high=2.0),
        x,
        y,
        Threat.ball("l2", zone, -2.0, 2.0),
        targets=targets,
    )
    assert found.fooled.any() and (module(found.x).argmax(1) == targets)[found.fooled].all()


@pytest.mark.slow
@pytest.mark.parametrize("norm", DUAL)
def test_nothing_is_searched_above_a_ceiling(norm: str) -> None:
    module, x, y, zone = case(2)
    exact = (
        margin(module(x), y) / ((module.weight[1 - y] - module.weight[y]) * zone).norm(p=DUAL[norm], dim=1)
    ).detach()
    ceiling = float(exact.median())
    threat = Threat.ball(norm, zone, -2.0, 2.0)
    found = attack("minimum_norm", wrap(module, ["a", "b"], low=-2.0, high=2.0), x, y, threat, ceiling=ceiling)
    assert (found.size[found.fooled] <= ceiling * (1 + 1e-6)).all() and 0 < int(found.fooled.sum()) < len(x)
    clear = (exact - ceiling).abs() > 0.03 * ceiling
    assert torch.equal(found.fooled[clear], (exact < ceiling)[clear])


def test_it_takes_no_epsilon() -> None:
    module, x, y, zone = case(2)
    with pytest.raises(AuditorError, match="expected no epsilon"):
        attack(
            "minimum_norm",
            wrap(module, ["a", "b"], low=-2.0, high=2.0),
            x,
            y,
            Threat.ball("linf", zone, -2.0, 2.0),
            epsilon=0.1,
        )
