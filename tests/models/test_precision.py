"""Searching in lower precision: on CPUs refused, elsewhere never the judge."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditor.attacks.attack import attack
from auditor.core.errors import ClassifierError, ConfigError
from auditor.engine.loading import Running, load_model
from auditor.engine.lock import read_lock
from auditor.engine.prepare import prepare
from auditor.models import load, precision
from auditor.models.classifier import TorchClassifier, wrap
from auditor.models.precision import PRECISIONS, arithmetic, check_precision, rounding_to_tf32
from auditor.models.search_twin import hasten, searching
from auditor.pipeline import finish
from auditor.threats.threat import Threat

CPU = torch.device("cpu")


class Close(nn.Module):
    """Two classes whose logits are large and nearly alike, so that bfloat16 often finds them in the other order; counts
    its rows.
    """

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(16, 2)
        self.rows = 0

    def forward(self, x: Tensor) -> Tensor:
        self.rows += len(x)
        return 50 + self.linear(x)


X = torch.rand(200, 16, generator=torch.Generator().manual_seed(2))


def hastened() -> tuple[TorchClassifier, Tensor]:
    classifier = wrap(Close(), ["a", "b"])
    y = classifier.logits(X).argmax(1)
    hasten(classifier, "bfloat16")
    return classifier, y


def test_the_twin_answers_in_bfloat16_and_the_classifier_in_float32() -> None:
    classifier, y = hastened()
    fast = searching(classifier)
    assert (
        fast is not classifier
        and searching(fast) is not classifier
        and searching(wrap(Close(), ["a", "b"])) is not fast
    )
    rough = fast.logits(X)
    assert (
        rough.dtype == torch.float32
        and torch.equal(rough, rough.bfloat16().float())
        and not torch.equal(rough, classifier.logits(X))
    )
    assert torch.equal(classifier.logits(X), wrap(Close(), ["a", "b"]).logits(X)) and (rough.argmax(1) != y).any()
    assert classifier.notes == (
        "attacks searched in bfloat16; what fools was decided in float32 by the module as it is",
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pgd", "apgd", "evade", "random_noise"])
@pytest.mark.parametrize("levels", [None, 255])
def test_what_fools_only_in_bfloat16_does_not_count(name: str, levels: int | None) -> None:
    classifier, y = hastened()
    threat = Threat.ball("linf", levels=levels)
    x = threat.over(X).saved(X, X)
    claimed = searching(classifier).logits(x).argmax(1) != y
    found = attack(name, classifier, x, y, threat, epsilon=0.01)
    real = classifier.logits(found.x).argmax(1) != y
    assert bool(claimed.any()) and torch.equal(found.fooled, real)
    assert threat.over(x).allows(found.x, x, torch.full((len(x),), 0.01)).all()
    alone = attack(name, wrap(Close(), ["a", "b"]), x, y, threat, epsilon=0.01)
    assert int(found.fooled.sum()) >= int(alone.fooled.sum()), (
        "what was lost by the precision is searched again without it"
    )


def test_every_evaluation_is_counted() -> None:
    classifier, y = hastened()
    module = classifier.module
    assert isinstance(module, Close)
    module.rows = 0
    found = attack("pgd", classifier, X, y, Threat.ball("linf"), epsilon=0.01, steps=5)
    assert module.rows == int(found.forwards.sum())


def test_a_search_in_float32_costs_nothing_more() -> None:
    classifier, plain = wrap(Close(), ["a", "b"]), wrap(Close(), ["a", "b"])
    hasten(classifier, "float32")
    y = plain.logits(X).argmax(1)
    one, other = (attack("pgd", each, X, y, Threat.ball("linf"), epsilon=0.01, seed=3) for each in (classifier, plain))
    assert searching(classifier) is classifier and classifier.notes == ()
    assert torch.equal(one.x, other.x) and torch.equal(one.forwards, other.forwards)


@pytest.mark.slow
def test_seeds_and_targets_go_along_into_the_second_search() -> None:
    classifier, y = hastened()
    threat, size = Threat.ball("linf"), torch.full((len(X),), 0.02)
    found = attack(
        "pgd",
        classifier,
        X,
        y,
        threat,
        epsilon=size,
        targets=1 - y,
        seed=list(range(len(X))),
        steps=5,
        random_start=True,
    )
    assert torch.equal(found.fooled, classifier.logits(found.x).argmax(1) == 1 - y)
    smallest = attack("minimum_norm", classifier, X, y, threat)
    assert torch.equal(smallest.fooled, classifier.logits(smallest.x).argmax(1) != y) and smallest.fooled.all()


def test_compiling_is_for_the_search_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []

    def compile(module: nn.Module, **options: Any) -> nn.Module:
        compiled.append(module)
        return nn.Sequential(module)

    monkeypatch.setattr(torch, "compile", compile)
    classifier = wrap(Close(), ["a", "b"])
    module = classifier.module
    hasten(classifier, "float32", compile=True)
    assert (
        compiled == [module]
        and classifier.module is module
        and torch.equal(searching(classifier).logits(X), classifier.logits(X))
    )
    assert classifier.notes == (
        "attacks searched in float32 with a compiled module; what fools was decided in float32 by the module as it is",
    )


def test_a_gpu_is_told_what_float32_means(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, torch.dtype]] = []

    @contextmanager
    def autocast(kind: str, dtype: torch.dtype) -> Iterator[None]:
        seen.append((kind, dtype))
        yield

    monkeypatch.setattr(torch, "autocast", autocast)
    flags = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [flag.allow_tf32 for flag in flags]
    for name in PRECISIONS:
        with pytest.raises(KeyError), arithmetic(torch.device("cuda"), name):
            assert [flag.allow_tf32 for flag in flags] == [name == "tf32"] * 2
            raise KeyError
        assert [flag.allow_tf32 for flag in flags] == before
    assert seen == [("cuda", torch.bfloat16)]
    with rounding_to_tf32(True), arithmetic(CPU, "float32"):
        assert [flag.allow_tf32 for flag in flags] == [True, True], "nothing is touched without a GPU"


@pytest.mark.parametrize(
    ("device", "name", "compile", "sentence"),
    [
        ("cpu", "bfloat16", False, "precision bfloat16: expected a CUDA device, where it is faster, got 'cpu'"),
        ("cpu", "tf32", True, "precision tf32 and compile: expected a CUDA device"),
        ("cpu", "float32", True, "^compile: expected a CUDA device"),
        ("cuda", "bfloat61", False, "expected one of float32, tf32, bfloat16, got 'bfloat61'; did you mean 'bfloat16'"),
    ],
)
def test_settings_without_use_are_refused(device: str, name: str, compile: bool, sentence: str) -> None:
    with pytest.raises(ClassifierError, match=sentence):
        check_precision(device, name, compile)
    for fine in PRECISIONS:
        check_precision("cuda:1", fine, True)
    check_precision("cpu", "float32", False)


@pytest.mark.slow
def test_the_lock_and_the_binding_know_the_search(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = prepare(study / "marker.yaml", limit=8, only=["exposure"])
    monkeypatch.setattr(load, "check_precision", lambda *_: None)
    rough = prepare(study / "marker.yaml", limit=8, only=["exposure"], precision="bfloat16")
    assert usual.lock["search"] == {"precision": "float32", "compile": False} and usual.binding != rough.binding
    assert isinstance(rough.classifier, TorchClassifier) and searching(rough.classifier) is not rough.classifier
    findings = finish(rough, tmp_path / "out", pdf=False)
    assert read_lock(tmp_path / "out")["search"] == {"precision": "bfloat16", "compile": False} and len(findings) > 0
    assert any("bfloat16" in note for note in rough.lock["model"]["notes"])


def test_a_setting_of_the_run_is_none_of_the_model() -> None:
    for name in ("precision", "device", "trust_code"):
        with pytest.raises(
            ConfigError, match=f"'model.{name}': expected a property of the model, got a setting of the run"
        ):
            load_model({"weights": "a.pth", name: "x"}, Path("."), Running())
    assert precision.PRECISIONS[0] == "float32"
