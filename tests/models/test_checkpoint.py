"""Weights are found behind any wrapper of training scripts, and never chosen silently among several."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditor.core.errors import ClassifierError
from auditor.models.checkpoint import with_weights

State = dict[str, Tensor]


def build(width: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, width))


def state(seed: int = 0, width: int = 2) -> State:
    torch.manual_seed(seed)
    return dict(build(width).state_dict())


def renamed(weights: State, prefix: str = "", suffix: str = "") -> State:
    return {f"{prefix}{key}{suffix}": value for key, value in weights.items()}


def save(content: Any, folder: Path) -> Path:
    torch.save(content, folder / "w.pth")
    return folder / "w.pth"


WRAPPERS: dict[str, Callable[[State], Any]] = {
    "plain": lambda weights: weights,
    "DataParallel": lambda weights: renamed(weights, "module."),
    "torch.compile": lambda weights: renamed(weights, "_orig_mod."),
    "both": lambda weights: renamed(weights, "module._orig_mod."),
    "Lightning": lambda weights: {"state_dict": renamed(weights, "model."), "epoch": 1},
    "with a loss": lambda weights: {"state_dict": {**renamed(weights, "net."), "loss.weight": torch.ones(2)}},
    "averaged": lambda weights: {**renamed(weights, "module."), "n_averaged": torch.tensor(3)},
    "model_state_dict": lambda weights: {"model_state_dict": weights, "optimizer": {"state": {}}},
    "net": lambda weights: {"net": weights, "acc": 91.2},
    "nested twice": lambda weights: {"checkpoint": {"model": weights}},
    "suffix": lambda weights: renamed(weights, suffix="_orig"),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_weights_are_found_behind_a_wrapper(tmp_path: Path, wrapper: str) -> None:
    weights = state()
    loaded = with_weights(build, save(WRAPPERS[wrapper](weights), tmp_path), classes=2, checkpoint=None)
    assert all(torch.equal(value, weights[key]) for key, value in loaded.module.state_dict().items())
    assert bool(loaded.notes) == (wrapper != "plain")


def test_several_weights_that_fit_are_asked_for(tmp_path: Path) -> None:
    plain, averaged = state(0), state(1)
    file = save({"model": plain, "ema": renamed(averaged, "module."), "epoch": 3}, tmp_path)
    with pytest.raises(ClassifierError, match=r"model and ema\.module; .*`checkpoint: model`"):
        with_weights(build, file, classes=2, checkpoint=None)
    for name, weights in (("model", plain), ("ema.module", averaged), ("ema", averaged)):
        loaded = with_weights(build, file, classes=2, checkpoint=name)
        assert torch.equal(loaded.module.state_dict()["3.weight"], weights["3.weight"])
        assert any(f"under '{name}" in note for note in loaded.notes)
    with pytest.raises(ClassifierError, match=r"got 'emma'; valid: ema\.module, model"):
        with_weights(build, file, classes=2, checkpoint="emma")


def test_weights_side_by_side_in_one_dict_are_asked_for(tmp_path: Path) -> None:
    file = save({"state_dict": {**renamed(state(0), "model."), **renamed(state(1), "model_ema.")}}, tmp_path)
    with pytest.raises(ClassifierError, match=r"state_dict\.model and state_dict\.model_ema"):
        with_weights(build, file, classes=2, checkpoint=None)


@pytest.mark.parametrize("classes", [None, 2, 5])
def test_the_weights_say_how_many_classes_there_are(tmp_path: Path, classes: int | None) -> None:
    assert with_weights(build, save(state(width=5), tmp_path), classes=classes, checkpoint=None).width == 5


def test_a_larger_network_of_the_same_kind_does_not_fit(tmp_path: Path) -> None:
    file = save({"net": {**state(), "4.weight": torch.ones(2, 2)}}, tmp_path)
    with pytest.raises(ClassifierError, match="first unexpected key '4.weight'"):
        with_weights(build, file, classes=2, checkpoint=None)


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], {}])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ClassifierError, match="expected"):
        with_weights(build, save(content, tmp_path), classes=2, checkpoint=None)
