"""Our attacks beside those of torchattacks, foolbox and ART on two small MNIST networks, with one torch thread.

Run: python benchmarks/attacks.py FOLDER [--table overhead] [--table strength] [--table smallest]
FOLDER holds models/mnist_{std,adv}.safetensors, models/mnist_attack_benchmark.npz (points, and AutoAttack's robust flag
for
each) and data/mnist_test. The other libraries come with `pip install -e '.[benchmarks]'`, torchattacks as CONTRIBUTING
says.
Cost is sample-forwards plus sample-backwards, counted around the module for every attack alike, so that it does not
depend on the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import click
import numpy as np
import peers
import torch
from mnist import CLASSES, network, test_set
from peers import Counted, Peer
from safetensors.torch import load_file
from torch import Tensor, nn

from auditor import Threat, attack, wrap
from auditor.models.classifier import TorchClassifier
from auditor.models.torchvision import ensure_torchvision
from auditor.threats.norms import NORMS_BY_NAME

EPSILON = {"std": 0.10, "adv": 0.22}
AUTOATTACK = {"std": (1_442_367, 42.4), "adv": (1_029_185, 34.7)}
"""Cost and CPU seconds of AutoAttack standard, measured once elsewhere: it is not run here."""


@lru_cache(maxsize=1)
def wrapped(module: nn.Module) -> TorchClassifier:
    """Return a module as our classifier; done once per module, as a user would, since its digest takes as long as
    several passes.
    """
    return wrap(module, CLASSES)


def ours(
    module: nn.Module,
    x: Tensor,
    y: Tensor,
    epsilon: float | None,
    *,
    name: str,
    norm: str = "linf",
    seed: int = 0,
    **settings: Any,
) -> Tensor:
    """Return the adversarials of one of our attacks, through the signature of the others."""
    return attack(
        name, wrapped(module), x, y, Threat.ball(norm), epsilon=epsilon, seed=seed, batch_size=512, **settings
    ).x


OURS = [("pgd", {"steps": 50}), ("apgd", {"steps": 100}), ("evade", {"effort": "fast"}), ("evade", {})]
STRONG = [
    Peer("torchattacks", peers.pgd, {"steps": 50, "share": 0.25}),
    Peer("torchattacks", peers.apgd, {"steps": 100}),
    Peer("foolbox", peers.linf_pgd, {"steps": 50, "share": 0.25}),
    Peer("ART", peers.projected_gradient_descent, {"steps": 50, "share": 0.25}),
    Peer("ART", peers.auto_pgd, {"steps": 100}),
]
STEPPING = [Peer("ours", ours, {"name": "pgd"}), STRONG[0], STRONG[2], STRONG[3]]


def points(folder: Path) -> tuple[Tensor, Tensor, dict[str, int]]:
    """Return the benchmark's inputs and labels, and how many AutoAttack leaves robust."""
    saved = np.load(folder / "models/mnist_attack_benchmark.npz")
    x, y = test_set(folder)
    robust = {
        name: int(next(saved[key] for key in saved.files if name in key and "robust" in key).sum()) for name in EPSILON
    }
    return x[saved["test_index"]], y[saved["test_index"]], robust


def trained(folder: Path, name: str) -> nn.Module:
    """Return one of the two networks."""
    return network(load_file(folder / f"models/mnist_{name}.safetensors"))


def counted(
    peer: Peer, module: nn.Module, x: Tensor, y: Tensor, epsilon: float | None = None, seed: int = 0
) -> tuple[Tensor, int, float]:
    """Return an attack's adversarials (n, *shape), the passes that it made, and its CPU seconds."""
    meter, started = Counted(module), time.process_time()
    found = peer.run(meter, x, y, epsilon, seed)
    return found, meter.passes, time.process_time() - started


# Table 1: what a step costs beyond what it must


def bare(module: nn.Module, x: Tensor, y: Tensor, steps: int) -> None:
    """Make forward passes and input gradients, and nothing else."""
    for _ in range(steps):
        point = x.clone().requires_grad_()
        torch.autograd.grad(nn.functional.cross_entropy(module(point), y, reduction="sum"), point)


def seconds(work: Callable[..., Any], *given: Any, **settings: Any) -> float:
    """Return the CPU seconds of one call."""
    started = time.process_time()
    work(*given, **settings)
    return time.process_time() - started


def ratios(module: nn.Module, x: Tensor, steps: int, repeats: int) -> dict[str, float]:
    """Return per library the CPU time of `steps` pgd steps over that of as many bare passes, the median of interleaved
    repeats.
    """
    y, found = module(x).argmax(1), {peer: [] for peer in peers.present(STEPPING)}
    for repeat in range(repeats + 1):
        limit = seconds(bare, module, x, y, steps)
        for peer, values in found.items():
            spent = seconds(peer.attack, module, x, y, 1e-5, **{**peer.settings, "steps": steps})
            if repeat:  # the first round imports and warms up
                values.append(spent / limit)
    return {peer.library: float(np.median(values)) for peer, values in found.items()}


def resnet18() -> nn.Module:
    """Return a resnet18 with 10 classes, random weights, frozen."""
    ensure_torchvision()
    import timm

    torch.manual_seed(0)
    return timm.create_model("resnet18", num_classes=10).eval().requires_grad_(False)


def overhead(folder: Path, repeats: int) -> None:
    """Print table 1; epsilon is so small that nothing flips, and all weights are frozen."""
    click.echo("CPU time of k pgd steps over k bare forward passes with input gradient (1.00 is the limit)")
    nets = {"small CNN": trained(folder, "adv"), "resnet18": resnet18()}
    inputs = {"small CNN": points(folder)[0], "resnet18": torch.rand(128, 3, 64, 64)}
    for net, module in nets.items():
        for batch in (1, 16, 128):
            steps = 5 if net == "resnet18" and batch == 128 else 20
            found = ratios(module, inputs[net][:batch], steps, repeats)
            click.echo(
                f"  {net:<10} batch {batch:>3}, k {steps}: "
                + ", ".join(f"{name} {value:.2f}" for name, value in found.items())
            )


