"""An image classifier that Hugging Face's transformers saved in a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from torch import nn

from auditor.core.errors import ClassifierError
from auditor.models import Input, classifiers
from auditor.models.classifier import TorchClassifier
from auditor.models.first_look import first_line
from auditor.models.network import Network, classifier_of
from auditor.models.output import Output, OutputSetting
from auditor.models.torchvision import ensure_torchvision
from auditor.models.weights import locate


@classifiers.register("huggingface")
def huggingface(
    path: str,
    *,
    low: float = 0.0,
    high: float = 1.0,
    classes: list[str] | None = None,
    input: Input | None = None,
    output: OutputSetting = None,
    _base: Path = Path("."),
    _trust_code: bool = False,
    _device: str = "cpu",
) -> TorchClassifier:
    """Image classifier of transformers from a local folder with config.json and model.safetensors. Nothing is
    downloaded.

    Parameters
    ----------
    path
        The folder. Its labels are the classes, and its preprocessor_config.json gives size, mean and std, where the
        audit file does not declare them.
    """
    file = locate(f"{path}/model.safetensors", _base)
    config = _object(locate(f"{path}/config.json", _base))
    taken, notes = _input(file.with_name("preprocessor_config.json"), config, input)
    labels = config.get("id2label") or {}
    known = Network(
        where=str(file),
        name=str((config.get("architectures") or [file.parent.name])[0]),
        classes=classes or [labels[key] for key in sorted(labels, key=int)] or None,
        input=taken,
        output=(output or Output()).model_copy(update={"pick": (output and output.pick) or "logits"}),
        low=low,
        high=high,
        device=_device,
        notes=notes,
    )
    return classifier_of(_load(file), known)


def _object(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ClassifierError(f"{file}: expected a JSON file, got: {error}") from None
    if not isinstance(content, dict):
        raise ClassifierError(f"{file}: expected an object, got a {type(content).__name__}.")
    return content


def _input(file: Path, config: dict[str, Any], declared: Input | None) -> tuple[Input, tuple[str, ...]]:
    """Return the network's input as declared, or as its folder says, and a note on it."""
    if declared is not None:
        return declared, ()
    if not file.is_file():
        raise ClassifierError(f"{file}: expected this file, or `input` with size, mean and std in the audit file.")
    given = _object(file)
    size = given.get("crop_size") if given.get("do_center_crop") else given.get("size")
    size = config.get("image_size") if size is None else size
    if isinstance(size, dict):
        height, width = (size.get(side, size.get("shortest_edge")) for side in ("height", "width"))
        size = (height, width) if height and width else None
    scaled = given.get("do_normalize", True)
    taken = Input(
        size=tuple(size) if isinstance(size, list) else size,
        channels=config.get("num_channels", 3),
        mean=list(given.get("image_mean") or ()) if scaled else [],
        std=list(given.get("image_std") or ()) if scaled else [],
    )
    note = "input size, mean and std are those of preprocessor_config.json"
    crop = "; images are resized to that size as a whole, without the crop that this file declares"
    return taken, (note + crop * bool(given.get("do_center_crop")),)


def _load(file: Path) -> nn.Module:
    """Return the network of a folder (ClassifierError: its weights do not fit its config.json)."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    ensure_torchvision()
    try:
        from transformers import AutoModelForImageClassification
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise ClassifierError(
            f"{file}: source huggingface needs one more package: pip install transformers ({error})."
        ) from None
    disable_progress_bar()
    try:
        made, seen = AutoModelForImageClassification.from_pretrained(
            file.parent,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except (ImportError, OSError, ValueError, TypeError, RuntimeError) as error:
        raise ClassifierError(f"{file}: transformers cannot load this network: {first_line(error)}") from None
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if seen.get(kind):
            first, count = sorted(map(str, seen[kind]))[0], len(seen[kind])
            raise ClassifierError(
                f"{file}: the weights do not fit config.json, first of the {kind.replace('_', ' ')} '{first}'"
                f" ({count} in all)."
            )
    assert isinstance(made, nn.Module)
    return made
