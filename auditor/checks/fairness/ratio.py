"""Impact ratios: how often each group is decided favourably, or scored above the median, beside the most favoured
one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.checks.common import few, listed, percent, plain, reason, span
from auditor.checks.fairness.compared import Compared
from auditor.checks.fairness.group_rows import Group
from auditor.checks.fairness.measured import Flags
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing, MissingKind
from auditor.core.records import Finding, Verdict
from auditor.stats.ratios import Lowest, Share, fisher_p, lowest_ratio, needed_for_ratio, one_more, ratio_to, z_p
from auditor.stats.shares import decide, proportion

LEAST_EVENTS = 5
"""With fewer selections expected, a rate is said to be too few to tell."""


@dataclass(frozen=True)
class Limits:
    """Which groups are compared, and how low a ratio may be."""

    tolerance: float
    minimum: int
    """Rows of a group that is compared."""
    share: float
    """A group with a smaller share of the rows is listed, not compared."""
    reference: int
    """Rows of a group that others are compared with."""


@dataclass(frozen=True)
class Rates:
    """What is counted: a flag of every row of which something is known."""

    flags: Flags
    kind: str
    """'selection' or 'scoring'."""
    what: str
    """In the claim: "decided '>50K'"."""
    missing: str
    """Why there are no flags."""
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Category:
    """One group with its rate, and why it is not compared."""

    group: Group
    share: Share
    of_all: float
    """Its share of the rows whose group is known."""
    excluded: Missing | None
    may_refer: bool


def judge_ratio(facts: Facts, one: Compared, asked: Rates, limits: Limits, **base: Any) -> Finding:
    """Return the finding on the lowest ratio of a group's rate to that of the most favoured one; `base` holds id,
    evidence and the like.
    """
    known = _categories(facts, one, asked, limits)
    shares = {item.group.name: item.share for item in known if not item.excluded}
    references = [item.group.name for item in known if item.may_refer]
    found = lowest_ratio(shares, references, against=limits.tolerance, level=one.level) if len(shares) > 1 else None
    best = max(references, key=lambda name: (shares[name].value, name), default="")
    details = {
        **one.details,
        **asked.details,
        "kind": asked.kind,
        "reference": best,
        **_table(facts, one, known, shares.get(best), best, asked),
    }
    if found is None or found.estimate.value > 1:
        claim = f"Groups by {one.name} could not be compared in the share that is {asked.what}."
        advice = "Collect more rows of the small groups." if asked.flags else ""
        why = _why_not(asked, known, shares, references, limits)
        return Finding(verdict="not_measured", claim=claim, reason=why, advice=advice, details=details, **base)
    verdict = decide(found.estimate, limits.tolerance, worse="below")
    value = found.estimate.value
    details["needed"] = needed_for_ratio(
        shares[best].value, value, limits.tolerance, groups=len(shares), level=one.level
    )
    rates = f"{percent(shares[found.group].value)} against {percent(shares[found.reference].value)}"
    return Finding(
        verdict=verdict,
        claim=(
            f"By {one.name}, {found.group} is {asked.what} least: at {span(found.estimate, share=False)} times the rate"
            f" of {found.reference} ({rates})."
        ),
        estimate=found.estimate,
        tolerance=limits.tolerance,
        reason=_reason(verdict, found, known, best, limits, details["needed"]),
        advice=_advice(verdict, one.name),
        p=found.p,
        details=details,
        **base,
    )


def _categories(facts: Facts, one: Compared, asked: Rates, limits: Limits) -> list[Category]:
    mine = {group: group.among(asked.flags) for group in one.groups}
    total = sum(map(len, mine.values()))
    pooled = sum(asked.flags[name] for ids in mine.values() for name in ids) / total if total else 0.0
    found = []
    for group, ids in mine.items():
        if ids:
            share = Share.of([asked.flags[name] for name in ids], [facts.unit_of[name] for name in ids])
            excluded = _excluded(share, len(ids) / total, pooled, limits)
            found.append(
                Category(group, share, len(ids) / total, excluded, not excluded and len(ids) >= limits.reference)
            )
    return found


def _excluded(share: Share, of_all: float, pooled: float, limits: Limits) -> Missing | None:
    if of_all < limits.share:
        return Missing.excluded(f"fewer than {percent(limits.share)} of the rows")
    if note := few(share.units, limits.minimum, "rows" if share.units == share.n else "units"):
        return note
    expected = share.worth * pooled
    enough = expected >= LEAST_EVENTS
    return None if enough else Missing.too_few(f"{expected:.1f} of at least {LEAST_EVENTS} expected")


def _table(
    facts: Facts, one: Compared, known: Sequence[Category], best: Share | None, reference: str, asked: Rates
) -> dict[str, Any]:
    rows = [_row(facts, item, best, item.group.name == reference, one.level, asked) for item in known]
    table = [
        [
            row["category"],
            row["n"],
            percent(row["share"]),
            row["selected"],
            row["rate"],
            "reference" if row["category"] == reference else row["ratio"] or row["excluded"] or "no reference",
            row["fisher_p"] if row["fisher_p"] is not None else "",
            row["z_p"] if row["z_p"] is not None else "",
            row["one_more"],
            row["excluded"],
        ]
        for row in rows
    ]
    if one.unknown:
        table.append(["unknown", one.unknown, "", "", "", "", "", "", "", "counted, not compared"])
    counted = "Selected" if asked.kind == "selection" else "Above the median"
    columns = [
        "Group",
        "Rows",
        "Share",
        counted,
        "Rate",
        "Ratio",
        "Fisher's p",
        "z test's p",
        "One more reaches 4/5",
        "Note",
    ]
    return {
        "categories": rows,
        "tables": [{"title": f"Each group by {one.name}: {asked.what}", "columns": columns, "rows": table}],
    }


def _row(facts: Facts, item: Category, best: Share | None, is_best: bool, level: float, asked: Rates) -> dict[str, Any]:
    ids = item.group.among(asked.flags)
    rate = proportion(
        [asked.flags[name] for name in ids], [facts.unit_of[name] for name in ids], unit=f"{asked.kind} rate"
    )
    other = None if is_best or best is None else best
    small = item.excluded is not None and item.excluded.kind is MissingKind.EXCLUDED
    return {
        "category": item.group.name,
        "values": list(item.group.values),
        "n": item.share.n,
        "share": item.of_all,
        "selected": round(item.share.value * item.share.n),
        "rate": plain(rate),
        "ratio": plain(ratio_to(item.share, other, level)) if other and not small else None,
        "excluded": item.excluded.text if item.excluded else "",
        "fisher_p": fisher_p(item.share, other) if other else None,
        "z_p": z_p(item.share, other) if other else None,
        "one_more": bool(other and one_more(item.share, other)),
    }


def _why_not(
    asked: Rates, known: Sequence[Category], shares: Mapping[str, Share], references: Sequence[str], limits: Limits
) -> str:
    if not asked.flags:
        return asked.missing
    counts = listed({item.group.name: item.share.n for item in known})
    if len(shares) < 2:
        return f"too few to say: fewer than two groups can be compared ({counts}; {_notes(known) or 'one group'})"
    if not references:
        return f"too few to say: no group has {limits.reference} rows, as a reference needs ({counts})"
    if not any(shares[name].value for name in references):
        return f"no group that may be the reference is ever {asked.what} ({counts})"
    few_ones = listed({name: share.n for name, share in shares.items() if name not in references})
    return (
        f"too few to say for {few_ones}: all have a higher rate than {references[0]}, but a reference needs"
        f" {limits.reference} rows"
    )


def _reason(
    verdict: Verdict, found: Lowest, known: Sequence[Category], best: str, limits: Limits, needed: int | None
) -> str:
    said = reason(verdict, found.estimate, limits.tolerance, share=False)
    if verdict == "inconclusive" and needed:
        said += (
            f"; about {needed} rows of each group would show a ratio of {found.estimate.value:.2f} to lie on its side"
            f" of {limits.tolerance:g}"
        )
    top = next(item.share.value for item in known if item.group.name == best)
    higher = {item.group.name: item.share.n for item in known if item.share.value > top}
    if higher:
        who = f"the highest rate among groups of at least {limits.reference} rows and {percent(limits.share)} of all"
        said += f"; the reference is {best}, {who}: {listed(higher)} have a higher rate but are too few to be one"
    notes = _notes(known)
    return f"{said}; {notes}" if notes else said


def _notes(known: Sequence[Category]) -> str:
    """Return which groups are not compared and why, those left out for one reason together."""
    left = [(item.group.name, item.share.n, item.excluded) for item in known if item.excluded]
    small = {name: n for name, n, why in left if why.kind is MissingKind.TOO_FEW}
    out = {name: n for name, n, why in left if why.kind is MissingKind.EXCLUDED}
    why = next((why.reason for name, _, why in left if name in out), "")
    return "; ".join(
        [
            *([f"too few to say for {listed(small)}"] if small else []),
            *([f"listed, not compared: {listed(out)} ({why})"] if out else []),
        ]
    )


def _advice(verdict: Verdict, attribute: str) -> str:
    if verdict == "fail":
        return (
            f"Find out which columns carry the difference by {attribute}, and whether the decision needs them, before"
            " the model is used."
        )
    return "No action." if verdict == "pass" else "Audit more rows of each group."
