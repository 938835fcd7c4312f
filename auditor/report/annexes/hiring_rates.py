"""Rates of sex, race and the two together: the tables as the law shapes them, and as the four-fifths rule does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from auditor.core.displays import Category, Partition, Selection, first
from auditor.core.records import Estimate, Finding
from auditor.report.annex import AnnexColumn, AnnexTable
from auditor.report.words import NONE, number

LEAST_SHARE = 0.02
"""Categories below this share of the data may be left out of the ratio, with n, rate and a reason."""
FOUR_FIFTHS = 0.8
LEFT_OUT = "left out"
TESTS = {"fisher_p": "Fisher p", "z_p": "z test p"}


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

    def rates(self, by_id: Mapping[str, Finding], kind: str) -> CategoryRates | None:
        """Return the rates of its categories, of one kind of finding; None where there are none."""
        found = self.finding(by_id, kind)
        if found is None:
            return None
        made, shown = first(found.displays, Partition), first(found.displays, Selection)
        return CategoryRates(self, made, shown) if made and shown and shown.categories else None


@dataclass(frozen=True)
class CategoryRates:
    """How often the categories of a grouping are selected, or scored above the median."""

    grouping: Grouping
    partition: Partition
    selection: Selection

    def rows(self) -> list[tuple[tuple[str, ...], Category]]:
        """Return every category below its value in each of the grouping's columns, sorted by these."""
        order = [self.partition.columns.index(name) for name in self.grouping.columns]
        found = [(tuple(one.values[at] for at in order), one) for one in self.selection.categories]
        return sorted(found, key=lambda pair: pair[0])


def groupings_of(sex: str, race: str) -> tuple[Grouping, ...]:
    """Return the three groupings that the rules ask for."""
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


def law_table(rates: CategoryRates, kind: str) -> AnnexTable:
    """Return the table as the law shapes it, from counts alone; `kind` is 'selection' or 'scoring'."""
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
        *(AnnexColumn(heading) for heading in grouping.headings),
        AnnexColumn("Applicants", "count"),
        AnnexColumn("Share of the data", "share"),
        AnnexColumn("Above the median" if scoring else "Selected", "count"),
        AnnexColumn("Scoring rate" if scoring else "Selection rate", "share"),
        AnnexColumn("Impact ratio", "ratio"),
        AnnexColumn("Why left out"),
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


def four_fifths_table(rates: CategoryRates) -> AnnexTable:
    """Return the table of the four-fifths rule, with tests of significance."""
    rows, grouping = rates.rows(), rates.grouping
    tests = {key: name for key, name in TESTS.items() if any(getattr(one, key) is not None for _, one in rows)}
    columns = (
        AnnexColumn(grouping.headings[0]),
        AnnexColumn("n", "count"),
        AnnexColumn("Selection rate", "estimate"),
        AnnexColumn("Ratio to the reference", "estimate"),
        AnnexColumn("Against 4/5"),
        *(AnnexColumn(name, "p") for name in tests.values()),
        AnnexColumn("One more selected"),
        AnnexColumn("Note"),
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
