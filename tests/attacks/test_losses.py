"""Losses: their slopes are their derivatives, and they order points as their definitions say."""

from __future__ import annotations

import pytest
import torch

from auditor.attacks.attack import attack
from auditor.attacks.losses import AWAY, LEAD, TOWARDS, Loss
from auditor.core.errors import AuditorError
from auditor.models.classifier import wrap
from auditor.threats.threat import Threat

EVERY = (
    {"lead": LEAD}
    | {f"away/{name}": loss for name, loss in AWAY.items()}
    | {f"towards/{name}": loss for name, loss in TOWARDS.items()}
)


def logits_and_tags(classes: int = 6, n: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(classes)
    logits = 3 * torch.randn(n, classes, generator=rng, dtype=torch.float64)
    y = torch.randint(classes, (n,), generator=rng)
    return logits, torch.stack([(y + 1 + torch.randint(classes - 1, (n,), generator=rng)) % classes, y], 1)


@pytest.mark.parametrize("loss", EVERY.values(), ids=EVERY)
def test_the_slope_is_the_derivative(loss: Loss) -> None:
    logits, tags = logits_and_tags()
    traced = logits.clone().requires_grad_()
    (expected,) = torch.autograd.grad(loss.value(traced, tags).sum(), traced)
    assert torch.allclose(loss.slope(logits, tags), expected, atol=1e-10)


def test_values_are_those_of_the_definitions() -> None:
    logits, tags = logits_and_tags()
    cross_entropy = torch.nn.functional.cross_entropy(logits, tags[:, 1], reduction="none")
    assert torch.allclose(torch.nn.functional.softplus(AWAY["ce"].value(logits, tags)), cross_entropy)
    for row, (target, y) in enumerate(tags.tolist()):
        z, top = logits[row], logits[row].sort(descending=True).values
        rival = max(float(z[k]) for k in range(6) if k != y)
        assert float(AWAY["margin"].value(logits, tags)[row]) == pytest.approx(rival - float(z[y]))
        assert float(AWAY["dlr"].value(logits, tags)[row]) == pytest.approx(
            (rival - float(z[y])) / float(top[0] - top[2])
        )
        assert float(TOWARDS["dlr"].value(logits, tags)[row]) == pytest.approx(
            float((z[target] - z[y]) / (top[0] - (top[2] + top[3]) / 2))
        )
        assert float(TOWARDS["margin"].value(logits, tags)[row]) == pytest.approx(
            float(z[target]) - max(float(z[k]) for k in range(6) if k != target)
        )


@pytest.mark.parametrize("name", ["away/dlr", "towards/dlr"])
def test_no_rescaling_changes_the_ratio(name: str) -> None:
    logits, tags = logits_and_tags()
    assert torch.allclose(EVERY[name].value(logits, tags), EVERY[name].value(100 * logits + 7, tags))


@pytest.mark.parametrize(
    ("classes", "targets", "least"), [(2, None, "3 classes"), (3, torch.tensor([1]), "4 classes for a target")]
)
def test_the_ratio_of_too_few_classes_is_refused(classes: int, targets: torch.Tensor | None, least: str) -> None:
    classifier = wrap(torch.nn.Linear(5, classes), [str(k) for k in range(classes)])
    with pytest.raises(AuditorError, match=f"loss 'dlr': expected at least {least}, got {classes}; 'margin'"):
        attack(
            "apgd",
            classifier,
            torch.rand(1, 5),
            torch.tensor([0]),
            Threat.ball(),
            epsilon=0.1,
            targets=targets,
            loss="dlr",
        )
