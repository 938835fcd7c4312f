"""A TorchScript archive."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from auditor.core.errors import ClassifierError
from auditor.models import Input, classifiers
from auditor.models.classifier import TorchClassifier
from auditor.models.first_look import first_line, width_of
from auditor.models.weights import class_names, file_digest, freeze, locate


@classifiers.register("torchscript")
def torchscript(
    path: str,
    *,
    low: float = 0.0,
    high: float = 1.0,
    classes: list[str] | None = None,
    input: Input | None = None,
    _base: Path = Path("."),
    _trust_code: bool = False,
    _device: str = "cpu",
) -> TorchClassifier:
    """TorchScript archive (.pt) written by torch.jit.save."""
    file = locate(path, _base)
    return from_module(_load(file), file, classes=classes, input=input or Input(), low=low, high=high, device=_device)


def from_module(
    module: nn.Module,
    file: Path,
    *,
    classes: Sequence[str] | None,
    input: Input,
    low: float,
    high: float,
    device: str,
    notes: Sequence[str] = (),
) -> TorchClassifier:
    """Return the classifier of a module that came whole out of a file; the classes are counted at a first input where
    they have no names.
    """
    stored = freeze(module, where=str(file))
    if classes is None:
        if input.shape is None:
            raise ClassifierError(
                f"{file}: expected `classes` or `input.size`, got neither, so the number of classes is not known."
            )
        classes = class_names(None, width_of(module, input, low, high=high, where=str(file)), where=str(file))
    return TorchClassifier(
        module,
        classes=classes,
        low=low,
        high=high,
        name=file.stem,
        digest=file_digest(file),
        input_shape=input.shape,
        mean=input.mean,
        std=input.std,
        device=device,
        notes=(*notes, *stored),
    )


def is_archive(file: Path) -> bool:
    """Return whether a file is a TorchScript archive: a zip file that holds code beside its tensors."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any("/code/" in name for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _load(file: Path) -> nn.Module:
    if not is_archive(file):
        raise ClassifierError(
            f"{file}: expected a TorchScript archive of torch.jit.save, got a file without code; for a state dict use"
            " source: timm."
        )
    try:
        with warnings.catch_warnings():
            # TorchScript is deprecated for its authors; whoever audits an archive cannot change that
            warnings.filterwarnings("ignore", message=r".*torch\.jit.*", category=DeprecationWarning)
            module: Any = torch.jit.load(file, map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise ClassifierError(f"{file}: expected a whole TorchScript archive, got: {first_line(error)}") from None
    assert isinstance(module, nn.Module)
    return module
