"""Whom fairness compares: the groups of every column, and of several columns at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Literal

from pydantic import Field

from auditor.checks.common import listed
from auditor.checks.fairness.group_rows import Group
from auditor.checks.fairness.measured import members
from auditor.core.displays import Partition
from auditor.core.errors import ConfigError, nearest
from auditor.core.facts import Facts
from auditor.core.records import Finding
from auditor.stats.grouping import Attribute, edges_of

LEVEL = 0.95
Bands = Mapping[str, Annotated[int, Field(ge=2)] | tuple[float, ...]] | None
"""Numeric column -> edges of its bands, or into how many of equal size it is cut; quarters where none are declared."""
Intersections = Literal["pairs", "none"] | tuple[tuple[str, ...], ...]
"""Columns whose combinations are compared too; of all pairs of columns as an exploration, or of those that are named
here.
"""


@dataclass(frozen=True)
class Compared:
    """An attribute whose groups are compared, and how strictly."""

    attribute: Attribute
    declared: bool
    """Whether the audit file names it; an intersection that is only tried out decides nothing."""
    groups: tuple[Group, ...]
    unknown: int
    level: float

    @property
    def name(self) -> str:
        """Return the name under which findings speak of it, such as 'sex+race'."""
        return self.attribute.name

    @property
    def partition(self) -> Partition:
        """Return what every finding on it says of how its groups were made."""
        return partition_of(self.attribute, self.unknown, declared=self.declared)


def partition_of(attribute: Attribute, unknown: int, *, declared: bool = True) -> Partition:
    """Return how an attribute divides the samples into groups, as findings show it."""
    return Partition(
        attribute=attribute.name,
        columns=tuple(attribute.columns),
        bands={column: tuple(cuts) for column, cuts in attribute.edges.items()},
        declared=declared,
        unknown=unknown,
    )


def compared(facts: Facts, bands: Bands, intersections: Intersections) -> tuple[Compared, ...]:
    """Return every attribute with its groups: single columns first (ConfigError: a wrong column)."""
    edges = edges_of(facts.groups, bands or {})
    single, crossed = [(column,) for column in sorted(facts.groups)], _crossed(facts, intersections)
    strict = 1 - (1 - LEVEL) / max(1, len(crossed))
    wanted = [*((one, True, LEVEL) for one in single), *((one, intersections != "pairs", strict) for one in crossed)]
    return tuple(
        _grouped(
            facts,
            Attribute(columns, {column: edges[column] for column in columns if column in edges}),
            declared,
            level=level,
        )
        for columns, declared, level in wanted
    )


def _crossed(facts: Facts, intersections: Intersections) -> Sequence[tuple[str, ...]]:
    if intersections == "none":
        return []
    if intersections == "pairs":
        return list(combinations(sorted(facts.groups), 2))
    for columns in intersections:
        unknown = next((column for column in columns if column not in facts.groups), None)
        if unknown is not None or len(set(columns)) != len(columns) or len(columns) < 2:
            got = f"'{unknown}'; {nearest(unknown, facts.groups)}" if unknown is not None else str(list(columns))
            raise ConfigError(f"intersections: expected two or more different columns of data.groups, got {got}")
    return list(dict.fromkeys(intersections))


def _grouped(facts: Facts, attribute: Attribute, declared: bool, *, level: float) -> Compared:
    values = attribute.values(facts.groups)
    parts = dict(zip(values, attribute.parts(facts.groups), strict=True))
    groups = tuple(Group(name, parts[name], tuple(ids)) for name, ids in members(facts, values).items())
    return Compared(attribute, declared, groups, values.count(""), level)


def no_groups() -> Finding:
    """Return the finding of an audit without a group column."""
    return Finding(
        "fairness/groups",
        "fairness",
        "not_measured",
        "No group column is declared, so nothing can be said about groups of people.",
        reason="data.groups is empty",
        question=2,
        primary=True,
    )


def small_cells(partition: Partition, groups: Sequence[Group], minimum: int) -> Finding | None:
    """Return the finding that the cells of an intersection cannot be compared; None where two are large enough."""
    if sum(len(group.ids) >= minimum for group in groups) > 1:
        return None
    counts = listed({group.name: len(group.ids) for group in groups})
    return Finding(
        f"fairness/{partition.attribute}/groups",
        "fairness",
        "not_measured",
        f"Groups by {partition.attribute} could not be compared with one another.",
        reason=f"too few to say: fewer than two cells have {minimum} samples ({counts})",
        question=2,
        displays=(partition,),
    )
