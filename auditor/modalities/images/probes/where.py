"""The search for the place: one cell of the surroundings after another is exchanged with those of another class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.core.seeds import generator
from auditor.modalities.images.probes.collage import Cutting, Sheet
from auditor.modalities.images.probes.transplant import margins
from auditor.probes import Bench, Row, probes
from auditor.probes.donors import Pool
from auditor.samples.samples import Chunk, Samples

LEAST = 0.25
"""A cell counts in a draw only where at least this share of its pixels is exchanged."""

Cell = tuple[int, int]
"""Row and column of a cell, counted from 0 at the top left."""


def grid(shape: Sequence[int], cells: int) -> dict[Cell, tuple[slice, slice]]:
    """Return the pixels of every cell of a cells x cells grid over a frame (height, width); where a side does not
    divide evenly, cells differ by a pixel.
    """
    down, right = ([k * side // cells for k in range(cells + 1)] for side in shape)
    return {
        (row, column): (slice(*down[row : row + 2]), slice(*right[column : column + 2]))
        for row in range(cells)
        for column in range(cells)
    }


@probes.register("where", cost=lambda *, method, settings: (settings["draws"] * (settings["cells"] ** 2 + 1), 0))
def where(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """How much evidence for the own class goes with each cell of the sample's surroundings, against a donor of another
    class.

    Even draws start from the sample itself and take one cell of its outside away: the donor's stands there instead. Odd
    draws
    start from its inside on the donor's outside and bring one cell of its own back. The change of the margin for the
    sample's
    class, base less changed in even and changed less base in odd draws, is what the cell is worth:
    'cell/<row>/<column>/<draw>',
    present where the cell counts, with the base's margin 'base/<draw>' and the donor's position 'k/<draw>'. What a seam
    does
    to the margin has opposite signs in the two kinds of draw and cancels; a cue that is there twice hides from the even
    draws
    and shows in the odd ones.
    """
    pool, index = Pool.of(bench.samples), bench.samples.index()
    return [_recipient(bench, trial, pool, position=index[name], name=name) for name in chunk.ids]


def _recipient(bench: Bench, trial: Trial, pool: Pool, *, position: int, name: str) -> Row:
    draws, cells = int(trial.settings["draws"]), int(trial.settings["cells"])
    cutting = Cutting(float(trial.settings["guard"]), fill=str(trial.settings["fill"]))
    rng = generator(trial.seed, "where", name)
    values: dict[str, float] = {}
    for draw in range(draws):
        donor = pool.draw(rng, position=position, same=False, avoid=(position,))
        if donor is None:
            return Row(missing=Missing.not_applicable("no donor of another class from another unit"))
        made = exchanged(bench.samples, position, donor, cells=cells, cutting=cutting, arriving=bool(draw % 2))
        if made is None:
            return Row(missing=Missing.not_applicable("the masks of one draw leave nothing outside to exchange"))
        values[f"k/{draw}"] = float(donor)
        values |= _measured(bench, made, position, draw=draw)
    return Row(values)


def _measured(
    bench: Bench, made: Mapping[Cell | None, NDArray[np.float32]], position: int, *, draw: int
) -> dict[str, float]:
    base, *others = margins(bench, list(made.values()), bench.samples.y[position])
    sign = -1.0 if draw % 2 else 1.0
    found = {
        f"cell/{cell[0]}/{cell[1]}/{draw}": sign * (base - edge)
        for cell, edge in zip(list(made)[1:], others, strict=True)
        if cell is not None
    }
    return {f"base/{draw}": base, **found}


def exchanged(
    samples: Samples, recipient: int, donor: int, *, cells: int, cutting: Cutting, arriving: bool
) -> dict[Cell | None, NDArray[np.float32]] | None:
    """Return the base image (channels, height, width) under None, and for every cell that counts the base with that
    cell's outside exchanged.

    The base is the recipient, or where `arriving` its inside on the donor's outside. What lies under either mask (grown
    by the
    guard) is in-painted in both outsides before. None where the masks leave nothing outside.
    """
    sheet = Sheet(samples, (recipient, donor), cutting)
    if sheet.full:
        return None
    # the inside is the recipient's own in every image
    base, giver = (sheet.paste(0, outside) for outside in ((1, 0) if arriving else (0, 1)))
    made: dict[Cell | None, NDArray[np.float32]] = {None: base}
    for cell, (down, right) in grid(sheet.hole.shape, cells).items():
        free = ~sheet.hole[down, right]
        if free.size and free.mean() >= LEAST:
            made[cell] = base.copy()
            made[cell][:, down, right] = giver[:, down, right]
    return made
