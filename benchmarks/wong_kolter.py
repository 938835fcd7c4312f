"""Attacks against a network with a published certificate: Wong and Kolter 2018 (arXiv:1711.00851), MNIST, linf epsilon
0.1.

Run: python benchmarks/wong_kolter.py FOLDER
FOLDER holds data/wong_kolter_mnist/mnist.npz and data/mnist_test. Of all 10,000 images the published PGD gets 4.1 %
wrong and the
certificate allows at most 5.8 %: less than the first is a weak attack, more than the second one that broke its own
rules.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np
import torch
from mnist import CLASSES, network, test_set

from auditor import Threat, attack, wrap

EPSILON, PUBLISHED, CERTIFIED = 0.1, 0.041, 0.058


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
def main(folder: Path) -> None:
    """Print the robust error of each attack; exit with 1 where one is out of bounds."""
    torch.set_num_threads(1)
    saved = np.load(folder / "data/wong_kolter_mnist/mnist.npz")
    classifier = wrap(network({key: torch.from_numpy(saved[key]) for key in saved.files}), CLASSES)
    x, y = test_set(folder)
    click.echo(f"clean error {float((classifier.logits(x).argmax(1) != y).float().mean()):.2%}")
    within = True
    for name, settings in (("pgd", {"steps": 50}), ("evade", {})):
        started = time.process_time()
        found = attack(name, classifier, x, y, Threat.ball("linf"), epsilon=EPSILON, batch_size=512, **settings)
        error, spent = float(found.fooled.float().mean()), time.process_time() - started
        within &= PUBLISHED <= round(error, 3) <= CERTIFIED
        cost = int((found.forwards + found.backwards).sum())
        click.echo(
            f"{name} {settings}: robust error {error:.2%} (published pgd {PUBLISHED:.1%}, certificate {CERTIFIED:.1%}),"
            f" cost {cost}, {spent:.0f} s CPU"
        )
    raise SystemExit(not within)


if __name__ == "__main__":
    main()
