"""Declared preprocessing (BPDA) and declared randomness (EOT): exact forwards, useful gradients, checked on the real
model.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from scipy.ndimage import median_filter
from torch import Tensor, nn

from auditor.attacks.attack import attack
from auditor.core.errors import ClassifierError
from auditor.engine.measure import drawing
from auditor.models import Input
from auditor.models.classifier import ScoreClassifier, TorchClassifier, margin, wrap
from auditor.models.load import load_classifier
from auditor.models.preprocessing import LIMITS, STEP_WORDS, STEPS, PreprocessSteps, averaged, straight_through
from auditor.threats.threat import Threat

EACH = [(("round", 16),), (("jpeg", 75),), (("median", 3),), (("median", 5), ("round", 8), ("jpeg", 40))]


def pictures(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("steps", EACH, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-2.0, 3.0), (0.0, 255.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_keep_shape_type_and_range_and_look_at_one_row_alone(
    steps: tuple[tuple[str, int], ...], channels: int, low: float, high: float, dtype: torch.dtype
) -> None:
    x = pictures(4, channels, 12, 17, low=low, high=high).to(dtype)
    before, shown = x.clone(), PreprocessSteps(steps, low, high)(x)
    assert torch.equal(x, before) and shown.shape == x.shape and shown.dtype == dtype
    assert float(shown.min()) >= low and float(shown.max()) <= high and not torch.equal(shown, x)
    assert torch.equal(shown, PreprocessSteps(steps, low, high)(x))
    assert torch.equal(shown, torch.cat([PreprocessSteps(steps, low, high)(row[None]) for row in x]))
    assert PreprocessSteps(steps, low, high)(x[:0]).shape == x[:0].shape


def test_every_step_is_what_it_says(tmp_path: Path) -> None:
    x = pictures(2, 3, 16, 16)
    assert torch.allclose(PreprocessSteps((("round", 5),))(x), (x * 4).round() / 4)
    assert torch.equal(
        PreprocessSteps((("median", 3),))(x),
        torch.from_numpy(median_filter(x.numpy(), size=(1, 1, 3, 3), mode="nearest")),
    )
    pixels = (x[0] * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=60)
    assert np.array_equal(
        PreprocessSteps((("jpeg", 60),))(x)[0].permute(1, 2, 0).mul(255).round().byte().numpy(),
        np.asarray(Image.open(tmp_path / "a.jpg")),
    )
    one, other = PreprocessSteps((("median", 3), ("round", 4)))(x), PreprocessSteps((("round", 4), ("median", 3)))(x)
    assert (
        torch.equal(one, PreprocessSteps((("round", 4),))(PreprocessSteps((("median", 3),))(x)))
        and other.shape == one.shape
    )
    assert set(STEPS) == set(STEP_WORDS) == set(LIMITS)


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([{"blur": 3}], "expected steps round, jpeg, median, got 'blur'"),
        ([{"median": 4}], "median: expected an odd number from 3 to 99, got 4"),
        ([{"jpeg": 0}], "jpeg: expected a whole number from 1 to 100, got 0"),
        ([{"round": 1}], "round: expected a whole number from 2 to 65536, got 1"),
        ([{"round": 4, "jpeg": 75}], "expected one step per item"),
        ([{}], "expected one step per item"),
        ([{"jpeg": "much"}], "valid integer"),
    ],
)
def test_steps_that_cannot_be_are_refused(steps: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Input(preprocess=steps)


def test_images_that_a_step_cannot_take_are_refused() -> None:
    for steps, shape in (((("jpeg", 75),), (2, 2, 8, 8)), ((("jpeg", 75),), (2, 8)), ((("median", 3),), (2, 8))):
        with pytest.raises(ClassifierError, match="expects images"):
            PreprocessSteps(steps)(torch.rand(shape))
    with pytest.raises(ClassifierError, match=r"expected the input's own shape \(2, 8\), got \(2, 4\)"):
        straight_through(lambda x: x[:, :4], torch.rand(2, 8))


def test_the_forward_is_exact_and_the_gradient_that_of_the_identity() -> None:
    x = pictures(3, 8).requires_grad_()
    steps = PreprocessSteps((("round", 8),))
    shown = straight_through(steps, x)
    assert torch.equal(shown, steps(x.detach()))
    (slope,) = torch.autograd.grad((shown * torch.arange(8.0)).sum(), x)
    assert torch.equal(slope, torch.arange(8.0).expand(3, 8))
    assert torch.equal(straight_through(lambda x: x.mul_(0.5), x.detach().requires_grad_()), x / 2), (
        "a step may write into what it is given"
    )


class Rounded(nn.Module):
    """A linear classifier behind rounding to 8 levels, as it is deployed: its gradient is zero everywhere."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        return self.head((x * 7).round() / 7)


def test_declared_rounding_gives_the_attack_of_the_model_without_it() -> None:
    torch.manual_seed(0)
    head = nn.Linear(40, 3)
    deployed, twin = wrap(Rounded(head), ["a", "b", "c"]), wrap(head, ["a", "b", "c"])
    declared = wrap(head, ["a", "b", "c"], preprocess=PreprocessSteps((("round", 8),)))
    x = (pictures(200, 40) * 7).round() / 7  # on the grid, and so are the corners of the ball
    assert torch.allclose(declared.logits(x + 0.03), deployed.logits(x + 0.03))
    y = deployed.logits(x).argmax(1)
    found = {
        name: attack("pgd", one, x, y, Threat.ball("linf"), epsilon=1 / 7, steps=20)
        for name, one in (("plain", deployed), ("declared", declared), ("twin", twin))
    }
    fooled = {name: deployed.logits(one.x).argmax(1) != y for name, one in found.items()}
    assert not fooled["plain"].any() and found["twin"].fooled.float().mean() > 0.5
    # points on the way are rounded too, which now and then fools one more
    assert (
        not (found["twin"].fooled & ~fooled["declared"]).any()
        and int((fooled["declared"] & ~found["twin"].fooled).sum()) <= 2
    )
    assert torch.equal(fooled["declared"], found["declared"].fooled)
    assert any("rounding to 8 levels" in note for note in declared.notes)


