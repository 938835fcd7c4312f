"""How much more often one thing flips than another on the same samples: what stands beside every search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.checks.common import plain, why_not
from auditor.checks.exposure.search import FlipSearch
from auditor.core.facts import Facts
from auditor.core.zones import control_number
from auditor.stats.paired import paired_difference, paired_p
from auditor.stats.shares import proportion


def compared(mine: FlipSearch, other: FlipSearch, budget: float, *, name: str, zone: str) -> dict[str, Any]:
    """Return how much more often a search flips at a budget than another one, called `name`, does in a zone on the same
    samples, as JSON-ready data.
    """
    flags, theirs = mine.flags(budget), other.flags(budget)
    both = [one for one in flags if one in theirs]
    a, b, units = [flags[one] for one in both], [theirs[one] for one in both], [mine.facts.unit_of[one] for one in both]
    estimate = paired_difference(a, b, units)
    return {
        "against": name,
        "zone": zone,
        "there": plain(proportion(b, units, unit=mine.unit)),
        "estimate": plain(estimate),
        "p": paired_p(a, b, units) if estimate else None,
        "reason": "" if estimate else why_not(other.rows.values()),
    }


def beside(
    zone: str, every: Mapping[str, FlipSearch], random: FlipSearch | None, *, budget: float, names: ComparisonNames
) -> list[dict[str, Any]]:
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
    return [compared(every[zone], search, budget, name=name, zone=place) for name, place, search in others]


@dataclass(frozen=True)
class ComparisonNames:
    """What a modality calls the things that stand beside a search."""

    zone: Callable[[str], str]
    """function (zone) -> its name"""
    random: str


def paired_table(
    facts: Facts, against: Sequence[Mapping[str, Any]], *, title: str, less: str, samples: str
) -> dict[str, Any]:
    """Return the table of some comparisons; `less` heads the differences, `samples` their numbers."""
    test = "McNemar, exact" if len(set(facts.units)) == len(facts.units) else "units turned over, exact"
    rows = [
        [
            one["against"],
            one["there"],
            one["estimate"],
            "< 0.001" if one["p"] < 0.001 else f"{one['p']:.3f}",
            one["estimate"]["n"],
        ]
        if one["estimate"]
        else [one["against"], None, None, one["reason"], 0]
        for one in against
    ]
    return {"title": title, "columns": ["Compared with", "Flips there", less, f"p ({test})", samples], "rows": rows}
