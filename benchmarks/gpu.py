"""How fast attacks run on a GPU: images per second of pgd and evade beside the bare pass and torchattacks, in one run.

Run: python benchmarks/gpu.py [--device cuda] [--small] [--json FILE]
The networks have random weights and the budget is so small that nothing flips: every image takes every step, so that no
attack gains by stopping early. Each figure is the best of several runs after one to warm up. The last line says whether
the search finds on the CPU what it finds here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn

from auditor import Threat, attack
from auditor.models.classifier import TorchClassifier
from auditor.models.search_twin import hasten
from auditor.models.torchvision import ensure_torchvision

ensure_torchvision()
import timm  # noqa: E402, after torchvision can be imported

STEPS, EPSILON, CLASSES = 10, 1e-6, 10
NETWORKS = {"resnet50": 64, "vit_small_patch16_224": 64}
"""Architecture -> images per batch."""
SMALL = {"resnet10t": 4}
AGREED = 0.004
"""Budget at which about half of the samples flip on the network that compares two devices."""


def seconds(run: Callable[[], object], device: str, repeats: int) -> float:
    """Return the least time of a run, after one to warm up."""

    def timed() -> float:
        if device != "cpu":
            torch.cuda.synchronize()
        started = time.perf_counter()
        run()
        if device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    timed()
    return min(timed() for _ in range(repeats))


def bare(module: nn.Module, x: Tensor, y: Tensor) -> None:
    """Make the passes of pgd and nothing else: a forward and an input-gradient per step, and a last forward."""
    for _ in range(STEPS):
        point = x.clone().requires_grad_()
        torch.autograd.grad(nn.functional.cross_entropy(module(point), y, reduction="sum"), point)
    with torch.no_grad():
        module(x)


def others(module: nn.Module, x: Tensor, y: Tensor) -> Callable[[], object] | None:
    """Return torchattacks' pgd at the same steps; None where it is not installed."""
    try:
        import torchattacks
    except ImportError:
        return None
    made = torchattacks.PGD(module, eps=EPSILON, alpha=EPSILON / 4, steps=STEPS)
    return lambda: made(x, y)


def classifier(module: nn.Module, precision: str, device: str) -> TorchClassifier:
    """Return a network as an audit searches it."""
    made = TorchClassifier(module, classes=[str(one) for one in range(CLASSES)], device=device)
    hasten(made, precision, compile=False)  # type: ignore[arg-type]
    return made


def measured(name: str, batch: int, device: str, *, repeats: int) -> list[dict[str, Any]]:
    """Return images per second of one network."""
    torch.manual_seed(0)
    module = timm.create_model(name, num_classes=CLASSES).to(device).eval().requires_grad_(False)
    x = torch.rand(batch, 3, 224, 224, device=device)
    with torch.no_grad():
        y = module(x).argmax(1)
    rows: list[dict[str, Any]] = []

    def add(what: str, run: Callable[[], object] | None) -> None:
        if run is not None:
            rows.append({"network": name, "what": what, "images/s": batch / seconds(run, device, repeats)})
            click.echo(json.dumps(rows[-1]))

    add("bare passes, float32", lambda: bare(module, x, y))
    threat = Threat.ball("linf")
    for precision in ("float32", *(("tf32", "bfloat16") if device != "cpu" else ())):
        ours = classifier(module, precision, device)
        for attacker, settings in (("pgd", {"steps": STEPS}), ("evade", {"effort": "fast"})):
            add(
                f"{attacker}, {precision}",
                lambda attacker=attacker, settings=settings, ours=ours: attack(  # type: ignore[misc]
                    attacker, ours, x, y, threat, epsilon=EPSILON, batch_size=batch, **settings
                ),
            )
    add("torchattacks pgd, float32", others(module, x, y))
    return rows


def agreement(device: str) -> dict[str, Any]:
    """Return what pgd finds on a device and on the CPU: how many flips, and how far the points differ."""
    found = {}
    for place in ("cpu", device):
        torch.manual_seed(0)
        layers = (nn.Conv2d(3, 16, 3, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU(), nn.Flatten())
        module = nn.Sequential(*layers, nn.Linear(32 * 15 * 15, CLASSES)).eval().requires_grad_(False)
        x = torch.rand(256, 3, 64, 64, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            y = module(x).argmax(1)
        ours = classifier(module, "float32", place)
        made = attack("pgd", ours, x, y, Threat.ball("linf"), epsilon=AGREED, seed=0, steps=STEPS)
        found[place] = (made.fooled.cpu(), made.x.cpu())
    (one, here), (other, there) = found["cpu"], found[device]
    return {
        "flips on the CPU": int(one.sum()),
        "flips on the device": int(other.sum()),
        "samples that differ": int((one != other).sum()),
        "values that differ by more than 1e-6": float(((here - there).abs() > 1e-6).float().mean()),
    }


@click.command()
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu", show_default=True)
@click.option("--small", is_flag=True, help="One small network and few images: does it run at all?")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write the figures here too.")
def main(device: str, small: bool, file: Path | None) -> None:
    """Print images per second, and whether the device finds what the CPU finds."""
    card = torch.cuda.get_device_name() if device != "cpu" else "CPU"
    rows: list[dict[str, Any]] = []
    for name, batch in (SMALL if small else NETWORKS).items():
        rows += measured(name, batch, device, repeats=1 if small else 3)
    content = {"card": card, "torch": torch.__version__, "rows": rows, "agreement": agreement(device)}
    for row in rows:
        base = next(one["images/s"] for one in rows if one["network"] == row["network"])
        click.echo(f"{row['network']:24}{row['what']:28}{row['images/s']:10.1f}{base / row['images/s']:8.2f}")
    click.echo(json.dumps(content["agreement"]))
    if file:
        file.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
