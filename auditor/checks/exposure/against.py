"""How much more often one thing flips than another on the same samples: what stands beside every search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from auditor.checks.common import plain, why_not
from auditor.core.facts import Facts
from auditor.core.records import Observation
from auditor.stats.shares import paired_difference, paired_p, proportion


def compared(
    facts: Facts,
    name: str,
    zone: str,
    mine: Mapping[str, float],
    theirs: Mapping[str, float],
    rows: Mapping[str, Observation],
    unit: str,
) -> dict[str, Any]:
    """Return a comparison by sample id of flags with those of something else, as JSON-ready data; `rows` tell why there
    is none.
    """
    both = [one for one in mine if one in theirs]
    a, b, units = [mine[one] for one in both], [theirs[one] for one in both], [facts.unit_of[one] for one in both]
    estimate = paired_difference(a, b, units)
    return {
        "against": name,
        "zone": zone,
        "there": plain(proportion(b, units, unit=unit)),
        "estimate": plain(estimate),
        "p": paired_p(a, b, units) if estimate else None,
        "reason": "" if estimate else why_not(rows.values()),
    }


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
