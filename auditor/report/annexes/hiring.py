"""The annex on hiring: tables shaped as the New York City rules ask for them (6 RCNY 5-301), the four-fifths table
apart, robustness as a supplement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.core.displays import Category, Partition, Selection, first
from auditor.core.records import Estimate, Finding
from auditor.modalities.tables.report.views import INVARIANCE, flips, group_numbers
from auditor.report.annex import AnnexTable, Column
from auditor.report.words import NONE, is_number, number

LEAST_SHARE = 0.02
"""Categories below this share of the data may be left out of the ratio, with n, rate and a reason."""
FOUR_FIFTHS = 0.8
LEFT_OUT = "left out"
TESTS = {"fisher_p": "Fisher p", "z_p": "z test p"}
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


@dataclass(frozen=True)
class Grouping:
    """Sex, race, or the two together."""

    name: str
    title: str
    attribute: str
    headings: tuple[str, ...]
    ids: tuple[str, ...]
    """Names under which findings may know it, the first of them where they agree."""
    columns: tuple[str, ...]

    def finding(self, by_id: Mapping[str, Finding], kind: str) -> Finding | None:
        """Return its finding of one kind."""
        return next((by_id[f"fairness/{name}/{kind}"] for name in self.ids if f"fairness/{name}/{kind}" in by_id), None)

    def rates(self, by_id: Mapping[str, Finding], kind: str) -> Rates | None:
        """Return the rates of its categories, of one kind of finding; None where there are none."""
        found = self.finding(by_id, kind)
        if found is None:
            return None
        made, shown = first(found.displays, Partition), first(found.displays, Selection)
        return Rates(self, made, shown) if made and shown and shown.categories else None


@dataclass(frozen=True)
class Rates:
    """How often the categories of a grouping are selected, or scored above the median."""

    grouping: Grouping
    partition: Partition
    selection: Selection

    def rows(self) -> list[tuple[tuple[str, ...], Category]]:
        """Return every category below its value in each of the grouping's columns, sorted by these."""
        order = [self.partition.columns.index(name) for name in self.grouping.columns]
        found = [(tuple(one.values[at] for at in order), one) for one in self.selection.categories]
        return sorted(found, key=lambda pair: pair[0])


def annex(audit: Mapping[str, Any], findings: Sequence[Finding]) -> Annex | None:
    """Return the annex on hiring; None where the audit file asks for none."""
    report = audit.get("report")
    report = report if isinstance(report, Mapping) else {}
    spec = report.get("hiring")
    if "hiring" not in (report.get("annex") or ()) or not isinstance(spec, Mapping):
        return None
    by_id, groupings = (
        {finding.id: finding for finding in findings},
        _groupings(str(spec.get("sex")), str(spec.get("race"))),
    )
    law, missing = [], []
    for kind, make in (("impact-ratio", "selection"), ("scoring-rate", "scoring")):
        for grouping in groupings:
            if rates := grouping.rates(by_id, kind):
                law.append(_law(rates, make))
            else:
                why = _why(grouping.finding(by_id, kind), grouping, kind)
                missing.append(f"{make.capitalize()} by {grouping.title}: {why}.")
    ugesp = [_ugesp(rates) for grouping in groupings[:2] if (rates := grouping.rates(by_id, "impact-ratio"))]
    supplement = [table for grouping in groupings if (table := _supplement(grouping, by_id))]
    return Annex(_about(audit, spec, groupings, by_id), tuple(law), tuple(ugesp), tuple(supplement), tuple(missing))


def _groupings(sex: str, race: str) -> tuple[Grouping, ...]:
    both = (f"{race}+{sex}", f"{sex}+{race}")
    return (
        Grouping("sex", "sex", sex, ("Sex",), (sex,), (sex,)),
        Grouping("race", "race and ethnicity", race, ("Race or ethnicity",), (race,), (race,)),
        Grouping(
            "intersection",
            "race and ethnicity crossed with sex",
            both[0],
            ("Race or ethnicity", "Sex"),
            both,
            (race, sex),
        ),
    )


def _why(found: Finding | None, grouping: Grouping, kind: str) -> str:
    if found is None:
        return f"no finding 'fairness/{grouping.attribute}/{kind}' was made in this audit"
    return (found.reason or "no reason was recorded").rstrip(".")


