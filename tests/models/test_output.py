"""What a network answers is read as logits of its classes; the oracle is the network itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import auditor
from auditor.core.errors import AuditorError, ClassifierError
from auditor.models import Input
from auditor.models.answers import CLAMP
from auditor.models.classifier import TorchClassifier
from auditor.models.load import load_classifier
from auditor.models.network import Network, classifier_of
from auditor.models.output import Output

CLASSES = ["cat", "dog"]
SHAPE = (1, 4, 4)
X = torch.rand((5, *SHAPE), generator=torch.Generator().manual_seed(1))


class Odds(nn.Module):
    """The logit 8 (mean - 0.5) of each picture, as one column, or one number a picture."""

    def __init__(self, end: nn.Module | None = None, *, flat: bool = False, width: int = 1) -> None:
        super().__init__()
        self.end, self.flat = end or nn.Identity(), flat
        self.register_buffer("gain", torch.linspace(8, 4, width))

    def forward(self, x: Tensor) -> Tensor:
        z = (x.mean((1, 2, 3)) - 0.5)[:, None] * self.gain
        out = self.end(z)
        return out[:, 0] if self.flat else out


class Function(nn.Module):
    """A module whose end is a function, so that there is no layer to take off."""

    def __init__(self, end: Callable[[Tensor], Any], width: int = 1) -> None:
        super().__init__()
        self.body, self.end = Odds(width=width), end

    def forward(self, x: Tensor) -> Any:
        return self.end(self.body(x))


def made(module: nn.Module, classes: list[str] | None = CLASSES, **said: Any) -> TorchClassifier:
    output = Output(**said) if said else None
    return classifier_of(
        module, Network(where="net", digest="d", classes=classes, output=output, input=Input(size=4, channels=1))
    )


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("said", [{}, {"kind": "logit"}])
def test_one_logit_becomes_two_scores(flat: bool, said: dict[str, Any]) -> None:
    classifier = made(Odds(flat=flat), **said)
    z = Odds()(X)
    assert torch.equal(classifier.logits(X), torch.cat([-z / 2, z / 2], 1))
    assert any("logit z of 'dog'" in note for note in classifier.notes)
    assert made(Odds(), None).classes == ("0", "1")


@pytest.mark.parametrize("module", [Odds(nn.Sigmoid()), Function(torch.sigmoid)], ids=["layer", "function"])
def test_a_probability_becomes_its_logit(module: nn.Module) -> None:
    classifier = made(module, kind="sigmoid")
    z = Odds()(X)
    assert torch.allclose(classifier.logits(X), torch.cat([-z / 2, z / 2], 1), atol=1e-5)
    x = X.clone().requires_grad_()
    (slope,) = torch.autograd.grad(classifier.logits(x)[:, 1].sum(), x)
    assert torch.allclose(slope, torch.full_like(slope, 4 / 16), atol=1e-4)


def test_a_saturated_probability_stays_finite() -> None:
    classifier = made(Function(lambda z: torch.sigmoid(1000 * z)), kind="sigmoid")
    assert bool(torch.isfinite(classifier.logits(torch.stack([torch.zeros(SHAPE), torch.ones(SHAPE)]))).all())
    assert float(classifier.logits(torch.ones((1, *SHAPE)))[0, 1]) == pytest.approx(-np.log(CLAMP) / 2, rel=0.02)


def test_a_sigmoid_layer_needs_no_declaration_and_a_function_does() -> None:
    assert any("sigmoid at the end of the network was taken off" in note for note in made(Odds(nn.Sigmoid())).notes)
    with pytest.raises(ClassifierError, match="`output: sigmoid` for a probability, or `output: logit`") as caught:
        made(Function(torch.sigmoid))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["logit", "sigmoid"])
def test_the_threshold_moves_the_decision(kind: str, threshold: float) -> None:
    end = torch.sigmoid if kind == "sigmoid" else torch.clone
    classifier = made(Function(end), kind=kind, threshold=threshold)
    x = torch.linspace(0.2, 0.8, 60).view(-1, 1, 1, 1).expand(-1, *SHAPE)
    chosen = classifier.logits(x).argmax(1) == 1
    assert torch.equal(chosen, torch.sigmoid(Odds()(x)[:, 0]) > threshold)
    assert any(f"from a probability of {threshold:g}" in note for note in classifier.notes)


@pytest.mark.parametrize("kind", ["logit", "sigmoid"])
def test_one_label_of_many_against_the_rest(kind: str) -> None:
    end = torch.sigmoid if kind == "sigmoid" else torch.clone
    classifier = made(Function(end, width=3), ["a", "b", "c"], kind=kind, multilabel="b")
    z = Odds(width=3)(X)[:, 1:2]
    assert classifier.classes == ("not b", "b")
    assert torch.allclose(classifier.logits(X), torch.cat([-z / 2, z / 2], 1), atol=1e-5)
    assert any("only 'b' against the rest" in note for note in classifier.notes)


@pytest.mark.parametrize("end", [nn.Softmax(1), nn.LogSoftmax(1)], ids=["softmax", "log-softmax"])
def test_a_softmax_layer_is_taken_off(end: nn.Module) -> None:
    classifier = made(Odds(end, width=2))
    assert torch.equal(classifier.logits(X), Odds(width=2)(X))
    assert any("at the end of the network was taken off" in note for note in classifier.notes)


def test_another_softmax_is_read_as_its_logarithm() -> None:
    classifier = made(Function(lambda z: z.softmax(1), width=2))
    assert torch.allclose(classifier.logits(X), Odds(width=2)(X).log_softmax(1), atol=1e-6)
    assert any("the logarithm of its probabilities" in note for note in classifier.notes)


def test_a_softmax_inside_the_network_stays() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weigh, self.head = nn.Softmax(1), Odds(width=2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x * self.weigh(x.flatten(1)).view_as(x) * 16)

    module = Attention()
    expected = module(X)
    classifier = made(module)
    assert torch.equal(classifier.logits(X), expected) and not classifier.notes


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = x.mean((1, 2, 3))[:, None] - 0.5
        return torch.cat([-z, z], 1), x.mean((2, 3))


class Named(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        logits, features = Pair()(x)
        return {"features": features, "logits": logits}


@pytest.mark.parametrize(("module", "pick"), [(Pair(), 0), (Pair(), "0"), (Named(), "logits"), (Named(), 1)])
def test_one_of_several_outputs(module: nn.Module, pick: int | str) -> None:
    assert torch.equal(made(module, pick=pick).logits(X), Pair()(X)[0])


@pytest.mark.parametrize(
    ("module", "classes", "said", "sentence"),
    [
        (Pair(), CLASSES, {}, r"outputs 0 of shape \(1, 2\), 1 of shape \(1, 1\).*`output: 0`"),
        (Named(), CLASSES, {}, r"features of shape \(1, 1\), logits of shape \(1, 2\)"),
        (Named(), CLASSES, {"pick": "scores"}, r"`output: scores` is not there.*features.*logits"),
        (Odds(width=2), CLASSES, {"pick": 0}, r"one tensor of shape \(1, 2\)"),
        (Odds(), ["a", "b", "c"], {}, "tells two classes apart, got 3"),
        (Odds(), CLASSES, {"kind": "sigmoid"}, "values from .* write `output: logit`"),
        (Odds(), CLASSES, {"kind": "softmax"}, "`output: logit` or `output: sigmoid`"),
        (Odds(width=2), CLASSES, {"kind": "sigmoid"}, "expected one output for two classes"),
        (Odds(width=2), CLASSES, {"kind": "softmax"}, "probabilities that sum to 1"),
        (Odds(width=2), CLASSES, {"threshold": 0.3}, "expected one output for two classes"),
        (Odds(width=3), ["a", "b", "c"], {"multilabel": "bb"}, "got 'bb'; did you mean 'b'"),
        (Odds(width=3), ["a", "b"], {"multilabel": "b"}, "names 2 classes .* has 3 outputs"),
        (Odds(width=3), None, {"multilabel": "b"}, "name the `classes`"),
    ],
)
def test_what_cannot_be_read_is_refused(
    module: nn.Module, classes: list[str] | None, said: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ClassifierError, match=sentence) as caught:
        made(module, classes, **said)
    assert "\n" not in str(caught.value)


def test_what_is_declared_together_must_fit() -> None:
    for wrong in ({"kind": "softmax", "threshold": 0.3}, {"kind": "softmax", "multilabel": "b"}, {"threshold": 1.0}):
        with pytest.raises(ValueError, match=r"softmax|threshold"):
            Output(**wrong)  # type: ignore[arg-type]


SCRIPT = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind
    def forward(self, x):
        z = 8 * (x.mean((1, 2, 3)) - 0.5)[:, None]
        return {"one": z, "p": torch.sigmoid(z), "pair": (torch.cat([-z, z], 1), z)}[self.kind]

def net(kind="one"):
    return Net(kind)
"""