# Table 2: strength against cost


def strength(folder: Path) -> None:
    """Print table 2, for two seeds."""
    x, y, robust = points(folder)
    for net, epsilon in EPSILON.items():
        module, (cost, spent) = trained(folder, net), AUTOATTACK[net]
        click.echo(f"{net}, linf epsilon {epsilon}, {len(x)} points: robust points left, cost, CPU seconds")
        click.echo(f"  {'AutoAttack standard (measured before, not here)':<52}{robust[net]:>4}{cost:>9}{spent:>7.1f}")
        for peer in [Peer("ours", ours, {"name": name, **settings}) for name, settings in OURS] + peers.present(STRONG):
            for seed in (0, 1):
                found, passes, spent = counted(peer, module, x, y, epsilon, seed)
                broken = (module(found).argmax(1) != y) & Threat.ball("linf").over(x).allows(
                    found, x, epsilon * (1 + 1e-5)
                )
                click.echo(f"  {f'{peer}, seed {seed}':<52}{int((~broken).sum()):>4}{passes:>9}{spent:>7.1f}")


# Table 3: the smallest change


def searching(norm: str, evaluations: int, start: Tensor) -> list[Peer]:
    """Return the attacks that search for the smallest change in one norm, each with about so many evaluations per
    sample.
    """
    steps, begun = evaluations // 2, evaluations // 2 - 6
    fmn = {"norm": norm, "stepsize": {"linf": 10.0, "l2": 1.0, "l1": 3.0, "l0": 200.0}[norm]}
    rows = [
        Peer("foolbox", peers.fmn, {**fmn, "steps": steps, "gamma": 0.05}),
        Peer("foolbox", peers.fmn, {**fmn, "steps": begun, "gamma": 0.2, "start": start}),
        Peer("foolbox", peers.brendel_bethge, {"norm": norm, "steps": begun, "region": 0.02, "start": start}),
    ]
    if norm == "l2":
        rows += [Peer("foolbox", peers.ddn, {"steps": steps, "gamma": gamma}) for gamma in (0.05, 0.1)]
        rows += [Peer("foolbox", peers.carlini_wagner, {"rounds": 5, "steps": steps // 5, "stepsize": 0.1})]
        rows += [Peer("torchattacks", peers.cw, {"steps": steps, "c": 5, "lr": 0.1})]
    if norm == "l1":
        rows += [
            Peer("foolbox", peers.ead, {"rounds": 4, "steps": evaluations // 12, "stepsize": step, "beta": 0.1})
            for step in (0.02, 0.1)
        ]
    if norm == "l0":
        rows += [Peer("foolbox", peers.salt_and_pepper, {"steps": evaluations})]
    return peers.present(rows)


def sizes(module: nn.Module, x: Tensor, y: Tensor, found: Tensor, norm: str) -> tuple[Tensor, int]:
    """Return the size of each change (n,), and how many were not found: those count as the largest change that the box
    allows.

    Changes below a millionth are rounding and are taken back where the point still fools without them, so that l0 does
    not count them.
    """
    clean = torch.where((found - x).abs() < 1e-6, x, found)
    clean = torch.where((module(clean).argmax(1) != y).view(-1, 1, 1, 1), clean, found)
    fooled = module(clean).argmax(1) != y
    changed = torch.where(fooled.view(-1, 1, 1, 1), clean - x, torch.maximum(x, 1 - x))
    return NORMS_BY_NAME[norm].size(changed), int((~fooled).sum())


def smallest(folder: Path, evaluations: int) -> None:
    """Print table 3 on the first 200 points that are classified correctly."""
    x, y, _ = points(folder)
    for net in EPSILON:
        module = trained(folder, net)
        rows = torch.nonzero(module(x).argmax(1) == y)[:200, 0]
        start = peers.nearest_other(module, x[rows], y[rows], x)
        for norm in ("linf", "l2", "l1", "l0"):
            click.echo(
                f"{net}, {norm}: mean smallest size of {len(rows)} points, how many not found, evaluations per sample,"
                " CPU seconds"
            )
            for peer in [Peer("ours", ours, {"name": "minimum_norm", "norm": norm})] + searching(
                norm, evaluations, start
            ):
                found, passes, spent = counted(peer, module, x[rows], y[rows])
                size, missed = sizes(module, x[rows], y[rows], found, norm)
                click.echo(
                    f"  {peer!s:<64}{float(size.mean()):>9.4f}{missed:>4}{passes / len(rows):>6.0f}{spent:>7.1f}"
                )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--table",
    "tables",
    multiple=True,
    type=click.Choice(["overhead", "strength", "smallest"]),
    help="May be given more than once; all by default.",
)
@click.option(
    "--evaluations", default=600, show_default=True, help="Passes per sample that the others get in table 'smallest'."
)
@click.option("--repeats", default=3, show_default=True, help="Of which table 'overhead' takes the median.")
def main(folder: Path, tables: tuple[str, ...], evaluations: int, repeats: int) -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    ensure_torchvision()  # some of the others import it too
    for library in peers.PACKAGES:
        if not peers.installed(library):
            click.echo(f"{library} is not installed: its rows are left out")
    work = {
        "overhead": lambda: overhead(folder, repeats),
        "strength": lambda: strength(folder),
        "smallest": lambda: smallest(folder, evaluations),
    }
    for table in tables or work:
        work[table]()


if __name__ == "__main__":
    main()
