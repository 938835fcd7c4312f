"""The fairness section: one block per attribute, figures that say in words what colour says, nothing that the findings
do not hold. What it shows comes from the check's own judgement of 354 samples.
"""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from auditor.core.displays import Disparity, GroupRow, Groups, Matrix, MatrixCell, Named, Partition, Rows, first
from auditor.core.estimates import Estimate
from auditor.core.records import Finding
from auditor.report import fairness_figures, fairness_maps
from auditor.report.fairness import (
    ACCURACY,
    HARM,
    ROBUSTNESS,
    Block,
    aimed_lead,
    attribute_of,
    blocks,
    excess,
    harm,
    kind_of,
    orders,
)
from auditor.report.render import load, page

GREY_LEVELS = {"levels": 255, "low": 0.0, "high": 1.0}


def share(value: float, half: float = 0.1) -> Estimate:
    return Estimate(value, value - half, value + half, 40, "share", "Wilson", share=True)


@pytest.fixture(scope="session")
def found(full: Path) -> dict[str, Block]:
    """Return the blocks of the made-up audit by attribute."""
    return {block.name: block for block in blocks([item for item in load(full)[1] if item.check == "fairness"])}


def section(html: str) -> str:
    return html[html.index('<section id="fairness"') :].partition("</section>")[0]


def svg(drawing: Any) -> str:
    return base64.b64decode(drawing.src.partition(",")[2]).decode()


def test_declared_attributes_stand_before_intersections_and_findings_in_one_order(found: dict[str, Block]) -> None:
    assert list(found) == ["age", "institution", "race", "sex", "age_band", "sex+race", "race+age"]
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
    ("name", "made", "attribute"),
    [
        ("fairness/sex/gap", (), "sex"),
        ("fairness/a/b/gap", (), "a/b"),
        ("fairness/groups", (), "groups"),
        ("fairness/x/gap", (Partition(attribute="sex", columns=("sex",)),), "sex"),
    ],
)
def test_the_attribute_is_that_of_the_partition_else_of_the_id(
    name: str, made: tuple[Partition, ...], attribute: str
) -> None:
    assert attribute_of(Finding(name, "fairness", "pass", "", displays=made)) == attribute


def test_a_group_has_its_row_in_every_table_of_its_attribute_also_when_it_is_too_small(rendered: Path) -> None:
    html = section((rendered / "report.html").read_text())
    by_race = html[html.index("<h3>By race</h3>") : html.index("<h3>By sex</h3>")]
    captions = (
        "As it is, by race",
        "Correct predictions under attack",
        "Accuracy under attack (the whole input)",
        "Share of the class evidence",
    )
    for caption in captions:
        table = by_race[by_race.index(f"<caption>{caption}") :].partition("</table>")[0]
        assert re.findall(r'<tr><th scope="row"[^>]*>(\w+)', table) == ["_other", "asian", "black", "white"], caption
    assert by_race.count("too few to say: 7 of at least 12 samples") >= 3


@pytest.mark.slow
def test_the_forest_has_two_panels_and_says_what_is_too_few(found: dict[str, Block]) -> None:
    (drawing,) = fairness_figures.forest(found["race"])
    left, right = found["race"].panels
    asian = left.estimate("asian")
    assert asian and f"As it is, asian: {100 * asian.value:.1f}\u00a0% [" in drawing.alt
    assert "Under attack, _other: " in drawing.alt and "(too few to say: 7 of at least 12 samples)" in drawing.alt
    assert drawing == fairness_figures.forest(found["race"])[0]
    accuracy, robustness = (found["race"].finding(kind) for kind in (ACCURACY, ROBUSTNESS))
    assert accuracy and robustness and right.attacked and right.attacked.zone == "everywhere"
    pairs = [first(item.displays, Disparity) for item in (accuracy, robustness)]
    assert [pair and pair.pair for pair in pairs] == [left.pair, right.pair]
    assert left.members["_other"].few and not left.members["asian"].few
    assert [one.height for one in fairness_figures.forest(found["institution"])] == pytest.approx(
        [0.95 + 0.27 * 25, 0.95 + 0.27 * 4]
    )
    assert fairness_figures.forest(found["age_band"]) == []


def test_robustness_that_was_not_measured_leaves_its_half_to_exposure(found: dict[str, Block]) -> None:
    block = Block("race", ("race",), tuple(item for item in found["race"].findings if kind_of(item) != ROBUSTNESS))
    right = block.panels[1]
    assert block.attacked == "exposure-gap" and right.attacked and right.attacked.zone == "outside"
    assert right.estimate("asian")
    alone = Block("race", ("race",), tuple(item for item in found["race"].findings if kind_of(item) == ACCURACY))
    assert "Under attack, asian: not measured" in fairness_figures.forest(alone)[0].alt


@pytest.mark.slow
def test_what_lies_beyond_the_reach_is_said_in_words(found: dict[str, Block]) -> None:
    (one, _) = found["sex"].smallest()
    said = fairness_figures.beyond(one, GREY_LEVELS)
    assert one.name == "female" and said == f"{one.beyond} of {one.n} beyond 16/255" and 0 < one.beyond < one.n
    drawing = fairness_figures.group_curves(found["sex"], data=GREY_LEVELS, declared=[1 / 255, 2 / 255])
    assert drawing and drawing == fairness_figures.group_curves(
        found["sex"], data=GREY_LEVELS, declared=[1 / 255, 2 / 255]
    )
    assert f"female: {said}: {one.n - one.beyond} of {one.n} flipped, median {one.text}" in drawing.alt
    assert one.text.startswith(("8/255", "9/255", "10/255", "11/255", "12/255", "13/255"))
    assert fairness_figures.group_curves(found["age_band"], data=GREY_LEVELS, declared=[0.1]) is None


