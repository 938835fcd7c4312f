"""Left-over on hand-made leads: pairs told apart, on either side of chance, and what they are worth."""

from collections.abc import Callable

import pytest

from auditor.core.displays import Rows, of_kind
from auditor.core.records import Finding

Measured = Callable[..., dict[str, Finding]]
Arms = Callable[..., Callable[[int], dict[str, float]]]


def named(found: Finding, role: str) -> dict[str, float]:
    """Return name -> value of the rows in one role."""
    (rows,) = of_kind(found.displays, Rows, role)
    return {row.name: row.estimate.value for row in rows.rows if row.estimate}


def leads(told_apart: int, size: float, n: int = 200) -> Callable[[int], dict[str, float]]:
    """Return pairs of which so many in ten are told apart, by this lead."""

    def make(row: int) -> dict[str, float]:
        lead = size if row % 10 < told_apart else -size
        return {"partner": (row + 1) % n, "hole": 0.3, "lead/smooth": lead, "lead/flat": lead, "kept": row % 2}

    return make


def test_ranks_notice_a_trace_but_do_not_accuse_it(measured: Measured, one_draw: Arms) -> None:
    """The same ranks: leads of a hundredth of the inside effect pass, large ones fail where the outside share does too,
    else they are left open.
    """
    honest, shortcut = one_draw(1, 1, -1, -1), one_draw(1, 0, 0, -1)
    cases = ((0.02, {"transplant": honest}), (2.0, {"transplant": shortcut}), (2.0, {"transplant": honest}), (2.0, {}))
    trace, large, unshared, alone = (
        measured(left_over=leads(9, size), **extra)["reliance/left-over"] for size, extra in cases
    )
    assert [one.estimate.value for one in (trace, large, unshared, alone)] == [pytest.approx(0.9)] * 4
    assert [one.verdict for one in (trace, large, unshared, alone)] == ["pass", "fail", "inconclusive", "inconclusive"]
    assert "otherwise ignores" in unshared.reason
    assert "trace" in trace.reason
    assert named(trace, "leads")["filled smoothly from the rim"] == pytest.approx(0.016 / 2.016)
    (fills,) = of_kind(large.displays, Rows, "fills")
    assert all(row.p is not None and row.p < 0.01 and "of the class evidence" in row.note for row in fills.rows)
    assert [row.note for row in of_kind(alone.displays, Rows, "leads")[0].rows] == [
        "the inside effect was not measured"
    ] * 2


def test_fills_must_agree(measured: Measured, one_draw: Arms) -> None:
    def torn(row: int) -> dict[str, float]:
        return leads(9, 2.0)(row) | {"lead/flat": leads(5, 2.0)(row)["lead/flat"]}

    found = measured(left_over=torn, transplant=one_draw(1, 1, -1, -1))["reliance/left-over"]
    assert found.verdict == "inconclusive"


def test_the_inside_alone_stands_beside_the_left_over(measured: Measured) -> None:
    found = measured(left_over=leads(5, 1.0), clean=lambda row: {"correct": float(row % 4 > 0), "margin": 1.0})
    assert list(named(found["reliance/left-over"], "kept").values()) == [1.0, 0.75]


def test_pairs_told_apart_the_wrong_way_round_count_as_much(measured: Measured, one_draw: Arms) -> None:
    """One of ten told apart is as far from chance as nine of ten: the association is reversed. Half of them is chance,
    and a trace stays a trace.
    """
    against, honest = one_draw(2, 3, -3, -2), one_draw(2, 2, -2, -2)
    reversed_, chance, trace = (
        measured(left_over=leads(told, size, 800), transplant=one, n=800)["reliance/left-over"]
        for told, size, one in ((1, 2.0, against), (5, 2.0, honest), (1, 0.02, against))
    )
    assert [one.verdict for one in (reversed_, chance, trace)] == ["fail", "pass", "pass"]
    assert reversed_.estimate.value == pytest.approx(0.1) and reversed_.tolerance == pytest.approx(0.4)
    assert "the wrong way round" in reversed_.reason and "reversed" in reversed_.reason
    assert named(reversed_, "leads")["filled evenly"] == pytest.approx(-1.6 / (1.6 + 5.0))


def test_fills_on_either_side_of_chance_accuse_nobody(measured: Measured, one_draw: Arms) -> None:
    """With one fill the pairs are told apart, with the other the wrong way round: both are far from chance, and what
    speaks is the filling.
    """

    def torn(row: int) -> dict[str, float]:
        return leads(9, 2.0)(row) | {"lead/flat": leads(1, 2.0)(row)["lead/flat"]}

    found = measured(left_over=torn, transplant=one_draw(1, 0, 0, -1))["reliance/left-over"]
    assert found.verdict == "inconclusive" and "fills disagree" in found.reason
