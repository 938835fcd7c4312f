"""The annex on hiring: tables as the rules shape them, from counts alone; nothing is claimed that is not in them."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from auditor.config.config import parse_audit
from auditor.core.errors import ConfigError
from auditor.core.records import Finding
from auditor.report import annex as tables
from auditor.report.annexes import hiring
from auditor.report.render import load, page, render

pytestmark = pytest.mark.slow

PLACES = ("sex", "race", "intersection")


Content = dict[str, Any]
"""What findings.json holds; a copy for each test."""


def _annex(data: Content) -> hiring.Annex:
    found = hiring.annex(data["audit"], [Finding.from_dict(item) for item in data["findings"]])
    assert found is not None
    return found


def _rows(table: tables.AnnexTable) -> dict[str, list[str]]:
    """Return first cell(s) -> the rest, as they are printed."""
    keys = sum(column.title in ("Sex", "Race or ethnicity") for column in table.columns)
    shown = [
        [tables.cell_text(value, column.kind) for value, column in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]
    return {" / ".join(row[:keys]): row[keys:] for row in shown}


def _shown(data: Content, name: str, kind: str) -> dict[str, Any]:
    """Return a finding's display of one kind, to be changed."""
    finding = next(item for item in data["findings"] if item["id"] == name)
    found: dict[str, Any] = next(one for one in finding["displays"] if one["kind"] == kind)
    return found


def _page(tmp_path: Path, data: dict[str, Any]) -> str:
    (tmp_path / "findings.json").write_text(json.dumps(data))
    html = page(tmp_path, *load(tmp_path))
    return re.sub(
        r"\s+", " ", re.sub(r"<[^>]*>", " ", html[html.index('<section id="hiring"') :].partition("</section>")[0])
    )


def test_selection_and_scoring_by_sex_by_race_and_crossed(table_content: Content) -> None:
    assert [table.name for table in _annex(table_content).law] == [
        f"hiring-{kind}-{place}" for kind in ("selection", "scoring") for place in PLACES
    ]


def test_ratios_are_those_of_the_counts(table_content: Content) -> None:
    """Female 54 of 180, male 105 of 210: 0.3 / 0.5."""
    rows = _rows(_annex(table_content).law[0])
    assert {name: (row[0], row[2], row[4]) for name, row in rows.items()} == {
        "Female": ("180", "54", "0.600"),
        "Male": ("210", "105", "1.000"),
    }
    assert [re.sub(r"\s", " ", row[3]) for row in rows.values()] == ["30 %", "50 %"]


def test_categories_under_two_per_cent_are_listed_with_n_rate_and_reason(table_content: Content) -> None:
    """Other: 6 of 346 rows; its rate ties with the highest one."""
    rows = _rows(_annex(table_content).law[1])
    n, share, selected, rate, ratio, why = rows["Other"]
    assert (n, selected, ratio) == ("6", "3", "left out") and why == "fewer than 2 % of the rows"
    assert share.startswith("1.7") and rate.startswith("50")
    assert rows["White"][4] == "1.000" and rows["Asian"][4] == "0.900" and rows["Black"][4] == "0.600"


def test_small_categories_above_two_per_cent_keep_their_ratio(table_content: Content) -> None:
    """The law knows no other ground for leaving a category out than its share."""
    rows = _rows(_annex(table_content).law[2])
    assert (
        rows["Asian / Female"][0] == "18"
        and rows["Asian / Female"][4] not in ("left out", "not measured")
        and rows["Asian / Female"][5] == ""
    )


def test_the_reference_is_the_highest_rate_of_the_data_not_the_check_s(table_content: Content) -> None:
    data = table_content
    for item in _shown(data, "fairness/race/impact-ratio", "selection")["categories"]:
        item["selected"] = {"Asian": 36}.get(item["name"], item["selected"])
    rows = _rows(_annex(data).law[1])
    assert rows["Asian"][4] == "1.000" and rows["White"][4] == "0.556"


