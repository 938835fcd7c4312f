"""What findings say of each group of an attribute, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from auditor.core.displays import Counterfactual, Counterfactuals, Groups, Named, first, of_kind
from auditor.core.records import Finding
from auditor.report.fairness import kind_of

GROUP_NUMBERS = {
    "Accuracy": ("accuracy-gap", "clean"),
    "True positives": ("accuracy-gap", "sensitivity"),
    "True negatives": ("accuracy-gap", "specificity"),
    "Decision turned": ("exposure-gap", "flipped"),
    "Favourable decision reached": ("reachability-gap", "flipped"),
    "Mean cost of recourse": ("recourse-cost", "restricted"),
}
"""Heading -> kind of finding, and where its groups keep that number."""
INVARIANCE = {
    "naive": "only the protected column is changed",
    "repaired": "coupled columns are repaired",
    "worst": "worst over the coupled columns",
}


def group_numbers(found: Sequence[Finding]) -> dict[str, dict[str, Named]]:
    """Return heading -> group -> number, of the findings of one attribute that say something of each group."""
    result = {}
    for heading, (kind, measure) in GROUP_NUMBERS.items():
        mine = [groups for finding in found if kind_of(finding) == kind for groups in of_kind(finding.displays, Groups)]
        result[heading] = {
            row.name: Named(name=row.name, estimate=row.measures.get(measure), note=row.note)
            for groups in mine
            for row in groups.rows
        }
    return {heading: rows for heading, rows in result.items() if any(row.estimate for row in rows.values())}


def group_names(numbers: Mapping[str, Mapping[str, Named]]) -> list[str]:
    """Return every group that some finding says something of."""
    return list(dict.fromkeys(name for rows in numbers.values() for name in rows))


def flips(finding: Finding | None) -> list[tuple[str, dict[str, Counterfactual]]]:
    """Return (from -> to) with its figures by way, of the protected flips of one attribute."""
    found: dict[str, dict[str, Counterfactual]] = {}
    shown = first(finding.displays, Counterfactuals) if finding else None
    for row in shown.rows if shown else ():
        found.setdefault(f"{row.source} to {row.target}", {})[row.way] = row
    return list(found.items())
