"""The fairness section: one block per attribute, figures that say in words what colour says, nothing that the findings
do not hold.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from auditor.core.records import Finding
from auditor.report import fairness_figures
from auditor.report.fairness import (
    ACCURACY,
    HARM,
    ROBUSTNESS,
    Block,
    attribute_of,
    blocks,
    excess,
    harm,
    kind_of,
    orders,
)
from auditor.report.render import load, page

GREY_LEVELS = {"levels": 255, "low": 0.0, "high": 1.0}


@pytest.fixture(scope="session")
def found(full: Path) -> dict[str, Block]:
    """Return the blocks of the made-up audit by attribute."""
    return {block.name: block for block in blocks([item for item in load(full)[1] if item.check == "fairness"])}


def section(html: str) -> str:
    return html[html.index('<section id="fairness"') :].partition("</section>")[0]


def svg(drawing: Any) -> str:
    return base64.b64decode(drawing.src.partition(",")[2]).decode()


def test_declared_attributes_stand_before_intersections_and_findings_in_one_order(found: dict[str, Block]) -> None:
    assert list(found) == ["sex", "institution", "race", "age_band", "sex+race", "race+age"]
    assert [kind_of(item) for item in found["race"].findings] == [
        "accuracy-gap",
        "robustness-gap",
        "exposure-gap",
        "targeted-harm",
        "reliance-gap",
    ]
    assert (
        found["sex"].lead.id == "fairness/sex/robustness-gap"
        and found["sex"].unknown == 7
        and found["age_band"].unknown is None
    )


@pytest.mark.parametrize(
    ("name", "details", "attribute"),
    [
        ("fairness/sex/gap", {}, "sex"),
        ("fairness/a/b/gap", {}, "a/b"),
        ("fairness/groups", {}, "groups"),
        ("fairness/x/gap", {"attribute": "sex"}, "sex"),
    ],
)
def test_the_attribute_is_read_from_the_details_else_from_the_id(
    name: str, details: dict[str, Any], attribute: str
) -> None:
    assert attribute_of(Finding(name, "fairness", "pass", "", details=details)) == attribute


def test_a_group_has_its_row_in_every_table_of_its_attribute_also_when_it_is_too_small(rendered: Path) -> None:
    html = section((rendered / "report.html").read_text())
    by_race = html[html.index("<h3>By race</h3>") : html.index("<h3>By age_band</h3>")]
    captions = (
        "As it is, by race",
        "Correct predictions under attack",
        "Accuracy under attack (the whole input)",
        "Share of the class evidence",
    )
    for caption in captions:
        table = by_race[by_race.index(f"<caption>{caption}") :].partition("</table>")[0]
        assert re.findall(r'<tr><th scope="row"[^>]*>(\w+)', table) == ["asian", "black", "white", "_other"], caption
    assert by_race.count("too few to say: 17 of 30") >= 3


def test_the_forest_has_two_panels_and_says_what_is_too_few(found: dict[str, Block]) -> None:
    (drawing,) = fairness_figures.forest(found["race"])
    assert (
        "As it is, asian: 90\u00a0% [" in drawing.alt
        and "Under attack, _other: " in drawing.alt
        and "(too few to say: 17 of 30)" in drawing.alt
    )
    assert drawing == fairness_figures.forest(found["race"])[0]
    left, right = found["race"].panels
    assert left.members["_other"].few and left.pair == right.pair == ("asian", "white") and right.zone == "everywhere"
    assert [one.height for one in fairness_figures.forest(found["institution"])] == pytest.approx(
        [0.95 + 0.27 * 25, 0.95 + 0.27 * 4]
    )
    assert fairness_figures.forest(found["age_band"]) == []


def test_robustness_that_was_not_measured_leaves_its_half_to_exposure(found: dict[str, Block]) -> None:
    block = Block("race", ("race",), tuple(item for item in found["race"].findings if kind_of(item) != ROBUSTNESS))
    assert block.attacked == "exposure-gap" and block.panels[1].zone == "outside" and block.panels[1].estimate("asian")
    alone = Block("race", ("race",), tuple(item for item in found["race"].findings if kind_of(item) == ACCURACY))
    assert "Under attack, asian: not measured" in fairness_figures.forest(alone)[0].alt


def test_what_lies_beyond_the_reach_is_said_in_words(found: dict[str, Block]) -> None:
    (one, *_) = found["sex"].smallest()
    assert fairness_figures.beyond(one, GREY_LEVELS) == "17 of 70 beyond 16/255"
    drawing = fairness_figures.group_curves(found["sex"], data=GREY_LEVELS, declared=[1 / 255, 2 / 255])
    assert drawing and drawing == fairness_figures.group_curves(
        found["sex"], data=GREY_LEVELS, declared=[1 / 255, 2 / 255]
    )
    assert "female: 17 of 70 beyond 16/255: 53 of 70 flipped, median 7/255" in drawing.alt
    assert fairness_figures.group_curves(found["age_band"], data=GREY_LEVELS, declared=[0.1]) is None


def test_only_the_pair_is_coloured_among_many_groups(found: dict[str, Block]) -> None:
    drawing = fairness_figures.group_curves(found["institution"], data=GREY_LEVELS, declared=[1 / 255])
    assert drawing and "the 25 other groups, see the table" in drawing.alt
    # 22 curves and their entry in the key; three groups of three have none
    assert svg(drawing).count("stroke: #aab4bf; stroke-width: 0.8") == 23


def test_every_cell_of_an_intersection_says_its_number_and_n(found: dict[str, Block]) -> None:
    (drawing,) = fairness_figures.intersection_maps(found["sex+race"], orders(list(found.values())))
    assert (
        "As it is, female / white: 88.6\u00a0% [" in drawing.alt
        and "n = 100" in drawing.alt
        and "(too few to say: 28 of 30), n = 28" in drawing.alt
    )
    hatched = svg(drawing).count("url(#")
    assert hatched >= 10  # five cells of each map
    assert drawing == fairness_figures.intersection_maps(found["sex+race"], orders(list(found.values())))[0]


def _cells(rows: int, columns: int) -> Block:
    groups = [
        {"group": f"r{row} / c{column}", "n": 40, "clean": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 40}}
        for row in range(rows)
        for column in range(columns)
    ]
    details = {"columns": ["row", "column"], "groups": groups}
    return Block(
        "row+column",
        ("row", "column"),
        (Finding("fairness/row+column/accuracy-gap", "fairness", "pass", "", details=details),),
    )


@pytest.mark.parametrize(
    ("rows", "columns", "figures"), [(2, 3, 1), (2, 9, 1), (30, 2, 3), (2, 30, 3), (11, 11, 0), (1, 1, 1)]
)
def test_long_intersections_are_cut_or_left_to_the_table(rows: int, columns: int, figures: int) -> None:
    drawn = fairness_figures.intersection_maps(_cells(rows, columns), {})
    assert len(drawn) == figures and all(drawing.height < 9.5 for drawing in drawn)
    assert all(f"r{rows - 1} / c{columns - 1}" in drawing.alt for drawing in drawn[-1:])


def test_values_stand_in_the_order_of_their_own_attribute(found: dict[str, Block]) -> None:
    order = orders(list(found.values()))
    assert order["race"] == ["asian", "black", "white", "_other"]
    assert fairness_figures._ordered(["white", "x", "asian", "x"], order["race"]) == ["asian", "white", "x"]


def test_harm_is_read_as_a_matrix_with_holes(found: dict[str, Block]) -> None:
    item = found["sex"].finding(HARM)
    assert item
    matrix = harm(item)
    assert matrix and matrix.fits and matrix.names == ("female", "male")
    own, hole = matrix.cell("female", "female").estimate, matrix.cell("male", "female")
    assert own and own.value == 0.31 and hole.estimate is None
    assert [row.name for row in excess(item)] == ["male", "female"]
    assert harm(Finding("fairness/sex/targeted-harm", "fairness", "pass", "")) is None


def test_the_ranking_is_by_the_lower_bound() -> None:
    rows = [
        {"group": "a", "estimate": {"value": 0.4, "low": -0.2, "high": 1.0}},
        {"group": "b"},
        {"group": "c", "estimate": {"value": 0.1, "low": 0.05, "high": 0.15}, "q": 0.01},
    ]
    (ranking,) = Block(
        "x", ("x",), (Finding("fairness/x/accuracy-gap", "fairness", "pass", "", details={"ranking": rows}),)
    ).rankings
    assert [(row.name, q) for row, q in ranking.rows] == [("c", 0.01), ("a", None), ("b", None)] and ranking.cut == 0


@pytest.mark.parametrize(
    "key",
    [
        "groups",
        "pair",
        "raw",
        "ratio",
        "ranking",
        "tests",
        "needed",
        "columns",
        "attribute",
        "unknown",
        "positive",
        "curves",
        "smallest",
        "zone",
        "epsilon",
        "names",
        "matrix",
        "excess",
        "null",
    ],
)
def test_any_key_may_be_absent(full: Path, tmp_path: Path, key: str) -> None:
    data = json.loads((full / "findings.json").read_text())
    kept = [item for item in data["findings"] if item["id"].startswith(("fairness/sex/", "fairness/race+age/"))]
    findings = [
        Finding.from_dict({**item, "details": {name: value for name, value in item["details"].items() if name != key}})
        for item in kept
    ]
    html = page(tmp_path, data["audit"], findings)
    assert all(item["id"] in html for item in kept) and "None" not in re.sub(r"<[^>]*>", "", section(html))
