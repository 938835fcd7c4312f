"""Whether a decision changes with a protected column: the column alone, with what is coupled to it repaired, and at the
worst of the block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.modalities.tables.probes.rows import Reader, broken_rule, own_fault
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import Codes, Table
from auditor.probes import Bench, Row, probes
from auditor.samples.samples import Chunk

Places = NDArray[np.int64]


def _rows(*, method: str, settings: Mapping[str, Any]) -> tuple[int, int]:
    return 1 + len(settings["values"]) * (2 + prod(map(len, settings["block"].values()))), 0


@probes.register("invariance", cost=_rows)
def invariance(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Decisions with each other value of a protected column, by its place k in the trial's `values`.

    `naive/k`: only the column is changed, whether the row is possible then (`possible/k`) or not. `repaired/k`: coupled
    levels are swapped
    and definitions computed anew; missing where the row is impossible even so. `worst/k`: the decision that differs, if
    there is one, over all
    possible values (`joint/k` of them) of the columns in `block`; one that changes between favourable and not comes
    first. `before` is the
    decision and `own` the code as they are.
    """
    reader, x = Reader.of(bench), chunk.x.numpy()
    table, rules, place = reader.table, reader.rules, reader.table.index[str(trial.settings["column"])]
    absent, broken = np.isnan(x[:, place]), broken_rule(rules, x)
    missing = [
        Missing.not_applicable(f"'{table.columns[place].name}' is missing")
        if absent[row]
        else (own_fault(one) if one else None)
        for row, one in enumerate(broken)
    ]
    rows = np.array([row for row, why in enumerate(missing) if why is None], dtype=np.int64)
    found: list[dict[str, float]] = [{} for _ in missing]
    if len(rows):
        variants = list(_variants(table, rules, place, x=x, rows=rows, settings=trial.settings))
        decided = iter(_decided(reader, [x[rows], *(one.x for one in variants)]))
        _note(found, rows, x[:, place], before=next(decided))
        favourable = reader.classifier.classes.index(table.favourable)
        for one, after in zip(variants, decided, strict=True):
            one.note(found, after, favourable)
    return [Row(missing=why) if why else Row(found[row]) for row, why in enumerate(missing)]


def _note(found: list[dict[str, float]], rows: Places, own: Codes, *, before: Places) -> None:
    for row, answer in zip(rows.tolist(), before.tolist(), strict=True):
        found[row] = {"before": float(answer), "own": float(own[row])}


@dataclass(frozen=True)
class Variant:
    """One value of the column in some rows: changed rows x (m, columns), of which each belongs to the sample `of`
    (m,).
    """

    kind: str
    value: int
    """Its place in the trial's `values`."""
    x: Codes
    of: Places
    possible: NDArray[np.bool_] | None = None
    """Of the naive rows."""

    def note(self, found: list[dict[str, float]], after: Places, favourable: int) -> None:
        """Write the decisions (m,) into the samples' values."""
        if self.kind == "worst":
            self._note_worst(found, after, favourable)
            return
        for place, (row, answer) in enumerate(zip(self.of.tolist(), after.tolist(), strict=True)):
            found[row][f"{self.kind}/{self.value}"] = float(answer)
            if self.possible is not None:
                found[row][f"possible/{self.value}"] = float(self.possible[place])

    def _note_worst(self, found: list[dict[str, float]], after: Places, favourable: int) -> None:
        before = np.array([found[row]["before"] for row in self.of.tolist()], dtype=np.int64)
        change = (after != before).astype(np.int64) + ((after == favourable) != (before == favourable))
        order = np.lexsort((np.arange(len(after)), -change, self.of))
        rows, first, counts = np.unique(self.of[order], return_index=True, return_counts=True)
        for row, place, n in zip(rows.tolist(), first.tolist(), counts.tolist(), strict=True):
            found[row] |= {f"worst/{self.value}": float(after[order[place]]), f"joint/{self.value}": float(n)}


def _variants(
    table: Table, rules: Rules, place: int, *, x: Codes, rows: Places, settings: Mapping[str, Any]
) -> Iterator[Variant]:
    tied = [table.index[name] for name in settings["block"]]
    joint = list(product(*settings["block"].values()))
    for number, value in enumerate(settings["values"]):
        of = rows[x[rows, place] != value]
        naive = x[of].copy()
        naive[:, place] = value
        repaired = rules.repaired(naive, [place])
        good = rules.feasible(repaired)
        yield Variant("naive", number, naive, of, rules.feasible(naive))
        yield Variant("repaired", number, repaired[good], of[good])
        every = np.concatenate(
            [rules.recomputed(naive), repaired, *(rules.recomputed(_written(naive, tied, codes)) for codes in joint)]
        )
        whose = np.tile(of, 2 + len(joint))
        good = rules.feasible(every)
        kept = _distinct(every[good], whose[good])
        yield Variant("worst", number, every[good][kept], whose[good][kept])


def _written(x: Codes, tied: Sequence[int], codes: Sequence[float]) -> Codes:
    """Return rows with other values in the tied columns; a missing cell stays missing."""
    result = x.copy()
    for at, code in zip(tied, codes, strict=True):
        result[:, at] = np.where(np.isnan(x[:, at]), np.nan, code)
    return result


def _distinct(x: Codes, of: Places) -> Places:
    """Return the places of the first of all equal rows of one sample, in order."""
    return (
        np.sort(np.unique(np.column_stack([of, np.nan_to_num(x, nan=np.inf)]), axis=0, return_index=True)[1])
        if len(x)
        else of
    )


def _decided(reader: Reader, parts: Sequence[Codes]) -> list[Places]:
    """Return the decisions on each part's rows; every distinct row is shown once."""
    whole = np.concatenate(parts)
    _, first, back = np.unique(np.nan_to_num(whole, nan=np.inf), axis=0, return_index=True, return_inverse=True)
    answers = reader.decisions(torch.from_numpy(whole[first])).numpy()[back.reshape(-1)]
    return np.split(answers, np.cumsum([len(part) for part in parts])[:-1])
