"""Folded batch norms: the same function, fewer modules, the user's own module untouched."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from auditor.core.records import digest
from auditor.models import folding
from auditor.models.classifier import TorchClassifier, state_digest, wrap
from auditor.models.folding import fold, folded
from auditor.models.load import load_classifier
from auditor.models.torchvision import ensure_torchvision
from auditor.models.weights import file_digest

RESNET: dict[str, Any] = {
    "name": "resnet10t",
    "settings": {"channels": [8, 8, 8, 8], "stem_width": 8},
    "input": {"size": 32, "channels": 1},
}


def seen(module: nn.Module) -> nn.Module:
    """Return a module in float64 whose batch norms are those of a trained one: no mean is 0, no variance 1."""
    rng = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is not None:
            part.running_mean.copy_(torch.randn(part.num_features, generator=rng))
            part.running_var.copy_(torch.rand(part.num_features, generator=rng) + 0.3)
            if part.affine:
                nn.init.normal_(part.weight, 1.0, 0.3, generator=rng)
                nn.init.normal_(part.bias, generator=rng)
    return module.double().eval().requires_grad_(False)


def timm_model(name: str, **settings: Any) -> nn.Module:
    ensure_torchvision()
    import timm

    torch.manual_seed(0)
    made = timm.create_model(name, in_chans=1, num_classes=2, **settings)
    assert isinstance(made, nn.Module)
    return made


class Picky(nn.Module):
    """Looks at its values, so that only its parts can be followed."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, bias=False), nn.BatchNorm2d(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        return x.mean((2, 3)) if bool(x.mean() > -1e9) else -x.mean((2, 3))


class Twice(nn.Module):
    """A convolution that two readers use, one that is called twice, and a norm that two convolutions share."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.one, self.two, self.shared = nn.BatchNorm2d(4), nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = x + self.one(x)
        x = self.two(self.again(self.again(x)))
        return (self.shared(x) + self.shared(x.relu())).mean((2, 3))


class Standardised(nn.Conv2d):
    """Scales its weights when it is called, as timm's StdConv2d does."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, self.weight / self.weight.norm(), self.bias)


def hooked() -> nn.Module:
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    module[0].register_forward_hook(lambda *_: None)
    return module


FOLDS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "bias, groups, stride": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 8, 3, 2, groups=2), nn.BatchNorm2d(8)
        ),
        2,
    ),
    "no bias, not affine": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4, affine=False)), 1),
    "linear": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(256, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 2)),
        1,
    ),
    "only parts can be followed": (Picky, 2),
    "resnet10t": (lambda: timm_model("resnet10t", channels=[8, 8, 8, 8], stem_width=8), 15),
    "norms with activations": (lambda: timm_model("mobilenetv3_small_050"), 34),
    "read or called twice": (Twice, 0),
    "norm first": (lambda: nn.Sequential(nn.BatchNorm2d(1), nn.Tanh(), nn.Conv2d(1, 4, 3)), 0),
    "weights made when called": (lambda: nn.Sequential(Standardised(1, 4, 3), nn.BatchNorm2d(4)), 0),
    "watched by a hook": (hooked, 0),
    "statistics of the batch": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)),
        0,
    ),
}


@pytest.mark.parametrize("name", FOLDS)
def test_a_folded_module_is_the_same_function(name: str) -> None:
    make, expected = FOLDS[name]
    module = seen(make())
    before = state_digest(module)
    twin, count = folded(module)
    left = [sum(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in one.modules()) for one in (module, twin)]
    assert count == expected and left[1] == left[0] - count and state_digest(module) == before
    x = torch.rand(3, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    outs = [one(x) for one in (module, twin)]
    slopes = [torch.autograd.grad((out**2).sum(), x)[0] for out in outs]
    assert (
        torch.allclose(*outs, rtol=1e-9, atol=1e-9)
        and torch.allclose(*slopes, rtol=1e-8, atol=1e-9)
        and bool((slopes[0] != 0).any())
    )


def test_a_loaded_classifier_is_folded_and_keeps_its_files_digest(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    from auditor.explanations import explanations

    save_file(weights, tmp_path / "a.safetensors")
    classifier = load_classifier("a.safetensors", base=tmp_path, **RESNET)
    assert classifier.digest == digest([file_digest(tmp_path / "a.safetensors"), "resnet10t", RESNET["settings"]])
    assert classifier.notes[0].startswith(
        "15 batch norms folded into the layers before; largest difference on 4 random inputs: "
    )
    module = timm_model("resnet10t", **RESNET["settings"])
    module.load_state_dict(weights)
    plain = wrap(module.eval(), ["0", "1"])
    x, target = torch.rand(3, 1, 32, 32), torch.tensor([0, 1, 1])
    assert plain.module is module and torch.allclose(classifier.logits(x), plain.logits(x), atol=1e-5)
    for name in ("saliency", "integrated_gradients"):
        maps = [explanations[name].make(one, x, target) for one in (classifier, plain)]
        assert torch.allclose(*maps, atol=1e-4 * float(maps[1].abs().max()))


def small(**settings: Any) -> TorchClassifier:
    module = seen(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())).float()
    return TorchClassifier(module, classes=["a", "b"], **settings)


def test_folding_that_changes_the_answer_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = small(input_shape=(1, 8, 8))
    module = classifier.module
    monkeypatch.setattr(folding, "_scale", lambda layer, norm: None)
    fold(classifier)
    assert classifier.module is module and classifier.notes == ()


@pytest.mark.parametrize("settings", [{}, {"input_shape": (1, 8, 8), "draws": 2}], ids=["free size", "random"])
def test_what_cannot_be_compared_is_not_folded(settings: dict[str, Any]) -> None:
    classifier = small(**settings)
    module = classifier.module
    fold(classifier)
    assert classifier.module is module


def test_a_module_that_cannot_be_copied_stays() -> None:
    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = small().module

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x)

        def __deepcopy__(self, memo: object) -> object:
            raise TypeError("there is only one")

    module = Alone()
    classifier = TorchClassifier(module, classes=["a", "b"], input_shape=(1, 8, 8))
    fold(classifier)
    assert classifier.module is module and classifier.notes == ()
