"""Displays: what a check writes is what the report reads back, and a stranger among them is refused."""

import json
from dataclasses import asdict

import pytest

from auditor.core.displays import (
    AttackBudget,
    Category,
    Cluster,
    Counterfactual,
    Counterfactuals,
    Curve,
    Disparity,
    GroupRow,
    Groups,
    Map,
    Matrix,
    MatrixCell,
    Named,
    Null,
    Outcomes,
    Partition,
    Peak,
    Point,
    Rows,
    Selection,
    Spot,
    Steps,
    TableDisplay,
    Values,
    of_kind,
    read_displays,
)
from auditor.core.estimates import Estimate
from auditor.core.records import Finding

ESTIMATE = Estimate(0.1, 0.0, 0.2, 10, "share", "Wilson", units=4, share=True)
PEAK = Peak(row=0, column=1, name="right", value=0.5)
EVERY = (
    Rows(
        rows=(Named(name="A", estimate=ESTIMATE, p=0.5, q=0.9), Named(name="B", note="too few")),
        title="Arms",
        role="arms",
    ),
    TableDisplay(title="Counts", columns=("Name", "n"), rows=(("a", 1), (True, None), (0.5, ESTIMATE))),
    Curve(name="outside", label="outside the mask", points=(Point(size=0.1, estimate=ESTIMATE),), role="attack"),
    Steps(
        name="outside",
        label="outside the mask",
        n=10,
        beyond=4,
        reach=0.5,
        steps=(Point(size=0.1, estimate=ESTIMATE), Point(size=0.2, reason="too few")),
        median=ESTIMATE,
        text="0.1",
        reason="none",
        restricted=ESTIMATE,
        how="by a search",
        missed=1,
        sensitivity=ESTIMATE,
        sensitivity_reason="none",
        relative=ESTIMATE,
        role="zone",
    ),
    Outcomes(
        name="outside",
        label="in columns that should not matter",
        none_found=1,
        flipped_at_most=2,
        flipped_exactly=3,
        proven_impossible=4,
        refused=1,
        forwards=40.5,
        role="search",
    ),
    Partition(attribute="age+sex", columns=("age", "sex"), bands={"age": (40, 65.5)}, declared=False, unknown=3),
    Groups(
        rows=(
            GroupRow(name="f", values=("f",), n=10, units=4, measures={"clean": ESTIMATE, "robust": None}),
            GroupRow(name="m", values=("m",), n=2, units=2, few=True, note="too few"),
        ),
        positive="ill",
        role="attack",
    ),
    Disparity(
        pair=("f", "m"), raw=ESTIMATE, ratio=ESTIMATE, largest=ESTIMATE, largest_pair=("f", "x"), needed=4, role="gap"
    ),
    Matrix(
        rows=("f",),
        columns=("f", "m"),
        entries=((MatrixCell(estimate=ESTIMATE), MatrixCell(note="too few")),),
        role="harm",
    ),
    Null(method="labels exchanged", permutations=100, p=0.01, role="harm"),
    AttackBudget(zone="outside", size=0.1, role="attack"),
    Selection(
        categories=(
            Category(
                name="f",
                values=("f",),
                n=10,
                share=0.5,
                selected=4,
                rate=ESTIMATE,
                ratio=ESTIMATE,
                excluded="too few",
                fisher_p=0.5,
                z_p=0.5,
                one_more=True,
            ),
        ),
        counted="scoring",
        favourable="yes",
        reference="m",
        median=0.5,
        needed=4,
        role="rates",
    ),
    Counterfactuals(
        rows=(
            Counterfactual(
                way="naive",
                source="f",
                target="m",
                n=10,
                impossible=1,
                up=2,
                down=3,
                pooled=True,
                estimate=ESTIMATE,
                p=0.5,
            ),
        ),
        block=("rel",),
        reversals=("the sign reverses",),
        role="changes",
    ),
    Map(
        rows=1,
        columns=2,
        spots=(Spot(row=0, column=1, estimate=ESTIMATE, stands_out=True),),
        peak=PEAK,
        clusters=(Cluster(size=2, classes={"a": 2}, values=((None, 0.5),), peak=PEAK, cases=("s1", "s2")),),
        note="one group",
        role="where",
    ),
    Values(values={"recipients": 60, "blend": 0.01, "method": "square", "repeated": True}, role="size"),
)
"""One of each kind, every field in use; a new kind adds its row."""


def test_what_was_written_is_read_back() -> None:
    finding = Finding("a/b", "a", "pass", "Claim.", ESTIMATE, displays=EVERY)
    again = Finding.from_dict(json.loads(json.dumps(finding.as_dict())))
    assert again == finding
    cells = [cell for row in again.displays[1].rows for cell in row]  # type: ignore[union-attr]
    assert [type(cell) for cell in cells] == [str, int, bool, type(None), float, Estimate]
    values = of_kind(again.displays, Values)[0].values
    assert [type(value) for value in values.values()] == [int, float, str, bool]


def test_displays_are_found_by_kind_and_role() -> None:
    assert of_kind(EVERY, Rows) == [EVERY[0]] and of_kind(EVERY, Rows, "arms") == [EVERY[0]]
    assert of_kind(EVERY, Rows, "effects") == [] and of_kind(EVERY, TableDisplay) == [EVERY[1]]


@pytest.mark.parametrize("wrong", [{"kind": "hologram"}, {"kind": "table", "title": "x"}, {"title": "x"}])
def test_a_stranger_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"hologram|Field required|discriminator"):
        read_displays([wrong])


def test_every_kind_has_its_row() -> None:
    from auditor.core.displays import Display

    assert {type(one) for one in EVERY} == set(Display.__args__)  # type: ignore[attr-defined]
    assert all(asdict(one)["kind"] == one.kind for one in EVERY)
