"""Small classifiers with a known truth: trained on phantoms, and asked by intervention how much the nuisance moves
them.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from planted_images import LESIONS, NUISANCES, Lesion, dealt, render, scenes
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, max_pool2d

IMAGES, EPOCHS, BATCH, RATE = 4096, 5, 64, 1e-2
WIDTHS = (8, 16, 24)
HELD_OUT = 400
"""Scenes on which accuracy and the true share are measured; never seen in training nor in an audit."""


class Net(nn.Module):
    """Three convolutions, then the mean and the largest value of every channel; takes grey values in [0, 1]."""

    def __init__(self, channels: int, *, levels: int = 0) -> None:
        super().__init__()
        self.levels = levels
        widths = (channels, *WIDTHS)
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(
                    widths[k], widths[k + 1], 3 if k else 5, stride=1 if k else 2, padding=1 if k else 2, bias=False
                )
                for k in range(3)
            ]
        )
        self.norms = nn.ModuleList([nn.BatchNorm2d(b) for b in widths[1:]])
        self.head: nn.Module = nn.Linear(2 * widths[-1], 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, 2) of images (n, channels, height, width)."""
        if self.levels > 0:  # rounding has no gradient: an attack that follows the gradient stands still
            x = torch.round(x * (self.levels - 1)) / (self.levels - 1)
        x = (x - 0.4) / 0.1
        for depth, (layer, norm) in enumerate(zip(self.layers, self.norms)):  # noqa: B905 (TorchScript knows no strict)
            x = torch.relu(norm(layer(x)))
            if depth == 1:
                x = max_pool2d(x, 2)
        return self.head(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))


def pixels(images: NDArray[np.uint8]) -> Tensor:
    """Return images as the network takes them: (n, channels, height, width) float32 in [0, 1]."""
    x = torch.from_numpy(images).float() / 255
    return x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2).contiguous()


def train(kind: str, looks: Lesion, share: float, *, seed: int, levels: int = 0) -> Net:
    """Return a network trained on phantoms whose nuisance agrees with the class in `share` of the images."""
    drawn = scenes(IMAGES, seed=seed, looks=looks)
    labels = np.arange(IMAGES) % 2
    images = render(drawn, labels, dealt(labels, drawn.patients, share, seed=seed), kind)
    torch.manual_seed(seed)
    x, y, net = pixels(images), torch.from_numpy(labels), Net(3 if kind == "colour" else 1, levels=levels)
    return fit(net, x, y)


def fit(net: Net, x: Tensor, y: Tensor, *, epochs: int = EPOCHS) -> Net:
    """Return the network after training on images and labels; the caller has seeded torch."""
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=RATE, total_steps=epochs * -(-len(x) // BATCH))
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            loss = cross_entropy(net(x[rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net.eval()


def recipe() -> str:
    """Return a digest of what training is fed and how long: weights of another recipe are not these models."""
    seen = hashlib.sha256(repr((IMAGES, EPOCHS, BATCH, RATE, WIDTHS)).encode())
    for looks in LESIONS.values():
        drawn = scenes(4, seed=0, looks=looks)
        for kind in NUISANCES:
            seen.update(render(drawn, np.arange(4) % 2, np.arange(4) > 1, kind).tobytes())
    return seen.hexdigest()[:12]


def save(net: Net, file: Path) -> None:
    """Write a network as a TorchScript archive; a file that is there is whole."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit.*", category=DeprecationWarning)
        torch.jit.script(net).save(file.with_suffix(".part"))
    file.with_suffix(".part").replace(file)


def load(file: Path) -> nn.Module:
    """Return a saved network."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit.*", category=DeprecationWarning)
        return torch.jit.load(file)


def margins(net: nn.Module, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the logit of class 1 less that of class 0 (n,)."""
    with torch.no_grad():
        logits = net(pixels(images))
    return (logits[:, 1] - logits[:, 0]).double().numpy()


def truth(net: nn.Module, kind: str, looks: Lesion, *, mask: str, seed: int, agreement: float) -> dict[str, float]:
    """Return what the network does, by intervention on held-out scenes: what lies inside the mask set to one class,
    what lies outside to the other.

    Outside, the nuisance agrees with the class in the share of images in which it does in the audit data: more the
    auditor cannot see.
    """
    drawn = scenes(HELD_OUT, seed=seed, looks=looks)
    agrees = dealt(np.ones(HELD_OUT, np.int64), drawn.patients, agreement, seed=seed)

    def arm(inside: int, outside: int) -> NDArray[np.float64]:
        beside = np.full(HELD_OUT, outside if mask == "mask" else inside)
        return margins(net, render(drawn, np.full(HELD_OUT, inside), agrees == bool(outside), kind, beside=beside))

    own, foreign, other, neither = (arm(inside, outside) for inside in (1, 0) for outside in (1, 0))
    inside, outside = (
        float((own - other + foreign - neither).mean() / 2),
        float((own - foreign + other - neither).mean() / 2),
    )
    labels = np.arange(HELD_OUT) % 2
    found = margins(net, render(drawn, labels, dealt(labels, drawn.patients, 0.5, seed=seed), kind))
    total = abs(inside) + abs(outside)
    return {
        "inside": inside,
        "outside": outside,
        "share": outside / total if total else 0.0,
        "accuracy": float(((found > 0) == (labels == 1)).mean()),
    }
