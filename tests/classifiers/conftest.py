"""A small trained network and its files, for every test of loading."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditor.torchvision import ensure_torchvision


class Net(nn.Module):
    """A convolution with batch normalisation and dropout, so that training mode would show."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Dropout(0.5))
        self.head = nn.Linear(4 * 64, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        return self.head(x.reshape(x.shape[0], -1))


def save_script(net: nn.Module, file: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(net).save(str(file))
    return file


def save_program(net: nn.Module, file: Path, *, rows: int, free: bool) -> Path:
    shapes = ({0: torch.export.Dim("batch")},) if free else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(net, (torch.rand(rows, 1, 10, 10),), dynamic_shapes=shapes), file)
    return file


def save_onnx(net: nn.Module, file: Path, *, rows: int, free: bool, **options: Any) -> Path:
    pytest.importorskip("onnxruntime")
    ensure_torchvision()
    shapes = ({0: torch.export.Dim("batch")},) if free else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(net, (torch.rand(rows, 1, 10, 10),), dynamo=True, verbose=False, dynamic_shapes=shapes, **options)
        assert program is not None
        program.save(str(file))
    return file


FILES: dict[str, Callable[[nn.Module, Path], Path]] = {
    "torchscript": lambda net, folder: save_script(net, folder / "net.pt"),
    "exported": lambda net, folder: save_program(net, folder / "net.pt2", rows=2, free=True),
    "exported, batches of 3": lambda net, folder: save_program(net, folder / "net.pt2", rows=3, free=False),
    "onnx": lambda net, folder: save_onnx(net, folder / "net.onnx", rows=2, free=True),
    "onnx, batch of one": lambda net, folder: save_onnx(net, folder / "net.onnx", rows=1, free=False),
    "onnx, opset 18": lambda net, folder: save_onnx(net, folder / "net.onnx", rows=2, free=True, opset_version=18),
}


@pytest.fixture
def net() -> Net:
    net = Net()
    net(torch.rand(16, 1, 10, 10))  # running statistics that are not the initial ones
    return net.eval()


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str, nn.Module], Path]:
    """Return the function that writes a module as one of FILES."""
    return lambda kind, module: FILES[kind](module, tmp_path)


@pytest.fixture
def weights() -> dict[str, Tensor]:
    """Return the weights of a timm architecture for grey images and two classes."""
    ensure_torchvision()
    import timm

    torch.manual_seed(0)
    return dict(timm.create_model("resnet10t", in_chans=1, num_classes=2, channels=[8, 8, 8, 8], stem_width=8).state_dict())
