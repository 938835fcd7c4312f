"""Cases of a table: one CSV each, the row before and after, and what can be checked about it without the search that
made it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from auditor.checks.common import shown_zone
from auditor.core.errors import DataError
from auditor.core.outcomes import Outcome
from auditor.core.records import Observation, Observations, Trial, digest
from auditor.engine.picks import picked
from auditor.engine.prepared import Prepared
from auditor.engine.stages import Claim, Shown
from auditor.engine.store import Store
from auditor.modalities.tables import rule_check
from auditor.modalities.tables.checks.common import searched, table_of, zone_label
from auditor.modalities.tables.classifier import TableClassifier
from auditor.modalities.tables.row_file import read_rows, write_rows
from auditor.modalities.tables.table import Table

_MEANING = {
    "worst": "the cheapest change that flips a decision",
    "median": "the middle one of all flips, by cost",
    "best": "the dearest change that was needed",
}


def table_cases(
    prepared: Prepared, store: Store, observations: Observations, *, planned: Sequence[Trial]
) -> list[dict[str, Any]]:
    """Return the index entries of the worst, the median and the best flip, their files written: of columns that should
    not matter, and of recourse.
    """
    facts = prepared.facts
    shown: dict[str, Trial] = {}
    for trial in planned:
        towards = str(trial.threat.get("towards") or "")
        if trial.probe == "flip" and trial.keep and (towards or trial.zone == shown_zone(facts)):
            shown.setdefault("recourse" if towards else f"exposure/{trial.zone}", trial)
    found = []
    for finding, trial in shown.items():
        rows = {
            name: row
            for name, row in searched(observations.of(trial)).items()
            if row.values["flipped"] == 1 and row.artefact
        }
        found += [
            _case(prepared, store, trial, finding=finding, row=rows[name], rule=rule)
            for rule, name in _chosen(rows).items()
        ]
    return found


def _chosen(rows: Mapping[str, Observation]) -> dict[str, str]:
    """Return rule -> sample id, by cost; of few flips each is shown once."""
    ranked = sorted(rows, key=lambda name: (rows[name].values["cost"], rows[name].values["margin"], name))
    return picked(ranked)


def _case(
    prepared: Prepared, store: Store, trial: Trial, *, finding: str, row: Observation, rule: str
) -> dict[str, Any]:
    facts, values, outcome = prepared.facts, row.values, Outcome.of(row.values)
    table, position = table_of(facts), facts.position_of[row.sample]
    arrays = store.get(row.artefact or "")
    if arrays is None:
        raise FileNotFoundError(f"the artefact of sample '{row.sample}' is gone from {store.folder}")
    case = f"{finding.partition('/')[0]}-{rule}-{digest(row.sample)[:12]}"
    before, after = table.texts(np.stack([prepared.samples.load([position]).x[0].numpy(), arrays["adversarial"]]))
    path = write_rows(store.evidence_file(f"{case}/row.csv"), table.names, before, after=after)
    decisions = [facts.classes[int(values[key])] for key in ("before", "predicted")]
    changed = [(name, *pair) for name, *pair in zip(table.names, before, after, strict=True) if pair[0] != pair[1]]
    return {
        "finding": finding,
        "rule": rule,
        "sample": row.sample,
        "trial": row.trial,
        "label": facts.classes[facts.y[position]],
        "before": decisions[0],
        "after": decisions[1],
        "epsilon": trial.threat["epsilon"],
        "max_changes": trial.threat.get("max_changes"),
        "norm": trial.threat["norm"],
        "zone": trial.zone,
        "size": values["cost"],
        "outcome": outcome.text,
        **store.indexed({"row": path}),
        "text": (
            f"{rule.capitalize()} case ({_MEANING[rule]}): {_told(decisions, changed)}, at a cost of"
            f" {values['cost']:g}."
            f" Changes were sought {zone_label(trial.zone)};"
            f" {'flipped' if outcome is Outcome.FLIPPED_AT_MOST else outcome.text}."
        ),
    }


def _told(decisions: Sequence[str], changed: Sequence[tuple[str, ...]]) -> str:
    parts = [f"{name} changes from {before or 'missing'} to {after or 'missing'}" for name, before, after in changed]
    many = " and ".join(part for part in (", ".join(parts[:-1]), parts[-1] if parts else "nothing changes") if part)
    return f"'{decisions[0]}' becomes '{decisions[1]}' when {many}"


def zone_columns(table: Table, zone: str) -> frozenset[str]:
    """Return the names of the columns of a zone, by their roles."""
    every = {column.name: column.role for column in table.columns}
    inside = {name for name, role in every.items() if role == "relevant"}
    known = {"everywhere": set(every), "inside": inside, "outside": set(every) - inside}
    return frozenset(known.get(zone, {name for name, role in every.items() if role == zone}))


def row_claims(shown: Shown, table: Table, classifier: TableClassifier | None) -> Iterator[Claim]:
    """Yield what was checked of a case, from the cells of its file alone: limits and rules by `rule_check`, the
    decisions by the classifier.
    """
    case = shown.case
    yield _ledger(case, shown.row)
    try:
        names, *rows = read_rows(shown.folder / case["files"]["row"])
        before, after = (dict(zip(names, texts, strict=True)) for texts in rows)
        codes = table.codes(rows)
        if names != table.names:
            raise ValueError("expected the columns of the audited table")
    except (OSError, ValueError, KeyError, DataError) as error:
        yield Claim("its rows can be read", f"{type(error).__name__}: {error}")
        return
    defined = {rule.defines for rule in table.rules}
    # what a rule computes follows its inputs: it is no change of its own, and the rule says whether it is right
    own = {name: before[name] if name in defined else text for name, text in after.items()}
    zone, fixed = zone_columns(table, case["zone"]), {column.name for column in table.columns if not column.mutable}
    strayed = sorted(name for name in defined - zone - {""} if before[name] != after[name])
    why = rule_check.forbidden(table, before, own, writable=zone - fixed - defined) or (
        f"computed columns outside the zone differ: {', '.join(strayed)}" if strayed else ""
    )
    yield Claim(f"only what may change was changed, within its limits (zone '{case['zone']}')", why)
    broken = rule_check.broken(table, after)
    yield Claim("the changed row breaks no rule", f"broken: {', '.join(broken)}" if broken else "")
    yield _cost(case, rule_check.price_of_change(table, before, own), sum(before[name] != own[name] for name in own))
    if classifier is not None:
        answers = tuple(
            classifier.classes[place] for place in classifier.over(table).decisions(torch.from_numpy(codes)).tolist()
        )
        said = (case["before"], case["after"])
        yield Claim(
            f"the classifier still decides '{said[0]}' before and '{said[1]}' after",
            "" if answers == said else f"it decides '{answers[0]}' and '{answers[1]}'",
        )


def _ledger(case: Mapping[str, Any], row: Observation | None) -> Claim:
    said = row is not None and row.values.get("flipped") == 1 and row.values.get("cost") == case["size"]
    return Claim("the ledger says that it was flipped, at this cost", "" if said else "it does not")


def _cost(case: Mapping[str, Any], cost: float, changes: int) -> Claim:
    most = case.get("max_changes")
    problems = [
        f"it costs {cost:g}" if abs(cost - case["size"]) > 1e-6 * max(1.0, cost) else "",
        f"{cost:g} is more than the budget" if cost > float(case["epsilon"]) * (1 + 1e-6) else "",
        f"{changes} columns are changed" if most is not None and changes > int(most) else "",
    ]
    limit = f" and at most {most} changed columns" if most is not None else ""
    return Claim(
        f"it costs {case['size']:g}, within the budget {case['epsilon']:g}{limit}",
        "; ".join(problem for problem in problems if problem),
    )
