"""The four-arm transplant of a table: columns that should not matter exchanged between rows of the same and of another
decision.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.core.seeds import generator
from auditor.modalities.tables.probes.rows import Reader, broken_rule, lenders, own_fault
from auditor.modalities.tables.table import Codes
from auditor.probes import Bench, Row, probes
from auditor.probes.donors import ARMS, Pool
from auditor.probes.evasion import zone_of
from auditor.samples.samples import Chunk

TRIES = 10
"""How often the donors of one draw are drawn before it is given up: coupled columns must not make people who cannot be.
"""


@dataclass
class _Recipient:
    """The draws of one row: donors among the lenders, and the arms (4, columns) made of them."""

    rng: np.random.Generator
    missing: Missing | None = None
    donors: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    arms: dict[int, Codes] = field(default_factory=dict)
    blocked: str = ""
    """The last rule that an arm broke."""


@probes.register("exchange", cost=lambda *, method, settings: (6 * settings["draws"] + 1, 0))
def exchange(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Margins for the recipient's own decision in the four arms of every draw, with the donors' positions.

    As in `transplant`, with decisions in the place of classes: arm A has the row's own columns that should matter and
    the others of a row
    decided alike, B the others of a row decided otherwise, C and D have the columns that should matter of a row decided
    otherwise.
    `sham` is the margin of the row itself, `lost/A` and `lost/B` say whether the model's own decision changed.
    Definitions are computed anew
    in every arm; a draw in which an arm breaks a rule is drawn again.
    """
    reader = Reader.of(bench)
    positions, rows = lenders(bench.samples, int(trial.settings["pool"]), trial.seed)
    before, alike = reader.decisions(chunk.x), reader.decisions(rows)
    units, index = bench.samples.unit_numbers(), bench.samples.index()
    faults = broken_rule(reader.rules, rows.numpy())
    # the lenders first, then the chunk's rows, which lend nothing
    pool = Pool(
        torch.cat([alike, before]).numpy(),
        units[[*positions, *(index[name] for name in chunk.ids)]],
        np.array([not fault for fault in faults] + [False] * len(chunk.ids)),
    )
    own = broken_rule(reader.rules, chunk.x.numpy())
    found = [
        _Recipient(generator(trial.seed, "exchange", name), own_fault(rule) if rule else None)
        for name, rule in zip(chunk.ids, own, strict=True)
    ]
    _draw(
        reader,
        found,
        pool,
        codes=torch.cat([rows, chunk.x]).numpy(),
        outside=zone_of(trial, chunk).numpy(),
        draws=int(trial.settings["draws"]),
    )
    return _measured(reader, found, chunk.x, before=before, positions=positions)


def _draw(
    reader: Reader, found: list[_Recipient], pool: Pool, *, codes: Codes, outside: np.ndarray, draws: int
) -> None:
    """Fill in the donors and arms of every recipient; all recipients are checked against the rules together."""
    first, rules = len(codes) - len(found), reader.rules
    for _ in range(TRIES):
        drawn = [
            (place, draw)
            for place, one in enumerate(found)
            for draw in range(draws)
            if not one.missing and draw not in one.donors
        ]
        made: list[tuple[int, int, tuple[int, int, int]]] = []
        for place, draw in drawn:
            donors = None if found[place].missing else pool.donors(found[place].rng, first + place)
            if donors is not None:
                made.append((place, draw, donors))
            elif not found[place].missing:
                found[place].missing = Missing.not_applicable(
                    "no donor of the same and two of another decision from other units"
                )
        if not made:
            return
        arms = rules.recomputed(
            np.concatenate([_arms(codes, (first + place, *donors), outside[place]) for place, _, donors in made])
        )
        blocked = broken_rule(rules, arms)
        for at, (place, draw, donors) in enumerate(made):
            fault = next(filter(None, blocked[4 * at : 4 * at + 4]), "")
            if fault:
                found[place].blocked = fault
            else:
                found[place].donors[draw], found[place].arms[draw] = donors, arms[4 * at : 4 * at + 4]


def _arms(codes: Codes, who: tuple[int, ...], outside: np.ndarray) -> Codes:
    return np.stack([np.where(outside, codes[who[there]], codes[who[here]]) for here, there in ARMS.values()])


def _measured(
    reader: Reader, found: list[_Recipient], x: Tensor, *, before: Tensor, positions: tuple[int, ...]
) -> list[Row]:
    """Return a row per recipient; all arms of the chunk are shown to the model together."""
    stacked, owners = [], []
    for place, one in enumerate(found):
        if not one.missing and one.arms:
            stacked += [x[place].numpy()[None], *one.arms.values()]
            owners += [place] * (1 + 4 * len(one.arms))
    every = torch.from_numpy(np.concatenate(stacked)) if stacked else x[:0]
    label = before[owners] if owners else before[:0]
    edges, lost = reader.margins(every, label).tolist(), (reader.decisions(every) != label).tolist()
    result, start = [], 0
    for one in found:
        if one.missing or not one.arms:
            result.append(
                Row(
                    missing=one.missing
                    or Missing.not_applicable(
                        f"in {TRIES} draws of donors an arm broke a rule each time, such as '{one.blocked}'"
                    )
                )
            )
            continue
        values: dict[str, float] = {"sham": edges[start]}
        for order, (draw, donors) in enumerate(zip(range(len(one.arms)), one.donors.values(), strict=True)):
            at = start + 1 + 4 * order
            values |= {f"{name}/{draw}": float(positions[donor]) for name, donor in zip("jkl", donors, strict=True)}
            values |= {f"{arm}/{draw}": edges[at + k] for k, arm in enumerate("ABCD")}
            values |= {f"lost/{arm}/{draw}": float(lost[at + k]) for k, arm in enumerate("AB")}
        result.append(Row(values))
        start += 1 + 4 * len(one.arms)
    return result