def _law(rates: Rates, kind: str) -> AnnexTable:
    rows, grouping, median = rates.rows(), rates.grouping, rates.selection.median
    total = sum(one.n for _, one in rows)
    left_out = {key: _left_out(one, total) for key, one in rows}
    top = max((one.selected / one.n for key, one in rows if not left_out[key]), default=None)
    scoring = kind == "scoring"
    above = "score above the median of the whole sample" + (f" ({number(median)})" if median is not None else "")
    note = (
        f"{number(rates.partition.unknown)} applicants of unknown category are counted here and stand in no row."
        f" {'Scoring' if scoring else 'Selection'} rate: the share of a category's applicants who"
        f" {above if scoring else 'get the favourable decision'}. Impact ratio: the rate divided by that of the"
        " category with the highest rate."
    )
    columns = (
        *(Column(heading) for heading in grouping.headings),
        Column("Applicants", "count"),
        Column("Share of the data", "share"),
        Column("Above the median" if scoring else "Selected", "count"),
        Column("Scoring rate" if scoring else "Selection rate", "share"),
        Column("Impact ratio", "ratio"),
        Column("Why left out"),
    )
    cells = []
    for key, one in rows:
        rate = one.selected / one.n
        ratio = LEFT_OUT if left_out[key] else _ratio(rate, top)
        cells.append((*key, one.n, one.share, one.selected, rate, ratio, left_out[key]))
    title = f"{'Scoring' if scoring else 'Selection'} by {grouping.title}"
    return AnnexTable(f"hiring-{kind}-{grouping.name}", title, columns, tuple(cells), note)


def _left_out(one: Category, total: int) -> str:
    """Return why a category may be left out of the ratio; empty where it may not."""
    if one.share >= LEAST_SHARE:
        return ""
    return one.excluded or f"fewer than 2 % of the data ({number(one.n)} of {number(total)})"


def _ratio(rate: float, top: float | None) -> float | str | None:
    if top is None:
        return None
    return rate / top if top > 0 else "no category is ever selected"


def _ugesp(rates: Rates) -> AnnexTable:
    rows, grouping = rates.rows(), rates.grouping
    tests = {key: name for key, name in TESTS.items() if any(getattr(one, key) is not None for _, one in rows)}
    columns = (
        Column(grouping.headings[0]),
        Column("n", "count"),
        Column("Selection rate", "estimate"),
        Column("Ratio to the reference", "estimate"),
        Column("Against 4/5"),
        *(Column(name, "p") for name in tests.values()),
        Column("One more selected"),
        Column("Note"),
    )
    cells = tuple(_against(one, rates.selection.reference, tests) for _, one in rows)
    title = f"Four-fifths by {grouping.title} (informative)"
    return AnnexTable(f"hiring-four-fifths-{grouping.name}", title, columns, cells)


def _four_fifths(ratio: Estimate) -> str:
    if ratio.high < FOUR_FIFTHS:
        return "below, with its whole interval"
    if ratio.low >= FOUR_FIFTHS:
        return "not below, with its whole interval"
    return f"{'below' if ratio.value < FOUR_FIFTHS else 'not below'}; the interval holds 4/5"


def _against(one: Category, reference: str, tests: Iterable[str]) -> tuple[Any, ...]:
    head, note = (one.name, one.n, one.rate), one.excluded
    if one.ratio is None or one.name == reference:
        said = "reference" if one.name == reference else LEFT_OUT if note else NONE
        return (*head, said, "", *("" for _ in tests), "", note)
    said = "would reach 4/5: too few to rest on" if one.one_more else "would not reach 4/5"
    more = said if one.ratio.value < FOUR_FIFTHS else ""
    return (*head, one.ratio, _four_fifths(one.ratio), *(getattr(one, key) for key in tests), more, note)


def _supplement(grouping: Grouping, by_id: Mapping[str, Finding]) -> AnnexTable | None:
    numbers = group_numbers([item for kind in SUPPLEMENT if (item := grouping.finding(by_id, kind))])
    changed = _flipped(grouping.finding(by_id, "invariance"))
    names = dict.fromkeys([*(name for rows in numbers.values() for name in rows), *changed])
    if not names:
        return None
    figures = [name for name in INVARIANCE if any(name in one for one in changed.values())]
    columns = (
        Column("Category"),
        *(Column(heading, "estimate") for heading in numbers),
        *(Column(f"Decision changes with the category: {name}", "estimate") for name in figures),
        Column("Note"),
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
    audit: Mapping[str, Any], spec: Mapping[str, Any], groupings: Iterable[Grouping], by_id: Mapping[str, Finding]
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
        "hiring-about", "What the rules want to be stated", (Column("Item"), Column("Stated")), tuple(rows)
    )
