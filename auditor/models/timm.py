"""A timm architecture by name with its weights from a file."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import replace
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

FOLDER = "local-dir:"


@classifiers.register("timm")
def timm(
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
    """Architecture of timm by name, weights from .safetensors, .pt or local-dir:FOLDER.

    Parameters
    ----------
    path
        Weights file, or 'local-dir:' and a folder that holds config.json and model.safetensors. Nothing is downloaded.
    name
        Architecture, such as 'resnet10t'; read from config.json for a folder.
    checkpoint
        Which weights of a file that holds several, such as 'ema'.
    settings
        Passed on to timm.create_model, such as channels=[8, 16, 32, 64].
    """
    notes: list[str] = []
    if path.startswith(FOLDER):
        config = _config(locate(f"{path.removeprefix(FOLDER)}/config.json", _base))
        trained = config.get("pretrained_cfg", {})
        settings = {**config.get("model_args", {}), **settings}
        input = input or _input(trained, notes)
        classes = classes or config.get("label_names") or trained.get("label_names")
        name, path = name or config.get("architecture"), f"{path.removeprefix(FOLDER)}/model.safetensors"
    file, input = locate(path, _base), input or Input()
    build = partial(_build, name or "", input.channels, settings=settings, where=str(file))
    known = Network(where=str(file), classes=classes, input=input, output=output, low=low, high=high, device=_device)
    return built_from(Architecture(build, name or "", settings, checkpoint), replace(known, notes=tuple(notes)))


def _build(name: str, channels: int, width: int, *, settings: dict[str, Any], where: str) -> nn.Module:
    """Return the architecture with random weights."""
    if not name:
        raise ClassifierError(f"{where}: source timm expects the architecture's name, such as name: resnet18.")
    library = _timm()
    if not library.is_model(name.partition(".")[0]):
        raise ClassifierError(
            f"{where}: expected the name of a timm architecture, got '{name}'; {nearest(name, library.list_models())}"
        )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module=r"timm\.")
            module = library.create_model(
                name, pretrained=False, **{"num_classes": width, "in_chans": channels, **settings}
            )
    except (TypeError, RuntimeError, ValueError, AttributeError) as error:
        raise ClassifierError(
            f"{where}: timm cannot build '{name}' with settings {settings}: {first_line(error)}"
        ) from None
    assert isinstance(module, nn.Module)
    return module


def _config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ClassifierError(f"{file}: expected timm's config.json, got: {error}") from None
    if not isinstance(config, dict) or "architecture" not in config:
        raise ClassifierError(f"{file}: expected timm's config.json with the key 'architecture', got none.")
    return config


def _input(trained: dict[str, Any], notes: list[str]) -> Input:
    """Return the input that config.json declares."""
    notes.append("input size, mean and std are those of config.json")
    channels, height, width = trained.get("input_size") or (3, None, None)
    return Input(
        size=(height, width) if height else None,
        channels=channels,
        mean=list(trained.get("mean", ())),
        std=list(trained.get("std", ())),
    )


def _timm() -> Any:
    """Return the timm library, which must not go to the network."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    ensure_torchvision()
    import timm as library

    return library
