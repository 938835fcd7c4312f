"""Architectures by name, and networks that a library saved in a folder; the oracle is the library's own network."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from auditor.core.errors import ClassifierError
from auditor.models.load import load_classifier
from auditor.models.torchvision import ensure_torchvision

INPUT = {"size": 32, "channels": 3}
X = torch.rand((2, 3, 32, 32), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("width", [1, 3])
def test_torchvision_from_a_wrapped_checkpoint(tmp_path: Path, width: int) -> None:
    ensure_torchvision()
    from torchvision.models import mobilenet_v3_small

    torch.manual_seed(0)
    net = mobilenet_v3_small(weights=None, num_classes=width).eval()
    wrapped = {f"_orig_mod.module.{key}": value for key, value in net.state_dict().items()}
    torch.save({"epoch": 1, "model_state_dict": wrapped}, tmp_path / "w.pth")
    declared = {"name": "mobilenet_v3_small", "input": INPUT, "output": "logit" if width == 1 else None}
    classifier = load_classifier("w.pth", "torchvision", base=tmp_path, **declared)
    z = net(X)
    assert torch.allclose(classifier.logits(X), torch.cat([-z / 2, z / 2], 1) if width == 1 else z, atol=1e-5)
    assert classifier.classes == (("0", "1") if width == 1 else ("0", "1", "2"))
    assert any("'model_state_dict._orig_mod.module'" in note for note in classifier.notes)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"name": "densenet11"}, "got 'densenet11'; did you mean"),
        ({"name": "mobilenet_v3_small", "settings": {"norm_layer": 3}}, "cannot build 'mobilenet_v3_small'"),
        ({"name": "mobilenet_v3_small"}, "first missing key"),
        ({"name": "mobilenet_v3_small", "input": {"size": 32, "channels": 1}}, "input.channels to be 3"),
    ],
)
def test_torchvision_refuses_in_one_sentence(tmp_path: Path, settings: dict[str, Any], sentence: str) -> None:
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "w.pth")
    with pytest.raises(ClassifierError, match=sentence) as caught:
        load_classifier("w.pth", "torchvision", base=tmp_path, **{"input": INPUT, **settings})
    assert "\n" not in str(caught.value)


class Small(nn.Module):
    """Stands for a network of MONAI with its spelling of the settings."""

    def __init__(self, spatial_dims: int, n_input_channels: int, num_classes: int, pretrained: bool = True) -> None:
        super().__init__()
        assert spatial_dims == 2 and not pretrained
        self.body, self.head = nn.Conv2d(n_input_channels, 4, 3), nn.Linear(4, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(x).mean((2, 3)))
        return out


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    """Let a package that need not be installed hold some members."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        monkeypatch.setitem(sys.modules, ".".join(parts[:end]), ModuleType(".".join(parts[:end])))
    vars(sys.modules[name]).update(members)
    if len(parts) > 1:
        vars(sys.modules[".".join(parts[:-1])])[parts[-1]] = sys.modules[name]


def test_monai_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "monai.networks.nets", Small=Small)
    net = Small(2, 3, 3, pretrained=False).eval()
    torch.save({"net": net.state_dict()}, tmp_path / "w.pth")
    classifier = load_classifier("w.pth", "monai", base=tmp_path, name="Small", input=INPUT)
    assert classifier.classes == ("0", "1", "2") and torch.equal(classifier.logits(X), net(X))
    with pytest.raises(ClassifierError, match="got 'Smal'; did you mean 'Small'"):
        load_classifier("w.pth", "monai", base=tmp_path, name="Smal", input=INPUT)


@pytest.mark.parametrize(("source", "package"), [("monai", "monai"), ("huggingface", "transformers")])
def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    folder(tmp_path)
    torch.save({"w": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(ClassifierError, match=f"pip install {package}"):
        load_classifier("w.pth" if source == "monai" else ".", source, base=tmp_path)


class Named(Small):
    """Stands for a network of transformers, which answers by name."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        return {"logits": super().forward(x), "states": x}


def folder(path: Path, **changed: Any) -> nn.Module:
    """Write what transformers' save_pretrained writes, and return the network."""
    net = Named(2, 3, 2, pretrained=False).eval()
    save_file(dict(net.state_dict()), path / "model.safetensors")
    config = {"architectures": ["Named"], "id2label": {"1": "malignant", "0": "benign"}, "num_channels": 3}
    (path / "config.json").write_text(json.dumps(config))
    given = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "size": {"height": 32, "width": 32}, **changed}
    (path / "preprocessor_config.json").write_text(json.dumps(given))
    return net


def transformers(monkeypatch: pytest.MonkeyPatch, net: nn.Module, **seen: Any) -> None:
    def load(path: Path, **said: Any) -> tuple[nn.Module, dict[str, Any]]:
        assert said["local_files_only"] and said["use_safetensors"] and not said["trust_remote_code"]
        return net, seen

    stand_in(monkeypatch, "transformers.utils.logging", disable_progress_bar=lambda: None)
    vars(sys.modules["transformers"])["AutoModelForImageClassification"] = SimpleNamespace(from_pretrained=load)


def test_a_folder_of_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = folder(tmp_path)
    transformers(monkeypatch, net)
    classifier = load_classifier(".", "huggingface", base=tmp_path)
    assert classifier.classes == ("benign", "malignant") and classifier.input_shape == (3, 32, 32)
    assert torch.allclose(classifier.logits(X), net((X - 0.5) / 0.25)["logits"], atol=1e-6)
    assert any("preprocessor_config.json" in note for note in classifier.notes)


@pytest.mark.parametrize(
    ("changed", "shape", "note"),
    [
        ({"size": 24}, (3, 24, 24), "those of"),
        ({"size": {"shortest_edge": 40}, "crop_size": 32, "do_center_crop": True}, (3, 32, 32), "without the crop"),
    ],
)
def test_the_size_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], shape: tuple[int, ...], note: str
) -> None:
    transformers(monkeypatch, folder(tmp_path, **changed))
    classifier = load_classifier(".", "huggingface", base=tmp_path)
    assert classifier.input_shape == shape and any(note in one for one in classifier.notes)


def test_weights_that_do_not_fit_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transformers(monkeypatch, folder(tmp_path), missing_keys={"head.bias"})
    with pytest.raises(ClassifierError, match=r"first of the missing keys 'head\.bias' \(1 in all\)"):
        load_classifier(".", "huggingface", base=tmp_path)
