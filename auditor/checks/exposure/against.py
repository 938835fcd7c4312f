"""How much more often one thing flips than another on the same samples: what stands beside every search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from auditor.checks.common import why_not
from auditor.checks.exposure.search import FlipSearch
from auditor.core.displays import TableCell, TableDisplay
from auditor.core.estimates import Estimate
from auditor.core.facts import Facts
from auditor.core.zones import control_number
from auditor.stats.paired import paired_difference, paired_p
from auditor.stats.shares import proportion


@dataclass(frozen=True)
class Comparison:
    """How much more often a search flips than another one does."""

    name: str
    """The other one, in words."""
    zone: str
    """Where the other one may write."""
    there: Estimate | None
    """The share that the other one flips."""
    more: Estimate | None
    """The share that this one flips less that share, on the same samples."""
    p: float | None
    reason: str
    """Why there is no difference."""

    @property
    def cells(self) -> tuple[TableCell, ...]:
        """Return the comparison as a row of a table."""
        if self.more is None or self.p is None:
            return (self.name, None, None, self.reason, 0)
        p = "< 0.001" if self.p < 0.001 else f"{self.p:.3f}"
        return (self.name, self.there, self.more, p, self.more.n)


def compare_flips(mine: FlipSearch, other: FlipSearch, budget: float, *, name: str, zone: str) -> Comparison:
    """Return how much more often a search flips at a budget than another one, called `name`, does in a zone on the same
    samples.
    """
    flags, theirs = mine.flags(budget), other.flags(budget)
    both = [one for one in flags if one in theirs]
    a, b, units = [flags[one] for one in both], [theirs[one] for one in both], [mine.facts.unit_of[one] for one in both]
    more = paired_difference(a, b, units)
    return Comparison(
        name=name,
        zone=zone,
        there=proportion(b, units, unit=mine.unit),
        more=more,
        p=paired_p(a, b, units) if more else None,
        reason="" if more else why_not(other.rows.values()),
    )


def beside(
    zone: str, every: Mapping[str, FlipSearch], random: FlipSearch | None, *, budget: float, names: ComparisonNames
) -> list[Comparison]:
    """Return how much more often a zone flips than random changes in it and, for 'outside', than each control zone, on
    the same samples.
    """
    others = [
        (names.zone(other), other, search)
        for other, search in every.items()
        if zone == "outside" and control_number(other) is not None
    ]
    if random is not None:
        others.append((names.random, zone, random))
    return [compare_flips(every[zone], search, budget, name=name, zone=place) for name, place, search in others]


@dataclass(frozen=True)
class ComparisonNames:
    """What a modality calls the things that stand beside a search."""

    zone: Callable[[str], str]
    """function (zone) -> its name"""
    random: str


def paired_table(facts: Facts, against: Sequence[Comparison], *, title: str, less: str, samples: str) -> TableDisplay:
    """Return the table of some comparisons; `less` heads the differences, `samples` their numbers."""
    test = "McNemar, exact" if len(set(facts.units)) == len(facts.units) else "units turned over, exact"
    columns = ("Compared with", "Flips there", less, f"p ({test})", samples)
    return TableDisplay(title=title, columns=columns, rows=tuple(one.cells for one in against))
