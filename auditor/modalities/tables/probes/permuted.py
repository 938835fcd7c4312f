"""What each column is worth on its own: the answer when one block of columns comes from another row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.core.seeds import generator
from auditor.modalities.tables.probes.rows import Reader, broken_rule, lenders, own_fault
from auditor.probes import Bench, Row, probes
from auditor.samples.samples import Chunk


@probes.register("permuted", cost=lambda *, method, settings: (2 * len(settings["blocks"]) + 2, 0))
def permuted(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Fall of the margin of the row's own decision, `fall/<block>`, and whether it changes, `flip/<block>`, when a
    block comes from a donor.

    `settings.blocks` lists the positions of the columns of each block: those that rules tie together go together, so no
    row breaks a rule.
    Each row has one donor of another unit, the same for all blocks; `donor` is its position.
    """
    reader, blocks = Reader.of(bench), [list(block) for block in trial.settings["blocks"]]
    positions, rows = lenders(bench.samples, int(trial.settings["pool"]), trial.seed)
    donors = _donors(bench, reader, trial, chunk=chunk, pool=(positions, rows))
    used = [row for row, donor in enumerate(donors) if not isinstance(donor, Missing)]
    base, other = chunk.x[used], rows[[donor for donor in donors if not isinstance(donor, Missing)]]
    before = reader.decisions(base)
    clean, found = reader.margins(base, before), {}
    for block in blocks:
        mixed = base.clone()
        mixed[:, block] = other[:, block]
        found[block[0]] = (
            (clean - reader.margins(mixed, before)).tolist(),
            (reader.decisions(mixed) != before).tolist(),
        )
    place_of = {row: place for place, row in enumerate(used)}
    result = []
    for row, donor in enumerate(donors):
        if isinstance(donor, Missing):
            result.append(Row(missing=donor))
            continue
        at = place_of[row]
        values: dict[str, float] = {"donor": float(positions[donor]), "margin": float(clean[at])}
        for first, (fall, flip) in found.items():
            values |= {f"fall/{first}": fall[at], f"flip/{first}": float(flip[at])}
        result.append(Row(values))
    return result


def _donors(
    bench: Bench, reader: Reader, trial: Trial, *, chunk: Chunk, pool: tuple[Sequence[int], Tensor]
) -> list[int | Missing]:
    """Return each row's donor, as its place in the pool of positions and rows (m, columns), or why it has none."""
    units, index = bench.samples.unit_numbers(), bench.samples.index()
    gives = np.array([not fault for fault in broken_rule(reader.rules, pool[1].numpy())])
    lent, own = units[list(pool[0])], broken_rule(reader.rules, chunk.x.numpy())
    donors: list[int | Missing] = []
    for name, rule in zip(chunk.ids, own, strict=True):
        open_ones = np.flatnonzero(gives & (lent != units[index[name]]))
        if rule or not len(open_ones):
            donors.append(own_fault(rule) if rule else Missing.not_applicable("no donor from another unit"))
        else:
            donors.append(int(generator(trial.seed, "permuted", name).choice(open_ones)))
    return donors
