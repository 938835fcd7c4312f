"""Every kind of model file gives the same logits as the module that it came from, frozen."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from auditor.core.errors import ClassifierError
from auditor.models import classifiers
from auditor.models.classifier import TorchClassifier, evaluating
from auditor.models.load import load_classifier
from auditor.models.torchvision import ensure_torchvision

INPUT = {"size": 10, "channels": 1, "mean": [0.4], "std": [0.2]}
CLASSES = ["cat", "dog"]
SMALL = {"channels": [8, 8, 8, 8], "stem_width": 8}
RESNET: dict[str, Any] = {"name": "resnet10t", "settings": SMALL, "input": {"size": 32, "channels": 1}}
Save = Callable[[str, nn.Module], Path]
KINDS = ["torchscript", "exported", "exported, batches of 3", "onnx", "onnx, batch of one", "onnx, opset 18"]


def reference(net: nn.Module, x: Tensor) -> Tensor:
    return net((x - 0.4) / 0.2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_gives_its_modules_logits_and_gradient(kind: str, save: Save, net: nn.Module) -> None:
    file = save(kind, net)
    classifier = load_classifier(file, classes=CLASSES, input=INPUT, trust_code=True)
    assert isinstance(classifier, TorchClassifier)
    assert (
        classifier.classes == ("cat", "dog")
        and classifier.input_shape == (1, 10, 10)
        and "gradient" in classifier.offers
    )
    assert not any(part.training for part in classifier.module.modules())
    assert not any(parameter.requires_grad for parameter in classifier.module.parameters())
    for n in (1, 2, 5):
        x = torch.rand(n, 1, 10, 10, requires_grad=True)
        expected, got = reference(net, x), classifier.logits(x)
        assert torch.allclose(got, expected, atol=1e-5)
        slopes = [torch.autograd.grad(out[:, 1].sum(), x)[0] for out in (expected, got)]
        assert torch.allclose(slopes[0], slopes[1], atol=1e-5) and bool((slopes[0] != 0).any())
    assert load_classifier(file, input=INPUT, trust_code=True).classes == ("0", "1")


@pytest.mark.slow
def test_a_fixed_batch_is_said(save: Save, net: nn.Module) -> None:
    classifier = load_classifier(save("exported, batches of 3", net), classes=CLASSES, input=INPUT, trust_code=True)
    assert any("exactly 3" in note for note in classifier.notes)


class Pooled(nn.Module):
    """The mean over the picture by keyword: another operator than a pooling layer's."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.norm, self.head = nn.Conv2d(1, 4, 3), nn.LayerNorm(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(nn.functional.silu(nn.functional.max_pool2d(self.body(x), 2)).mean((2, 3))))


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [Pooled(), nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2))],
    ids=["mean", "average pooling"],
)
def test_operators_of_the_default_exporter_convert(module: nn.Module, save: Save) -> None:
    file = save("onnx", module.eval())
    classifier = load_classifier(file)
    x = torch.rand(3, 1, 10, 10)
    assert "gradient" in classifier.offers and torch.allclose(classifier.logits(x), module(x), atol=1e-5)
    assert any("largest difference from onnxruntime" in note for note in classifier.notes)


