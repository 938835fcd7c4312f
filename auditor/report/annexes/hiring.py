"""The annex on hiring: tables shaped as the New York City rules ask for them (6 RCNY 5-301), the four-fifths table
apart, robustness as a supplement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.core.records import Estimate, Finding
from auditor.modalities.tables.report.views import INVARIANCE, flips, group_numbers
from auditor.report.annex import AnnexTable, Column
from auditor.report.fairness import texts
from auditor.report.views import items, read_estimate
from auditor.report.words import NONE, is_number, number

LEAST_SHARE = 0.02
"""Categories below this share of the data may be left out of the ratio, with n, rate and a reason."""
FOUR_FIFTHS = 0.8
LEFT_OUT = "left out"
TESTS = {"fisher_p": "Fisher p", "z_p": "z test p"}
SUPPLEMENT = ("exposure-gap", "reachability-gap", "recourse-cost")
ANY = ("any", "any other")
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

    def key(self, finding: Finding, item: Mapping[str, Any]) -> tuple[str, ...]:
        """Return a category's value in each of the columns, in the annex's own order."""
        values, order = texts(item.get("values")), texts(finding.details.get("columns"))
        if len(self.columns) == 1 or len(values) != len(self.columns) or set(order) != set(self.columns):
            return (str(item.get("category") or " / ".join(values) or "unknown"), *([""] * (len(self.columns) - 1)))
        return tuple(values[order.index(name)] for name in self.columns)


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
            found = grouping.finding(by_id, kind)
            if found is not None and items(found, "categories"):
                law.append(_law(grouping, found, make))
            else:
                missing.append(f"{make.capitalize()} by {grouping.title}: {_why(found, grouping, kind)}.")
    ugesp = [
        _ugesp(grouping, found)
        for grouping in groupings[:2]
        if (found := grouping.finding(by_id, "impact-ratio")) and items(found, "categories")
    ]
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


@dataclass(frozen=True)
class _Category:
    """One row of the law's table, from the counts alone."""

    key: tuple[str, ...]
    n: int | None
    share: float | None
    selected: int | None
    rate: float | None
    excluded: str


def _categories(grouping: Grouping, found: Finding) -> list[_Category]:
    total = sum(int(item["n"]) for item in items(found, "categories") if is_number(item.get("n")))
    rows = [_read_category(grouping, found, item, total) for item in items(found, "categories")]
    return sorted(rows, key=lambda row: row.key)


def _read_category(grouping: Grouping, found: Finding, item: Mapping[str, Any], total: int) -> _Category:
    n, selected, rate = item.get("n"), item.get("selected"), read_estimate(item.get("rate"))
    size, chosen = (int(value) if is_number(value) else None for value in (n, selected))  # type: ignore[arg-type]
    share = (
        float(item["share"]) if is_number(item.get("share")) else size / total if size is not None and total else None
    )
    value = chosen / size if size and chosen is not None else rate.value if rate else None
    few = share is not None and share < LEAST_SHARE
    reason = f"fewer than 2 % of the data ({number(size)} of {number(total)})" if few else ""
    return _Category(
        grouping.key(found, item), size, share, chosen, value, str(item.get("excluded") or reason) if few else ""
    )


def _law(grouping: Grouping, found: Finding, kind: str) -> AnnexTable:
    rows = _categories(grouping, found)
    top = max((row.rate for row in rows if row.rate is not None and not row.excluded), default=None)
    scoring = kind == "scoring"
    median = found.details.get("median")
    unknown = found.details.get("unknown")
    above = "score above the median of the whole sample" + (f" ({number(median)})" if is_number(median) else "")
    known = (
        f"{number(unknown)} applicants of unknown category are counted here and"
        if is_number(unknown)
        else "Applicants of unknown category were not counted; they"
    )
    note = (
        f"{known} stand in no row. {'Scoring' if scoring else 'Selection'} rate: the share of a category's applicants"
        f" who {above if scoring else 'get the favourable decision'}. Impact ratio: the rate divided by that of the"
        " category with the highest rate."
    )
    return AnnexTable(
        f"hiring-{kind}-{grouping.name}",
        f"{'Scoring' if scoring else 'Selection'} by {grouping.title}",
        (
            *(Column(heading) for heading in grouping.headings),
            Column("Applicants", "count"),
            Column("Share of the data", "share"),
            Column("Above the median" if scoring else "Selected", "count"),
            Column("Scoring rate" if scoring else "Selection rate", "share"),
            Column("Impact ratio", "ratio"),
            Column("Why left out"),
        ),
        tuple(
            (
                *row.key,
                row.n,
                row.share,
                row.selected,
                row.rate,
                LEFT_OUT if row.excluded else _ratio(row.rate, top),
                row.excluded,
            )
            for row in rows
        ),
        note,
    )


def _ratio(rate: float | None, top: float | None) -> float | str | None:
    if rate is None or top is None:
        return None
    return rate / top if top > 0 else "no category is ever selected"


def _ugesp(grouping: Grouping, found: Finding) -> AnnexTable:
    categories = sorted(items(found, "categories"), key=lambda item: grouping.key(found, item))
    tests = {key: name for key, name in TESTS.items() if any(is_number(item.get(key)) for item in categories)}
    reference = str(found.details.get("reference") or "")
    rows = [_against(grouping.key(found, item)[0], item, reference, tests) for item in categories]
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
    return AnnexTable(
        f"hiring-four-fifths-{grouping.name}", f"Four-fifths by {grouping.title} (informative)", columns, tuple(rows)
    )


def _four_fifths(ratio: Estimate) -> str:
    if ratio.high < FOUR_FIFTHS:
        return "below, with its whole interval"
    if ratio.low >= FOUR_FIFTHS:
        return "not below, with its whole interval"
    return f"{'below' if ratio.value < FOUR_FIFTHS else 'not below'}; the interval holds 4/5"


def _against(name: str, item: Mapping[str, Any], reference: str, tests: Mapping[str, str]) -> tuple[Any, ...]:
    head, ratio, note = (
        (name, item.get("n"), read_estimate(item.get("rate"))),
        read_estimate(item.get("ratio")),
        str(item.get("excluded") or ""),
    )
    if ratio is None or name == reference:
        return (
            *head,
            "reference" if name == reference else LEFT_OUT if note else NONE,
            "",
            *("" for _ in tests),
            "",
            note,
        )
    more = item.get("one_more")
    said = (
        ("would reach 4/5: too few to rest on" if more else "would not reach 4/5")
        if isinstance(more, bool) and ratio.value < FOUR_FIFTHS
        else ""
    )
    return (*head, ratio, _four_fifths(ratio), *(item.get(key) for key in tests), said, note)


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
        for name, figure in figures.items():
            if figure.get("from") in ANY:
                continue
            mine, value = found.setdefault(str(figure.get("from")), {}), figure.get("estimate")
            if value is not None and (name not in mine or value.value > mine[name].value):
                mine[name] = value
    return found


def _about(
    audit: Mapping[str, Any], spec: Mapping[str, Any], groupings: Iterable[Grouping], by_id: Mapping[str, Finding]
) -> AnnexTable:
    data, model = (part if isinstance(part := audit.get(key), Mapping) else {} for key in ("data", "model"))
    test = spec.get("data") == "test"
    unknown = []
    for grouping in groupings:
        found = grouping.finding(by_id, "impact-ratio")
        counted = found.details.get("unknown") if found else None
        unknown.append((f"Applicants of unknown {grouping.title}", number(counted) if is_number(counted) else NONE))
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
