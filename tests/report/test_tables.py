"""The report of a table: what it says of columns, costs, outcomes and groups, and what it never says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.core.outcomes import Outcome
from auditor.modalities.tables.report import views as table_views
from auditor.modalities.tables.report.figures import outcome_bars
from auditor.modalities.tables.row_file import write_rows
from auditor.report import by_group
from auditor.report.cases import cases
from auditor.report.flip_figures import TABLES, flip_curves
from auditor.report.render import load, page, render
from auditor.report.templates import section_files, templates_dir
from auditor.report.views import curves

pytestmark = pytest.mark.slow

FOREIGN = (
    "pixel",
    "grey level",
    "guard band",
    "mask area",
    "marked region",
    "image",
    "picture",
    "scanner",
    "clinical",
    "patient",
    "epsilon",
)
BEFORE = (
    "39",
    "40",
    "2000.0",
    "2500.0",
    "0.8",
    "Bachelors",
    "Private",
    "Husband",
    "Male",
    "2020-05-01",
    'says "hi",\nthere',
)
AFTER = (
    "39",
    "42.0",
    "2000.0",
    "2500.0",
    "0.8",
    "Bachelors",
    "State-gov",
    "Wife",
    "Male",
    "2020-05-01",
    'says "hi",\nthere',
)


def _write(out: Path, data: dict[str, Any]) -> Path:
    (out / "evidence" / "a").mkdir(parents=True)
    (out / "findings.json").write_text(json.dumps(data))
    write_rows(
        out / "evidence" / "a" / "row.csv",
        [column["name"] for column in data["audit"]["data"]["columns"]],
        BEFORE,
        after=AFTER,
    )
    case: dict[str, Any] = {
        "finding": "exposure/outside",
        "rule": "worst",
        "sample": "17",
        "label": "denied",
        "before": "denied",
        "after": "granted",
        "zone": "outside",
    }
    case |= {
        "epsilon": 4.0,
        "size": 1.2,
        "outcome": Outcome.FLIPPED_EXACTLY.text,
        "files": {"row": "a/row.csv"},
        "text": "'denied' becomes 'granted' when hours change from 40 to 42.",
    }
    found = [
        case,
        {**case, "rule": "median", "files": {"row": "../../row.csv"}},
        {**case, "rule": "best", "files": {"row": "gone.csv"}},
    ]
    (out / "evidence" / "index.json").write_text(
        json.dumps({"cases": [*found, {**case, "finding": "recourse", "files": None}]})
    )
    return out


def _plain(html: str) -> str:
    """Return a page's text, tags and what no reader sees taken out."""
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, of_a_table: dict[str, Any]) -> Path:
    return _write(tmp_path_factory.mktemp("table") / "out", of_a_table)


@pytest.fixture(scope="module")
def text(out: Path) -> str:
    return _plain(page(out, *load(out)))


@pytest.fixture
def bent(tmp_path: Path, table_content: dict[str, Any]) -> Callable[[Callable[[dict[str, Any]], None]], str]:
    """Return function (change of the findings file) -> the page's text."""

    def make(change: Callable[[dict[str, Any]], None]) -> str:
        folder = _write(tmp_path / "out", table_content)
        change(table_content)
        (folder / "findings.json").write_text(json.dumps(table_content))
        return page(folder, *load(folder))

    return make


@pytest.mark.slow
def test_nothing_of_images_is_said(out: Path) -> None:
    html = page(out, *load(out))
    alts = " ".join(re.findall(r'alt="([^"]*)"', html))
    found = [word for word in FOREIGN if re.search(word, _plain(html) + alts, re.IGNORECASE)]
    assert found == []


def test_sections_of_tables_take_the_place_of_general_ones() -> None:
    folder = templates_dir()
    general, tables = section_files(folder), section_files(folder, "tables")
    assert {file.name for file in general} < {file.name for file in tables}
    assert {file.parent.name for file in general} == {"sections"} and [file.name for file in tables] == sorted(
        file.name for file in tables
    )


@pytest.mark.parametrize(
    "said",
    [
        "A cost of at most 1, 2 or 4: the sum over the changed columns",
        "At most 3 columns of a row may change.",
        "Should matter may change: hours_per_week, debt, education; fixed: income, ratio, hired on",
        "hours_per_week integer should matter yes from 1 to 99; change −10 to +10 0.100 per unit",
        "no: computed by the rule 'ratio'",
        "no: protected",
        "no: carried, never changed",
        "3 levels: HS-grad, Bachelors, Masters; change 0 to +1 levels 1 per level",
        "if relationship == 'Husband' then sex == 'Male'; repaired by exchanging Husband and Wife in relationship 3",
        "ratio = debt / income (tolerance 0.010) 0",
        "None found within the budget\" is not robust",
        "2 found rows did not survive the second check",
        "Columns that should matter come from",
        "from Female to Male the sign reverses once the coupled columns are repaired",
        "12 up, 0 down of 180, p &lt; 0.001; 25 rows impossible",
        "Cases of recourse: the cheapest way to the favourable decision",
        "8 other columns, unchanged",
        "the index points outside the evidence folder",
        "the file is missing",
    ],
)  # fmt: skip
def test_what_is_said(text: str, said: str) -> None:
    assert said in text.replace("&#34;", '"').replace("&#39;", "'")


