"""What is left of the class when the inside is gone, and what the inside alone says."""

from __future__ import annotations

import numpy as np
import torch

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.core.seeds import generator
from auditor.core.zones import grow
from auditor.modalities.images.probes.inpaint import FILLS, smooth
from auditor.models.meter import Meter
from auditor.probes import Bench, Row, probes
from auditor.probes.donors import Pool
from auditor.samples.samples import Chunk


@probes.register("left_over", cost=lambda **_: (5, 0))
def left_over(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Whether the classifier still tells a sample from one of another class when the same region is blanked in both.

    The region is the union of both masks with their guard bands, so that its shape, size and place, themselves
    evidence, are
    the same in both images and say nothing. `lead/<fill>` is by how much the log odds of the sample's class over its
    partner's
    are higher in the sample than in the partner: above 0 the pair is told apart. With each fill, as a control of the
    filling. `kept` is the predicted class of the sample's mask alone, its surroundings filled from it.
    """
    pool, index = Pool.of(bench.samples), bench.samples.index()
    return [_pair(bench, trial, pool, position=index[name], name=name) for name in chunk.ids]


def _pair(bench: Bench, trial: Trial, pool: Pool, *, position: int, name: str) -> Row:
    partner = pool.draw(generator(trial.seed, "partner", name), position=position, same=False, avoid=(position,))
    if partner is None:
        return Row(missing=Missing.not_applicable("no sample of another class from another unit"))
    loaded = bench.samples.load((position, partner))
    own, foreign = (grow(mask.numpy(), float(trial.settings["guard"])) for mask in loaded.inside.any(1))
    hole = own | foreign
    if not hole.any() or hole.all():
        return Row(
            missing=Missing.not_applicable(
                f"the masks of the pair leave {'nothing outside' if hole.all() else 'nothing to blank'}"
            )
        )
    x = loaded.x.numpy()
    images = [fill(image, hole) for fill in FILLS.values() for image in x]
    if own.any():
        images.append(smooth(x[0], ~own))
    batch = torch.from_numpy(np.stack(images)).to(bench.classifier.device)
    logits = (
        Meter(bench.classifier, 1, bench.batch_size)
        .logits(batch, torch.zeros(len(batch), dtype=torch.long))
        .double()
        .cpu()
    )
    odds = (logits[:, pool.y[position]] - logits[:, pool.y[partner]]).tolist()
    values = {
        "partner": float(partner),
        "hole": float(hole.mean()),
        **{f"lead/{fill}": odds[2 * place] - odds[2 * place + 1] for place, fill in enumerate(FILLS)},
    }
    return Row(values | ({"kept": float(logits[-1].argmax())} if own.any() else {}))
