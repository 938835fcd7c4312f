"""Attacks against networks whose truth is known: the VNN-COMP 2021 instances of a folder with instances.csv.

Run: python benchmarks/vnncomp.py FOLDER [--attack evade]
Every `must_find` must be found and none of `must_not_find`; `hard_find` tells a strong attack from a weak one.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch

from auditor import Threat, attack, load_classifier


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--attack", "name", default="evade", show_default=True)
@click.option("--restarts", default=120, show_default=True)
@click.option("--steps", default=40, show_default=True)
@click.option("--aims", default=9, show_default=True)
def main(folder: Path, name: str, restarts: int, steps: int, aims: int) -> None:
    """Print what was found per use, and the time."""
    started = time.perf_counter()
    table = pd.read_csv(folder / "instances.csv")
    found: Counter[tuple[str, bool]] = Counter()
    for (benchmark, net), rows in table.groupby(["benchmark", "net"]):
        hits = search(
            folder,
            str(benchmark),
            str(net),
            rows,
            name,
            {"restarts": restarts, "steps": steps, "aims": aims} if name == "evade" else {},
        )
        found.update(zip(rows["use"].fillna("none"), hits, strict=True))
    for use in ("must_find", "hard_find", "must_not_find", "none"):
        click.echo(f"{use:<14} found {found[use, True]:>3} of {found[use, True] + found[use, False]}")
    click.echo(f"{time.perf_counter() - started:.0f} s")


def search(
    folder: Path, benchmark: str, net: str, rows: pd.DataFrame, name: str, settings: dict[str, Any]
) -> list[bool]:
    """Return whether a counter-example was found for each instance of one network."""
    path = next((folder / "nets").rglob(f"{Path(net).stem}.onnx"))
    boxes = np.load(folder / f"props_{benchmark}.npz")
    low, high = (torch.from_numpy(boxes[side][rows["prop_index"]]).float() for side in ("lb", "ub"))
    classifier = load_classifier(path, source="onnx", low=float(low.min()) - 1e-3, high=float(high.max()) + 1e-3)
    shape = classifier.input_shape or (low.shape[1],)
    low, high = low.reshape(-1, *shape), high.reshape(-1, *shape)
    centre = ((low + high) / 2).clamp(low, high)
    hits = torch.zeros(len(rows), dtype=torch.bool)
    label = torch.tensor(rows["cls"].to_numpy())
    for aimed in (False, True):
        mine = torch.tensor((rows["mode"] == "targeted").to_numpy()) == aimed
        if mine.any():
            threat = Threat.ball("linf", None, low[mine], high[mine])
            width = float((high - low).max())
            y = classifier.logits(centre[mine]).argmax(1) if aimed else label[mine]
            goal = {"targets": label[mine]} if aimed else {}
            hits[mine] = attack(
                name, classifier, centre[mine], y, threat, epsilon=max(width / 2, 1e-6) * (1 + 1e-6), **goal, **settings
            ).fooled
    return hits.tolist()


if __name__ == "__main__":
    main()
