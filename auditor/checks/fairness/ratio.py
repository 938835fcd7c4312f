"""Impact ratios: how often each group is decided favourably, or scored above the median, beside the most favoured
one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from auditor.checks.common import few, listed, percent, reason, span
from auditor.checks.fairness.compared import Compared
from auditor.checks.fairness.group_rows import Group
from auditor.checks.fairness.measured import Flags
from auditor.core.displays import Category, Selection, TableCell, TableDisplay
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing, MissingKind
from auditor.core.records import Finding, Verdict
from auditor.stats.decisions import decide
from auditor.stats.ratios import GroupShare, Lowest, fisher_p, lowest_ratio, needed_for_ratio, one_more, ratio_to, z_p
from auditor.stats.shares import proportion

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
    kind: Literal["selection", "scoring"]
    what: str
    """In the claim: "decided '>50K'"."""
    missing: str
    """Why there are no flags."""
    favourable: str
    """The class that is the favourable decision."""
    median: float | None = None
    """Of all scores, where these are counted."""


@dataclass(frozen=True)
class Rated:
    """One group with its rate, and why it is not compared."""

    group: Group
    share: GroupShare
    of_all: float
    """Its share of the rows whose group is known."""
    excluded: Missing | None
    may_refer: bool

    @property
    def rare(self) -> bool:
        """Return whether it is left out because it has too small a share of the rows."""
        return self.excluded is not None and self.excluded.kind is MissingKind.EXCLUDED


def judge_ratio(facts: Facts, one: Compared, asked: Rates, *, limits: Limits, **base: Any) -> Finding:
    """Return the finding on the lowest ratio of a group's rate to that of the most favoured one; `base` holds id,
    evidence and the like.
    """
    known = _categories(facts, one, asked, limits=limits)
    shares = {item.group.name: item.share for item in known if not item.excluded}
    references = [item.group.name for item in known if item.may_refer]
    found = lowest_ratio(shares, references, against=limits.tolerance, level=one.level) if len(shares) > 1 else None
    best = max(references, key=lambda name: (shares[name].value, name), default="")
    rows = tuple(_row(facts, item, shares.get(best), reference=best, level=one.level, asked=asked) for item in known)
    shown = Selection(
        categories=rows, counted=asked.kind, favourable=asked.favourable, reference=best, median=asked.median
    )
    table = _table(one, shown, asked)
    if found is None or found.estimate.value > 1:
        claim = f"Groups by {one.name} could not be compared in the share that is {asked.what}."
        advice = "Collect more rows of the small groups." if asked.flags else ""
        why = _why_not(asked, known, shares, references=references, limits=limits)
        base["displays"] = (one.partition, shown, table)
        return Finding(verdict="not_measured", claim=claim, reason=why, advice=advice, **base)
    verdict = decide(found.estimate, limits.tolerance, worse="below")
    value = found.estimate.value
    needed = needed_for_ratio(shares[best].value, value, limits.tolerance, groups=len(shares), level=one.level)
    rates = f"{percent(shares[found.group].value)} against {percent(shares[found.reference].value)}"
    return Finding(
        verdict=verdict,
        claim=(
            f"By {one.name}, {found.group} is {asked.what} least: at {span(found.estimate, share=False)} times the rate"
            f" of {found.reference} ({rates})."
        ),
        estimate=found.estimate,
        tolerance=limits.tolerance,
        reason=_reason(verdict, found, known, best=best, limits=limits, needed=needed),
        advice=_advice(verdict, one.name),
        p=found.p,
        displays=(one.partition, replace(shown, needed=needed), table),
        **base,
    )


def _categories(facts: Facts, one: Compared, asked: Rates, *, limits: Limits) -> list[Rated]:
    mine = {group: group.among(asked.flags) for group in one.groups}
    total = sum(map(len, mine.values()))
    pooled = sum(asked.flags[name] for ids in mine.values() for name in ids) / total if total else 0.0
    found = []
    for group, ids in mine.items():
        if ids:
            share = GroupShare.of([asked.flags[name] for name in ids], [facts.unit_of[name] for name in ids])
            of_all = len(ids) / total
            excluded = _excluded(share, of_all, pooled, limits=limits)
            may_refer = not excluded and len(ids) >= limits.reference
            found.append(Rated(group, share, of_all, excluded, may_refer))
    return found


def _excluded(share: GroupShare, of_all: float, pooled: float, *, limits: Limits) -> Missing | None:
    if of_all < limits.share:
        return Missing.excluded(f"fewer than {percent(limits.share)} of the rows")
    if note := few(share.units, limits.minimum, "rows" if share.units == share.n else "units"):
        return note
    expected = share.worth * pooled
    enough = expected >= LEAST_EVENTS
    return None if enough else Missing.too_few(f"{expected:.1f} of at least {LEAST_EVENTS} expected")


def _row(facts: Facts, item: Rated, best: GroupShare | None, *, reference: str, level: float, asked: Rates) -> Category:
    ids = item.group.among(asked.flags)
    units = [facts.unit_of[name] for name in ids]
    other = None if item.group.name == reference or best is None else best
    return Category(
        name=item.group.name,
        values=item.group.values,
        n=item.share.n,
        share=item.of_all,
        selected=round(item.share.value * item.share.n),
        rate=proportion([asked.flags[name] for name in ids], units, unit=f"{asked.kind} rate"),
        ratio=ratio_to(item.share, other, level) if other and not item.rare else None,
        excluded=item.excluded.text if item.excluded else "",
        fisher_p=fisher_p(item.share, other) if other else None,
        z_p=z_p(item.share, other) if other else None,
        one_more=bool(other and one_more(item.share, other)),
    )


def _table(one: Compared, shown: Selection, asked: Rates) -> TableDisplay:
    rows = [_cells(item, shown.reference) for item in shown.categories]
    if one.unknown:
        rows.append(("unknown", one.unknown, "", "", "", "", "", "", "", "counted, not compared"))
    columns = (
        "Group",
        "Rows",
        "Share",
        "Selected" if asked.kind == "selection" else "Above the median",
        "Rate",
        "Ratio",
        "Fisher's p",
        "z test's p",
        "One more reaches 4/5",
        "Note",
    )
    return TableDisplay(title=f"Each group by {one.name}: {asked.what}", columns=columns, rows=tuple(rows))


def _cells(item: Category, reference: str) -> tuple[TableCell, ...]:
    ratio = "reference" if item.name == reference else item.ratio or item.excluded or "no reference"
    tests = ("" if p is None else p for p in (item.fisher_p, item.z_p))
    head = (item.name, item.n, percent(item.share), item.selected, item.rate, ratio)
    return *head, *tests, item.one_more, item.excluded


def _why_not(
    asked: Rates, known: Sequence[Rated], shares: Mapping[str, GroupShare], *, references: Sequence[str], limits: Limits
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
    verdict: Verdict, found: Lowest, known: Sequence[Rated], *, best: str, limits: Limits, needed: int | None
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


def _notes(known: Sequence[Rated]) -> str:
    """Return which groups are not compared and why, those left out for one reason together."""
    small = {item.group.name: item.share.n for item in known if item.excluded and not item.rare}
    out = {item.group.name: item.share.n for item in known if item.rare}
    why = next((item.excluded.reason for item in known if item.excluded and item.rare), "")
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