def test_race_comes_before_sex_whatever_the_finding_is_called(table_content: Content) -> None:
    data = copy.deepcopy(table_content)
    for item in data["findings"]:
        if item["id"].startswith("fairness/race+sex/"):
            item["id"] = item["id"].replace("race+sex", "sex+race")
    for kind in ("impact-ratio", "scoring-rate"):
        name = f"fairness/sex+race/{kind}"
        _shown(data, name, "partition")["columns"] = ["sex", "race"]
        for one in _shown(data, name, "selection")["categories"]:
            one["values"] = one["values"][::-1]
    turned, as_it_was = _rows(_annex(data).law[2]), _rows(_annex(table_content).law[2])
    assert turned == as_it_was and "White / Male" in turned


def test_nobody_selected_gives_no_ratio(table_content: Content) -> None:
    data = table_content
    for one in _shown(data, "fairness/sex/impact-ratio", "selection")["categories"]:
        one |= {"selected": 0, "ratio": None}
    assert {row[4] for row in _rows(_annex(data).law[0]).values()} == {"no category is ever selected"}


def test_what_is_missing_says_why(table_content: Content) -> None:
    data = table_content
    data["findings"] = [item for item in data["findings"] if "race+sex" not in item["id"]]
    next(item for item in data["findings"] if item["id"] == "fairness/sex/scoring-rate").update(
        displays=[], reason="the classifier gives no scores"
    )
    missing = _annex(data).missing
    assert missing == (
        (
            "Selection by race and ethnicity crossed with sex: no finding 'fairness/race+sex/impact-ratio' was made in"
            " this audit."
        ),
        "Scoring by sex: the classifier gives no scores.",
        (
            "Scoring by race and ethnicity crossed with sex: no finding 'fairness/race+sex/scoring-rate' was made in"
            " this audit."
        ),
    )


@pytest.mark.slow
def test_no_pass_mark_is_claimed_and_the_other_table_has_its_status(table_content: Content, tmp_path: Path) -> None:
    text = _page(tmp_path, table_content)
    assert "The law sets no pass mark." in text and "a ratio of 0.8 is not in it" in text
    assert "rescission is on the agency&#39;s agenda; check whether they are in force" in text.replace(
        "agency's", "agency&#39;s"
    )
    assert "unverified" in text and "must not be older than one year" in text and "independent auditor" in text
    law, _, rest = text.partition("Four-fifths, apart")
    assert "4/5" not in law and "Fisher" not in law and "below, with its whole interval" in rest


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        ((0.6, 0.5, 0.7), "below, with its whole interval"),
        ((0.9, 0.8, 1.1), "not below, with its whole interval"),
        ((0.79, 0.6, 0.9), "below; the interval holds 4/5"),
        ((0.85, 0.7, 0.9), "not below; the interval holds 4/5"),
    ],
)
def test_four_fifths_in_words(table_content: Content, ratio: tuple[float, float, float], said: str) -> None:
    data = table_content
    rates = _shown(data, "fairness/sex/impact-ratio", "selection")
    (one,) = [item for item in rates["categories"] if item["ratio"]]
    one["ratio"] |= dict(zip(("value", "low", "high"), ratio, strict=True))
    one["one_more"] = True
    rows = _rows(_annex(data).ugesp[0])
    assert rows["Female"][3] == said and rows["Male"][2] == "reference"
    assert rows["Female"][6] == ("would reach 4/5: too few to rest on" if ratio[0] < 0.8 else "")


def test_the_supplement_stands_apart_with_its_notes(table_content: Content) -> None:
    sex, race, *_ = _annex(table_content).supplement
    assert sex.name == "hiring-robustness-sex" and race.name == "hiring-robustness-race"
    titles = [column.title for column in sex.columns]
    assert titles[:4] == ["Category", "Decision turned", "Favourable decision reached", "Mean cost of recourse"]
    assert [title.rpartition(": ")[2] for title in titles[4:7]] == ["naive", "repaired", "worst"]
    assert [row[0] for row in sex.rows] == ["Female", "Male"]
    notes = {row[0]: row[-1] for row in race.rows}
    assert notes["White"] == "" and "too few to say: 22 of at least 30 rows" in notes["Asian"]


def test_what_is_stated_and_what_is_not(table_content: Content) -> None:
    said = dict(_annex(table_content).about.rows)
    assert (
        said["Date of the audit"] == "not stated in the audit file"
        and said["Distribution date of the tool"] == "2026-01-31"
    )
    assert said["Kind of data"] == "test data" and said["Why test data, and how they were made"].startswith(
        "The tool has not been used yet"
    )
    assert said["Applicants of unknown sex"] == "10" and said["Favourable decision"] == "granted"


