"""What an average hides: one pair of classes, one part of the surroundings, inside and outside that count together."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from auditor.core.displays import TableDisplay, Values, of_kind
from auditor.core.records import Finding

N = 120
Row = Callable[[int], Any]
Make = Callable[..., Row]
Judge = Callable[..., dict[str, Finding]]
HONEST, STILL = (2, 2, -2, -2), (0, 0, 0, 0)


@pytest.fixture(scope="session")
def judge(measured: Callable[..., dict[str, Finding]], around: Make) -> Judge:
    """Return function (transplants, exchanged surroundings, whether each sample is classified correctly, number of
    classes) -> findings by id.
    """

    def run(
        transplant: Row, surroundings: Row | None = None, *, correct: Callable[[int], bool] | None = None, k: int = 2
    ) -> dict[str, Finding]:
        known = {"classes": tuple("abcd"[:k]), "y": tuple(row % k for row in range(N))} if k > 2 else {}
        return measured(
            N,
            known,
            transplant=transplant,
            surroundings=surroundings or around(STILL, classes=k),
            clean=lambda row: {"correct": float(correct is None or correct(row)), "margin": 1.0},
        )

    return run


def only(pair: set[int], size: float) -> Callable[[int, int, int], tuple[float, ...]]:
    """Return arms with an inside and an outside effect of 4 together, the second between one pair of classes alone."""
    return lambda own, other, draw: (2, 2 - size, -2 + size, -2) if {own, other} == pair else HONEST


def test_a_pair_of_four_classes_fails_where_the_average_does_not(judge: Judge, cut: Make, around: Make) -> None:
    """Between a and c, one of six pairs, the outside has an effect of 0.5 of 4, and between the others none."""
    found = judge(cut(only({0, 2}, 0.5), classes=4), k=4)
    average, pair = found["reliance/outside-share"], found["reliance/pair"]
    assert average.verdict == "pass" and average.estimate.value < 0.05, average.estimate
    assert pair.verdict == "fail" and pair.primary and pair.estimate.value == pytest.approx(0.5 / 4, abs=0.02)
    assert "for a and c:" in pair.claim and "(transplant)" in pair.claim and "a and c" in pair.advice
    (table,) = of_kind(pair.displays, TableDisplay, "")
    shares = {row[:2]: row[2] for row in table.rows}
    assert next(iter(shares)) == ("a and c", "transplant") and len(shares) == len(table.rows)
    assert all(abs(one.value) < 0.02 for key, one in shares.items() if key != ("a and c", "transplant"))
    assert pair.estimate.level == pytest.approx(1 - 0.05 / (6 * 4)), "they hold together for all pairs and ways"
    honest = judge(cut(HONEST, classes=4), k=4)
    assert {honest[f"reliance/{name}"].verdict for name in ("pair", "outside-share")} == {"pass"}


def test_a_pair_is_told_by_the_exchange_too(judge: Judge, cut: Make, around: Make) -> None:
    """The transplant sees nothing; beside the marked region b and c are told apart, the wrong way round."""

    def beside(own: int, other: int, draw: int) -> tuple[float, ...]:
        return (-1, -1, 0, -1) if {own, other} == {1, 2} else STILL

    pair = judge(cut(HONEST, classes=4), around(beside, classes=4), k=4)["reliance/pair"]
    assert pair.verdict == "fail" and "for b and c:" in pair.claim
    assert pair.estimate.value == pytest.approx(-0.2, abs=0.02)


@pytest.mark.parametrize("missing", ["transplant", "surroundings"])
def test_a_pair_never_measured_blocks_a_pass(
    measured: Callable[..., dict[str, Finding]], cut: Make, around: Make, missing: str
) -> None:
    """Samples of b and c never meet, in one experiment or in both."""
    whole = {"transplant": cut(HONEST, classes=3), "surroundings": around(STILL, classes=3)}

    def without(probe: str) -> Row:
        def make(row: int) -> dict[str, float]:
            values, others = whole[probe](row), (row // 3 * 3, row // 3 * 3 + 3)  # of class a
            drawn = {
                f"{name}/{draw}": float(other % N)
                for draw in range(4)
                for name, other in zip("kl", others, strict=True)
            }
            return values | (drawn if row % 3 else {})

        return make

    known = {"classes": tuple("abc"), "y": tuple(row % 3 for row in range(N))}
    rows: dict[str, Any] = whole | {missing: without(missing)}
    found = measured(N, known, clean=lambda row: {"correct": 1.0, "margin": 1.0}, **rows)["reliance/pair"]
    assert found.verdict == "inconclusive" and "not measured in two ways: b and c" in found.reason
    assert measured(N, known, **whole)["reliance/pair"].verdict == "pass"


def test_two_classes_are_one_pair(judge: Judge, cut: Make) -> None:
    assert "reliance/pair" not in judge(cut(HONEST))


def xor(own: int, other: int, draw: int) -> tuple[float, ...]:
    """Return arms of a model that wants inside and outside alike in something that says nothing of the class."""
    a, b, c, d = (2.0 if (draw >> bit) % 2 else -2.0 for bit in (0, 1, 1, 0))
    return a, b, c, d


def test_inside_xor_outside_is_disturbed(judge: Judge, cut: Make) -> None:
    """Half of the foreign surroundings take the decision, the own ones put back none; on average nothing moves."""
    found, honest = judge(cut(xor)), judge(cut(HONEST))
    disturbed = found["reliance/disturbed"]
    assert disturbed.verdict == "fail" and disturbed.primary and disturbed.advice
    assert disturbed.estimate.value == pytest.approx(0.5)
    (rates,) = of_kind(disturbed.displays, Values, "rates")
    assert rates.values == {"foreign surroundings": pytest.approx(0.5), "own surroundings": 0.0}
    assert honest["reliance/disturbed"].verdict == "pass" and honest["reliance/disturbed"].estimate.value == 0
    share = found["reliance/outside-share"]
    assert share.verdict == "inconclusive" and "reliance/disturbed" in share.reason
    assert "would decide" not in share.reason and "more samples like these would not" in share.reason


def test_what_the_surgery_takes_is_not_held_against_the_surroundings(judge: Judge, cut: Make) -> None:
    """With one fill the own surroundings, put back, lose the decision as often as foreign ones do."""
    found = judge(cut(HONEST, flat=(-1, -1, -3, -3), shams=(1.0, -1.0)))["reliance/disturbed"]
    assert found.estimate.value == 0 and found.verdict == "pass"
    unlike = judge(cut(HONEST, flat=(-1, -1, -3, -3), shams=(1.0, 1.0)))["reliance/disturbed"]
    assert unlike.estimate.value == pytest.approx(0.5) and unlike.verdict == "fail"


def test_only_right_decisions_can_be_taken(judge: Judge, cut: Make) -> None:
    """Each third sample is classified wrongly, before any surroundings: they are left out."""

    def torn(row: int) -> dict[str, float]:
        return cut((-2, -2, -3, -3))(row) if row % 3 == 0 else cut(HONEST)(row)

    found = judge(torn, correct=lambda row: row % 3 > 0)["reliance/disturbed"]
    assert found.verdict == "pass" and found.estimate.value == 0 and found.estimate.n == N * 2 // 3
    none = judge(torn, correct=lambda row: False)["reliance/disturbed"]
    assert none.verdict == "not_measured" and "classified correctly" in none.reason


def test_more_samples_would_not_decide_where_nothing_moves(judge: Judge, cut: Make) -> None:
    """Both effects hold zero. Where the inside surely counts and the share is merely wide, a number would decide."""
    nothing, wide = judge(cut((0, 0, 0, 0), spread=3.0)), judge(cut((2, 1.8, -1.8, -2), spread=2.0))
    for found, expected in ((nothing, False), (wide, True)):
        share = found["reliance/outside-share"]
        assert share.verdict == "inconclusive"
        assert ("samples like these would decide" in share.reason) == expected
        assert ("reliance/disturbed" in share.reason) == (not expected)


def test_the_edge_is_shown_and_left_to_the_expert(judge: Judge, cut: Make, around: Make) -> None:
    """A mark that touches the mask, or the edge of the lesion: in even rows, most of all in the first."""

    def edge(row: int) -> dict[str, float]:
        sizes = np.linspace(8, 4, N)
        return around((sizes[row] if row % 2 == 0 else 0, 0, 0, 0), spread=0.01)(row)

    found, honest = judge(cut(HONEST), edge), judge(cut(HONEST))
    fringe, inside = found["reliance/fringe"], honest["reliance/fringe"]
    assert fringe.verdict == "inconclusive" and fringe.primary and fringe.estimate.low > 0.05
    assert "only the expert can tell" in fringe.claim and "look at the cases" in fringe.reason
    assert fringe.evidence.samples == ("s000", "s002", "s004", "s006", "s008", "s010")
    assert inside.verdict == "pass" and inside.evidence.samples == () and "expert" not in inside.claim
    assert found["reliance/outside-share"].verdict == "pass", "the edge is not outside"


@pytest.mark.parametrize(
    ("moves", "verdicts"),
    [
        ((1, 1, 0, 1), ("pass", "fail", "pass")),
        ((-1, -1, 0, -1), ("pass", "fail", "pass")),
        ((0, 0, 1, 1), ("pass", "pass", "fail")),
        ((1, 1, 1, 1), ("pass", "fail", "fail")),
        ((1, 0, 0, 0), ("inconclusive", "pass", "pass")),
        ((0, 0, 0, 0), ("pass", "pass", "pass")),
    ],
)
def test_where_it_lies_is_named(
    judge: Judge, cut: Make, around: Make, moves: tuple[float, ...], verdicts: tuple[str, ...]
) -> None:
    """A mark beside the mask is in the exchange with the edge and in the one without: the edge adds nothing to it."""
    found = judge(cut(HONEST), around(moves, covered=(0.7, 0.8, 0.6, 0.9)))
    assert tuple(found[f"reliance/{part}"].verdict for part in ("fringe", "near", "far")) == verdicts
    for part, size, share in (("near", moves[1], "80 %"), ("far", moves[2], "60 %")):
        one = found[f"reliance/{part}"]
        assert one.estimate.value == pytest.approx(size / (abs(size) + 4), abs=0.02) and f"{share} of that" in one.claim
        assert bool(one.advice) == (one.verdict == "fail")
