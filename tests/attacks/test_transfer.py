"""Transfer: a label-only classifier is fooled by way of another one, or of a student of its answers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from auditor.attacks.attack import attack
from auditor.attacks.distil import QUERIES, network
from auditor.core.errors import AuditorError
from auditor.models.classifier import ScoreClassifier, wrap
from auditor.threats.threat import Threat

EPSILON = 0.08


def body(seed: int) -> nn.Module:
    """Return a network that tells bright left halves from bright right ones, up to small random weights."""
    torch.manual_seed(seed)
    net = nn.Linear(32, 2).double()
    with torch.no_grad():
        net.weight.mul_(0.2)
        net.weight[0, :16] += 0.5
        net.weight[1, 16:] += 0.5
    return net


@pytest.fixture
def case() -> tuple[ScoreClassifier, Tensor, Tensor]:
    """Return a classifier that answers one-hot labels, inputs that it gets right, and their labels."""
    net = body(0)
    rng = torch.Generator().manual_seed(1)
    x = 0.5 + 0.1 * torch.randn(60, 32, generator=rng, dtype=torch.float64).clamp(-4, 4)
    audited = ScoreClassifier(
        lambda z: nn.functional.one_hot(net(z).argmax(1), 2).to(z), classes=["left", "right"], name="labels", digest="d"
    )
    audited.offers = frozenset({"labels"})
    return audited, x, net(x).argmax(1)


def fooled(case: tuple[ScoreClassifier, Tensor, Tensor], name: str, **settings: object) -> int:
    audited, x, y = case
    found = attack(name, audited, x, y, Threat.ball(), epsilon=EPSILON, **settings)  # type: ignore[arg-type]
    assert found.fooled.tolist() == (audited.logits(found.x).argmax(1) != y).tolist()
    assert (found.x - x).abs().max() <= EPSILON + 1e-9 and found.backwards.sum() == 0
    return int(found.fooled.sum())


def test_a_surrogate_that_decides_alike_fools_what_noise_does_not(case: tuple[ScoreClassifier, Tensor, Tensor]) -> None:
    noise = fooled(case, "random_noise")
    assert fooled(case, "transfer", surrogate=wrap(body(5), ["left", "right"])) > noise + 30


@pytest.mark.slow
def test_a_student_of_its_labels_fools_what_noise_does_not(case: tuple[ScoreClassifier, Tensor, Tensor]) -> None:
    assert fooled(case, "transfer") > fooled(case, "random_noise") + 20


@pytest.mark.slow
def test_a_student_leaves_torch_as_it_was_and_is_the_same_again(case: tuple[ScoreClassifier, Tensor, Tensor]) -> None:
    audited, x, y = case
    state = torch.random.get_rng_state()
    first, again = (attack("transfer", audited, x, y, Threat.ball(), epsilon=EPSILON) for _ in range(2))
    assert torch.equal(first.x, again.x) and torch.equal(torch.random.get_rng_state(), state)
    assert first.forwards.max() <= QUERIES + 9


def test_a_surrogate_that_does_not_fit_is_refused(case: tuple[ScoreClassifier, Tensor, Tensor]) -> None:
    with pytest.raises(
        AuditorError, match=r"expected a surrogate with the classes \['left', 'right'\], got \['a', 'b'\]"
    ):
        fooled(case, "transfer", surrogate=wrap(body(5), ["a", "b"]))
    with pytest.raises(AuditorError, match="expected a surrogate that offers 'gradient'"):
        fooled(case, "transfer", surrogate=case[0])


@pytest.mark.parametrize("shape", [(9,), (3, 30, 20), (1, 5, 5), (2, 8)])
def test_a_network_for_any_shape(shape: tuple[int, ...]) -> None:
    assert network(torch.rand(2, *shape), 4)(torch.rand(2, *shape)).shape == (2, 4)
