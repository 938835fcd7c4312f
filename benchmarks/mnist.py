"""MNIST's test images, and the small network that several benchmarks share."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

CLASSES = [str(digit) for digit in range(10)]


def network(state: Mapping[str, Tensor]) -> nn.Module:
    """Return the network with the given weights, frozen."""
    layers = [
        nn.Conv2d(1, 16, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, 2, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1568, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    ]
    module = nn.Sequential(*layers)
    module.load_state_dict(state)
    return module.eval().requires_grad_(False)


def test_set(folder: Path) -> tuple[Tensor, Tensor]:
    """Return MNIST's test images (10000, 1, 28, 28) between 0 and 1, and their labels, from data/mnist_test of a
    folder.
    """
    raw = {
        name: gzip.decompress((folder / f"data/mnist_test/t10k-{name}-ubyte.gz").read_bytes())
        for name in ("images-idx3", "labels-idx1")
    }
    images = np.frombuffer(raw["images-idx3"], np.uint8, offset=16).reshape(-1, 1, 28, 28)
    labels = np.frombuffer(raw["labels-idx1"], np.uint8, offset=8)
    return torch.tensor(images / 255.0, dtype=torch.float32), torch.tensor(labels.astype(np.int64))
