"""Strength against cost of the attacks on two small MNIST networks, and the cost of one pgd step, with one torch thread.

Run: python benchmarks/attacks.py FOLDER
FOLDER holds models/mnist_{std,adv}.safetensors, models/mnist_attack_benchmark.npz (points, and AutoAttack's robust flag for
each) and data/mnist_test. Cost is sample-forwards plus sample-backwards, so that it does not depend on the machine.
"""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from auditor import Threat, attack, wrap

EPSILON = {"std": 0.10, "adv": 0.22}
AUTOATTACK_COST = {"std": 1_442_367, "adv": 1_029_185}
SETTINGS: list[tuple[str, dict[str, Any]]] = [("pgd", {"steps": 50}), ("apgd", {"steps": 100}), ("evade", {"effort": "fast"}), ("evade", {})]
CLASSES = [str(digit) for digit in range(10)]


def network(folder: Path, name: str) -> nn.Module:
    """Return one of the two networks."""
    layers = [nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(1568, 100), nn.ReLU(), nn.Linear(100, 10)]
    module = nn.Sequential(*layers)
    module.load_state_dict(load_file(folder / f"models/mnist_{name}.safetensors"))
    return module.eval()


def points(folder: Path) -> tuple[Tensor, Tensor, dict[str, int]]:
    """Return the benchmark's inputs and labels, and how many AutoAttack leaves robust."""
    saved = np.load(folder / "models/mnist_attack_benchmark.npz")
    raw = {name: gzip.decompress((folder / f"data/mnist_test/t10k-{name}-ubyte.gz").read_bytes()) for name in ("images-idx3", "labels-idx1")}
    images = np.frombuffer(raw["images-idx3"], np.uint8, offset=16).reshape(-1, 1, 28, 28)[saved["test_index"]]
    labels = np.frombuffer(raw["labels-idx1"], np.uint8, offset=8)[saved["test_index"]]
    robust = {name: int(next(saved[key] for key in saved.files if name in key and "robust" in key).sum()) for name in EPSILON}
    return torch.tensor(images / 255.0, dtype=torch.float32), torch.tensor(labels.astype(np.int64)), robust


def strength(folder: Path) -> None:
    """Print robust points left and cost, for two seeds."""
    x, y, robust = points(folder)
    for net, epsilon in EPSILON.items():
        classifier = wrap(network(folder, net), CLASSES)
        click.echo(f"{net}, epsilon {epsilon}: AutoAttack standard leaves {robust[net]} robust at cost {AUTOATTACK_COST[net]}")
        for name, settings in SETTINGS:
            for seed in (0, 1):
                started = time.process_time()
                found = attack(name, classifier, x, y, Threat.ball("linf"), epsilon=epsilon, seed=seed, batch_size=512, **settings)
                cost = int(found.forwards.sum() + found.backwards.sum())
                share, spent = AUTOATTACK_COST[net] / cost, time.process_time() - started
                left = int((~found.fooled).sum())
                click.echo(f"  {name:<8}{settings!s:<22}seed {seed}: {left:>4} robust, cost {cost:>7} (1/{share:.1f}), {spent:.1f} s CPU")


def smallest(folder: Path) -> None:
    """Print the mean smallest epsilon of the first 200 correctly classified points."""
    x, y, _ = points(folder)
    for net in ("adv", "std"):
        module = network(folder, net)
        rows = torch.nonzero(module(x).argmax(1) == y)[:200, 0]
        for norm in ("linf", "l2"):
            found = attack("minimum_norm", wrap(module, CLASSES), x[rows], y[rows], Threat.ball(norm), batch_size=512)
            cost, mean = float((found.forwards + found.backwards).float().mean()), float(found.size.mean())
            hits = int(found.fooled.sum())
            click.echo(f"minimum_norm, {net}, {norm}: mean epsilon {mean:.4f}, {hits} of {len(rows)} found, {cost:.0f} evaluations per sample")


def overhead(folder: Path, steps: int = 20, repeats: int = 7) -> None:
    """Print the CPU time of a pgd step over that of a bare forward and input gradient, interleaved, median of repeats."""
    x, y, _ = points(folder)
    classifier = wrap(network(folder, "adv"), CLASSES)
    for batch in (16, 128):
        part, label = x[:batch], y[:batch]
        ratios = []
        for _ in range(repeats):
            started = time.process_time()
            for _ in range(steps):
                point = part.clone().requires_grad_()
                torch.autograd.grad(nn.functional.cross_entropy(classifier.logits(point), label, reduction="sum"), point)
            bare = time.process_time() - started
            started = time.process_time()
            found = attack("pgd", classifier, part, label, Threat.ball("linf"), epsilon=1e-4, steps=steps, batch_size=batch)
            passes = int(found.backwards.max())
            ratios.append((time.process_time() - started) / (bare * passes / steps))
        click.echo(f"pgd step over bare forward + input gradient, batch {batch}: {np.median(ratios):.2f}")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
def main(folder: Path) -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    strength(folder)
    smallest(folder)
    overhead(folder)


if __name__ == "__main__":
    main()
