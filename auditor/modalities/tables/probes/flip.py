"""The cheapest change of a row's decision, checked again by a second reader of the rules and shown to the model once
more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from auditor.attacks.attack import Adversarials, attack
from auditor.core.outcomes import Missing, Outcome
from auditor.core.records import Trial
from auditor.core.seeds import derive
from auditor.modalities.tables.probes.deciding import deciding
from auditor.modalities.tables.probes.rows import Reader, broken_rule, own_fault
from auditor.modalities.tables.rule_check import broken, forbidden
from auditor.modalities.tables.rule_check import price_of_change as cost_of
from auditor.modalities.tables.threats.threat import TableThreat
from auditor.models.classifier import Classifier
from auditor.probes import Bench, Row, probes
from auditor.probes.evasion import cost, zone_of
from auditor.samples.samples import Chunk

SLACK = 1e-9
"""What rounding may add to a cost, as a share of the budget."""
EDGE = 1e-9
"""Margins this near to 0 may rest on the last bits of a sum."""


@probes.register("flip", cost=cost)
def flip(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Whether the model's decision can be changed within the budget by the columns of a zone, at which cost, and how
    sure that is.

    Decisions are flipped, not labels. Rows that break a rule themselves are left out; where the threat says `towards`,
    rows that are decided so
    already are not searched. A search's word is never taken: the row that it found is written as texts, read again,
    checked by `rule_check`
    and decided by the model; what fails there counts as refused and not as flipped.
    """
    reader = Reader.of(bench)
    before, zone = reader.decisions(chunk.x), zone_of(trial, chunk)
    towards = str(trial.threat.get("towards", ""))
    aim = reader.classifier.classes.index(towards) if towards else -1
    rows: list[Row | None] = []
    for rule, free, decision, label in zip(
        broken_rule(reader.rules, chunk.x.numpy()),
        _writable(reader, zone),
        before.tolist(),
        chunk.y.tolist(),
        strict=True,
    ):
        if rule:
            rows.append(Row(missing=own_fault(rule)))
        elif not free.any():
            rows.append(Row(missing=Missing.not_applicable("none of its columns may change", trial.zone)))
        else:
            rows.append(
                Row({"searched": 0, "before": decision, "correct": int(decision == label)}) if decision == aim else None
            )
    used = [place for place, row in enumerate(rows) if row is None]
    for place, row in zip(
        used,
        _searched(bench, reader, trial, chunk=chunk.take(used), before=before[used], zone=zone[used], aim=aim),
        strict=True,
    ):
        rows[place] = row
    return [row for row in rows if row is not None]


def _writable(reader: Reader, zone: Tensor) -> Tensor:
    """Return which columns may be written (n, columns): those of the zone that are mutable and that no rule defines."""
    free = torch.tensor([column.mutable for column in reader.table.columns], dtype=torch.bool)
    free[list(reader.rules.defined)] = False
    return zone & free


def _searched(
    bench: Bench, reader: Reader, trial: Trial, *, chunk: Chunk, before: Tensor, zone: Tensor, aim: int
) -> list[Row]:
    """Return a row per row of the chunk, all of which are searched."""
    if not len(chunk.ids):
        return []
    found = _search(bench, reader, trial, chunk=chunk, before=before, zone=zone, aim=aim)
    clean = reader.margins(chunk.x, before)
    checked = _Checked.of(reader, trial, chunk.x, found, zone=zone)
    edges = reader.margins(checked.x, before)
    after = _alone(reader, checked.x, reader.decisions(checked.x), before=before, edges=edges)
    reached = (after == aim) if aim >= 0 else (after != before)
    result = []
    for row in range(len(chunk.ids)):
        claimed = bool(found.fooled[row])
        flipped = claimed and not checked.fault[row] and bool(reached[row])
        values: dict[str, float] = {
            "searched": 1,
            "before": int(before[row]),
            "correct": int(before[row] == chunk.y[row]),
            "clean_margin": float(clean[row]),
            "forwards": int(found.forwards[row]),
            "flipped": int(flipped),
            "refused": int(claimed and not flipped),
            "outcome": int(_outcome(found, row, checked.cost[row], claimed=claimed, flipped=flipped)),
        }
        if flipped:
            values |= checked.change(row) | {"predicted": int(after[row]), "margin": float(edges[row])}
        arrays = {"adversarial": checked.x[row].numpy()} if trial.keep and flipped else None
        result.append(Row(values, None if not claimed else not checked.fault[row], arrays))
    return result


def _search(
    bench: Bench, reader: Reader, trial: Trial, *, chunk: Chunk, before: Tensor, zone: Tensor, aim: int
) -> Adversarials:
    threat, limit = TableThreat(reader.table, zone, trial.threat.get("max_changes")), float(trial.threat["epsilon"])
    towards = trial.threat.get("towards", "")
    return attack(
        trial.method,
        # its fields are frozen, which the protocol does not ask for
        cast(Classifier, deciding(reader, bench.samples, trial.seed)),
        chunk.x,
        before,
        threat,
        epsilon=limit,
        targets=torch.full_like(before, aim) if aim >= 0 else None,
        seed=[derive(trial.seed, "flip", trial.method, trial.zone, limit, towards, name) for name in chunk.ids],
        batch_size=bench.batch_size,
        **trial.settings,
    )


