"""A torchvision architecture by name with its weights from a file.

Also a torchvision that can be imported where its compiled part does not fit the torch that is installed.
"""

from __future__ import annotations

import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from auditor.core.errors import ClassifierError, nearest
from auditor.models import Input, classifiers
from auditor.models.architecture import Architecture, built_from
from auditor.models.classifier import TorchClassifier
from auditor.models.first_look import first_line
from auditor.models.network import Network
from auditor.models.output import OutputSetting
from auditor.models.weights import locate

_kept: list[Any] = []
"""torch forgets what a Library defined when the Library goes."""


def ensure_torchvision() -> None:
    """Make `import torchvision` work; call it before timm or onnx2torch is imported.

    A CPU build of torch beside a CUDA build of torchvision fails with "operator torchvision::nms does not exist".
    Declaring
    the two operators is enough for everything that Auditor needs of it; on a healthy machine nothing happens.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        import torch

        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        _kept.append(library)
        import torchvision  # noqa: F401


@classifiers.register("torchvision")
def torchvision(
    path: str,
    *,
    low: float = 0.0,
    high: float = 1.0,
    classes: list[str] | None = None,
    input: Input | None = None,
    output: OutputSetting = None,
    name: str | None = None,
    checkpoint: str | None = None,
    settings: dict[str, Any] = {},  # noqa: B006
    _base: Path = Path("."),
    _trust_code: bool = False,
    _device: str = "cpu",
) -> TorchClassifier:
    """Architecture of torchvision by name, weights from .safetensors, .pt or .pth. Nothing is downloaded.

    Parameters
    ----------
    name
        Architecture, such as 'densenet121'.
    checkpoint
        Which weights of a file that holds several, such as 'ema'.
    settings
        Passed on to torchvision.models.get_model, such as drop_rate=0.2.
    """
    file, input = locate(path, _base), input or Input()
    build = partial(_build, name or "", input.channels, settings=settings, where=str(file))
    known = Network(where=str(file), classes=classes, input=input, output=output, low=low, high=high, device=_device)
    return built_from(Architecture(build, name or "", settings, checkpoint), known)


def _build(name: str, channels: int, width: int, *, settings: dict[str, Any], where: str) -> nn.Module:
    """Return the architecture with random weights."""
    if channels != 3:
        raise ClassifierError(
            f"{where}: expected input.channels to be 3 for a network of torchvision, got {channels}; grey images are"
            " shown in three equal channels."
        )
    ensure_torchvision()
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise ClassifierError(
            f"{where}: expected the name of a torchvision architecture, got '{name}'; {nearest(name, known)}"
        )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, module=r"torchvision\.")
            module: nn.Module = models.get_model(name, weights=None, **{"num_classes": width, **settings})
    except (TypeError, RuntimeError, ValueError) as error:
        raise ClassifierError(
            f"{where}: torchvision cannot build '{name}' with settings {settings}: {first_line(error)}"
        ) from None
    return module
