"""Linear models, whose worst case under any zone and norm is known exactly."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import Tensor, nn

from auditor.attacks.attack import Adversarials, attack
from auditor.models.classifier import TorchClassifier, margin, wrap
from auditor.threats.threat import Threat

EXACT: dict[str, dict[str, Any]] = {"fgsm": {}, "pgd": {"steps": 40}, "apgd": {"steps": 60}, "evade": {}}
DUAL = {"linf": 1, "l2": 2, "l1": float("inf")}
"""The dual of each norm that has one; counts have a closed form of their own."""
PAIRS = [(name, norm) for name in EXACT for norm in DUAL if (name, norm) != ("fgsm", "l1")]
"""One l1 step is shared by 5 % of the zone, so it is not the worst case."""
SEEDS = (0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow))
"""One is enough while working."""
BUDGET = {"linf": 0.09, "l2": 0.09, "l1": 0.3}


class Linear(nn.Module):
    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.T + self.bias


@dataclass
class Case:
    classifier: TorchClassifier
    x: Tensor
    y: Tensor
    zone: Tensor
    weight: Tensor

    def toward(self, row: int, other: int) -> Tensor:
        """Return the margin's gradient (d,) between the label and another class, 0 outside the zone."""
        return (self.weight[self.y[row]] - self.weight[other]) * self.zone[row].flatten()


def case(
    seed: int,
    classes: int = 2,
    *,
    room: float = 0.0,
    dtype: torch.dtype = torch.float64,
    n: int = 40,
    scale: float = 1.0,
) -> Case:
    """Return a linear model and samples; the box is active unless `room` keeps the values away from its edges."""
    rng = torch.Generator().manual_seed(seed)
    weight = scale * torch.randn(classes, 24, generator=rng, dtype=torch.float64)
    bias = scale * 0.3 * torch.randn(classes, generator=rng, dtype=torch.float64) - weight.sum(1) / 2
    x = room + (1 - 2 * room) * torch.rand(n, 2, 3, 4, generator=rng, dtype=torch.float64)
    zone = torch.rand(n, 2, 3, 4, generator=rng) < torch.rand(n, 1, 1, 1, generator=rng)
    classifier = wrap(Linear(weight.to(dtype), bias.to(dtype)), [str(name) for name in range(classes)])
    return Case(classifier, x.to(dtype), classifier.logits(x.to(dtype)).argmax(1).detach(), zone, weight)


def worst_margins(one: Case, logits: Tensor, norm: str, epsilon: float) -> list[float]:
    """Return each sample's smallest margin over all rivals, by the dual norm."""
    worst = []
    for row, own in enumerate(one.y.tolist()):
        rivals = [k for k in range(logits.shape[1]) if k != own]
        worst.append(
            min(
                float(logits[row, own] - logits[row, k]) - epsilon * float(one.toward(row, k).norm(p=DUAL[norm]))
                for k in rivals
            )
        )
    return worst


@pytest.mark.parametrize(("name", "norm"), PAIRS)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("loss", ["ce", "margin"])
def test_worst_margin_by_the_dual_norm(name: str, norm: str, seed: int, loss: str) -> None:
    one, epsilon = case(seed, room=0.4), BUDGET[norm]
    chosen = {} if name == "evade" else {"loss": loss}
    found = attack(
        name, one.classifier, one.x, one.y, Threat.ball(norm, one.zone), epsilon=epsilon, **chosen, **EXACT[name]
    )
    clean = margin(one.classifier.logits(one.x), one.y)
    slope = torch.stack([one.toward(row, 1 - int(one.y[row])) for row in range(len(one.x))])
    worst = clean - epsilon * slope.norm(p=DUAL[norm], dim=1)
    assert (worst > 0).any() and (worst < 0).any()
    clear = worst.abs() > 1e-9
    assert found.fooled[clear].tolist() == (worst < 0)[clear].tolist()
    reached = margin(one.classifier.logits(found.x), one.y)
    assert (reached - worst)[~found.fooled].abs().max() < 1e-4
    assert (found.x - one.x)[~one.zone].abs().max() == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("seed", SEEDS)
