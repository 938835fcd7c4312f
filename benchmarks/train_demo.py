"""Train the two small classifiers of the image demonstration: python benchmarks/train_demo.py [--out FOLDER].

`honest` sees a marker that tells nothing, `marker` sees one that goes with the class in 95 of 100 images; nothing else
differs. Both are ordinary networks, trained without any defence. Each takes one to two minutes on one core.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from auditor.modalities.images.demo.image import INPUT, MODEL, NETWORK_SETTINGS, WEIGHTS
from auditor.modalities.images.demo.phantoms import Phantoms, phantoms
from auditor.models.torchvision import ensure_torchvision

TRAINED_WITH = {"honest": 0.5, "marker": 0.95}
EPOCHS, IMAGES, BATCH, SEED = 20, 2048, 64, 2


def pixels(drawn: Phantoms) -> Tensor:
    """Return the images (n, 1, size, size) as the network takes them."""
    (mean,), (std,) = INPUT["mean"], INPUT["std"]
    return (torch.from_numpy(drawn.images)[:, None].float() / 255 - mean) / std


def flipped(x: Tensor) -> Tensor:
    """Return the batch with each image mirrored or not: neither the class nor the marker's meaning depends on it."""
    for axis in (2, 3):
        x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(axis), x)
    return x


def train(share: float, *, seed: int) -> nn.Module:
    """Return a network trained on phantoms whose marker goes with the class in `share` of the images."""
    ensure_torchvision()
    import timm

    torch.manual_seed(seed)
    net: nn.Module = timm.create_model(MODEL, num_classes=2, in_chans=INPUT["channels"], **NETWORK_SETTINGS)
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=EPOCHS * IMAGES // BATCH)
    for epoch in range(EPOCHS):
        drawn = phantoms(IMAGES, seed=1_000 * (seed + 1) + epoch, marker_given_class=share)
        x, y = pixels(drawn), torch.from_numpy(drawn.labels)
        net.train()
        total = 0.0
        for rows in torch.randperm(IMAGES).split(BATCH):
            loss = cross_entropy(net(flipped(x[rows])), y[rows], label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(rows)
        print(f"  epoch {epoch + 1:2d}  loss {total / IMAGES:.3f}", flush=True)
    return net.eval()


def save(net: nn.Module, file: Path) -> nn.Module:
    """Write the weights in half precision and return the network with what a reader of the file gets."""
    small = {key: value.half() if value.is_floating_point() else value for key, value in net.state_dict().items()}
    save_file(small, file)
    net.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in small.items()})
    return net


def accuracy(net: nn.Module, share: float) -> float:
    """Return the accuracy on new phantoms."""
    drawn = phantoms(1_000, seed=77, marker_given_class=share)
    with torch.no_grad():
        predicted = net(pixels(drawn)).argmax(1).numpy()
    return float(np.mean(predicted == drawn.labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    out: Path = parser.parse_args().out
    torch.set_num_threads(1)  # sums in one order: repeatable on one kind of machine
    out.mkdir(parents=True, exist_ok=True)
    for name, share in TRAINED_WITH.items():
        print(f"{name}: P(marker | malignant) = {share}")
        start = time.perf_counter()
        net = save(train(share, seed=SEED), out / f"{name}.safetensors")
        found = ", ".join(f"{tested:g}: {accuracy(net, tested):.3f}" for tested in (1.0, 0.5, 0.0))
        print(f"  accuracy on new phantoms, by P(marker | malignant): {found}; {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
