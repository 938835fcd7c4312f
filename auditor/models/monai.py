"""A MONAI architecture by name with its weights from a file."""

from __future__ import annotations

import inspect
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
from auditor.models.torchvision import ensure_torchvision
from auditor.models.weights import locate

SPELLINGS = (("in_channels", "out_channels"), ("in_channels", "num_classes"), ("n_input_channels", "num_classes"))
"""What MONAI's networks call their numbers of channels and of classes."""


@classifiers.register("monai")
def monai(
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
    """Two-dimensional architecture of MONAI by name, weights from .safetensors, .pt or .pth; needs the package monai.

    Parameters
    ----------
    name
        Class or function of monai.networks.nets, such as 'DenseNet121'.
    checkpoint
        Which weights of a file that holds several, such as 'ema'.
    settings
        Passed on to it, such as model_name='efficientnet-b0'.
    """
    file, input = locate(path, _base), input or Input()
    build = partial(_build, name or "", input.channels, settings=settings, where=str(file))
    known = Network(where=str(file), classes=classes, input=input, output=output, low=low, high=high, device=_device)
    return built_from(Architecture(build, name or "", settings, checkpoint), known)


def _build(name: str, channels: int, width: int, *, settings: dict[str, Any], where: str) -> nn.Module:
    """Return the architecture with random weights."""
    ensure_torchvision()
    try:
        from monai.networks import nets
    except ImportError as error:
        raise ClassifierError(f"{where}: source monai needs one more package: pip install monai ({error}).") from None
    make = getattr(nets, name, None)
    if not callable(make):
        known = [key for key, value in vars(nets).items() if callable(value)]
        raise ClassifierError(f"{where}: expected the name of a MONAI network, got '{name}'; {nearest(name, known)}")
    # some of MONAI's networks download trained weights unless they are told not to
    local = {"pretrained": False} if "pretrained" in inspect.signature(make).parameters else {}
    failure = ""
    for inward, outward in SPELLINGS:
        try:
            made = make(**{"spatial_dims": 2, inward: channels, outward: width, **local, **settings})
        except (TypeError, RuntimeError, ValueError) as error:
            failure = failure or first_line(error)
            continue
        if isinstance(made, nn.Module):
            return made
    raise ClassifierError(f"{where}: MONAI cannot build '{name}' with settings {settings}: {failure}")
