"""What one trial of searches says of every row, and what is shown of each group's searches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from auditor.checks.common import few_text, why_not
from auditor.checks.fairness.compared import Compared
from auditor.checks.fairness.group_rows import Group
from auditor.checks.fairness.measured import Flags
from auditor.core.displays import AttackBudget, Display, GroupRow, Groups, TableCell, TableDisplay
from auditor.core.facts import Facts
from auditor.core.outcomes import Outcome
from auditor.core.records import Estimate, Evidence, Observations, Trial
from auditor.modalities.tables.checks.flips import Flips
from auditor.stats.censored import median, restricted_mean
from auditor.stats.shares import proportion


@dataclass(frozen=True)
class Searches:
    """What one trial of searches says of every row on which a search was made, at a cost."""

    facts: Facts
    trial: Trial
    observations: Observations
    cost: float
    _tables: dict[object, tuple[Groups, TableDisplay]] = field(default_factory=dict, repr=False)
    """What was worked out before: two findings of an attribute show the same."""

    @cached_property
    def flips(self) -> Flips:
        """Return the rows that were searched."""
        return Flips(self.facts, self.observations.of(self.trial))

    @cached_property
    def flipped(self) -> Flags:
        """Return whether a flip was found; what was not found may be unknown."""
        return self.flips.flags(self.cost)

    @cached_property
    def possible(self) -> Flags:
        """Return whether a flip was found or is not proven to be impossible."""
        return {name: max(self.flipped[name], flag) for name, flag in self.unknown.items()}

    @cached_property
    def unknown(self) -> Flags:
        """Return whether a row is neither flipped nor proven not to be."""
        return self.flips.open(self.cost)

    @cached_property
    def certain(self) -> Flags:
        """Return whether the search's answer is exact: a proven minimal cost, or a proof that there is no flip."""
        return {name: float(Outcome.of(row.values).proven) for name, row in self.flips.used.items()}

    @property
    def reach(self) -> float:
        """Return the largest cost that was tried."""
        return float(self.trial.threat["epsilon"])

    @cached_property
    def decided(self) -> Facts:
        """Return the facts with each row's own decision as its class: like is compared with like, and recourse asks
        what was decided.
        """
        before = {name: int(row.values["before"]) for name, row in self.flips.used.items()}
        return replace(
            self.facts,
            y=tuple(before.get(name, label) for name, label in zip(self.facts.ids, self.facts.y, strict=True)),
        )

    @property
    def missing(self) -> str:
        """Return why nothing is known."""
        rows = self.flips.rows.values()
        return (
            why_not(rows)
            if any(row.missing for row in rows) or not rows
            else "no row is decided unfavourably, so that none needs a change"
        )

    @property
    def evidence(self) -> Evidence:
        """Return where the numbers can be checked."""
        return Evidence(trials=(self.observations.key(self.trial),))


def search_displays(done: Searches, one: Compared, minimum: int) -> tuple[Display, ...]:
    """Return how the groups were made, and each group's searches: what was found, how it was proven, what it costs."""
    key = (tuple(group.name for group in one.groups), minimum)
    if key not in done._tables:
        rows = tuple(_row(done, group, minimum) for group in one.groups)
        done._tables[key] = Groups(rows=rows), _table(done, one.groups, rows)
    return one.partition, AttackBudget(zone=done.trial.zone, size=done.cost), *done._tables[key]


def _table(done: Searches, groups: Sequence[Group], rows: Sequence[GroupRow]) -> TableDisplay:
    towards = "the favourable decision" if done.trial.threat["towards"] else "another decision"
    columns = (
        "Group",
        "Rows searched",
        f"Flip at {done.cost:g} found",
        "Found or not excluded",
        "Search exact or proven",
        *(one.text.capitalize() for one in Outcome),
        "Median cost",
        "Mean cost",
        "Note",
    )
    return TableDisplay(
        title=f"Each group's searches for {towards}, up to a cost of {done.reach:g}",
        columns=columns,
        rows=tuple(_cells(done, group, row) for group, row in zip(groups, rows, strict=True)),
    )


def _cells(done: Searches, group: Group, row: GroupRow) -> tuple[TableCell, ...]:
    ids, shown = group.among(done.flips.used), row.measures
    ended = [sum(Outcome.of(done.flips.used[name].values) is one for name in ids) for one in Outcome]
    middle = _median([done.flips.costs[name] for name in ids], shown["median"], done.reach)
    shares = (shown["flipped"], shown["possible"], shown["exact"])
    return row.name, row.n, *shares, *ended, middle, shown["restricted"], row.note


def _row(done: Searches, group: Group, minimum: int) -> GroupRow:
    ids = group.among(done.flips.used)
    units, sizes = [done.facts.unit_of[name] for name in ids], [done.flips.costs[name] for name in ids]

    def share(flags: Flags, unit: str) -> Estimate | None:
        return proportion([flags[name] for name in ids], units, unit=unit)

    measures = {
        "flipped": share(done.flipped, "share of rows"),
        "possible": share(done.possible, "share of rows"),
        "exact": share(done.certain, "share of searches"),
        "median": median(sizes, units, unit="cost"),
        "restricted": restricted_mean(sizes, done.reach, units, seed=done.facts.seed, unit="cost") if sizes else None,
    }
    return GroupRow(
        name=group.name,
        values=group.values,
        n=len(ids),
        units=len(set(units)),
        few=len(ids) < minimum,
        note=few_text(len(ids), minimum, "rows"),
        measures=measures,
    )


def _median(sizes: Sequence[float], middle: Estimate | None, reach: float) -> str:
    if middle is not None:
        return f"{middle.value:g} [{middle.low:g}, {middle.high:g}]"
    if not sizes:
        return "not measured"
    beyond, value = sum(map(math.isinf, sizes)), sorted(sizes)[(len(sizes) - 1) // 2]
    said = f"{beyond} of {len(sizes)} beyond {reach:g}"
    return f"infinite: {said}" if math.isinf(value) else f"{value:g} ({said})"