def test_only_the_pair_is_coloured_among_many_groups(found: dict[str, Block]) -> None:
    drawing = fairness_figures.group_curves(found["institution"], data=GREY_LEVELS, declared=[1 / 255])
    assert drawing and "the 25 other groups, see the table" in drawing.alt
    # every curve but those of the pair, and the entry of all of them in the key
    assert svg(drawing).count("stroke: #aab4bf; stroke-width: 0.8") == 25 + 1


@pytest.mark.slow
def test_every_cell_of_an_intersection_says_its_number_and_n(found: dict[str, Block]) -> None:
    (drawing,) = fairness_maps.intersection_maps(found["sex+race"], orders(list(found.values())))
    members = found["sex+race"].members(ACCURACY)
    white, other = members["female / white"], members["male / _other"]
    assert white.measures["clean"] and f"n = {white.n}" in drawing.alt
    assert f"As it is, female / white: {100 * white.measures['clean'].value:.1f}\u00a0% [" in drawing.alt
    assert other.few and f"({other.note}), n = {other.n}" in drawing.alt
    hatched = svg(drawing).count("url(#")
    assert hatched >= 2 * sum(member.few for member in members.values()) > 0  # in each of the two maps
    assert drawing == fairness_maps.intersection_maps(found["sex+race"], orders(list(found.values())))[0]


def _cells(rows: int, columns: int) -> Block:
    groups = [
        GroupRow(
            name=f"r{row} / c{column}", values=(f"r{row}", f"c{column}"), n=40, units=40, measures={"clean": share(0.5)}
        )
        for row in range(rows)
        for column in range(columns)
    ]
    shown = (Partition(attribute="row+column", columns=("row", "column")), Groups(rows=tuple(groups)))
    return Block(
        "row+column",
        ("row", "column"),
        (Finding("fairness/row+column/accuracy-gap", "fairness", "pass", "", displays=shown),),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "columns", "figures"), [(2, 3, 1), (2, 9, 1), (30, 2, 3), (2, 30, 3), (11, 11, 0), (1, 1, 1)]
)
def test_long_intersections_are_cut_or_left_to_the_table(rows: int, columns: int, figures: int) -> None:
    drawn = fairness_maps.intersection_maps(_cells(rows, columns), {})
    assert len(drawn) == figures and all(drawing.height < 9.5 for drawing in drawn)
    assert all(f"r{rows - 1} / c{columns - 1}" in drawing.alt for drawing in drawn[-1:])


def test_values_stand_in_the_order_of_their_own_attribute(found: dict[str, Block]) -> None:
    order = orders(list(found.values()))
    assert order["race"] == ["_other", "asian", "black", "white"]
    assert fairness_maps._ordered(["white", "x", "asian", "x"], order["race"]) == ["asian", "white", "x"]


def test_harm_is_a_matrix_beside_the_excess_of_each_group(found: dict[str, Block]) -> None:
    item = found["sex"].finding(HARM)
    assert item
    matrix = harm(item)
    assert matrix and matrix.rows == matrix.columns == ("female", "male")
    own, other = (entry.estimate for entry in matrix.entries[0])
    assert own and other and own.value > 0.3 and other.value < 0.2
    assert [row.name for row in excess(item)] == ["female", "male"]
    ahead = aimed_lead(item)["female"].estimate
    assert ahead and ahead.low > 0
    assert harm(Finding("fairness/sex/targeted-harm", "fairness", "pass", "")) is None
    hole = Matrix(rows=("f",), columns=("f",), entries=((MatrixCell(note="too few"),),))
    assert harm(Finding("fairness/sex/targeted-harm", "fairness", "not_measured", "", displays=(hole,))) is None


def test_the_ranking_is_by_the_lower_bound() -> None:
    rows = (
        Named(name="a", estimate=share(0.4, 0.6)),
        Named(name="b"),
        Named(name="c", estimate=share(0.1, 0.05), q=0.01),
    )
    item = Finding("fairness/x/accuracy-gap", "fairness", "pass", "", displays=(Rows(rows=rows, role="ranking"),))
    (ranking,) = Block("x", ("x",), (item,)).rankings
    assert [(row.name, row.q) for row in ranking.rows] == [("c", 0.01), ("a", None), ("b", None)] and ranking.cut == 0


def test_a_long_ranking_is_cut_and_says_so(found: dict[str, Block]) -> None:
    ranking = found["institution"].rankings[0]
    assert len(ranking.rows) == 10 and ranking.cut == 11, "21 institutions are large enough to be compared"


KINDS_SHOWN = ["partition", "groups", "disparity", "rows", "table", "curve", "steps", "budget", "matrix", "null"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS_SHOWN)
def test_any_display_may_be_absent(full: Path, tmp_path: Path, kind: str) -> None:
    audit, findings = load(full)
    kept = [item for item in findings if item.id.startswith(("fairness/sex/", "fairness/race+age/"))]
    assert any(one.kind == kind for item in kept for one in item.displays)
    less = [replace(item, displays=tuple(one for one in item.displays if one.kind != kind)) for item in kept]
    html = page(tmp_path, audit, less)
    assert all(item.id in html for item in kept) and "None" not in re.sub(r"<[^>]*>", "", section(html))
