"""The four-arm transplant: how much of the class evidence comes with the inside, and how much with the outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.classifier import margin
from auditor.meter import Meter
from auditor.probes import Bench, Row, probes
from auditor.probes.inpaint import inpaint
from auditor.records import Trial
from auditor.samples import Chunk, Samples
from auditor.seeds import generator
from auditor.zones import grow

ARMS = ("A", "B", "C", "D")


@dataclass(frozen=True)
class Pool:
    """Who may give to whom; made once per chunk from what is known of every sample."""

    y: NDArray[np.int64]
    units: NDArray[np.str_]
    masked: NDArray[np.bool_]

    @classmethod
    def of(cls, samples: Samples) -> Pool:
        """Return the pool of a data set."""
        masked = np.array([share is not None and 0 < share < 1 for share in samples.mask_share])
        return cls(np.array(samples.y), np.array(samples.units), masked)

    def draw(self, rng: np.random.Generator, *, position: int, same: bool, avoid: tuple[int, ...]) -> int | None:
        """Return a donor of the same or of another class as `position`, of none of the units to avoid.

        A class whose samples have masks gives masked samples only; a class without masks gives any.
        """
        pool = (self.y == self.y[position]) == same
        for other in avoid:
            pool &= self.units != self.units[other]
        candidates = np.flatnonzero(pool & self.masked)
        candidates = candidates if len(candidates) else np.flatnonzero(pool)
        return int(rng.choice(candidates)) if len(candidates) else None


@probes.register("transplant", cost=lambda *, method, settings: (4 * settings["draws"], 0))
def transplant(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Margins for the recipient's class in the four arms of every draw, with the donors' positions (METHODS: reliance).

    Arm A: own inside, outside of the same class. B: own inside, outside of another class. C: inside of another class,
    outside of the same. D: inside and outside of another class. What an image has under any mask of its draw is in-painted
    first; the inside travels with its guard band, so that the outside is exactly the zone 'outside'.
    """
    pool, index = Pool.of(bench.samples), bench.samples.index()
    return [_recipient(bench, trial, pool, index[name], row, chunk) for row, name in enumerate(chunk.ids)]


def _recipient(bench: Bench, trial: Trial, pool: Pool, position: int, row: int, chunk: Chunk) -> Row:
    draws, guard = int(trial.settings["draws"]), float(trial.settings["guard"])
    rng = generator(trial.seed, "donors", chunk.ids[row])
    values: dict[str, float] = {}
    images = []
    for draw in range(draws):
        donors = _donors(pool, position, rng)
        if donors is None:
            return Row(error="not applicable: no donor of the same and two of another class from other units")
        made = arms(bench.samples, (position, *donors), guard=guard)
        if made is None:
            return Row(error="not applicable: the masks of one draw leave nothing outside to fill from")
        images.append(made)
        values |= {f"{name}/{draw}": float(donor) for name, donor in zip(("j", "k", "l"), donors, strict=True)}
    batch = torch.from_numpy(np.concatenate(images)).to(bench.classifier.device)
    rows = torch.zeros(len(batch), dtype=torch.long)
    label = chunk.y[row].expand(len(batch))
    edges = margin(Meter(bench.classifier, 1, bench.batch_size).logits(batch, rows).cpu(), label)
    for place, edge in enumerate(edges.tolist()):
        values[f"{ARMS[place % 4]}/{place // 4}"] = edge
    return Row(values)


def _donors(pool: Pool, position: int, rng: np.random.Generator) -> tuple[int, int, int] | None:
    same = pool.draw(rng, position=position, same=True, avoid=(position,))
    if same is None:
        return None
    other = pool.draw(rng, position=position, same=False, avoid=(position, same))
    if other is None:
        return None
    second = pool.draw(rng, position=position, same=False, avoid=(position, same, other))
    return None if second is None else (same, other, second)


def arms(samples: Samples, who: tuple[int, int, int, int], *, guard: float) -> NDArray[np.float32] | None:
    """Return the images (4, channels, height, width) of the arms A to D for recipient, same-class and two other-class donors.

    None where the masks of the four leave nothing outside: a fill would carry what lies under them.
    """
    loaded = samples.load(who)
    x = loaded.x.numpy()
    blocks = [grow(mask.numpy(), guard) for mask in loaded.inside.any(1)]
    hole = np.logical_or.reduce(blocks)
    if hole.all():
        return None
    outside = {place: inpaint(x[place], hole) for place in (1, 2, 3)}
    own, other = (x[0], blocks[0]), (x[2], blocks[2])
    plan = ((own, 1), (own, 2), (other, 1), (other, 3))
    return np.stack([np.where(block, inside, outside[place]) for (inside, block), place in plan])
