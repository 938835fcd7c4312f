"""ONNX graphs of images, written by hand: each answers as the torch network of the same weights, with its gradient."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from auditor.core.errors import ClassifierError
from auditor.models.classifier import ScoreClassifier, TorchClassifier
from auditor.models.load import load_classifier
from auditor.models.torchvision import ensure_torchvision

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
ensure_torchvision()
pytest.importorskip("onnx2torch")
INPUT = {"size": 6, "channels": 3, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1]}
X = torch.rand((4, 3, 6, 6), generator=torch.Generator().manual_seed(3))


def weights(width: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    return torch.randn((5, 3, 3, 3), generator=draw), torch.randn((5, width), generator=draw)


def reference(x: Tensor, width: int) -> Tensor:
    kernel, head = weights(width)
    x = (x - torch.tensor(INPUT["mean"]).view(1, 3, 1, 1)) / torch.tensor(INPUT["std"]).view(1, 3, 1, 1)
    return torch.relu(torch.conv2d(x, kernel)).mean((2, 3)) @ head


def graph(
    file: Path,
    *,
    width: int = 2,
    last: bool = False,
    constant: bool = False,
    end: str = "",
    sides: tuple[Any, ...] = (3, 6, 6),
    more: bool = False,
) -> Path:
    """Write convolution, ReLU, mean, product; `last` for channels last, `constant` for weights in Constant nodes."""
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    names = zip(("kernel", "head"), weights(width), strict=True)
    tensors = [onnx.numpy_helper.from_array(value.numpy(), name) for name, value in names]
    nodes = [helper.make_node("Constant", [], [one.name], value=one) for one in tensors] if constant else []
    nodes += [helper.make_node("Transpose", ["x"], ["turned"], perm=[0, 3, 1, 2])] if last else []
    nodes += [
        helper.make_node("Conv", ["turned" if last else "x", "kernel"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("MatMul", ["f", "head"], ["z" if end else "y"]),
    ]
    nodes += [helper.make_node(end, ["z"], ["y"])] if end else []
    inlet = helper.make_tensor_value_info("x", number, ["n", *sides])
    outlets = [helper.make_tensor_value_info("y", number, ["n", width])]
    outlets += [helper.make_tensor_value_info("f", number, ["n", 5])] if more else []
    made = helper.make_graph(nodes, "g", [inlet], outlets, [] if constant else tensors)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, file)
    return file


def agrees(file: Path, expected: Tensor, **said: Any) -> TorchClassifier:
    """Return the classifier of a graph after its answers and gradient were compared."""
    classifier = load_classifier(file, input=INPUT, **said)
    assert isinstance(classifier, TorchClassifier) and classifier.input_shape == (3, 6, 6)
    assert torch.allclose(classifier.logits(X), expected, atol=1e-4)
    x, width = X.clone().requires_grad_(), 2 if expected.shape[1] == 2 else 1
    (slope,) = torch.autograd.grad(classifier.logits(x)[:, width - 1].sum(), x)
    assert bool((slope != 0).any())
    return classifier


@pytest.mark.parametrize("sides", [(6, 6, 3), (None, None, 3)], ids=["fixed", "free"])
def test_channels_last(tmp_path: Path, sides: tuple[Any, ...]) -> None:
    file = graph(tmp_path / "net.onnx", last=True, sides=sides)
    classifier = agrees(file, reference(X, 2))
    assert any("channels last" in note for note in classifier.notes)


def test_channels_first_is_not_turned(tmp_path: Path) -> None:
    classifier = agrees(graph(tmp_path / "net.onnx"), reference(X, 2))
    assert not any("channels last" in note for note in classifier.notes)


def test_weights_in_constant_nodes_have_gradients(tmp_path: Path) -> None:
    agrees(graph(tmp_path / "net.onnx", constant=True), reference(X, 2))


@pytest.mark.parametrize("end", ["", "Sigmoid"])
def test_one_logit(tmp_path: Path, end: str) -> None:
    z = reference(X, 1)
    agrees(graph(tmp_path / "net.onnx", width=1, end=end), torch.cat([-z / 2, z / 2], 1))


def test_a_softmax_is_taken_off(tmp_path: Path) -> None:
    classifier = agrees(graph(tmp_path / "net.onnx", end="Softmax"), reference(X, 2))
    assert any("softmax at the end of the network was taken off" in note for note in classifier.notes)


def test_without_gradients_the_output_is_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.models.onnx.converted", lambda *_, **__: (None, "no gradients"))
    for end, width in (("Softmax", 2), ("Sigmoid", 1)):
        classifier = load_classifier(graph(tmp_path / "net.onnx", width=width, end=end), input=INPUT)
        z = reference(X, width)
        expected = z.log_softmax(1) if width == 2 else torch.cat([-z / 2, z / 2], 1)
        assert isinstance(classifier, ScoreClassifier)
        assert torch.allclose(classifier.logits(X), expected, atol=0.02)  # float32 near a probability of 1


def test_one_of_several_outputs(tmp_path: Path) -> None:
    file = graph(tmp_path / "net.onnx", more=True)
    with pytest.raises(ClassifierError, match="outputs y, f; .*`output: y`"):
        load_classifier(file, input=INPUT)
    with pytest.raises(ClassifierError, match="outputs y, f, got 'g'"):
        load_classifier(file, input=INPUT, output="g")
    for pick in ("y", 0):
        agrees(file, reference(X, 2), output=pick)
