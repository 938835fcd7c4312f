"""Square Attack: the worst case of linear models, masked gradients, blocks and targets."""

import pytest
import torch
from torch import Tensor, nn

from auditor.attacks.attack import attack
from auditor.attacks.blocks import EVERY_CELL, BlockGrid
from auditor.attacks.problem import Goal, Problem
from auditor.core.seeds import RowGenerators
from auditor.models.classifier import ScoreClassifier, margin, wrap
from auditor.models.meter import Meter
from auditor.threats.threat import Threat


class Linear(nn.Module):
    """Two classes whose logits differ by w x + b, cut to steps where `grain` is given."""

    def __init__(self, weight: Tensor, bias: float, grain: float = 0.0) -> None:
        super().__init__()
        self.weight, self.bias, self.grain = nn.Parameter(weight), bias, grain

    def forward(self, x: Tensor) -> Tensor:
        score = x.flatten(1) @ self.weight + self.bias
        score = (score / self.grain).round() * self.grain if self.grain else score
        return torch.stack([score, -score], 1) / 2


def samples(shape: tuple[int, ...], n: int = 12, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs far from the box's edges, a weight per value and a zone."""
    rng = torch.Generator().manual_seed(seed)
    x = 0.4 + 0.2 * torch.rand(n, *shape, generator=rng, dtype=torch.float64)
    weight = torch.randn(x[0].numel(), generator=rng, dtype=torch.float64)
    return x, weight, torch.rand(n, *shape, generator=rng) < torch.linspace(0.2, 1, n).view(-1, *(1,) * len(shape))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(24,), (2, 3, 4)])
@pytest.mark.parametrize(("norm", "dual", "epsilon", "tolerance"), [("linf", 1, 0.1, 0.02), ("l2", 2, 0.3, 0.2)])
def test_the_worst_case_of_a_linear_model_is_nearly_reached(
    shape: tuple[int, ...], norm: str, dual: int, epsilon: float, tolerance: float
) -> None:
    x, weight, zone = samples(shape)
    module = Linear(weight, 50.0)  # nothing fools, so that every search runs to its end
    y = torch.zeros(len(x), dtype=torch.long)
    found = attack("square", wrap(module, ["a", "b"]), x, y, Threat.ball(norm, zone), epsilon=epsilon, queries=2000)
    fall = (margin(module(x), y) - margin(module(found.x), y)).detach()
    best = epsilon * (weight * zone.flatten(1)).norm(p=dual, dim=1)
    assert (fall / best).min() > 1 - tolerance and (fall / best).max() <= 1 + 1e-9
    assert not found.fooled.any()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_masked_gradient_stops_pgd_but_not_square(norm: str) -> None:
    x, weight, _ = samples((1, 6, 6), n=20)
    module = Linear(weight, float(-(x.flatten(1) @ weight).mean()) + 0.4, grain=0.2)
    classifier, threat = wrap(module, ["a", "b"]), Threat.ball(norm)
    y = classifier.logits(x).argmax(1).detach()
    epsilon = {"linf": 0.1, "l2": 0.4}[norm]
    blocked = attack("pgd", classifier, x, y, threat, epsilon=epsilon)
    found = attack("square", classifier, x, y, threat, epsilon=epsilon, queries=500)
    assert not blocked.fooled.any() and not blocked.size.any(), "rounded logits have no gradient at all"
    assert found.fooled.float().mean() > 0.9
    assert not found.backwards.any()


def test_a_small_zone_gets_small_blocks_and_no_query_lies_beside_it() -> None:
    x = torch.full((2, 3, 16, 16), 0.5)
    zone = torch.zeros_like(x, dtype=torch.bool)
    zone[0, :, 12:, 12:], zone[1, 1, 0, :] = True, True
    seen: list[Tensor] = []

    def scores(points: Tensor) -> Tensor:
        seen.append(points)
        return torch.tensor([[1.0, 0.0]]).expand(len(points), 2)

    classifier = ScoreClassifier(scores, classes=["a", "b"], name="s", digest="d")
    attack(
        "square", classifier, x, torch.zeros(2, dtype=torch.long), Threat.ball("linf", zone), epsilon=0.1, queries=40
    )
    points = torch.stack(seen)
    turned = (points[2:] != points[1:-1]).flatten(2)
    assert turned.any(2).all(), "every query changes something"
    assert turned.float().sum(2).mean(0)[0] < 3 * 16 / 2, "blocks cover a share of the zone, not of the image"


def problem(x: Tensor, zone: Tensor | None) -> Problem:
    threat = Threat.ball("linf", zone).over(x)
    classifier = ScoreClassifier(lambda points: points.flatten(1)[:, :2], classes=["a", "b"], name="s", digest="d")
    return Problem(
        Meter(classifier, len(x)),
        x,
        Goal(torch.zeros(len(x), dtype=torch.long)),
        threat,
        torch.full((len(x),), 0.1),
        RowGenerators.of(0, len(x)),
    )


@pytest.mark.parametrize(
    ("shape", "sides"), [((30,), (9,)), ((3, 10, 12), (6, 6)), ((1, 2, 50), (2, 5)), ((2, 6, 6, 6), (4, 4, 4))]
)
def test_a_window_is_a_run_or_a_square_over_all_channels(shape: tuple[int, ...], sides: tuple[int, ...]) -> None:
    x = torch.full((4, *shape), 0.5)
    blocks = BlockGrid.of(problem(x, None))
    window = blocks.windows(torch.tensor([0, 2, 3]), 0.3, torch.tensor([0.0, 0.5, 0.999]))
    assert window.shape[1] == 1 and window.shape[2:] == (shape if len(shape) == 1 else shape[1:])
    for one in window[:, 0]:
        places = one.nonzero()
        spans = places.amax(0) - places.amin(0) + 1
        assert spans.tolist() == list(sides) and len(places) == spans.prod()


def test_a_window_holds_its_centre_in_the_zone() -> None:
    x = torch.full((1, 2, 9, 9), 0.5)
    zone = torch.zeros_like(x, dtype=torch.bool)
    zone[0, 0, 0, 0] = zone[0, 1, 4, 8] = zone[0, 1, 8, 8] = True
    blocks = BlockGrid.of(problem(x, zone))
    for draw, (row, column) in ((0.0, (0, 0)), (0.4, (4, 8)), (0.99, (8, 8))):
        assert blocks.windows(torch.tensor([0]), 1.0, torch.tensor([draw]))[0, 0, row, column]


@pytest.mark.parametrize("shape", [(7,), (3, 6, 8)])
def test_cells_are_constant_in_blocks_and_go_down_to_single_values(shape: tuple[int, ...]) -> None:
    x = torch.full((2, *shape), 0.5)
    blocks = BlockGrid.of(problem(x, None))
    assert all(
        len(one.flatten(1).unique(dim=1)[0]) <= 4
        for one in blocks.cells(x, RowGenerators.of(0, 2), 2).reshape(2, -1, *shape[-1:])
    )
    fine = blocks.cells(x, RowGenerators.of(0, 2), EVERY_CELL)
    assert set(fine.unique().tolist()) == {-1.0, 1.0} and fine.shape == x.shape
    assert not torch.equal(fine[0], fine[1])
