"""The classifier protocol, counted and micro-batched access to it, and margins."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from auditor.core.errors import ClassifierError
from auditor.models.classifier import (
    Classifier,
    ScoreClassifier,
    TorchClassifier,
    evaluating,
    margin,
    state_digest,
    wrap,
)
from auditor.models.meter import Meter, out_of_memory


class Small(nn.Module):
    """Refuses more than `most` rows at once, as a full device would, and remembers the sizes of its batches."""

    def __init__(self, most: int = 10**9, error: Exception | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(3, 2).double()
        self.most, self.error, self.sizes = most, error or torch.OutOfMemoryError("no room"), list[int]()

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.most:
            raise self.error
        self.sizes.append(len(x))
        return self.linear(x.tanh())


X = torch.rand(11, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
ROWS = torch.arange(11)


def sum_of_squares(logits: Tensor, rows: Tensor) -> Tensor:
    return (logits**2).sum(1) * (rows + 1)


def doubled(logits: Tensor, rows: Tensor) -> Tensor:
    """Return the slope of the sum of squares."""
    return 2 * logits * (rows + 1)[:, None]


@given(st.integers(1, 20))
def test_micro_batches_change_nothing(batch_size: int) -> None:
    whole, cut = Meter(wrap(Small(), ["a", "b"]), 11, 64), Meter(wrap(Small(), ["a", "b"]), 11, batch_size)
    assert torch.allclose(whole.logits(X, ROWS), cut.logits(X, ROWS), atol=1e-12)
    for one, other in zip(whole.gradient(X, ROWS, doubled, ROWS), cut.gradient(X, ROWS, doubled, ROWS), strict=True):
        assert torch.allclose(one, other, atol=1e-12)
    assert cut.classifier.module.sizes[0] == min(batch_size, 11)  # type: ignore[attr-defined]


ERRORS = {
    "device": torch.OutOfMemoryError("CUDA out of memory"),
    "allocator": RuntimeError(
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"
    ),
    "old driver": RuntimeError("CUDA error: out of memory"),
    "numpy": MemoryError("Unable to allocate"),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_a_batch_without_room_is_halved_and_tried_again(name: str, most: int) -> None:
    free, full = Meter(wrap(Small(), ["a", "b"]), 11), Meter(wrap(Small(most, ERRORS[name]), ["a", "b"]), 11)
    assert torch.allclose(free.logits(X, ROWS), full.logits(X, ROWS), atol=1e-12)
    assert full.batch_size <= most
    for one, other in zip(free.gradient(X, ROWS, doubled, ROWS), full.gradient(X, ROWS, doubled, ROWS), strict=True):
        assert torch.allclose(one, other, atol=1e-12)
    assert full.forwards.tolist() == [2] * 11 and full.backwards.tolist() == [1] * 11


def test_no_room_for_one_row_is_an_error() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        Meter(wrap(Small(0), ["a", "b"]), 11).logits(X, ROWS)


def test_other_errors_are_not_retried() -> None:
    broken = Small(0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not out_of_memory(broken.error)
    with pytest.raises(RuntimeError, match="mat1"):
        Meter(wrap(broken, ["a", "b"]), 11).logits(X, ROWS)


def test_counts_are_per_sample() -> None:
    meter = Meter(wrap(Small(), ["a", "b"]), 4)
    meter.logits(X[:3], torch.tensor([3, 1, 3]))
    meter.gradient(X[:1], torch.tensor([0]), doubled, torch.tensor([0]))
    assert meter.forwards.tolist() == [1, 1, 0, 2]
    assert meter.backwards.tolist() == [1, 0, 0, 0]


def test_no_rows_are_no_error() -> None:
    meter = Meter(wrap(Small(), ["a", "b"]), 0)
    none = torch.arange(0)
    assert meter.logits(X[:0], none).shape == (0, 2)
    assert [part.shape[0] for part in meter.gradient(X[:0], none, doubled, none)] == [0, 0]


def test_gradients_are_those_of_the_loss() -> None:
    classifier = wrap(Small(), ["a", "b"])
    meter = Meter(classifier, 11)
    _, slope = meter.gradient(X, ROWS, doubled, ROWS)
    for column in range(3):
        step = torch.zeros_like(X)
        step[:, column] = 1e-6
        change = (
            sum_of_squares(classifier.logits(X + step), ROWS) - sum_of_squares(classifier.logits(X - step), ROWS)
        ) / 2e-6
        assert torch.allclose(slope[:, column], change, rtol=1e-5, atol=1e-8)
    assert not slope.requires_grad and classifier.module.linear.weight.grad is None


def test_several_directions_cost_one_forward() -> None:
    meter = Meter(wrap(Small(), ["a", "b"]), 11, 4)
    along = torch.randn(11, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    logits, found = meter.slopes(X, ROWS, along, measure=lambda slope, places: (slope * (places + 1)[:, None]).sum(1))
    assert torch.allclose(logits, meter.logits(X, ROWS))
    assert meter.forwards.tolist() == [2] * 11 and meter.backwards.tolist() == [3] * 11
    for place in range(3):
        _, slope = meter.gradient(X, ROWS, lambda _, rows, place=place: along[rows, place], ROWS)  # type: ignore[misc]
        assert torch.allclose(found[:, place], slope.sum(1) * (ROWS + 1))


def test_the_gradient_passes_straight_through_the_view() -> None:
    classifier = wrap(Small(), ["a", "b"])
    rounded, plain = Meter(classifier, 11, view=lambda x, rows: (x * 8).round() / 8), Meter(classifier, 11)
    for one, other in zip(
        rounded.gradient(X, ROWS, doubled, ROWS), plain.gradient((X * 8).round() / 8, ROWS, doubled, ROWS), strict=True
    ):
        assert torch.equal(one, other) and one.abs().max() > 0


@given(st.integers(2, 6), st.integers(0, 10**6))
def test_margin_is_the_lead_over_the_best_other_class(classes: int, seed: int) -> None:
    logits = torch.randn(9, classes, generator=torch.Generator().manual_seed(seed))
    y = torch.randint(classes, (9,), generator=torch.Generator().manual_seed(seed))
    for row, lead in enumerate(margin(logits, y).tolist()):
        own, others = logits[row, y[row]], [float(logits[row, k]) for k in range(classes) if k != y[row]]
        assert lead == pytest.approx(float(own) - max(others), abs=1e-6)
    assert ((margin(logits, y) > 0) == (logits.argmax(1) == y)).all()


def test_evaluating_restores_every_part_of_a_module() -> None:
    module = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)), nn.Linear(3, 2))
    module.train()
    module[1].training = False  # the outer part only: a call of .eval() and .train() would lose this
    flags = [part.training for part in module.modules()]
    assert len(set(flags)) == 2
    with evaluating(module):
        assert not any(part.training for part in module.modules())
    assert [part.training for part in module.modules()] == flags
    with pytest.raises(ValueError, match="inside"), evaluating(module):
        raise ValueError("inside")
    assert [part.training for part in module.modules()] == flags


def test_a_wrapped_module_answers_in_evaluation_mode_and_keeps_its_statistics() -> None:
    module = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.9), nn.Linear(3, 2)).double().train()
    before = state_digest(module)
    classifier = wrap(module, ["a", "b"])
    assert torch.equal(classifier.logits(X), classifier.logits(X))
    assert (
        state_digest(module) == before and module.training and all(part.requires_grad for part in module.parameters())
    )


def test_a_wrapped_module_is_a_classifier() -> None:
    classifier = wrap(Small(), ["a", "b"], low=-1.0, high=2.0, name="small")
    assert isinstance(classifier, Classifier)
    assert (classifier.name, classifier.classes, classifier.low, classifier.high) == ("small", ("a", "b"), -1.0, 2.0)
    assert classifier.offers == {"labels", "scores", "gradient"} and len(classifier.digest) == 64
    assert isinstance(ScoreClassifier(lambda x: x, classes=["a"], name="n", digest="d"), Classifier)


def test_mean_and_std_are_inside() -> None:
    x = torch.rand(2, 3, 4, 4)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.5, 0.25, 2.0])
    classifier = TorchClassifier(flat, classes=["a", "b"], mean=mean.tolist(), std=std.tolist())
    assert torch.allclose(classifier.logits(x), flat((x - mean[:, None, None]) / std[:, None, None]), atol=1e-6)


def test_the_digest_is_of_names_types_shapes_and_bytes() -> None:
    one = nn.Linear(3, 2)
    copy = nn.Linear(3, 2)
    copy.load_state_dict(one.state_dict())
    assert state_digest(one) == state_digest(copy)
    with torch.no_grad():
        copy.bias[0] = torch.nextafter(copy.bias[0], torch.tensor(9.0))
    assert state_digest(one) != state_digest(copy)
    assert state_digest(one) != state_digest(one.double())


@pytest.mark.parametrize(
    ("answer", "got"), [(torch.zeros(11, 3), r"\(11, 3\)"), (torch.zeros(11), r"\(11,\)"), ((1, 2), "tuple")]
)
def test_answers_of_another_shape_are_refused(answer: object, got: str) -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> object:
            return answer

    with pytest.raises(
        ClassifierError, match=r"expected logits of shape \(n, 2\), one column per class in \['a', 'b'\], got " + got
    ):
        wrap(Odd(), ["a", "b"]).logits(X)


def test_scores_without_a_gradient() -> None:
    classifier = ScoreClassifier(lambda x: x[:, :2].float(), classes=["a", "b"], name="n", digest="d")
    assert classifier.logits(X.requires_grad_(False)).dtype == torch.float64
    assert "gradient" not in classifier.offers
