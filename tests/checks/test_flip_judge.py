"""One judge of flips: who is accused, who is acquitted, and what stands against a pass."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from auditor.checks.exposure.judge import FlipClaim, judge_flips
from auditor.checks.exposure.search import FlipAnswer, FlipSearch
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing, Outcome
from auditor.core.records import Finding, Observation

N = 200


@dataclass(frozen=True)
class Found(FlipSearch):
    """A search whose rows are outcomes."""

    unit = "share flipped"
    proves = True

    @property
    def used(self) -> Mapping[str, Observation]:
        """Return the rows that were searched."""
        return {name: row for name, row in self.rows.items() if row.missing is None}

    def answer(self, row: Observation) -> FlipAnswer:
        """Return the outcome, flipped at a size of 1."""
        outcome = Outcome.of(row.values)
        return FlipAnswer(outcome, 1.0) if outcome.flipped else FlipAnswer(outcome)


class Attack(Found):
    """A search that can prove nothing."""

    proves = False


@pytest.fixture
def judged(facts: Callable[..., Facts]) -> Callable[..., Finding]:
    """Return function (kind of search, {outcome: number of samples}) -> finding."""

    def judge(kind: type[Found], counts: Mapping[Outcome, int], **more: Any) -> Finding:
        outcomes = [outcome for outcome, n in counts.items() for _ in range(n)]
        known = facts(n=len(outcomes))
        rows = {
            name: Observation("k", name, {"outcome": int(outcome)})
            for name, outcome in zip(known.ids, outcomes, strict=True)
        }
        said = FlipClaim(id="exposure/x", counted="rows", samples="rows", claim="flip.", missing="Nothing.", trials=())
        return judge_flips(kind(known, rows), said, budget=1.0, tolerance=0.1, **more)

    return judge


NONE, AT_MOST, EXACTLY, IMPOSSIBLE = Outcome


@pytest.mark.parametrize(
    ("kind", "counts", "verdict"),
    [
        (Found, {AT_MOST: 60, NONE: 140}, "fail"),
        (Found, {EXACTLY: 60, IMPOSSIBLE: 140}, "fail"),
        (Found, {IMPOSSIBLE: 200}, "pass"),
        (Found, {EXACTLY: 5, IMPOSSIBLE: 195}, "pass"),
        (Found, {NONE: 200}, "inconclusive"),
        (Found, {NONE: 60, IMPOSSIBLE: 140}, "inconclusive"),
        (Found, {NONE: 5, IMPOSSIBLE: 195}, "pass"),
        (Found, {AT_MOST: 20, IMPOSSIBLE: 180}, "inconclusive"),
        (Attack, {NONE: 200}, "pass"),
        (Attack, {AT_MOST: 60, NONE: 140}, "fail"),
        (Attack, {AT_MOST: 20, NONE: 180}, "inconclusive"),
    ],
)
def test_the_verdict_follows_from_the_outcomes(
    judged: Callable[..., Finding], kind: type[Found], counts: Mapping[Outcome, int], verdict: str
) -> None:
    found = judged(kind, counts)
    assert found.verdict == verdict
    flipped = counts.get(AT_MOST, 0) + counts.get(EXACTLY, 0)
    assert found.estimate is not None and found.estimate.value == pytest.approx(flipped / N) and found.estimate.share
    assert len(found.evidence.samples) == min(20, flipped)


def test_what_is_open_is_told_and_counts_in_the_p_value_of_a_pass(judged: Callable[..., Finding]) -> None:
    shaken, held, proven = (
        judged(Found, counts) for counts in ({NONE: 60, IMPOSSIBLE: 140}, {NONE: 5, IMPOSSIBLE: 195}, {IMPOSSIBLE: 200})
    )
    assert shaken.reason.startswith("not proven: 60 of 200 rows were neither flipped nor proven impossible to flip")
    assert shaken.p == proven.p and held.p is not None and proven.p is not None and held.p > proven.p


def test_what_another_search_flips_stands_against_a_pass_and_accuses_nobody(judged: Callable[..., Finding]) -> None:
    elsewhere = {f"s{row:03d}": 1.0 for row in range(60)}
    found = judged(Attack, {NONE: 200}, elsewhere=elsewhere)
    assert found.verdict == "inconclusive" and found.estimate is not None and found.estimate.value == 0
    assert "the search for the smallest change flips at this budget it is 30 %" in found.reason


def test_nothing_measured_is_no_pass(facts: Callable[..., Facts]) -> None:
    known = facts(n=3)
    rows = {name: Observation("k", name, missing=Missing.failed("OSError: gone")) for name in known.ids}
    said = FlipClaim(id="exposure/x", counted="rows", samples="rows", claim="", missing="No.", trials=())
    found = judge_flips(Found(known, rows), said, budget=1.0, tolerance=0.1)
    assert (found.verdict, found.claim, found.reason) == ("not_measured", "No.", "failed: OSError: gone (3 samples)")