def _graph(file: Path, operator: str, **attributes: Any) -> Path:
    """Write a graph of one operator between a flattening and a multiplication."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node(operator, ["flat"], ["bent"], **attributes),
        helper.make_node("MatMul", ["bent", "weight"], ["out"]),
    ]
    weight = onnx.numpy_helper.from_array(np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32), "weight")
    ends = [
        helper.make_tensor_value_info("x", number, ["n", 1, 10, 10]),
        helper.make_tensor_value_info("out", number, ["n", 2]),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:], [weight]), opset_imports=[helper.make_opsetid("", 18)]
    )
    model.ir_version = 9
    onnx.save(model, file)
    return file


def test_a_graph_that_does_not_convert_gives_scores(tmp_path: Path) -> None:
    classifier = load_classifier(_graph(tmp_path / "net.onnx", "Mish"))
    assert classifier.offers == {"labels", "scores"} and any("does not convert" in note for note in classifier.notes)
    assert classifier.logits(torch.rand(3, 1, 10, 10, requires_grad=True)).shape == (3, 2)


def test_a_graph_that_converts_wrongly_gives_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx2torch = _onnx2torch()
    convert = onnx2torch.convert
    monkeypatch.setattr(onnx2torch, "convert", lambda model: nn.Sequential(convert(model), nn.Softmax(1)))
    classifier = load_classifier(_graph(tmp_path / "net.onnx", "Tanh"))
    assert classifier.offers == {"labels", "scores"} and any("differs by" in note for note in classifier.notes)


def _onnx2torch() -> Any:
    ensure_torchvision()
    return pytest.importorskip("onnx2torch")


SHARED = Path(__file__).resolve().parents[2] / "../shared"
NETS = sorted((SHARED / "data/vnncomp21/nets").glob("*.onnx"))


@pytest.mark.skipif(not NETS, reason="the VNN-COMP 2021 networks are not beside the repository")
@pytest.mark.parametrize("file", NETS, ids=lambda file: file.stem)
def test_vnncomp_networks_have_gradients(file: Path) -> None:
    pytest.importorskip("onnxruntime")
    classifier = load_classifier(file)
    assert "gradient" in classifier.offers and len(classifier.classes) == 10 and classifier.input_shape is not None
    # real inputs: a small network may be flat at noise
    box = np.load(file.parents[1] / f"props_{file.stem.partition('__')[0]}.npz")
    x = (
        torch.tensor((box["lb"] + box["ub"])[:4] / 2, dtype=torch.float32)
        .reshape(4, *classifier.input_shape)
        .requires_grad_()
    )
    together = classifier.logits(x)
    assert torch.allclose(together, torch.cat([classifier.logits(row[None]) for row in x]), atol=1e-5)
    assert bool((torch.autograd.grad(together[:, 0].sum(), x)[0] != 0).any())


@pytest.mark.slow
def test_timm_from_every_kind_of_weights_file(tmp_path: Path, save: Save, weights: dict[str, Tensor]) -> None:
    state = weights
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "a.pth")
    torch.save({"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "a.pt")
    x = torch.rand(2, 1, 32, 32)
    made = [
        load_classifier(name, base=tmp_path, classes=CLASSES, **RESNET) for name in ("a.safetensors", "a.pth", "a.pt")
    ]
    for classifier in made:
        assert torch.equal(classifier.logits(x), made[0].logits(x)) and len(classifier.digest) == 64
        assert "folded" in classifier.notes[-1]
    assert [classifier.notes[:-1] for classifier in made] == [
        (),
        (),
        ("the weights are those under 'state_dict.module' in the file",),
    ]
    assert len({classifier.digest for classifier in made}) == 3
    assert load_classifier("a.pth", base=tmp_path, **RESNET).classes == ("0", "1")
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    save_file(half, tmp_path / "half.safetensors")
    classifier = load_classifier("half.safetensors", base=tmp_path, classes=CLASSES, **RESNET)
    assert (
        classifier.notes[0] == "weights are stored as float16 and used as float32"
        and classifier.logits(x).dtype == torch.float32
    )
    assert torch.allclose(classifier.logits(x), made[0].logits(x), atol=0.02)


def test_timm_local_folder(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    state = weights
    (tmp_path / "folder").mkdir()
    save_file(state, tmp_path / "folder/model.safetensors")
    trained = {"input_size": [1, 32, 32], "mean": [0.4], "std": [0.2]}
    config = {
        "architecture": "resnet10t",
        "num_classes": 2,
        "model_args": SMALL,
        "pretrained_cfg": trained,
        "label_names": CLASSES,
    }
    (tmp_path / "folder/config.json").write_text(json.dumps(config))
    classifier = load_classifier("local-dir:folder", base=tmp_path)
    assert (
        classifier.classes == ("cat", "dog")
        and classifier.input_shape == (1, 32, 32)
        and any("config.json" in note for note in classifier.notes)
    )
    save_file(state, tmp_path / "a.safetensors")
    same = load_classifier(
        "a.safetensors", base=tmp_path, **{**RESNET, "input": {"size": 32, "channels": 1, "mean": [0.4], "std": [0.2]}}
    )
    x = torch.rand(2, 1, 32, 32)
    assert torch.equal(classifier.logits(x), same.logits(x))


PYTHON = """
import torch
from torch import nn

