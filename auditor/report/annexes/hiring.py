"""The annex on hiring: tables shaped as the New York City rules ask for them (6 RCNY 5-301), the four-fifths table
apart, robustness as a supplement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.core.displays import Partition, first
from auditor.core.records import Estimate, Finding
from auditor.report.annex import AnnexColumn, AnnexTable
from auditor.report.annexes.hiring_rates import Grouping, four_fifths_table, groupings_of, law_table
from auditor.report.by_group import INVARIANCE, flips, group_numbers
from auditor.report.words import NONE, is_number, number

SUPPLEMENT = ("exposure-gap", "reachability-gap", "recourse-cost")
STATED = "not stated in the audit file"


@dataclass(frozen=True)
class Annex:
    """Everything that the annex prints."""

    about: AnnexTable
    law: tuple[AnnexTable, ...]
    ugesp: tuple[AnnexTable, ...]
    supplement: tuple[AnnexTable, ...]
    missing: tuple[str, ...]
    """Tables that cannot be made, each with its reason."""

    @property
    def tables(self) -> tuple[AnnexTable, ...]:
        """Return every table, as they are printed."""
        return (self.about, *self.law, *self.ugesp, *self.supplement)


def annex(audit: Mapping[str, Any], findings: Sequence[Finding]) -> Annex | None:
    """Return the annex on hiring; None where the audit file asks for none."""
    report = audit.get("report")
    report = report if isinstance(report, Mapping) else {}
    spec = report.get("hiring")
    if "hiring" not in (report.get("annex") or ()) or not isinstance(spec, Mapping):
        return None
    by_id, groupings = (
        {finding.id: finding for finding in findings},
        groupings_of(str(spec.get("sex")), str(spec.get("race"))),
    )
    law, missing = [], []
    for kind, make in (("impact-ratio", "selection"), ("scoring-rate", "scoring")):
        for grouping in groupings:
            if rates := grouping.rates(by_id, kind):
                law.append(law_table(rates, make))
            else:
                why = _why(grouping.finding(by_id, kind), grouping, kind)
                missing.append(f"{make.capitalize()} by {grouping.title}: {why}.")
    ugesp = [four_fifths_table(rates) for grouping in groupings[:2] if (rates := grouping.rates(by_id, "impact-ratio"))]
    supplement = [table for grouping in groupings if (table := _supplement(grouping, by_id))]
    return Annex(
        _about(audit, spec, groupings, by_id=by_id), tuple(law), tuple(ugesp), tuple(supplement), tuple(missing)
    )


def _why(found: Finding | None, grouping: Grouping, kind: str) -> str:
    if found is None:
        return f"no finding 'fairness/{grouping.attribute}/{kind}' was made in this audit"
    return (found.reason or "no reason was recorded").rstrip(".")


def _supplement(grouping: Grouping, by_id: Mapping[str, Finding]) -> AnnexTable | None:
    numbers = group_numbers([item for kind in SUPPLEMENT if (item := grouping.finding(by_id, kind))])
    changed = _flipped(grouping.finding(by_id, "invariance"))
    names = dict.fromkeys([*(name for rows in numbers.values() for name in rows), *changed])
    if not names:
        return None
    figures = [name for name in INVARIANCE if any(name in one for one in changed.values())]
    columns = (
        AnnexColumn("Category"),
        *(AnnexColumn(heading, "estimate") for heading in numbers),
        *(AnnexColumn(f"Decision changes with the category: {name}", "estimate") for name in figures),
        AnnexColumn("Note"),
    )
    rows = []
    for name in sorted(names):
        mine = {heading: found[name] for heading, found in numbers.items() if name in found}
        measured = [mine[heading].estimate if heading in mine else None for heading in numbers]
        notes = dict.fromkeys(f"{heading.lower()}: {row.note}" for heading, row in mine.items() if row.note)
        rows.append((name, *measured, *(changed.get(name, {}).get(figure) for figure in figures), "; ".join(notes)))
    return AnnexTable(
        f"hiring-robustness-{grouping.name}", f"Robustness by {grouping.title} (supplement)", columns, tuple(rows)
    )


def _flipped(finding: Finding | None) -> dict[str, dict[str, Estimate]]:
    """Return category -> figure -> the share of its rows that another category would decide otherwise, the largest over
    the others.
    """
    found: dict[str, dict[str, Estimate]] = {}
    for _, figures in flips(finding):
        for name, one in figures.items():
            if one.pooled:
                continue
            mine = found.setdefault(one.source, {})
            if one.estimate is not None and (name not in mine or one.estimate.value > mine[name].value):
                mine[name] = one.estimate
    return found


def _about(
    audit: Mapping[str, Any], spec: Mapping[str, Any], groupings: Iterable[Grouping], *, by_id: Mapping[str, Finding]
) -> AnnexTable:
    data, model = (part if isinstance(part := audit.get(key), Mapping) else {} for key in ("data", "model"))
    test = spec.get("data") == "test"
    unknown = []
    for grouping in groupings:
        found = grouping.finding(by_id, "impact-ratio")
        made = first(found.displays, Partition) if found else None
        counted = NONE if made is None or made.unknown is None else number(made.unknown)
        unknown.append((f"Applicants of unknown {grouping.title}", counted))
    rows = [
        ("Tool", str(model.get("name") or "not stated")),
        ("Favourable decision", str(data.get("favourable") or "not stated")),
        ("Date of the audit", str(spec.get("audit_date") or STATED)),
        ("Distribution date of the tool", str(spec.get("distribution_date") or STATED)),
        ("Kind of data", "test data" if test else "historical data"),
        *([("Why test data, and how they were made", str(spec.get("why_test") or STATED))] if test else []),
        ("Source of the data", str(spec.get("source") or STATED)),
        ("Applicants audited", number(data.get("n")) if is_number(data.get("n")) else "not recorded"),
        ("Columns of sex, and of race and ethnicity", f"{spec.get('sex')}; {spec.get('race')}"),
        *unknown,
    ]
    return AnnexTable(
        "hiring-about", "What the rules want to be stated", (AnnexColumn("Item"), AnnexColumn("Stated")), tuple(rows)
    )