class Noisy(nn.Module):
    """A small network that adds large noise to its input, from torch's own generator."""

    def __init__(self, noise: float) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(1)
        self.first, self.last = torch.randn(20, 64, generator=rng), torch.randn(64, 3, generator=rng) / 8
        self.noise = noise

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.noise * torch.randn_like(x) - 0.5).matmul(self.first).relu().matmul(self.last)


def test_more_draws_make_a_stronger_attack_on_a_random_classifier() -> None:
    module, x = Noisy(0.7), pictures(100, 20)
    real = wrap(module, ["a", "b", "c"], draws=800)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        y = real.logits(x).argmax(1)
        found = {
            k: attack("pgd", wrap(module, ["a", "b", "c"], draws=k), x, y, Threat.ball("linf"), epsilon=0.2, steps=20)
            for k in (1, 16)
        }
        left = {k: margin(real.logits(one.x), y) for k, one in found.items()}
    fooled = {k: int((value <= 0).sum()) for k, value in left.items()}
    assert fooled[16] >= fooled[1] + 15, fooled
    assert float(left[16].mean()) < float(left[1].mean())


def test_an_answer_is_the_mean_of_the_draws_and_so_is_its_gradient() -> None:
    module, x = Noisy(0.7), pictures(5, 20)
    classifier = wrap(module, ["a", "b", "c"], draws=4)
    assert (
        classifier.draws == 4
        and wrap(module, ["a", "b", "c"]).draws == 1
        and any("4 draws" in note for note in classifier.notes)
    )
    with torch.random.fork_rng([]):
        torch.manual_seed(3)
        point = x.clone().requires_grad_()
        got = classifier.logits(point)
        (slope,) = torch.autograd.grad(got[:, 0].sum(), point)
        torch.manual_seed(3)
        again = x.clone().requires_grad_()
        expected = sum(module(again) for _ in range(4)) / 4
        assert isinstance(expected, Tensor) and torch.allclose(got, expected, atol=1e-6)
        assert torch.allclose(slope, torch.autograd.grad(expected[:, 0].sum(), again)[0], atol=1e-6)
    count = iter(range(10))
    assert float(averaged(lambda: torch.full((1, 1), float(next(count))), 3)) == 1.0


def test_scores_are_preprocessed_and_averaged_too() -> None:
    draws = iter([0.0, 2.0])
    classifier = ScoreClassifier(
        lambda x: x[:, :2] + next(draws),
        classes=["a", "b"],
        name="n",
        digest="d",
        preprocess=PreprocessSteps((("round", 2),)),
        draws=2,
    )
    assert classifier.logits(torch.tensor([[0.2, 0.9]])).tolist() == [[1.0, 2.0]] and len(classifier.notes) == 2


def test_an_audit_declares_both(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    save_file(weights, tmp_path / "a.safetensors")
    small: dict[str, Any] = {"name": "resnet10t", "settings": {"channels": [8, 8, 8, 8], "stem_width": 8}}
    shape = {"size": 32, "channels": 1, "mean": [0.4], "std": [0.2]}
    x = pictures(2, 1, 32, 32)
    plain = load_classifier("a.safetensors", base=tmp_path, input=shape, **small)
    declared = load_classifier(
        "a.safetensors", base=tmp_path, input={**shape, "preprocess": [{"median": 3}, {"jpeg": 50}]}, draws=3, **small
    )
    assert isinstance(declared, TorchClassifier) and declared.draws == 3 and declared.digest == plain.digest
    assert torch.allclose(
        declared.logits(x), plain.logits(PreprocessSteps((("median", 3), ("jpeg", 50)))(x)), atol=1e-5
    )
    assert any("a median over 3 pixels squared, JPEG at quality 50" in note for note in declared.notes) and any(
        "3 draws" in note for note in declared.notes
    )
    for draws in (0, True, "many"):
        with pytest.raises(ClassifierError, match="'draws': expected a whole number from 1"):
            load_classifier("a.safetensors", base=tmp_path, input=shape, draws=draws, **small)  # type: ignore[arg-type]
    (tmp_path / "mine.py").write_text(
        "import torch\nfrom auditor import wrap\ndef make():\n    return wrap(torch.nn.Linear(3, 2), ['a', 'b'],"
        " draws=2)\n"
    )
    with pytest.raises(ClassifierError, match="a classifier that brings its own"):
        load_classifier("mine.py:make", base=tmp_path, trust_code=True, draws=2)


def test_a_chunk_of_a_random_classifier_is_drawn_by_its_key_and_nothing_else() -> None:
    random, plain = wrap(Noisy(0.7), ["a", "b", "c"], draws=2), wrap(Noisy(0.0), ["a", "b", "c"])
    x, state = pictures(4, 20), torch.random.get_rng_state()
    answers = []
    for key in ("one", "one", "other"):
        with drawing(random, key, "sample"):
            answers.append(random.logits(x))
    assert torch.equal(answers[0], answers[1]) and not torch.equal(answers[0], answers[2])
    with drawing(plain, "one"):
        assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(torch.random.get_rng_state(), state)