def _alone(reader: Reader, x: Tensor, after: Tensor, *, before: Tensor, edges: Tensor) -> Tensor:
    """Return the decisions (n,) after the change, as they were before for rows on the boundary that are decided
    otherwise when shown alone.

    Sums may differ in their last bits from one batch to another: a flip that rests on that is none.
    """
    result = after.clone()
    for row in torch.nonzero(edges.abs() <= EDGE)[:, 0].tolist():
        if reader.decisions(x[row : row + 1])[0] != after[row]:
            result[row] = before[row]
    return result


def _outcome(found: Adversarials, row: int, cost: float, *, claimed: bool, flipped: bool) -> Outcome:
    """Return what is known of a row: what was refused is nothing, and a cost that was told wrong is no minimum."""
    told = Outcome(int(found.proof[row]))
    if not claimed:
        return told
    if not flipped:
        return Outcome.NONE_FOUND
    exact = told is Outcome.FLIPPED_EXACTLY and math.isclose(cost, float(found.size[row]), rel_tol=1e-6, abs_tol=1e-9)
    return Outcome.FLIPPED_EXACTLY if exact else Outcome.FLIPPED_AT_MOST


@dataclass(frozen=True)
class _Checked:
    """The rows that a search found (n), as a file would hold them, and what an independent reader says of them."""

    x: Tensor
    changed: np.ndarray
    """(n, columns)"""
    written: np.ndarray
    """(n, columns) what was changed and not only followed by a definition."""
    cost: list[float]
    fault: list[str]
    """Why a row is not allowed; '' where it is."""

    def change(self, row: int) -> dict[str, float]:
        """Return what a row's change costs, how many columns it writes, and which columns differ."""
        places = np.flatnonzero(self.changed[row]).tolist()
        return {
            "cost": self.cost[row],
            "changes": int(self.written[row].sum()),
            **{f"set/{place}": 1 for place in places},
        }

    @classmethod
    def of(cls, reader: Reader, trial: Trial, x0: Tensor, found: Adversarials, *, zone: Tensor) -> _Checked:
        table, rules = reader.table, reader.rules
        texts = [table.texts(x.double().numpy()) for x in (x0, torch.where(found.fooled[:, None], found.x, x0))]
        saved, own = table.codes(texts[1]), x0.double().numpy()
        changed = (saved != own) & ~(np.isnan(saved) & np.isnan(own))
        written = changed.copy()
        written[:, list(rules.defined)] = False
        free, costs, faults = _writable(reader, zone), [], []
        for row, (before, after) in enumerate(zip(*texts, strict=True)):
            if not changed[row].any():
                costs.append(0.0)
                faults.append("")
                continue
            one, other = dict(zip(table.names, before, strict=True)), dict(zip(table.names, after, strict=True))
            # what a definition computes follows its inputs: it is no change of its own, costs nothing, and its rule
            # says whether it is right
            plain = {name: other[name] if written[row, place] else one[name] for place, name in enumerate(table.names)}
            names = [name for name, mutable in zip(table.names, free[row].tolist(), strict=True) if mutable]
            costs.append(float(cost_of(table, one, plain)))
            rule = next(iter(broken(table, other)), "")
            faults.append(
                f"it breaks rule '{rule}'"
                if rule
                else forbidden(table, one, plain, writable=names)
                or _strayed(reader, changed[row], zone[row].numpy())
                or _beyond(trial, costs[-1], int(written[row].sum()))
            )
        return cls(torch.from_numpy(saved), changed, written, costs, faults)


def _strayed(reader: Reader, changed: np.ndarray, zone: np.ndarray) -> str:
    """Return what is wrong with the computed columns that changed: they lie outside the zone, or nothing that they are
    computed from changed.
    """
    for place, rule in enumerate(reader.table.rules):
        at = reader.table.index.get(rule.defines, -1)
        if at >= 0 and changed[at]:
            if not zone[at]:
                return f"column '{rule.defines}' is computed from what changed, and lies outside the zone"
            if not any(changed[other] for other in reader.rules.columns(place) if other != at):
                return f"column '{rule.defines}' is computed, and may not be written"
    return ""


def _beyond(trial: Trial, spent: float, written: int) -> str:
    """Return which part of the budget a change breaks; '' for none."""
    limit, most = float(trial.threat["epsilon"]), trial.threat.get("max_changes")
    if spent > limit * (1 + SLACK):
        return f"it costs {spent:g}, more than {limit:g}"
    return f"it changes {written} columns, more than {most}" if most is not None and written > most else ""