def make(width=2, value=1.0):
    net = nn.Sequential(nn.Flatten(), nn.Linear(100, width))
    nn.init.constant_(net[1].weight, value)
    return net

class Scores:
    classes = ("a", "b")
    def logits(self, x):
        return torch.stack([x.sum((1, 2, 3)), -x.sum((1, 2, 3))], 1)

def scores():
    return Scores()

def broken():
    raise RuntimeError("no such thing")
"""


def test_python_only_with_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_for_test.py").write_text(PYTHON)
    with pytest.raises(ClassifierError, match="--trust-code"):
        load_classifier("mine_for_test.py:make", base=tmp_path, input=INPUT)
    one = load_classifier("mine_for_test.py:make", base=tmp_path, input=INPUT, trust_code=True)
    other = load_classifier(
        "mine_for_test.py:make", base=tmp_path, input=INPUT, trust_code=True, settings={"value": 2.0}
    )
    assert one.classes == ("0", "1") and one.digest != other.digest
    scores = load_classifier("mine_for_test.py:scores", base=tmp_path, input=INPUT, trust_code=True)
    assert scores.classes == ("a", "b") and "gradient" not in scores.offers
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_classifier("mine_for_test:make", "python", trust_code=True, classes=CLASSES).classes == ("cat", "dog")
    for path, sentence in (
        ("mine_for_test.py:mke", "did you mean 'make'"),
        ("mine_for_test.py:broken", "RuntimeError: no such thing"),
        ("no.py:f", "nothing there"),
    ):
        with pytest.raises(ClassifierError, match=sentence):
            load_classifier(path, base=tmp_path, input=INPUT, trust_code=True)


def test_every_train_flag_is_restored(net: nn.Module) -> None:
    net.train()
    net.get_submodule("body.1").eval()
    before = [part.training for part in net.modules()]
    assert len(set(before)) == 2
    with pytest.raises(ValueError, match="inside"), evaluating(net):
        assert not any(part.training for part in net.modules())
        raise ValueError("inside")
    assert [part.training for part in net.modules()] == before


def test_every_source_takes_the_common_settings() -> None:
    assert {"timm", "torchscript", "exported", "onnx", "python", "sklearn", "command"} <= set(classifiers.names())
    for entry in classifiers:
        common = {"classes"} if entry.facts.get("modality") == "table" else {"low", "high", "classes", "input"}
        assert common <= set(classifiers.settings_model(entry.name).model_fields) and entry.summary


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "data/mri_lgg").is_dir(), reason="the MRI slices are not beside the repository")
def test_mri_slices() -> None:
    from auditor.samples import data

    folder, images = SHARED / "data/mri_lgg", data["images"].make
    trained = {"size": 128, "channels": 1, "mean": [0.15], "std": [0.2]}
    classifier = load_classifier(
        SHARED / "models/mri_lgg_resnet10t_128.safetensors",
        name="resnet10t",
        classes=["normal", "abnormal"],
        input=trained,
    )
    settings = data.bind(
        "images",
        {"manifest": "manifest.csv", "mask": "mask", "unit": "patient_id", "groups": ["sex"], "where": {"fold": [0]}},
    )
    samples = images(folder, classifier.classes, classifier.input_shape, **settings)
    assert len(samples) == 133 and samples.mask_share.count(0.0) == 62 and samples.levels == 255
    chunk = samples.load(range(133))
    with torch.no_grad():
        right = (classifier.logits(chunk.x).argmax(1) == chunk.y).double().mean().item()
    assert abs(right - 0.880) <= 0.01
