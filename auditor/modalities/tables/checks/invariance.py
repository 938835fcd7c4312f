"""Invariance to a protected column: the column alone, with what is coupled to it repaired, and at the worst of the
block, side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from auditor.checks.common import percent, reason, span, why_not
from auditor.core.displays import Counterfactual, Counterfactuals, Partition, TableCell, TableDisplay
from auditor.core.facts import Facts
from auditor.core.records import Estimate, Evidence, Finding, Observation, Observations, Trial, Verdict
from auditor.modalities.tables.checks.common import favourable
from auditor.modalities.tables.checks.protected import invariance_trial, protected, supported_values
from auditor.modalities.tables.table import Column
from auditor.stats.decisions import decide
from auditor.stats.paired import paired_p
from auditor.stats.shares import proportion

Way = Literal["naive", "repaired", "worst"]
_KINDS: tuple[Way, ...] = ("naive", "repaired", "worst")
SAID: dict[Way, str] = {
    "naive": "the column alone",
    "repaired": "with the coupled columns repaired",
    "worst": "at the worst of the coupled columns",
}
MOST_DIRECTIONS = 6
"""With more values than this, directions are told by where they lead alone."""


@dataclass(frozen=True)
class Change:
    """What one kind of change does to some samples: (sample id, decision before, decision after) of each that is
    possible.
    """

    kind: Way
    moved: Sequence[tuple[str, int, int]]
    asked: int
    """Samples that the change was asked of."""
    impossible: int

    def turned(self, wanted: int, *, up: bool) -> list[float]:
        """Return which become favourable (up), or cease to be."""
        return [float((after == wanted) == up and (before == wanted) != up) for _, before, after in self.moved]

    def row(self, facts: Facts, source: str, target: str, *, pooled: bool) -> Counterfactual:
        """Return its numbers; `pooled` says whether the source stands for several values."""
        wanted, units = favourable(facts), [facts.unit_of[name] for name, _, _ in self.moved]
        up, down = self.turned(wanted, up=True), self.turned(wanted, up=False)
        return Counterfactual(
            way=self.kind,
            source=source,
            target=target,
            n=len({name for name, _, _ in self.moved}),
            impossible=self.impossible,
            up=int(sum(up)),
            down=int(sum(down)),
            pooled=pooled,
            estimate=self.estimate(facts),
            p=paired_p(up, down, units) if units else None,
        )

    def estimate(self, facts: Facts) -> Estimate | None:
        """Return the share of samples whose decision changes; of a sample with several changes, whether any does."""
        flags: dict[str, float] = {}
        for name, before, after in self.moved:
            flags[name] = max(flags.get(name, 0.0), float(after != before))
        return proportion(
            list(flags.values()), [facts.unit_of[name] for name in flags], unit="share of decisions that change"
        )


def judge_invariance(facts: Facts, observations: Observations, tolerance: float) -> Iterable[Finding]:
    """Return a finding for each protected column, and for each group column that the model does not take."""
    taken = {column.name: column for column in protected(facts)}
    for name in sorted({*facts.groups, *taken}):
        base: dict[str, Any] = {"id": f"fairness/{name}/invariance", "check": "fairness", "question": 2}
        base["displays"] = (Partition(attribute=name, columns=(name,)),)
        column = taken.get(name)
        if column is None:
            yield _blind(name, base)
        elif not supported_values(facts, column):
            claim = f"Whether decisions change with '{name}' could not be measured."
            yield Finding(
                verdict="not_measured",
                claim=claim,
                reason=f"no value of '{name}' is supported by enough rows",
                **base,
            )
        else:
            yield _column(facts, observations, column, tolerance=tolerance, base=base)


def _blind(name: str, base: dict[str, Any]) -> Finding:
    claim = (
        f"The model does not take the column '{name}', so that a change of it alone changes no decision by"
        " construction."
    )
    why = (
        "blindness is no proof of equal outcomes: other columns may stand for this one; the impact ratio compares"
        " outcomes"
    )
    return Finding(verdict="not_measured", claim=claim, reason=why, advice="Read the impact ratio.", **base)


def _column(
    facts: Facts, observations: Observations, column: Column, *, tolerance: float, base: dict[str, Any]
) -> Finding:
    trial = invariance_trial(facts, column)
    rows = observations.of(trial)
    measured = {name: row for name, row in rows.items() if row.missing is None}
    base |= {"evidence": Evidence(trials=(observations.key(trial),))}
    values = trial.settings["values"]
    whole = {kind: _change(measured, kind, range(len(values))) for kind in _KINDS}
    found = {kind: change.estimate(facts) for kind, change in whole.items()}
    listed = [change.row(facts, "any", "any other", pooled=True) for change in whole.values() if change.moved]
    directions = _directions(facts, measured, column, values=values)
    block, turned = tuple(sorted(trial.settings["block"])), _reversed(directions)
    base["displays"] += (Counterfactuals(rows=(*listed, *directions), block=block, reversals=turned),)
    if listed:
        base["displays"] += (
            _table(column.name, [*listed, *(row for row in directions if block or row.way == "naive")]),
        )
    middle = found["repaired"]
    if middle is None:
        claim = f"Whether decisions change with '{column.name}' could not be measured."
        why = why_not(rows.values()) if not measured else f"no row is possible with another value of '{column.name}'"
        return Finding(verdict="not_measured", claim=claim, reason=why, **base)
    verdict = _verdict(found, tolerance)
    others = ", ".join(f"{SAID[kind]} {span(one)}" for kind in ("naive", "worst") if (one := found[kind]) is not None)
    return Finding(
        verdict=verdict,
        claim=(
            f"Another '{column.name}', with the coupled columns repaired, changes {span(middle)} of decisions"
            f" ({others})."
        ),
        estimate=middle,
        tolerance=tolerance,
        reason=_reason(verdict, found, tolerance, trial=trial, turned=turned),
        advice=_advice(verdict, column.name),
        **base,
    )


def _change(
    measured: Mapping[str, Observation], kind: Way, numbers: Iterable[int], *, names: Sequence[str] | None = None
) -> Change:
    moved, asked, impossible = [], 0, 0
    numbers = list(numbers)
    for name in measured if names is None else names:
        values = measured[name].values
        for number in numbers:
            if f"naive/{number}" not in values:
                continue  # its own value
            asked += 1
            impossible += not values[f"possible/{number}"] if kind == "naive" else f"{kind}/{number}" not in values
            if f"{kind}/{number}" in values:
                moved.append((name, int(values["before"]), int(values[f"{kind}/{number}"])))
    return Change(kind, moved, asked, impossible)


def _directions(
    facts: Facts, measured: Mapping[str, Observation], column: Column, *, values: Sequence[float]
) -> list[Counterfactual]:
    own: dict[str, list[str]] = {}
    told = not column.numeric and len(values) <= MOST_DIRECTIONS
    for name, row in measured.items():
        own.setdefault(column.text(row.values["own"]) if told else "any other", []).append(name)
    rows: list[Counterfactual] = []
    for source, names in sorted(own.items()):
        for number, value in enumerate(values):
            found = [_change(measured, kind, [number], names=names) for kind in _KINDS]
            rows += [change.row(facts, source, column.text(value), pooled=not told) for change in found if change.asked]
    return rows


def _reversed(directions: Sequence[Counterfactual]) -> tuple[str, ...]:
    """Return a sentence for every direction in which the repair turns the sign of the effect."""
    pairs = {(row.source, row.target, row.way): row for row in directions}
    said = []
    for (source, target, way), naive in pairs.items():
        repaired = pairs.get((source, target, "repaired"))
        if way != "naive" or repaired is None or (naive.up - naive.down) * (repaired.up - repaired.down) >= 0:
            continue
        counts = f"{naive.up} up and {naive.down} down alone, {repaired.up} up and {repaired.down} down repaired"
        said.append(f"from {source} to {target} the sign reverses once the coupled columns are repaired ({counts})")
    return tuple(said)


def _table(name: str, rows: Sequence[Counterfactual]) -> TableDisplay:
    cells: list[tuple[TableCell, ...]] = []
    for row in rows:
        counts = (row.n, row.impossible, row.up, row.down)
        cells.append((f"{row.source} to {row.target}", SAID[row.way], *counts, row.estimate, row.p))
    columns = (
        "Change",
        "What else changes",
        "Rows",
        "Impossible rows",
        "Becomes favourable",
        "Ceases to be",
        "Decisions that change",
        "p of up against down",
    )
    return TableDisplay(title=f"Decisions with another '{name}'", columns=columns, rows=tuple(cells))


def _verdict(found: Mapping[Way, Estimate | None], tolerance: float) -> Verdict:
    if decide(found["repaired"], tolerance) == "fail":
        return "fail"
    return "pass" if all(decide(one, tolerance) == "pass" for one in found.values()) else "inconclusive"


def _reason(
    verdict: Verdict, found: Mapping[Way, Estimate | None], tolerance: float, *, trial: Trial, turned: Sequence[str]
) -> str:
    middle = found["repaired"]
    alone = decide(middle, tolerance)
    said = reason(alone, middle, tolerance)
    if verdict == "inconclusive" and alone == "pass":
        beyond = [SAID[kind] for kind in ("naive", "worst") if decide(found[kind], tolerance) != "pass"]
        said = f"with the coupled columns repaired {said}, but not {' and '.join(beyond)}"
    elif verdict == "pass":
        said = said.replace(
            f"the tolerance {percent(tolerance)}",
            f"the tolerance {percent(tolerance)}, alone, repaired and at the worst",
        )
    tied = sorted(trial.settings["block"])
    said += (
        f"; coupled by rules: {', '.join(tied)}"
        if tied
        else "; no rule ties another column to it, so that the three figures are one"
    )
    return "; ".join([said, *turned])


def _advice(verdict: Verdict, name: str) -> str:
    if verdict == "fail":
        return (
            f"Find out by which columns '{name}' moves the decision, and take them out or show that the decision needs"
            " them."
        )
    return (
        "No action."
        if verdict == "pass"
        else "Audit more rows, or declare the rules that tie other columns to this one."
    )
