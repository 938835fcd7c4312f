"""Boundary: nearest points of linear models by labels alone, and who may attack such a classifier."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditor.attacks.attack import attack
from auditor.core.errors import AuditorError
from auditor.models.classifier import ScoreClassifier
from auditor.threats.threat import Threat


class Linear(nn.Module):
    def __init__(self, weight: Tensor, bias: float) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), bias

    def forward(self, x: Tensor) -> Tensor:
        score = x.flatten(1) @ self.weight + self.bias
        return torch.stack([score, -score], 1)


class Labels(ScoreClassifier):
    """A classifier that tells its label and no more."""

    def __init__(self, module: Linear) -> None:
        self.module = module

        def answer(x: Tensor) -> Tensor:
            with torch.no_grad():
                return nn.functional.one_hot(module(x).argmax(1), 2).to(x.dtype)

        super().__init__(answer, classes=["a", "b"], name="labels", digest="d")
        self.offers = frozenset({"labels"})


N = 16


@pytest.fixture(params=[(24,), (2, 3, 4)], ids=["vectors", "images"])
def case(request: pytest.FixtureRequest) -> tuple[Labels, Tensor, Tensor, Tensor, Tensor]:
    """Return a classifier, inputs far from the box's edges with labels, their zone, and the gradient of the score
    within it (n, d).
    """
    rng = torch.Generator().manual_seed(0)
    x = 0.45 + 0.1 * torch.rand(N, *request.param, generator=rng, dtype=torch.float64)
    weight = torch.randn(24, generator=rng, dtype=torch.float64)
    zone = torch.rand(N, *request.param, generator=rng) < 0.7
    module = Linear(weight, -float((x.flatten(1) @ weight).mean()) + 0.2)
    classifier = Labels(module)
    return classifier, x, classifier.logits(x).argmax(1), zone, weight * zone.flatten(1)


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "dual", "within"), [("l2", 2, 1.1), ("linf", 1, 1.15)])
def test_the_smallest_distance_to_a_linear_boundary_is_nearly_found(
    case: Any, norm: str, dual: int, within: float
) -> None:
    classifier, x, y, zone, slope = case
    nearest = classifier.module(x)[:, 0].abs().detach() / slope.norm(p=dual, dim=1)
    for factor, share in ((within, 1.0), (0.99, 0.0)):
        found = attack("boundary", classifier, x, y, Threat.ball(norm, zone), epsilon=factor * nearest, queries=4000)
        assert found.fooled.double().mean() == share
        assert (found.size <= factor * nearest * (1 + 1e-6)).all()
        assert (classifier.logits(found.x).argmax(1) != y).tolist() == found.fooled.tolist()
        assert (found.x - x)[~zone].abs().max() == 0 and found.forwards.max() <= 4000


def test_labels_alone_serve_boundary_and_random_noise(case: Any) -> None:
    classifier, x, y, zone, _ = case
    threat = Threat.ball("linf", zone)
    for name in ("boundary", "random_noise"):
        assert attack(name, classifier, x, y, threat, epsilon=0.1).fooled.any()
    for name, needs in (("square", "scores"), ("pgd", "gradient")):
        with pytest.raises(
            AuditorError,
            match=f"attack '{name}': expected a classifier that offers '{needs}', got one that offers labels",
        ):
            attack(name, classifier, x, y, threat, epsilon=0.1)


def test_one_answer_for_everything_has_no_start_and_costs_only_the_starts() -> None:
    classifier = ScoreClassifier(
        lambda x: torch.tensor([[1.0, 0.0]]).expand(len(x), 2), classes=["a", "b"], name="constant", digest="d"
    )
    x = torch.rand(3, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    found = attack("boundary", classifier, x, torch.zeros(3, dtype=torch.long), Threat.ball(), epsilon=0.1, starts=7)
    assert not found.fooled.any() and found.forwards.tolist() == [8, 8, 8]


@pytest.mark.parametrize("queries", [1, 2, 5, 23, 60])
def test_no_sample_costs_more_than_its_queries(case: Any, queries: int) -> None:
    classifier, x, y, zone, _ = case
    found = attack("boundary", classifier, x, y, Threat.ball("l2", zone), epsilon=0.01, queries=queries)
    assert found.forwards.max() <= queries
    assert (classifier.logits(found.x).argmax(1) != y).tolist() == found.fooled.tolist()


def test_points_are_searched_on_the_grid_of_values_that_a_file_holds(case: Any) -> None:
    classifier, x, y, zone, _ = case
    x = (x * 255).round() / 255
    y = classifier.logits(x).argmax(1)
    found = attack("boundary", classifier, x, y, Threat.ball("linf", zone, levels=255), epsilon=8 / 255, queries=1000)
    assert ((found.x * 255) - (found.x * 255).round()).abs().max() < 1e-6
    assert found.fooled.any() and (classifier.logits(found.x).argmax(1) != y).tolist() == found.fooled.tolist()