def test_every_finding_is_shown(out: Path, text: str) -> None:
    for item in load(out)[1]:
        assert item.id in text


def test_tables_of_checks_are_shown_once(text: str) -> None:
    assert (
        text.count("Each group's searches for the favourable decision, up to a cost of 4".replace("'", "&#39;")) == 3
    )  # by sex, by race and by both; two findings each


def test_a_changed_cell_shows_how_far_it_moved(out: Path) -> None:
    first = cases(out, load(out)[0])[0]
    moved = {cell.name: (cell.before, cell.after, cell.change) for cell in first.cells if cell.changed}
    assert moved == {
        "hours_per_week": ("40", "42.0", "+2"),
        "workclass": ("Private", "State-gov", ""),
        "relationship": ("Husband", "Wife", ""),
    }
    assert [cell.before for cell in first.cells if cell.name == "remarks <i>"] == [BEFORE[-1]]


@pytest.mark.slow
def test_privacy_hides_every_cell(bent: Callable[..., str]) -> None:
    html = bent(lambda data: data["audit"]["report"].update(privacy="none"))
    gallery = html[html.index('<section id="gallery"') : html.index('<section id="method-cards"')]
    assert (
        "Cells are left out" in gallery
        and "hours_per_week" in gallery
        and "State-gov" not in gallery
        and "from 40 to 42" not in gallery
    )


def test_findings_without_displays_and_facts_are_not_measured(bent: Callable[..., str]) -> None:
    def bare(data: dict[str, Any]) -> None:
        data["audit"] = {"modality": "table", "report": {"annex": ["hiring"], "hiring": {"sex": "sex", "race": "race"}}}
        data["findings"] = [{**item, "displays": [], "estimate": None} for item in data["findings"]]

    text = _plain(bent(bare))
    assert "The columns were not recorded." in text and "No rule between columns was declared" in text
    assert text.count("Not measured: no finding") == 2 and "Selection by sex: " in text


@pytest.mark.slow
def test_outcomes_are_counted_and_told_by_more_than_colour(out: Path) -> None:
    found = table_views.outcomes(load(out)[1])
    assert [(one.name, one.n) for one in found] == [("outside", 397), ("everywhere", 397), ("control/0", 397)]
    assert list(found[0].counts.values()) == [80, 0, 157, 160] and found[1].flipped_at_most == 77
    drawing = outcome_bars(found)
    assert drawing == outcome_bars(found) and f"{Outcome.PROVEN_IMPOSSIBLE.text} 160 (40.3" in drawing.alt


@pytest.mark.slow
def test_curves_speak_of_cost(out: Path) -> None:
    said = flip_curves(curves(load(out)[1]), data={}, said=TABLES).alt
    assert (
        said.startswith("Share of decisions flipped by budget.")
        and "random changes 1 " in said
        and "attack" not in said
    )


@pytest.mark.parametrize(
    ("column", "limits", "cost"),
    [
        (
            {"kind": "date", "low": 0, "high": 365, "least": -30, "cost": 0.5},
            "from 1970-01-01 to 1971-01-01; change −30 to any",
            "0.500 per day",
        ),
        ({"kind": "real", "cost": 2.0}, "none", "2 per unit"),
        ({"kind": "boolean", "levels": ["no", "yes"], "allowed": 2, "cost": 1.0}, "2 levels: no, yes", "1 per change"),
        (
            {"kind": "categorical", "levels": [str(k) for k in range(20)], "allowed": 20},
            "20 levels: 0, 1, 2, 3, 4, 5, 6, 7, …",
            "not recorded",
        ),
    ],
)
def test_limits_and_costs_in_words(column: dict[str, Any], limits: str, cost: str) -> None:
    (row,) = table_views.columns({"columns": [{"name": "a", "mutable": True, **column}]})
    assert (row.limits, row.cost, row.change) == (limits, cost, "yes")


def test_three_figures_of_invariance_stand_side_by_side(out: Path) -> None:
    finding = next(item for item in load(out)[1] if item.id == "fairness/sex/invariance")
    found = dict(by_group.flips(finding))
    assert list(found["Female to Male"]) == list(found["Male to Female"]) == list(by_group.INVARIANCE)
    repaired = found["Male to Female"]["repaired"]
    assert repaired.estimate is None and (repaired.n, repaired.impossible) == (0, 210)


@pytest.mark.slow
def test_the_pdf_fits_its_pages(table_content: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("weasyprint")
    from pypdf import PdfReader

    data = table_content
    data["findings"] = [
        item for item in data["findings"] if item["id"].startswith(("fairness/race/", "fairness/sex/invariance"))
    ]
    folder = _write(tmp_path / "out", data)
    render(folder)
    for sheet in PdfReader(folder / "report.pdf").pages:
        places: list[float] = []
        sheet.extract_text(
            visitor_text=lambda text, cm, tm, font, size, into=places: (
                into.append(tm[4] * cm[0] + cm[4]) if text.strip() else None
            )
        )
        assert max(places) < float(sheet.mediabox.width) - 40