@pytest.mark.parametrize(
    ("kind", "output", "scale"),
    [("one", "logit", 0.5), ("p", "sigmoid", 0.5), ("pair", 0, 1.0), ("pair", {"pick": 0}, 1.0)],
)
def test_the_short_forms_of_an_audit_file(tmp_path: Path, kind: str, output: Any, scale: float) -> None:
    (tmp_path / "own.py").write_text(SCRIPT)
    classifier = load_classifier(
        "own.py:net",
        base=tmp_path,
        trust_code=True,
        classes=[0, 1],
        input={"size": 4, "channels": 1},
        settings={"kind": kind},
        output=output,
    )
    assert classifier.classes == ("0", "1")
    assert torch.allclose(classifier.logits(X)[:, 1:], scale * Odds()(X), atol=1e-5)


@pytest.mark.parametrize("classes", [["a", "a"], ["a", ""], ["1", 1]])
def test_classes_need_names_of_their_own(tmp_path: Path, classes: list[Any]) -> None:
    (tmp_path / "own.py").write_text(SCRIPT)
    with pytest.raises(AuditorError, match="expected different class names|a name for every class"):
        load_classifier("own.py:net", base=tmp_path, trust_code=True, classes=classes)
    with pytest.raises(ClassifierError, match="expected different class names|a name for every class"):
        auditor.wrap(nn.Flatten(), classes=[str(one) for one in classes])


