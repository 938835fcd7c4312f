"""A model that cannot be used gets one sentence, and nothing in it is run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from auditor.core.errors import AuditorError, ClassifierError
from auditor.models.load import load_classifier

INPUT = {"size": 10, "channels": 1, "mean": [0.4], "std": [0.2]}
CLASSES = ["cat", "dog"]
SMALL = {"channels": [8, 8, 8, 8], "stem_width": 8}
RESNET: dict[str, Any] = {"name": "resnet10t", "settings": SMALL, "input": {"size": 32, "channels": 1}}
Save = Callable[[str, nn.Module], Path]


class Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("bomb"),)


@pytest.mark.parametrize("name", ["a.pt", "a.pth"])
def test_a_pickle_that_wants_to_run_code_does_not(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, save: Save
) -> None:
    monkeypatch.chdir(tmp_path)
    for content in ({"fc.weight": torch.zeros(2, 2), "extra": Bomb()}, Bomb(), nn.Linear(2, 2)):
        torch.save(content, tmp_path / name)
        with pytest.raises(ClassifierError, match="wants to run code") as caught:
            load_classifier(name, **RESNET)
        assert "\n" not in str(caught.value) and name in str(caught.value)
    assert not Path("bomb").exists()


@pytest.mark.slow
def test_a_program_needs_trust(save: Save, net: nn.Module) -> None:
    with pytest.raises(ClassifierError, match=r"net\.pt2: a \.pt2 file may run code .*--trust-code"):
        load_classifier(save("exported", net), input=INPUT)


def _spoilt(state: dict[str, Tensor], change: str) -> dict[str, Tensor]:
    state = {key: value.clone() for key, value in state.items()}
    match change:
        case "nan":
            state["layer1.0.conv1.weight"][0, 0, 0, 0] = float("nan")
        case "infinity":
            state["bn1.running_var"][1] = float("inf")
        case "missing":
            del state["layer2.0.conv1.weight"]
        case "unexpected":
            state["layer9.weight"] = torch.zeros(1)
        case "shape":
            state["layer1.0.conv1.weight"] = torch.zeros(8, 8, 5, 5)
    return state


@pytest.mark.parametrize(
    ("change", "settings", "sentence"),
    [
        ("nan", {}, r"got NaN in 'layer1\.0\.conv1\.weight'"),
        ("infinity", {}, r"got infinity in 'bn1\.running_var'"),
        ("missing", {}, r"first missing key 'layer2\.0\.conv1\.weight'"),
        ("unexpected", {}, r"first unexpected key 'layer9\.weight'"),
        ("shape", {}, r"key 'layer1\.0\.conv1\.weight': expected shape \(8, 16, 3, 3\), got \(8, 8, 5, 5\)"),
        ("", {"classes": ["a", "b", "c"]}, r"3 classes \(a, b, c\), the weights have 2"),
        ("", {"classes": ["a", "a"]}, "different class names"),
        ("", {"name": "resnet10"}, "got 'resnet10'; did you mean 'resnet10t'"),
        ("", {"name": "resnet18", "settings": {}}, "first missing key"),
        ("", {"input": {"size": 32, "channels": 3}}, r"expected shape \(\d+, 3, 3, 3\), got .*input\.channels"),
        ("", {"settings": {"chanels": [1]}}, "cannot build 'resnet10t'"),
        ("", {"nmae": "x"}, "unknown setting 'nmae'; did you mean 'name'"),
        ("", {"name": None}, "expects the architecture's name"),
        ("", {"low": 1.0, "high": 0.0}, "low below high"),
        ("", {"device": "cuda:77"}, "'cuda:77' was asked for, but torch finds"),
        ("", {"device": "toaster"}, "got 'toaster'"),
        ("", {"source": "tim"}, "got 'tim'; did you mean 'timm'"),
    ],
)
def test_weights_that_do_not_fit_get_one_sentence(
    tmp_path: Path, change: str, settings: dict[str, Any], sentence: str, weights: dict[str, Tensor]
) -> None:
    save_file(_spoilt(weights, change), tmp_path / "a.safetensors")
    with pytest.raises(AuditorError, match=sentence) as caught:
        load_classifier("a.safetensors", base=tmp_path, **{**RESNET, "classes": CLASSES, **settings})
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path, save: Save, weights: dict[str, Tensor], net: nn.Module) -> None:
    save_file(weights, tmp_path / "whole.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "whole.safetensors").read_bytes()[:-100])
    for name in ("words.pth", "words.safetensors", "words.onnx", "words.pt2", "words.pt"):
        (tmp_path / name).write_text("not a model")
    script = save("torchscript", net).read_bytes()
    (tmp_path / "cut.pt").write_bytes(script[: len(script) // 2])
    torch.save([1, 2], tmp_path / "list.pt")
    for name in (
        "whole.safetensor",
        "cut.safetensors",
        "words.pth",
        "words.safetensors",
        "words.onnx",
        "words.pt2",
        "words.pt",
        "cut.pt",
        "list.pt",
        "no.onnx",
    ):
        settings = RESNET if name.endswith((".safetensors", ".pt", ".pth")) else {}
        with pytest.raises(ClassifierError, match="expected") as caught:
            load_classifier(name, base=tmp_path, trust_code=True, **settings)
        assert name in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(ClassifierError, match="for a state dict use source: timm"):
        load_classifier("list.pt", "torchscript", base=tmp_path)
    with pytest.raises(ClassifierError, match=r"did you mean 'whole\.safetensors'"):
        load_classifier("wholes.safetensors", base=tmp_path, **RESNET)


def test_the_first_output_is_looked_at(save: Save, net: nn.Module) -> None:
    file = save("torchscript", net)
    with pytest.raises(ClassifierError, match=r"expected logits of shape \(n, 3\).*got \(1, 2\)"):
        load_classifier(file, classes=["a", "b", "c"], input=INPUT)
    with pytest.raises(ClassifierError, match=r"fails at an input of shape \(1, 1, 12, 12\)"):
        load_classifier(file, classes=CLASSES, input={"size": 12, "channels": 1})
    with pytest.raises(ClassifierError, match=r"expected input\.std above 0, got 0"):
        load_classifier(file, classes=CLASSES, input={**INPUT, "std": [0.0]})
    with pytest.raises(ClassifierError, match=r"`classes` or `input\.size`"):
        load_classifier(file)
    net.get_parameter("head.weight").data[0, 0] = float("nan")
    with pytest.raises(ClassifierError, match=r"got NaN in 'head\.weight'"):
        load_classifier(save("torchscript", net), input=INPUT)
