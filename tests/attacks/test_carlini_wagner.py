"""Carlini and Wagner's attack: the distance of linear models, and what an epsilon changes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from auditor.attacks.attack import Adversarials, attack, attack_cost
from auditor.core.errors import AuditorError
from auditor.models.classifier import wrap
from auditor.threats.threat import Threat

SETTINGS = {"rounds": 8, "steps": 80}


class Linear(nn.Module):
    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight, self.seen = nn.Parameter(weight), list[Tensor]()

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach())
        return x @ self.weight.T


@pytest.fixture
def case() -> tuple[Linear, Tensor, Tensor, Tensor, Tensor]:
    """Return a linear model far from the box's edges, inputs, labels, zones, and each input's distance to the
    boundary.
    """
    rng = torch.Generator().manual_seed(4)
    module = Linear(torch.randn(3, 20, generator=rng, dtype=torch.float64))
    x, zone = 0.2 * torch.randn(30, 20, generator=rng, dtype=torch.float64), torch.rand(30, 20, generator=rng) < 0.6
    logits = module(x).detach()
    y = logits.argmax(1)
    slopes = (module.weight[y][:, None] - module.weight[None]).detach() * zone[:, None]
    gaps = (logits.gather(1, y[:, None]) - logits) / slopes.norm(dim=2)
    return module, x, y, zone, gaps.nan_to_num(nan=float("inf")).amin(1)


def run(case: tuple[Linear, Tensor, Tensor, Tensor, Tensor], **changes: object) -> Adversarials:
    module, x, y, zone, _ = case
    settings = {**SETTINGS, **changes}
    return attack(
        "carlini_wagner",
        wrap(module, list("abc"), low=-9.0, high=9.0),
        x,
        y,
        Threat.ball("l2", zone, -9.0, 9.0),
        **settings,
    )  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_distance_of_a_linear_model(case: tuple[Linear, Tensor, Tensor, Tensor, Tensor]) -> None:
    module, x, y, zone, distance = case
    found = run(case)
    assert found.fooled.all() and (module(found.x).argmax(1) != y).all()
    assert (found.x - x)[~zone].abs().max() == 0
    assert (found.size >= distance - 1e-9).all() and float((found.size / distance).max()) < 1.03, (
        "a penalty ends near the boundary, not on it"
    )


@pytest.mark.slow
def test_confidence_goes_beyond_the_boundary(case: tuple[Linear, Tensor, Tensor, Tensor, Tensor]) -> None:
    module, x, y, _, distance = case
    found = run(case, confidence=2.0, steps=200)
    logits = module(found.x).detach()
    assert (found.size > distance).all()
    lead = logits.scatter(1, y[:, None], float("-inf")).amax(1) - logits.gather(1, y[:, None])[:, 0]
    assert found.fooled.all() and lead.min() >= 2


@pytest.mark.slow
def test_an_epsilon_ends_the_search(case: tuple[Linear, Tensor, Tensor, Tensor, Tensor]) -> None:
    *_, distance = case
    epsilon = float(distance.median())
    free, bound = run(case), run(case, epsilon=epsilon)
    clear = (distance / epsilon - 1).abs() > 0.02
    assert bound.fooled[clear].tolist() == (distance < epsilon)[clear].tolist()
    assert bound.size[bound.fooled].max() <= epsilon * (1 + 1e-9)
    assert (bound.forwards <= free.forwards).all() and bound.forwards.sum() < 0.8 * free.forwards.sum()
    most = attack_cost("carlini_wagner", SETTINGS)
    assert free.forwards.max() == most[0] and free.backwards.max() == most[1]


@pytest.mark.slow
def test_counts_are_those_of_the_module(case: tuple[Linear, Tensor, Tensor, Tensor, Tensor]) -> None:
    case[0].seen.clear()
    found = run(case, epsilon=0.3, batch_size=7)
    assert int(found.forwards.sum()) == sum(len(one) for one in case[0].seen)


@pytest.mark.slow
def test_targets_are_reached(case: tuple[Linear, Tensor, Tensor, Tensor, Tensor]) -> None:
    module, _, y, *_ = case
    targets = (y + 1) % 3
    found = run(case, targets=targets)
    assert found.fooled.all() and (module(found.x).argmax(1) == targets).all()


@pytest.mark.slow
def test_wrong_predictions_empty_zones_and_no_samples(case: tuple[Linear, Tensor, Tensor, Tensor, Tensor]) -> None:
    module, x, y, zone, distance = case
    wrong = run((module, x, (y + 1) % 3, zone, distance))
    assert wrong.fooled.all() and wrong.size.max() == 0 and wrong.forwards.max() == 1
    still = run((module, x, y, torch.zeros_like(zone), distance))
    assert not still.fooled.any() and torch.equal(still.x, x)
    assert len(run((module, x[:0], y[:0], zone[:0], distance)).x) == 0


def test_only_the_euclidean_norm_is_served(case: tuple[Linear, Tensor, Tensor, Tensor, Tensor]) -> None:
    module, x, y, *_ = case
    with pytest.raises(AuditorError, match="expected a norm that 'carlini_wagner' serves, got 'linf'"):
        attack(
            "carlini_wagner", wrap(module, list("abc"), low=-9.0, high=9.0), x, y, Threat.ball("linf", None, -9.0, 9.0)
        )
