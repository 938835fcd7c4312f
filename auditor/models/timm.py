"""A timm architecture by name with its weights from a file."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from auditor.core.errors import ClassifierError, nearest
from auditor.core.records import digest
from auditor.models import Input, classifiers
from auditor.models.classifier import TorchClassifier
from auditor.models.torchvision import ensure_torchvision
from auditor.models.weights import class_names, file_digest, fit, freeze, locate, read_weights

FOLDER = "local-dir:"


@classifiers.register("timm")
def timm(
    path: str,
    *,
    low: float = 0.0,
    high: float = 1.0,
    classes: list[str] | None = None,
    input: Input | None = None,
    name: str | None = None,
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
        name = name or config.get("architecture")
        path = f"{path.removeprefix(FOLDER)}/model.safetensors"
    file = locate(path, _base)
    if not name:
        raise ClassifierError(f"{file}: source timm expects the architecture's name, such as name: resnet18, got none.")
    input = input or Input()
    state, stored = read_weights(file)
    module = _build(name, {"in_chans": input.channels, **settings}, state, classes=classes, where=str(file))
    freeze(module, where=str(file))
    made_of = digest([file_digest(file), name, settings]) if settings else file_digest(file)
    return TorchClassifier(
        module,
        classes=class_names(classes, int(module.num_classes), where=str(file)),  # type: ignore[arg-type]
        low=low,
        high=high,
        name=name,
        digest=made_of,
        input_shape=input.shape,
        mean=input.mean,
        std=input.std,
        device=_device,
        notes=(*notes, *stored),
    )


def _build(
    name: str, settings: dict[str, Any], state: dict[str, Tensor], *, classes: list[str] | None, where: str
) -> nn.Module:
    """Return the architecture with its weights; the number of classes is the weights' own."""
    library = _timm()
    if not library.is_model(name.partition(".")[0]):
        raise ClassifierError(
            f"{where}: expected the name of a timm architecture, got '{name}'; {nearest(name, library.list_models())}"
        )
    head = library.get_pretrained_cfg(name, allow_unregistered=True)
    key = f"{_first(head.classifier) if head is not None else 'fc'}.weight"
    width = len(state[key]) if key in state else len(classes or ())
    if key in state:
        class_names(classes, width, where=where)
    elif not classes:
        raise ClassifierError(
            f"{where}: expected '{key}' among the weights to count the classes, got none; name the `classes` in the"
            " audit file."
        )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module=r"timm\.")
            module = library.create_model(name, pretrained=False, **{"num_classes": width, **settings})
    except (TypeError, RuntimeError, ValueError, AttributeError) as error:
        raise ClassifierError(
            f"{where}: timm cannot build '{name}' with settings {settings}: {str(error).splitlines()[0]}"
        ) from None
    assert isinstance(module, nn.Module)
    fit(module, state, where=f"{where} as {name}")
    return module


def _first(head: str | tuple[str, ...] | None) -> str:
    return (head or "fc") if isinstance(head, str | None) else head[0]


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
