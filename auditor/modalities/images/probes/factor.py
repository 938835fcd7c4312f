"""Whether surroundings of another site, scanner or marker move the decision, the class being the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.core.seeds import generator
from auditor.modalities.images.probes.collage import Sheet
from auditor.modalities.images.probes.inpaint import Image
from auditor.modalities.images.probes.transplant import cutting_of, margins
from auditor.probes import Bench, Row, probes
from auditor.probes.donors import Pool
from auditor.samples.samples import Chunk


@probes.register("factor", cost=lambda *, method, settings: (2 * settings["pairs"], 0))
def factor(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Margins for the own class with surroundings of two samples of the own class that differ in the factor's value.

    Each pair draws two values of the factor that the class has in other units, then a donor of each: `P/<pair>` and
    `Q/<pair>`, with the donors' positions `p/<pair>` and `q/<pair>`. The class being fixed, an effect of the factor
    shows
    even where it does not go with the class in these data.
    """
    column = str(trial.settings["column"])
    pool, index, values = Pool.of(bench.samples), bench.samples.index(), np.array(bench.samples.factors[column])
    return [
        _recipient(bench, trial, pool, values=values, position=index[name], row=row, chunk=chunk)
        for row, name in enumerate(chunk.ids)
    ]


def _recipient(
    bench: Bench, trial: Trial, pool: Pool, *, values: NDArray[np.str_], position: int, row: int, chunk: Chunk
) -> Row:
    rng = generator(trial.seed, "factor", trial.settings["column"], chunk.ids[row])
    found: dict[str, float] = {}
    images: list[Image] = []
    for pair in range(int(trial.settings["pairs"])):
        donors = _donors(pool, values, position, rng=rng)
        if donors is None:
            return Row(
                missing=Missing.not_applicable(
                    f"its class has not two values of '{trial.settings['column']}' in different other units"
                )
            )
        sheet = Sheet(bench.samples, (position, *donors), cutting_of(trial, str(trial.settings["fill"])))
        if sheet.full:
            return Row(missing=Missing.not_applicable("the masks of one pair leave nothing outside to fill from"))
        images += [sheet.paste(0, 1), sheet.paste(0, 2)]
        found |= {f"p/{pair}": float(donors[0]), f"q/{pair}": float(donors[1])}
    edges = margins(bench, images, int(chunk.y[row]))
    return Row(found | {f"{'PQ'[place % 2]}/{place // 2}": edge for place, edge in enumerate(edges)})


def _donors(pool: Pool, values: NDArray[np.str_], position: int, *, rng: np.random.Generator) -> tuple[int, int] | None:
    """Return donors of the own class with two values of the factor, each value as likely as any other."""
    usable = pool.gives & (pool.y == pool.y[position]) & (pool.units != pool.units[position]) & (values != "")
    for first, second in rng.permutation(_pairs(np.unique(values[usable]))):
        one = pool.draw(rng, position=position, same=True, avoid=(position,), among=values == first)
        other = (
            None
            if one is None
            else pool.draw(rng, position=position, same=True, avoid=(position, one), among=values == second)
        )
        if one is not None and other is not None:
            return one, other
    return None


def _pairs(known: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return every ordered pair of two different values (k, 2)."""
    found = [(first, second) for first in known for second in known if first != second]
    return np.array(found, dtype=known.dtype).reshape(-1, 2)