@pytest.mark.slow
def test_every_table_is_a_csv_beside_the_report(table_content: Content, tmp_path: Path) -> None:
    (tmp_path / "annex").mkdir()
    (tmp_path / "annex" / "hiring-old.csv").write_text("of an earlier rendering")
    data = table_content
    (tmp_path / "findings.json").write_text(json.dumps(data))
    render(tmp_path, pdf=False)
    assert sorted(path.name for path in (tmp_path / "annex").iterdir()) == sorted(
        Path(table.file).name for table in _annex(table_content).tables
    )
    html = (tmp_path / "report.html").read_text()
    assert all(table.file in html for table in _annex(table_content).tables)
    with (tmp_path / "annex" / "hiring-selection-sex.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [
        (row["Sex"], row["Applicants"], row["Selected"], float(row["Selection rate"]), float(row["Impact ratio"]))
        for row in rows
    ] == [
        ("Female", "180", "54", 0.3, 0.6),
        ("Male", "210", "105", 0.5, 1.0),
    ]
    data["audit"]["report"]["annex"] = []
    (tmp_path / "findings.json").write_text(json.dumps(data))
    render(tmp_path, pdf=False)
    assert not list((tmp_path / "annex").iterdir()) and "Annex: hiring" not in (tmp_path / "report.html").read_text()


def test_an_estimate_takes_three_columns_of_a_csv(table_content: Content) -> None:
    table = _annex(table_content).ugesp[1]
    head, *rows = csv.reader(io.StringIO(tables.csv_text(table)))
    at = head.index("Ratio to the reference")
    assert head[at : at + 3] == [
        "Ratio to the reference",
        "Ratio to the reference, low",
        "Ratio to the reference, high",
    ]
    rates = _shown(table_content, "fairness/race/impact-ratio", "selection")["categories"]
    asian, black = ([f"{one['ratio'][end]:.6g}" for end in ("value", "low", "high")] for one in rates[:2])
    assert [row[at : at + 3] for row in rows] == [asian, black, ["left out", "", ""], ["reference", "", ""]]
    assert (asian[0], black[0]) == ("0.9", "0.6")


def test_image_reports_and_reports_without_it_have_no_annex(table_content: Content) -> None:
    data = table_content
    for report in ({}, {"annex": ["hiring"]}, {"hiring": {"sex": "sex", "race": "race"}}, None):
        changed = copy.deepcopy(data)
        changed["audit"]["report"] = report
        assert hiring.annex(changed["audit"], []) is None


BASE = {"model": {}, "data": {"source": "table", "groups": ["sex", "race"]}}


@pytest.mark.parametrize(
    ("report", "error"),
    [
        ({"annex": ["hiring"]}, "expected 'hiring' with the columns 'sex' and 'race'"),
        (
            {"hiring": {"sex": "sex", "race": "rase"}},
            "'report.hiring.race': expected a column of 'data.groups', got 'rase'; did you mean 'race'",
        ),
        ({"hiring": {"sex": "sex", "race": "race", "data": "test"}}, "expected 'why_test'"),
        ({"hiring": {"sex": "sex", "race": "sex"}}, "expected two columns"),
        (
            {"hiring": {"sex": "sex", "race": "race", "sourc": "x"}},
            "unknown key 'report.hiring.sourc'; did you mean 'source'",
        ),
        ({"hiring": {"sex": "sex", "race": "race", "audit_date": "soon"}}, "'report.hiring.audit_date'"),
        ({"annex": ["lending"]}, "'report.annex.0'"),
    ],
)
def test_the_audit_file_is_strict(report: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(error)):
        parse_audit({**BASE, "report": report}, Path("audit.yaml"))


def test_dates_are_kept_as_texts_in_the_plan() -> None:
    report = {"annex": ["hiring"], "hiring": {"sex": "sex", "race": "race", "audit_date": "2026-11-02"}}
    assert (
        parse_audit({**BASE, "report": report}, Path("audit.yaml")).report.model_dump(mode="json")["hiring"][
            "audit_date"
        ]
        == "2026-11-02"
    )
