"""Every verdict of every check of tables can be reached, and nothing empty counts as good; a new check
adds its rows.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from auditor.checks import checks, make_check
from auditor.core import displays
from auditor.core.estimates import Estimate
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing, Outcome
from auditor.core.records import Finding, Trial, canonical

Rows = dict[str, Any]
Measure = Callable[[Facts, Trial], Rows]
N = 100
CHECKS = tuple(name for name in checks.names("table") if not name.startswith("fairness"))


def every(make: Callable[[int], Any], n: int = N) -> Measure:
    """Return rows that do not depend on the trial."""
    return lambda facts, trial: {name: make(row) for row, name in enumerate(facts.ids[:n])}


def plain(row: int, **changes: float) -> dict[str, float]:
    values = {
        "predicted": row % 2,
        "correct": 1,
        "margin": 1.0,
        "confidence": 0.8,
        "score": 1.0,
        "like_probabilities": 0,
        "repeat_difference": 0.0,
    }
    return {**values, "agrees": 1, "missing": 0, "broken/0": 0, "broken/1": 0, **changes}


def searched(row: int, outcome: int, cost: float = 1.0) -> dict[str, float]:
    """Return a row of the probe `flip`."""
    values = {
        "searched": 1,
        "before": row % 2,
        "correct": 1,
        "outcome": outcome,
        "flipped": int(outcome in (1, 2)),
        "clean_margin": 1.0,
        "forwards": 40,
    }
    found = {"cost": cost, "changes": 1, "predicted": (row + 1) % 2, "margin": -0.5, "set/2": 1}
    return {**values, "refused": 0, **(found if outcome in (1, 2) else {})}


def flips(k: int, *, cost: float = 1.0, exact: bool = False, proven: int = N, n: int = N, random: int = 0) -> Measure:
    """Return searches of which k flip at a cost; of the others so many are proven impossible, and for the rest none was
    found.
    """

    def rows(facts: Facts, trial: Trial) -> Rows:
        if trial.method == "random_change":
            return every(lambda row: searched(row, int(row < random)), n)(facts, trial)
        return every(
            lambda row: (
                searched(row, 2 if exact else 1, cost) if row < k else searched(row, 3 if row < k + proven else 0)
            ),
            n,
        )(facts, trial)

    return rows


def relied(*margins: float, spread: float = 0.1, flip: tuple[int, ...] = (0, 0, 0, 0), n: int = N) -> Measure:
    """Return exchanges whose arms have these mean margins, and so many decisions changed by each column."""

    def arms(row: int) -> dict[str, float]:
        rng = np.random.default_rng(row)
        values: dict[str, float] = {"sham": margins[0]}
        for draw in range(8):
            edges = [mean + spread * float(rng.normal()) for mean in margins]
            values |= {f"{arm}/{draw}": edge for arm, edge in zip("ABCD", edges, strict=True)}
            values |= {f"lost/{arm}/{draw}": float(edge <= 0) for arm, edge in zip("AB", edges, strict=False)}
            others = rng.choice([one for one in range(N) if one != row], 3, False)
            values |= {f"{donor}/{draw}": float(place) for donor, place in zip("jkl", others, strict=True)}
        return values

    def columns(row: int) -> dict[str, float]:
        # rules tie the last two columns together
        values = {
            f"{key}/{place}": float(row * 37 % N < flip[place]) for place in (0, 1, 2) for key in ("flip", "fall")
        }
        return {"donor": float((row + 7) % N), "margin": 1.0, **values}

    return lambda facts, trial: every(arms if trial.probe == "exchange" else columns, n)(facts, trial)


def explained(n: int = N, **changes: Callable[[float], float]) -> Measure:
    """Return attribution rows; each value is a function of a seeded draw in [0, 1)."""
    usual: dict[str, Callable[[float], float]] = {
        "inside": lambda u: 0.7 + 0.2 * u,
        "pointing": lambda u: float(u < 0.6),
        "noise/rank": lambda u: 0.9 + 0.1 * u,
        "noise/top": lambda u: float(u < 0.8),
        "null/rank": lambda u: 0.5 * u,
        "attack/rank": lambda u: 0.3 * u,
        "outside_before": lambda u: u,
        "outside_after": lambda u: u,
    }

    def make(row: int) -> dict[str, float]:
        rng = np.random.default_rng(row)
        return {"correct": 1.0, "area": 0.5} | {
            key: value(float(rng.random())) for key, value in {**usual, **changes}.items()
        }

    return every(make, n)


NO_ROLES = {"mask_share": (None,) * N, "regions": {}}
ONE: dict[str, Any] = {"methods": ("permutation",)}
GOOD: dict[str, Measure] = {
    "preflight": every(plain),
    "exposure": flips(3),
    "reliance": relied(1, 1, 0, 0),
    "attribution": explained(),
}

CASES: list[tuple[str, str, dict[str, Any], dict[str, Any], Measure]] = [
    ("preflight/accuracy", "pass", {}, {}, every(plain)),
    ("preflight/balance", "inconclusive", {}, {"y": (1,) * 3 + (0,) * (N - 3)}, every(plain)),
    ("preflight/inputs", "pass", {}, {}, every(lambda row: plain(row, missing=row % 2))),
    ("preflight/inputs", "fail", {}, {}, every(lambda row: plain(row, missing=4 * (row == 5)))),
    ("preflight/logits", "pass", {}, {}, every(plain)),
    ("preflight/logits", "fail", {}, {}, every(lambda row: plain(row, like_probabilities=1))),
    (
        "preflight/logits",
        "inconclusive",
        {},
        {"offers": ("labels",)},
        every(lambda row: plain(row, like_probabilities=1)),
    ),
    ("preflight/determinism", "fail", {}, {}, every(lambda row: plain(row, repeat_difference=float(row == 3)))),
    ("preflight/masks", "pass", {}, {}, every(plain)),
    ("preflight/masks", "not_measured", {}, NO_ROLES, every(plain)),
    ("preflight/rules", "pass", {}, {}, every(plain)),
    ("preflight/rules", "inconclusive", {}, {}, every(lambda row: plain(row, **{"broken/1": row == 3}))),
    ("preflight/decisions", "pass", {}, {}, every(plain)),
    ("preflight/decisions", "inconclusive", {}, {}, every(lambda row: plain(row, agrees=row > 2))),
    ("exposure/outside", "fail", {}, {}, flips(40)),
    ("exposure/outside", "fail", {}, {}, flips(40, proven=0)),
    ("exposure/outside", "pass", {}, {}, flips(0)),
    ("exposure/outside", "pass", {}, {}, flips(40, cost=4.0, exact=True)),
    ("exposure/outside", "inconclusive", {}, {}, flips(0, proven=0)),
    ("exposure/outside", "inconclusive", {}, {}, flips(40, cost=4.0)),
    ("exposure/outside", "inconclusive", {}, {}, flips(10)),
    ("exposure/outside", "inconclusive", {}, {}, flips(0, n=20)),
    ("exposure/control/0", "fail", {}, {}, flips(40)),
    ("exposure/everywhere", "pass", {}, {}, flips(0)),
    ("exposure/outside", "not_measured", {}, {}, every(lambda row: {"searched": 0, "before": 1, "correct": 1})),
    ("reliance/outside-share", "pass", {}, {}, relied(2, 2, -2, -2)),
    ("reliance/outside-share", "fail", {}, {}, relied(2, 0, 0, -2)),
    ("reliance/outside-share", "inconclusive", {}, {}, relied(2, 1.8, -1.8, -2, spread=2.0)),
    ("reliance/flip-gap", "pass", {}, {}, relied(2, 2, -2, -2)),
    ("reliance/flip-gap", "fail", {}, {}, relied(2, -2, 2, -2)),
    ("reliance/columns", "pass", {}, {}, relied(2, 2, -2, -2)),
    ("reliance/columns", "fail", {}, {}, relied(2, 0, 0, -2, flip=(0, 0, 40, 0))),
    ("reliance/columns", "inconclusive", {}, {}, relied(2, 0, 0, -2, flip=(0, 0, 12, 0))),
    ("reliance/columns", "not_measured", {}, {}, relied(2, 2, -2, -2, n=0)),
    ("attribution/permutation/agreement", "pass", ONE, {}, explained()),
    ("attribution/permutation/agreement", "fail", ONE, {}, explained(inside=lambda u: 0.1 * u)),
    ("attribution/permutation/stability", "pass", ONE, {}, explained()),
    ("attribution/permutation/stability", "fail", ONE, {}, explained(**{"noise/rank": lambda u: 0.5 * u})),
    ("attribution/permutation/blindness", "pass", ONE, {}, explained()),
    ("attribution/permutation/blindness", "fail", ONE, {}, explained(**{"attack/rank": lambda u: 0.9 + 0.1 * u})),
    ("attribution/permutation/blindness", "not_measured", ONE, {}, explained(15)),
]
Judge = Callable[..., dict[str, Finding]]


def test_every_check_has_rows() -> None:
    assert {name.partition("/")[0] for name, *_ in CASES} == set(CHECKS)


@pytest.mark.parametrize(
    ("name", "verdict", "settings", "changes", "rows"), CASES, ids=[f"{case[0]} {case[1]}" for case in CASES]
)
def test_every_verdict_is_reachable(
    judge_as: Judge, name: str, verdict: str, settings: dict[str, Any], changes: dict[str, Any], rows: Measure
) -> None:
    findings = judge_as("table", name.partition("/")[0], settings, changes, rows)
    found = findings[name]
    assert found.verdict == verdict, found
    assert found.claim.endswith(".") and found.reason and "mask" not in found.claim and "image" not in found.claim
    if found.estimate is not None:
        assert found.estimate.low <= found.estimate.value <= found.estimate.high and found.estimate.n > 0
    for finding in findings.values():
        assert Finding.from_dict(finding.as_dict()) == finding and canonical(finding.as_dict())
        for shown in displays.of_kind(finding.displays, displays.TableDisplay):
            assert all(len(row) == len(shown.columns) for row in shown.rows), shown.title


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize(
    "rows",
    [
        None,
        every(lambda row: Missing.not_applicable("nothing to see")),
        every(lambda row: Missing.failed("RuntimeError: boom")),
        every(plain, 0),
    ],
)
def test_nothing_measured_is_never_good(judge_as: Judge, name: str, rows: Any) -> None:
    everything, empty = (judge_as("table", name, {}, {}, one) for one in (GOOD[name], rows))
    assert list(empty) == list(everything), "no row goes missing, and the order stays"
    for finding in empty.values():
        if finding.id in ("preflight/masks", "preflight/balance"):
            continue  # known without the classifier
        assert finding.verdict == "not_measured" and finding.reason and finding.estimate is None


@pytest.mark.parametrize("name", CHECKS)
def test_trials_are_values(table_facts: Callable[..., Facts], name: str) -> None:
    check = make_check(name, "table", {})
    first, again = check.trials(table_facts()), check.trials(table_facts())
    assert first == again and len(set(first)) == len(first)
    for trial in first:
        assert Trial.from_dict(trial.as_dict()) == trial and canonical(trial.as_dict())


def test_none_found_is_never_called_robust(judge_as: Judge) -> None:
    found = judge_as("table", "exposure", {}, {}, flips(0, proven=60))["exposure/outside"]
    assert found.verdict == "inconclusive" and found.estimate is not None and found.estimate.value == 0
    assert "with them the share would be 40 % [" in found.reason
    assert (
        "40 of 100 rows were neither flipped nor proven" in found.reason
        and "robust" not in f"{found.claim} {found.reason} {found.advice}"
    )


def test_a_cost_that_may_not_be_the_cheapest_is_open_below_it(judge_as: Judge) -> None:
    """A flip found at 4 says nothing of budget 2, unless 4 is known to be the least."""
    loose, exact = (
        judge_as("table", "exposure", {}, {}, flips(40, cost=4.0, exact=one))["exposure/outside"]
        for one in (False, True)
    )
    assert "; for 40 % neither a flip at this cost nor a proof against one was found" in loose.claim
    assert "neither a flip" not in exact.claim
    attack = displays.first(loose.displays, displays.Curve, "attack")
    assert attack and [point.estimate and point.estimate.value for point in attack.points] == [0.0, 0.0, 0.4]


def test_what_exposure_shows(judge_as: Judge) -> None:
    found = judge_as("table", "exposure", {}, {}, flips(30, proven=50, random=10))["exposure/outside"]
    assert (
        found.claim.startswith("30 % [")
        and "of 100 decisions can be flipped by a change in columns that should not matter at a cost of at most 2"
        in found.claim
    )
    assert "random changes of the same cost flip 10 %" in found.claim
    (ended,) = displays.of_kind(found.displays, displays.Outcomes)
    assert ended.counts == dict(zip(Outcome, (20, 30, 0, 50), strict=True)) and ended.n == 100
    assert (ended.refused, ended.forwards) == (0, 40)
    endings, decisions, columns, against = displays.of_kind(found.displays, displays.TableDisplay)
    assert endings.rows[1] == ("flipped at a cost of at most", 30, "30 %")
    assert [(row[0], row[1], row[3]) for row in columns.rows] == [("shoe", "irrelevant", 30)]
    assert [(name, share.value, n) for name, share, n in decisions.rows if isinstance(share, Estimate)] == [
        ("benign", 0.3, 50),
        ("malignant (favourable)", 0.3, 50),
    ]
    (random,) = (row for row in against.rows if row[0] == "random changes of the same cost")
    assert isinstance(random[2], Estimate) and random[2].value == pytest.approx(0.2) and random[3] == "< 0.001"
    (shown,) = displays.of_kind(found.displays, displays.Steps)
    assert shown.beyond == 70 and shown.steps[0].size == 1.0


def test_columns_that_rules_tie_together_are_judged_together(judge_as: Judge) -> None:
    found = judge_as("table", "reliance", {}, {}, relied(2, 2, -2, -2, flip=(60, 0, 40, 0)))["reliance/columns"]
    (columns,) = displays.of_kind(found.displays, displays.Rows, "columns")
    names = [one.name for one in columns.rows]
    assert names == ["skill", "shoe + sex", "years"] and "'shoe + sex'" in found.claim and "'skill'" in found.claim
