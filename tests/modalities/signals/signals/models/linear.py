"""A linear classifier of signals in a NumPy archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from auditor.core.records import digest
from auditor.models import classifiers
from auditor.models.classifier import TorchClassifier


@classifiers.register("signal_linear")
def signal_linear(
    path: str,
    *,
    low: float = 0.0,
    high: float = 1.0,
    classes: list[str],
    _base: Path = Path("."),
    _trust_code: bool = False,
    _device: str = "cpu",
) -> TorchClassifier:
    """Weights of an archive (.npz): `weight` (length,) and `bias` (), the log odds of the last of two classes."""
    file = _base / path
    with np.load(file) as archive:
        weight, bias = (torch.tensor(archive[name], dtype=torch.float32) for name in ("weight", "bias"))
    layer = nn.Linear(len(weight), 2)
    layer.weight.data, layer.bias.data = torch.stack([-weight, weight]) / 2, torch.stack([-bias, bias]) / 2
    return TorchClassifier(
        layer.requires_grad_(False),
        classes=classes,
        low=low,
        high=high,
        name=file.stem,
        digest=digest(file.read_bytes()),
        input_shape=tuple(weight.shape),
        device=_device,
    )
