"""A TorchScript archive."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from auditor.core.errors import ClassifierError
from auditor.models import Input, classifiers
from auditor.models.classifier import TorchClassifier
from auditor.models.first_look import first_line
from auditor.models.network import Network, classifier_of
from auditor.models.output import OutputSetting
from auditor.models.weights import locate


@classifiers.register("torchscript")
def torchscript(
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
    """TorchScript archive (.pt) written by torch.jit.save."""
    file, input = locate(path, _base), input or Input()
    known = Network(where=str(file), classes=classes, input=input, output=output, low=low, high=high, device=_device)
    return classifier_of(_load(file), known)


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