def test_worst_margin_in_an_active_box_by_linear_programme(name: str, seed: int) -> None:
    one, epsilon = case(seed), 0.2
    found = attack(name, one.classifier, one.x, one.y, Threat.ball("linf", one.zone), epsilon=epsilon, **EXACT[name])
    clean, reached = (margin(one.classifier.logits(x), one.y).detach() for x in (one.x, found.x))
    for row in range(len(one.x)):
        x = one.x[row].flatten().numpy()
        free = one.zone[row].flatten().numpy() * epsilon
        bounds = list(zip(np.maximum(-free, -x), np.minimum(free, 1 - x), strict=True))
        slope = (one.weight[one.y[row]] - one.weight[1 - one.y[row]]).numpy()
        worst = float(clean[row]) + linprog(slope, bounds=bounds).fun
        assert bool(found.fooled[row]) == (worst < 0) or abs(worst) < 1e-9
        assert found.fooled[row] or abs(float(reached[row]) - worst) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pgd", "apgd", "evade"])
@pytest.mark.parametrize("seed", SEEDS)
def test_worst_margin_in_an_active_box_and_a_euclidean_ball(name: str, seed: int) -> None:
    one, epsilon = case(seed, n=16), 0.4
    found = attack(name, one.classifier, one.x, one.y, Threat.ball("l2", one.zone), epsilon=epsilon, **EXACT[name])
    reached = margin(one.classifier.logits(found.x), one.y).detach()
    for row in range(len(one.x)):
        x, slope = one.x[row].flatten(), -one.toward(row, 1 - int(one.y[row]))
        bottom, top = 0.0, 1e6
        for _ in range(100):  # by the optimality conditions the worst change is clip(t slope) of length epsilon
            middle = (bottom + top) / 2
            long = ((x + middle * slope).clamp(0, 1) - x).norm() > epsilon
            bottom, top = (bottom, middle) if long else (middle, top)
        worst = float(
            margin(
                one.classifier.logits((x + bottom * slope).clamp(0, 1).view(1, 2, 3, 4)), one.y[row : row + 1]
            ).detach()
        )
        assert bool(found.fooled[row]) == (worst < 0) or abs(worst) < 1e-4
        assert found.fooled[row] or abs(float(reached[row]) - worst) < 1e-4


def all_outcomes_match(one: Case, found: Adversarials, worst: Tensor, tolerance: float) -> None:
    assert (worst > 0).any() and (worst < 0).any()
    clear = worst.abs() > tolerance
    assert found.fooled[clear].tolist() == (worst < 0)[clear].tolist()
    reached = margin(one.classifier.logits(found.x), one.y).detach()
    assert (reached - worst)[~found.fooled].abs().max() < max(tolerance, 1e-9)
    assert (found.x - one.x)[~one.zone].abs().max() == 0


def gains(one: Case) -> tuple[Tensor, Tensor]:
    """Return how much each value can lower the margin of two classes within the box (n, d), and how far it goes for
    that.
    """
    slope = torch.stack([one.toward(row, 1 - int(one.y[row])) for row in range(len(one.x))])
    x = one.x.flatten(1)
    way = torch.where(slope > 0, x, 1 - x)
    return slope.abs() * way, way


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"), [("pgd", {"steps": 200}), ("apgd", {"steps": 200}), ("evade", {"steps": 200})]
)
@pytest.mark.parametrize("seed", SEEDS)
def test_worst_margin_in_an_active_box_and_an_l1_ball(name: str, settings: dict[str, Any], seed: int) -> None:
    one, epsilon = case(seed), 1.2
    found = attack(name, one.classifier, one.x, one.y, Threat.ball("l1", one.zone), epsilon=epsilon, **settings)
    gain, way = gains(one)
    # the steepest value goes to its edge, then the next
    order = (gain / way.clamp_min(1e-12)).argsort(dim=1, descending=True)
    way, slope = way.gather(1, order), (gain / way.clamp_min(1e-12)).gather(1, order)
    spent = torch.minimum(way, (epsilon - (way.cumsum(1) - way)).clamp_min(0))
    all_outcomes_match(one, found, margin(one.classifier.logits(one.x), one.y).detach() - (spent * slope).sum(1), 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("epsilon", "room"), [(1, 0.4), (2.9, 0.0), (3, 0.0)])
