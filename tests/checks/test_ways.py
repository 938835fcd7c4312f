"""Several ways to measure one share: one that fails is enough, a pass needs two that agree, and doubts block it."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.core.displays import Rows, of_kind
from auditor.core.records import Finding

N = 120
STILL = (0.0, 0.0, 0.0, 0.0)
Row = Callable[[int], Any]
Make = Callable[..., Row]
Judge = Callable[..., dict[str, Finding]]


def plain(row: int) -> dict[str, float]:
    return {"correct": 1.0, "margin": 1.0}


HONEST = (2, 2, -2, -2)
"""Arms of a model that reads the inside alone: its effect is 4."""


@pytest.fixture(scope="session")
def judge(measured: Callable[..., dict[str, Finding]], around: Make) -> Judge:
    """Return function (transplants, exchanged surroundings or none) -> findings by id."""

    def run(transplant: Row, surroundings: Row | None = None, *, alone: bool = False) -> dict[str, Finding]:
        exchanged = {} if alone else {"surroundings": surroundings or around(STILL)}
        return measured(N, transplant=transplant, clean=plain, **exchanged)

    return run


def share(found: Mapping[str, Finding]) -> Finding:
    return found["reliance/outside-share"]


def shown(found: Finding, role: str) -> dict[str, float]:
    (rows,) = of_kind(found.displays, Rows, role)
    return {row.name: row.estimate.value for row in rows.rows if row.estimate}


sizes = st.floats(-3, 3).map(lambda one: round(one, 2))


@settings(max_examples=30)
@given(st.sampled_from([-4.0, 0.5, 4.0]), st.tuples(sizes, sizes, sizes, sizes))
def test_every_share_in_closed_form(
    judge: Judge, cut: Make, around: Make, inside: float, moves: tuple[float, ...]
) -> None:
    beside, near, far, outside = moves
    half = inside / 2
    found = judge(cut((half, half, -half, -half), spread=0.0), around(moves, spread=0.0))

    def of(part: float) -> Any:
        return pytest.approx(part / (abs(part) + abs(inside)), abs=1e-6)

    fringe = beside - near
    whole = {"inside": inside - fringe, "fringe": fringe, "near": near, "far": far}
    total = sum(abs(one) for one in whole.values())
    assert found["reliance/near"].estimate.value == of(near) and found["reliance/far"].estimate.value == of(far)
    assert shown(found["reliance/fringe"], "picture") == {
        name: pytest.approx(one / total, abs=1e-6) for name, one in whole.items()
    }
    assert found["reliance/fringe"].estimate.value == pytest.approx(fringe / total, abs=1e-6)
    assert shown(share(found), "ways") == {
        "transplant": of(0),
        "exchange": of(outside),
        "exchange near the mask": of(near),
        "exchange far from the mask": of(far),
    }
    assert share(found).estimate.level == pytest.approx(1 - 0.05 / 4), "the intervals of four ways hold together"
    most = max(map(abs, moves[1:]))
    assert abs(share(found).estimate.value) == of(most)
    assert (share(found).verdict == "fail") == (most / (most + abs(inside)) > 0.05 + 1e-9)


@pytest.mark.parametrize(
    ("name", "moves"),
    [
        ("exchange", (0, 0, 0, 1)),
        ("exchange near the mask", (1, 1, 0, 0)),
        ("exchange far from the mask", (0, 0, 1, 0)),
    ],
)
def test_one_way_that_fails_is_enough(
    judge: Judge, name: str, moves: tuple[float, ...], cut: Make, around: Make
) -> None:
    """What the transplant misses: a mark of 1 beside an inside effect of 4."""
    found, honest = share(judge(cut(HONEST), around(moves))), share(judge(cut(HONEST)))
    assert found.verdict == "fail" and found.estimate.value == pytest.approx(0.2, abs=0.02)
    assert (
        f"measured by the {name} (" in found.claim
        and "transplant" in found.reason
        and "alone would have missed it" in found.reason
    )
    assert honest.verdict == "pass" and "the ways agree" in honest.reason and honest.p < 0.05
    cut_only = share(judge(cut((2, 1, -1, -2))))
    assert cut_only.verdict == "fail" and "measured by the transplant (" in cut_only.claim


def test_a_pass_needs_two_ways(judge: Judge, cut: Make, around: Make) -> None:
    alone, nothing = judge(cut(HONEST), alone=True), judge(cut(HONEST), around(STILL, covered=(0.0,) * 4))
    for found in (alone, nothing):
        assert share(found).verdict == "inconclusive" and "nothing else confirms it" in share(found).reason
        assert {found[f"reliance/{part}"].verdict for part in ("near", "far")} == {"not_measured"}
    assert share(judge(cut((2, 0, 0, -2)), alone=True)).verdict == "fail", "to fail one is enough"
    far_only = judge(cut(HONEST), around(STILL, covered=(0.9, 0.9, 0.0, 0.9)))
    assert share(far_only).verdict == "pass" and far_only["reliance/far"].verdict == "not_measured"
    assert "exchange far from the mask" not in shown(share(far_only), "ways")


@pytest.mark.parametrize("flat", [(2, 1, -1, -2), (2, 2.3, -2.3, -2)])
def test_fills_that_disagree_acquit_nobody(judge: Judge, flat: tuple[float, ...], cut: Make, around: Make) -> None:
    """One fill says that the surroundings count, the other that they do not, or that they count the other way round:
    their mean, whatever it is, says nothing.
    """
    other = (2, 1.7, -1.7, -2) if flat[1] > 2 else HONEST
    found = share(judge(cut(other, flat=flat)))
    assert found.verdict == "inconclusive" and "fills disagree" in found.reason
    assert share(judge(cut(HONEST, flat=HONEST))).verdict == "pass"
    assert share(judge(cut(other, flat=flat), around((1, 1, 0, 1)))).verdict == "fail", "another way needs no fill"


@pytest.mark.parametrize("fills", [(0.6, 0.6), (0.6, 1.0), (1.0, 1.4)])
def test_surgery_as_large_as_the_tolerance_blocks_a_pass(judge: Judge, fills: tuple[float, float], cut: Make) -> None:
    """Cutting and pasting alone takes a tenth of the evidence, with either fill or with one of them."""
    found = share(judge(cut(HONEST, shams=fills)))
    assert found.verdict == "inconclusive" and "cutting and pasting alone" in found.reason and "10 %" in found.reason
    assert share(judge(cut(HONEST, shams=(0.9, 0.9)))).verdict == "pass", "a fortieth is less than the tolerance"
    assert share(judge(cut((2, 1, -1, -2), shams=fills))).verdict == "fail", "an excuse for none"


def test_a_reversed_association_fails(judge: Judge, cut: Make, around: Make) -> None:
    """Surroundings of another class raise the margin: the share is negative, and no less than one above zero."""
    for found in (judge(cut((2, 3, -3, -2))), judge(cut(HONEST), around((-1, -1, 0, -1)))):
        assert share(found).verdict == "fail" and share(found).estimate.high < -0.1
        assert "against the class" in share(found).claim and "-5 %" in share(found).reason and share(found).p < 0.05
    one, other = share(judge(cut((2, 3, -3, -2)))), share(judge(cut((2, 1, -1, -2))))
    assert "against the class" not in other.claim and "-5 %" not in other.reason
    # the same outside effect of 1 beside inside effects of 5 and 3
    assert (one.estimate.value, other.estimate.value) == (
        pytest.approx(-1 / 6, abs=0.02),
        pytest.approx(0.25, abs=0.02),
    )


@pytest.mark.parametrize(("part", "at"), [("near", 1), ("far", 2)])
def test_what_could_hardly_be_exchanged_acquits_nobody(
    judge: Judge, cut: Make, around: Make, part: str, at: int
) -> None:
    covered = [0.9] * 4
    covered[at] = 0.3
    found = judge(cut(HONEST), around(STILL, covered=covered))[f"reliance/{part}"]
    assert found.verdict == "inconclusive" and found.reason == "only 30 % of that part could be exchanged"
    moves = [0.0] * 4
    moves[at] = 1.0
    assert judge(cut(HONEST), around(moves, covered=covered))[f"reliance/{part}"].verdict == "fail"


def test_masks_without_an_edge_have_none_to_judge(measured: Callable[..., Any], cut: Make, around: Make) -> None:
    found = measured(N, {"guard": 0.0}, transplant=cut(HONEST), clean=plain, surroundings=around(STILL))
    edge = found["reliance/fringe"]
    assert edge.verdict == "not_measured" and "guard: 0" in edge.reason and not edge.primary
    assert found["reliance/near"].verdict == "pass" and share(found).verdict == "pass"


def test_how_far_near_and_far_reach_is_that_of_the_trial(measured: Callable[..., Any], cut: Make, around: Make) -> None:
    wide = measured(N, {"guard": 0.12}, transplant=cut(HONEST), clean=plain, surroundings=around(STILL))
    assert "far from the marked region, more than 12 % of the diagonal away" in wide["reliance/far"].claim
    assert "within 20 % of the diagonal" in wide["reliance/near"].claim


@pytest.mark.parametrize("inside", [4.0, 0.5])
def test_healthy_tissue_says_what_the_marked_region_is_worth(
    judge: Judge, cut: Make, around: Make, inside: float
) -> None:
    """Where only one class has masks nothing is filled: the inside is the margin that healthy tissue takes away."""
    found = judge(cut(HONEST), around((0.0, 0.0, 1.0, 1.0), spread=0.0, marked=1.0 - inside))
    assert found["reliance/far"].estimate.value == pytest.approx(1 / (1 + inside), abs=1e-6)
