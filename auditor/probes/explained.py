"""What attribution maps of a sample are compared with: a sample of its class, and its own adversarial."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from auditor.core.records import Trial
from auditor.core.seeds import generator
from auditor.probes import Bench
from auditor.samples.samples import Chunk, Samples


def partners(trial: Trial, chunk: Chunk, samples: Samples) -> tuple[Tensor, list[bool]]:
    """Return one sample of the same class from another unit per sample, and whether there is one."""
    index, labels, units = samples.index(), np.array(samples.y), np.array(samples.units)
    chosen, known = [], []
    for name in chunk.ids:
        position = index[name]
        candidates = np.flatnonzero((labels == labels[position]) & (units != units[position]))
        known.append(bool(len(candidates)))
        chosen.append(int(generator(trial.seed, "partner", name).choice(candidates)) if len(candidates) else position)
    return samples.load(chosen).x, known


def attacked_points(bench: Bench, chunk: Chunk) -> tuple[Tensor, list[bool]]:
    """Return the adversarials that the source trial kept; the sample itself where it was not fooled."""
    points, fooled = [], []
    for row, name in enumerate(chunk.ids):
        arrays = bench.source(name)
        fooled.append(arrays is not None)
        points.append(torch.from_numpy(np.asarray(arrays["adversarial"])) if arrays is not None else chunk.x[row])
    return torch.stack(points), fooled