def test_worst_margin_of_a_few_changed_values(name: str, seed: int, epsilon: float, room: float) -> None:
    one = case(seed, room=room)
    found = attack(name, one.classifier, one.x, one.y, Threat.ball("l0", one.zone), epsilon=epsilon, **EXACT[name])
    most = gains(one)[0].topk(int(epsilon), dim=1).values.sum(1)
    all_outcomes_match(one, found, margin(one.classifier.logits(one.x), one.y).detach() - most, 1e-9)


@pytest.mark.parametrize("norm", DUAL)
@pytest.mark.parametrize("loss", ["ce", "margin"])
def test_many_classes_are_never_fooled_beyond_the_closed_form(norm: str, loss: str) -> None:
    one, epsilon = case(5, classes=5, room=0.4, n=80), {"linf": 0.08, "l2": 0.08, "l1": 0.3}[norm]
    found = attack(
        "pgd",
        one.classifier,
        one.x,
        one.y,
        Threat.ball(norm, one.zone),
        epsilon=epsilon,
        loss=loss,
        steps=30,
        restarts=3,
    )
    logits = one.classifier.logits(one.x).detach()
    can = torch.tensor(worst_margins(one, logits, norm, epsilon)) < 0
    assert can.any() and not can.all()
    assert not (found.fooled & ~can).any()
    assert (found.fooled & can).sum() >= 0.9 * can.sum()


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
def test_a_target_class_by_linear_programme(name: str) -> None:
    one, epsilon = case(7, classes=3, n=40), 0.15
    targets = (one.y + 1) % 3
    found = attack(
        name,
        one.classifier,
        one.x,
        one.y,
        Threat.ball("linf", one.zone),
        epsilon=epsilon,
        targets=targets,
        **EXACT[name],
    )
    possible = 0
    for row in range(len(one.x)):
        x, target = one.x[row].flatten().numpy(), int(targets[row])
        free = one.zone[row].flatten().numpy() * epsilon
        bounds = [*zip(np.maximum(-free, -x), np.minimum(free, 1 - x), strict=True), (None, None)]
        logits = one.classifier.logits(one.x[row : row + 1])[0].detach().numpy()
        rivals = [k for k in range(3) if k != target]
        # t <= target's lead over each rival
        rows = [[*(one.weight[k] - one.weight[target]).tolist(), 1.0] for k in rivals]
        solved = linprog(
            [0.0] * 24 + [-1.0], A_ub=rows, b_ub=[logits[target] - logits[k] for k in rivals], bounds=bounds
        )
        possible += -solved.fun > 0
        assert not (found.fooled[row] and -solved.fun < -1e-9)
        assert found.fooled[row] or -solved.fun < (0.2 if name == "pgd" else np.inf)
    assert 0 < possible < len(one.x) and found.fooled.any()


@pytest.mark.parametrize("norm", DUAL)
@pytest.mark.parametrize(("classes", "scale"), [(2, 1e-12), (2, 1.0), (2, 30.0), (2, 1e4), (3, 30.0), (3, 1e4)])
def test_confidence_hides_nothing_in_float32(norm: str, classes: int, scale: float) -> None:
    """The softmax of a confident answer is exactly 1 in float32: cross entropy's own gradient would lose its label's
    part, or vanish.
    """
    one, epsilon = case(2, classes, room=0.4, dtype=torch.float32, scale=scale), BUDGET[norm]
    found = attack("pgd", one.classifier, one.x, one.y, Threat.ball(norm, one.zone), epsilon=epsilon, steps=40)
    logits = one.classifier.logits(one.x).detach().double()
    worst = torch.tensor(worst_margins(one, logits, norm, epsilon))
    clear = worst.abs() > 1e-3 * scale * (1 if classes == 2 else 40)
    assert clear.sum() >= 20
    assert found.fooled[clear].tolist() == (worst < 0)[clear].tolist()
