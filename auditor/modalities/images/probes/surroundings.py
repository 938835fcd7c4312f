"""Exchange without filling: the surroundings of one sample take those of another, near the mask and far from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.core.seeds import generator
from auditor.core.zones import Mask, grow
from auditor.modalities.images.probes.inpaint import Image
from auditor.modalities.images.probes.rings import PARTS, MaskFrame, Pixels, Widths, widths_of
from auditor.modalities.images.probes.transplant import margins
from auditor.probes import Bench, Row, probes
from auditor.probes.donors import Pool
from auditor.samples.samples import Chunk, Samples


@probes.register("surroundings", cost=lambda *, method, settings: ((2 * len(PARTS) + 1) * settings["draws"], 0))
def surroundings(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Margins for the own class with surroundings of a donor of the same and of another class; nothing is in-painted.

    `<part>/same/<draw>` and `<part>/other/<draw>` for every part of `PARTS`, with the positions `j/<draw>` and
    `k/<draw>` of the two donors and `covered/<part>/<draw>`, the share of the part that was exchanged. Both donors give
    exactly the same pixels, so that what the exchange itself does is alike in both. Where the donor of another class
    has no mask, `marked/<draw>` is the margin with the marked region and its edge taken from the same place of that
    donor.
    """
    pool, index = Pool.of(bench.samples), bench.samples.index()
    return [_recipient(bench, trial, pool, position=index[name], name=name) for name in chunk.ids]


def _recipient(bench: Bench, trial: Trial, pool: Pool, *, position: int, name: str) -> Row:
    rng = generator(trial.seed, "surroundings", name)
    widths = widths_of(trial)
    values: dict[str, float] = {}
    images: dict[str, Image] = {}
    for draw in range(int(trial.settings["draws"])):
        same = pool.draw(rng, position=position, same=True, avoid=(position,))
        other = None if same is None else pool.draw(rng, position=position, same=False, avoid=(position, same))
        if same is None or other is None:
            return Row(missing=Missing.not_applicable("no donor of the same and one of another class from other units"))
        made = replaced(bench.samples, position, (same, other), widths=widths)
        if made is None:
            return Row(missing=Missing.not_applicable("the masks of one draw leave nothing outside to exchange"))
        values |= {f"j/{draw}": float(same), f"k/{draw}": float(other)}
        values |= {f"covered/{part}/{draw}": covered for part, (_, covered) in made.items()}
        for part, (pair, _) in made.items():
            images |= {f"{part}/{kind}/{draw}": image for kind, image in zip(("same", "other"), pair, strict=True)}
        healthy = without_region(bench.samples, position, other, guard=widths.guard)
        images |= {} if healthy is None else {f"marked/{draw}": healthy}
    found = margins(bench, list(images.values()), bench.samples.y[position])
    return Row(values | dict(zip(images, found, strict=True)))


def replaced(
    samples: Samples, recipient: int, donors: tuple[int, int], *, widths: Widths
) -> Mapping[str, tuple[tuple[Image, Image], float]] | None:
    """Return for every part of `PARTS` the recipient (channels, height, width) with that part taken from each of two
    donors, and the share of the part's pixels that could be taken; None where the masks leave nothing outside.

    Far from the mask a pixel comes from the same place of the picture; under the masks of the donors and near them the
    recipient keeps its own. Near the mask it comes from the same place in the frame of the mask, or, where a donor has
    no mask, from the same place of the picture.
    """
    loaded = samples.load((recipient, *donors))
    own, *others = (MaskFrame(mask.numpy()) for mask in loaded.inside.any(1))
    x, taken = loaded.x.numpy(), _Donors(own, others, widths)
    beside, far = taken.beside(), taken.far()
    sources = {
        "beside": [beside],
        "near": [beside.within(own.ring(widths.guard, widths.near))],
        "far": [far],
        "outside": [beside.within(own.ring(widths.guard, widths.far)), far],
    }
    if not any(len(one.pixels) for several in sources.values() for one in several):
        return None
    return {
        part: (
            (_moved(x[0], x[1], several, which=0), _moved(x[0], x[2], several, which=1)),
            sum(len(one.pixels) for one in several) / max(1, sum(one.wanted for one in several)),
        )
        for part, several in sources.items()
    }


def without_region(samples: Samples, recipient: int, donor: int, *, guard: float) -> Image | None:
    """Return the recipient (channels, height, width) with its marked region and the edge taken from the same place of a
    donor without a mask; None of a donor that has one.
    """
    loaded = samples.load((recipient, donor))
    own, other = (mask.numpy() for mask in loaded.inside.any(1))
    if other.any():
        return None
    image, healthy = loaded.x.numpy()
    return np.asarray(np.where(grow(own, guard), healthy, image), np.float32)


@dataclass(frozen=True)
class _Source:
    """Where some pixels come from."""

    pixels: Pixels
    """(n, 2) pixels of the recipient that both donors can give."""
    places: tuple[Pixels, ...]
    """For each donor, the pixels (n, 2) that it gives."""
    wanted: int
    """How many pixels the part has, whether or not the donors can give them."""

    def within(self, part: Mask) -> _Source:
        """Return the pixels that lie in a part (height, width) of the picture."""
        kept = part[self.pixels[:, 0], self.pixels[:, 1]]
        return _Source(self.pixels[kept], tuple(place[kept] for place in self.places), int(part.sum()))


@dataclass(frozen=True)
class _Donors:
    own: MaskFrame
    others: Sequence[MaskFrame]
    widths: Widths

    def beside(self) -> _Source:
        """Return where the edge of the mask and what lies near it come from."""
        pixels = np.argwhere(self.own.ring(0.0, self.widths.near))
        if not all(donor.mask.any() for donor in self.others):
            return self._in_place(pixels, self.widths.guard)
        found = [donor.at(pixels, self.own) for donor in self.others]
        kept = np.logical_and.reduce([usable for _, usable in found])
        return _Source(pixels[kept], tuple(place[kept] for place, _ in found), len(pixels))

    def far(self) -> _Source:
        """Return where all that is far from the mask comes from."""
        return self._in_place(np.argwhere(self.own.ring(self.widths.far)), self.widths.far)

    def _in_place(self, pixels: Pixels, spared: float) -> _Source:
        """Return the same pixels of both donors, less what lies in either's mask or within `spared` of it."""
        hidden = np.logical_or.reduce([donor.grown(spared) for donor in self.others])
        free = pixels[~hidden[pixels[:, 0], pixels[:, 1]]]
        return _Source(free, (free, free), len(pixels))


def _moved(image: Image, donor: Image, sources: Sequence[_Source], *, which: int) -> Image:
    """Return the image with the pixels of some sources taken from a donor, the first or the second of the two."""
    result = image.copy()
    for one in sources:
        place = one.places[which]
        result[:, one.pixels[:, 0], one.pixels[:, 1]] = donor[:, place[:, 0], place[:, 1]]
    return result