@pytest.mark.parametrize(
    ("scaling", "sentence"),
    [
        ({"mean": [123.7]}, "input.mean between 0 and 1, .* got 123.7; divide"),
        ({"mean": [0.4, 0.4, 0.4]}, "input.mean to have one number, .* 1 channel, got 3"),
        ({"std": [0.2, 0.2]}, "input.std to have one number"),
        ({"std": [0.0]}, "input.std above 0, got 0"),
        ({"std": [-1.0]}, "input.std above 0, got -1"),
    ],
)
def test_mean_and_std_are_looked_at(scaling: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ClassifierError, match=sentence):
        classifier_of(Odds(), Network(where="net", classes=CLASSES, input=Input(size=4, channels=1, **scaling)))


class InPlace(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x.clamp_(0.2, 0.8)
        return Pair()(x)[0]


def test_a_network_that_changes_its_input_gets_a_copy() -> None:
    x = X.clone()
    classifier = auditor.wrap(InPlace(), classes=CLASSES)
    expected = Pair()(X.clamp(0.2, 0.8))[0]
    assert torch.equal(classifier.logits(x), expected) and torch.equal(x, X)
    leaf = X.clone().requires_grad_()
    assert torch.autograd.grad(classifier.logits(leaf)[:, 0].sum(), leaf)[0].shape == X.shape


def test_the_cause_of_a_torchscript_error_is_its_last_line(tmp_path: Path) -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(16, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x.double().flatten(1))

    with pytest.warns(DeprecationWarning):
        torch.jit.script(Half()).save(str(tmp_path / "net.pt"))
    with pytest.raises(ClassifierError, match=r"fails at an input of shape \(1, 1, 4, 4\): .*dtype") as caught:
        load_classifier("net.pt", base=tmp_path, classes=CLASSES, input={"size": 4, "channels": 1})
    assert "TorchScript" not in str(caught.value)
