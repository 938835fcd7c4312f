"""Attribution maps of the clean input, under harmless noise, of an unrelated image and of the adversarial that exposure
found.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.core.records import Trial
from auditor.core.seeds import RowGenerators, derive
from auditor.core.zones import make_zone
from auditor.explanations import explanations
from auditor.explanations.similarity import mass_share, rank_correlation, strength, structure, top_overlap
from auditor.models.meter import Meter, fitting
from auditor.probes import Bench, Row, probes
from auditor.probes.explained import attacked_points, partners
from auditor.samples.samples import Chunk, Samples
from auditor.threats.threat import Threat


def _cost(*, method: str, settings: dict[str, Any]) -> tuple[int, int]:
    passes = explanations.serving(method, "image").facts["cost"](**explanations.bind(method, settings, "image"))
    return 4 * passes + 4, 4 * passes


@probes.register("attribution", cost=_cost)
def attribution(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """What the maps of one method say: agreement with the mask, similarity under noise, under attack and of unrelated
    images.

    Every map explains the class that the classifier predicts for that very image, as a reader would see it.
    """
    device, n = bench.classifier.device, len(chunk.ids)
    x0 = chunk.x.to(device)
    noisy = _noise(trial, chunk, bench.samples).to(device)
    others, known = partners(trial, chunk, bench.samples)
    attacked, fooled = attacked_points(bench, chunk)
    every = {"clean": x0, "noise": noisy, "partner": others.to(device), "attacked": attacked.to(device)}
    maps, predicted = {}, {}
    meter = Meter(bench.classifier, n, bench.batch_size)
    for name, x in every.items():
        predicted[name] = meter.logits(x, torch.arange(n)).argmax(1)
        maps[name] = fitting(partial(_maps, bench, trial, x, predicted[name]), bench.batch_size)
    same = (predicted["clean"] == predicted["noise"]).cpu()
    outside = make_zone("outside", chunk.inside, guard=float(trial.threat["guard"]), seeds=[0] * n)
    result = []
    for row in range(n):
        mass = {name: strength(found[row]) for name, found in maps.items()}
        values = _agreement(mass["clean"], _flat(chunk.inside[row])) | {
            "correct": int(predicted["clean"][row].cpu() == chunk.y[row])
        }
        if same[row]:
            values |= _alike("noise", mass["clean"], mass["noise"])
        if known[row]:
            values |= _alike("null", mass["clean"], mass["partner"])
        if fooled[row]:
            region = _flat(outside[row])
            values |= _alike("attack", mass["clean"], mass["attacked"])
            values |= {
                "outside_before": mass_share(mass["clean"], region),
                "outside_after": mass_share(mass["attacked"], region),
            }
        arrays = {"before": maps["clean"][row], "after": maps["attacked"][row]} if trial.keep and fooled[row] else None
        result.append(Row(values, arrays=arrays))
    return result


def _maps(bench: Bench, trial: Trial, x: Tensor, target: Tensor, batch_size: int) -> NDArray[np.float32]:
    found: Tensor = explanations.serving(trial.method, "image").make(
        bench.classifier, x, target, _batch_size=batch_size, **trial.settings
    )
    maps: NDArray[np.float32] = found.cpu().numpy()
    return maps


def _alike(name: str, a: NDArray[np.float64], b: NDArray[np.float64]) -> dict[str, float]:
    return {
        f"{name}/rank": rank_correlation(a, b),
        f"{name}/top": top_overlap(a, b),
        f"{name}/structure": structure(a, b),
    }


def _flat(mask: Tensor) -> NDArray[np.bool_]:
    flat: NDArray[np.bool_] = (mask.any(0) if mask.ndim == 3 else mask).numpy()
    return flat


def _agreement(mass: NDArray[np.float64], inside: NDArray[np.bool_]) -> dict[str, float]:
    area = float(inside.mean())
    if not 0 < area < 1:
        return {}
    return {"area": area, "inside": mass_share(mass, inside), "pointing": float(inside.ravel()[int(mass.argmax())])}


def _noise(trial: Trial, chunk: Chunk, samples: Samples) -> Tensor:
    """Return each sample with random noise as large as the primary epsilon, everywhere."""
    threat = Threat.ball(trial.threat["norm"], None, samples.low, samples.high).over(chunk.x)
    rng = RowGenerators([derive(trial.seed, "attribution noise", name) for name in chunk.ids])
    return threat.start(chunk.x, rng, float(trial.threat["epsilon"]))
