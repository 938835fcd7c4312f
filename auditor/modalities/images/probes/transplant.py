"""The four-arm transplant: how much of the class evidence comes with the inside, and how much with the outside."""

from __future__ import annotations

import numpy as np
import torch

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.core.seeds import generator
from auditor.modalities.images.probes.collage import Cutting, Sheet
from auditor.modalities.images.probes.inpaint import Image
from auditor.models.classifier import margin
from auditor.models.meter import Meter
from auditor.probes import Bench, Row, probes
from auditor.probes.donors import ARMS, Pool
from auditor.samples.samples import Chunk


@probes.register("transplant", cost=lambda *, method, settings: (4 * settings["draws"] + len(settings["fills"]), 0))
def transplant(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Margins for the recipient's class in the four arms of every draw, with the donors' positions.

    Arm A: own inside, outside of the same class. B: own inside, outside of another class. C: inside of another class,
    outside of the same. D: inside and outside of another class. What an image has under any mask of its draw is
    in-painted first; the draws take turns with the fills that the trial names. `sham/<fill>` is the margin after the
    surgery of the first draw of a fill with nothing exchanged: own inside, own outside.
    """
    pool, index = Pool.of(bench.samples), bench.samples.index()
    return [
        _recipient(bench, trial, pool, position=index[name], row=row, chunk=chunk) for row, name in enumerate(chunk.ids)
    ]


def cutting_of(trial: Trial, fill: str) -> Cutting:
    """Return how a trial cuts out insides and fills what lies under them."""
    return Cutting(float(trial.settings["guard"]), float(trial.settings["blend"]), fill)


def margins(bench: Bench, images: list[Image], label: int) -> list[float]:
    """Return the classifier's margin for one class on every image."""
    batch = torch.from_numpy(np.stack(images)).to(bench.classifier.device)
    logits = Meter(bench.classifier, 1, bench.batch_size).logits(batch, torch.zeros(len(batch), dtype=torch.long)).cpu()
    return [float(edge) for edge in margin(logits, torch.full((len(batch),), label))]


def _recipient(bench: Bench, trial: Trial, pool: Pool, *, position: int, row: int, chunk: Chunk) -> Row:
    rng = generator(trial.seed, "donors", chunk.ids[row])
    values: dict[str, float] = {}
    images: dict[str, Image] = {}
    fills = list(trial.settings["fills"])
    for draw in range(int(trial.settings["draws"])):
        donors = pool.donors(rng, position)
        if donors is None:
            return Row(missing=Missing.not_applicable("no donor of the same and two of another class from other units"))
        fill = fills[draw % len(fills)]
        sheet = Sheet(bench.samples, (position, *donors), cutting_of(trial, fill))
        if sheet.full:
            return Row(missing=Missing.not_applicable("the masks of one draw leave nothing outside to fill from"))
        if f"sham/{fill}" not in images:  # the own outside is filled for this alone
            images[f"sham/{fill}"] = sheet.paste(0, 0)
        images |= {f"{arm}/{draw}": sheet.paste(inside, outside) for arm, (inside, outside) in ARMS.items()}
        values |= {f"{name}/{draw}": float(donor) for name, donor in zip("jkl", donors, strict=True)}
    edges = margins(bench, list(images.values()), int(chunk.y[row]))
    return Row(values | dict(zip(images, edges, strict=True)))
