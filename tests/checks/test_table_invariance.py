"""What changes of a protected column say: three figures side by side, by direction, and a sign that reverses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from auditor.core.displays import Counterfactuals, of_kind
from auditor.core.displays import TableDisplay as ShownTable
from auditor.core.facts import Facts
from auditor.core.records import Finding, Observations
from auditor.modalities.tables.checks.invariance import judge_invariance
from auditor.modalities.tables.checks.protected import invariance_trial, invariance_trials, protected
from auditor.modalities.tables.table import Column, Rule, Table

TABLE = Table(
    (
        Column("skill", "real", low=-4, high=4),
        Column("rel", "categorical", levels=("wife", "husband", "none"), allowed=(0, 1, 2)),
        Column("town", "categorical", levels=tuple(f"t{k}" for k in range(200)), allowed=tuple(range(200))),
        Column("sex", "categorical", role="protected", levels=("f", "m", "x"), allowed=(0, 1), mutable=False),
        Column("age", "integer", role="protected", low=20, high=60, mutable=False),
        Column("code", "categorical", levels=("a", "b")),
        Column("name", "text", role="protected", mutable=False),
    ),
    (
        Rule("husband", when="rel == 'husband'", then="sex == 'm'", swap={"rel": {"husband": "wife"}}),
        Rule("town", when="town == 't1'", then="sex == 'f' or skill > 0"),
        Rule("elsewhere", when="code == 'a'", then="town != 't2'"),
    ),
    "malignant",
)
Change = tuple[float, float]
Judge = Callable[..., Finding]


@pytest.fixture
def judge(table_facts: Callable[..., Facts], observe: Callable[..., Observations]) -> Judge:
    """Return function (rows, as (before, own, naive after, repaired after or None, worst after)) -> the finding on
    sex.
    """

    def run(rows: Sequence[tuple[int, int, int, int | None, int]], tolerance: float = 0.02, **changes: Any) -> Finding:
        facts = table_facts(
            len(rows), schema=TABLE.as_dict(), groups={}, mask_share=(0.5,) * len(rows), regions={}, **changes
        )
        column = next(column for column in protected(facts) if column.name == "sex")
        values = {}
        for name, (before, own, naive, repaired, worst) in zip(facts.ids, rows, strict=True):
            k = 1 - own
            row: dict[str, float] = {
                "before": before,
                "own": own,
                f"naive/{k}": naive,
                f"possible/{k}": float(repaired == naive),
            }
            values[name] = row | ({f"repaired/{k}": repaired, f"worst/{k}": worst} if repaired is not None else {})
        found = judge_invariance(facts, observe({invariance_trial(facts, column): values}), tolerance)
        return next(finding for finding in found if finding.id == "fairness/sex/invariance")

    return run


def test_what_is_asked(table_facts: Callable[..., Facts]) -> None:
    ages = ("20", "30", "40", "50", "unknown") * 20
    facts = table_facts(
        100, schema=TABLE.as_dict(), groups={"age": ages, "code": ("a", "b") * 50, "race": ("v",) * 100}
    )
    trials = {trial.settings["column"]: trial.settings for trial in invariance_trials(facts)}
    assert list(trials) == [
        "sex",
        "age",
        "code",
    ], "group columns that the model takes, and protected ones; text has no other value"
    assert trials["sex"] == {
        "column": "sex",
        "values": [0.0, 1.0],
        "block": {"rel": [0.0, 1.0, 2.0]},
    }, "x is not supported; t0 to t199 are too many"
    assert (
        trials["age"]["values"] == [20.0, 30.0, 40.0, 50.0]
        and trials["code"]["values"] == [0.0, 1.0]
        and trials["age"]["block"] == {}
    )
    assert {trial.settings["column"]: trial for trial in invariance_trials(replace(facts, groups={}))}["age"].settings[
        "values"
    ] == [24, 32, 40, 48, 56]


def women(counts: Mapping[tuple[int, int, int, int], int]) -> list[tuple[int, int, int, int | None, int]]:
    """Return women by (before, naive, repaired, worst)."""
    return [
        (before, 0, naive, repaired, worst) for (before, naive, repaired, worst), n in counts.items() for _ in range(n)
    ]


def test_a_sign_that_reverses_is_said(judge: Judge) -> None:
    found = judge(women({(0, 1, 0, 1): 30, (0, 1, 1, 1): 10, (1, 1, 0, 0): 60, (0, 0, 0, 0): 300, (1, 1, 1, 1): 100}))
    shown = of_kind(found.displays, Counterfactuals)[0]
    rows = {(row.way, row.source, row.target): row for row in shown.rows}
    naive, repaired, worst = rows["naive", "f", "m"], rows["repaired", "f", "m"], rows["worst", "f", "m"]
    assert (naive.up, naive.down, naive.n, naive.impossible) == (40, 0, 500, 90)
    assert (repaired.up, repaired.down, repaired.impossible) == (10, 60, 0) and (worst.up, worst.down) == (40, 60)
    assert [row.estimate and row.estimate.value for row in (naive, repaired, worst)] == [0.08, 0.14, 0.2]
    assert [row.pooled for row in shown.rows] == [True] * 3 + [False] * 3
    said = (
        "from f to m the sign reverses once the coupled columns are repaired (40 up and 0 down alone, 10 up and 60 down"
        " repaired)"
    )
    assert (
        shown.reversals == (said,)
        and shown.block == ("rel",)
        and said in found.reason
        and "coupled by rules: rel" in found.reason
    )
    assert found.verdict == "fail" and found.estimate is not None and found.estimate.value == 0.14
    assert (
        repaired.p is not None
        and repaired.p < 1e-6
        and "8 % [" in found.claim
        and "14 % [" in found.claim
        and "20 % [" in found.claim
    )
    table = of_kind(found.displays, ShownTable)[0]
    assert [len(row) for row in table.rows] == [len(table.columns)] * len(rows)


@pytest.mark.parametrize(
    ("moved", "verdict"),
    [
        ((0, 0, 0), "pass"),
        ((0, 90, 90), "fail"),
        ((90, 0, 0), "inconclusive"),
        ((0, 0, 90), "inconclusive"),
        ((0, 14, 14), "inconclusive"),
    ],
)
def test_all_three_must_be_small_to_pass_and_the_repaired_one_large_to_fail(
    judge: Judge, moved: tuple[int, int, int], verdict: str
) -> None:
    rows = [(0, place % 2, *(int(place < n) for n in moved)) for place in range(600)]
    found = judge(rows)
    assert (
        found.verdict == verdict
        and found.estimate is not None
        and found.estimate.value == pytest.approx(moved[1] / 600)
    )
    if moved == (0, 0, 90):
        assert "but not at the worst of the coupled columns" in found.reason
    if moved == (90, 0, 0):
        assert "but not the column alone" in found.reason


def test_what_no_repair_makes_possible_is_counted_and_left_out(judge: Judge) -> None:
    rows: list[Any] = [(0, 0, 1, None, 0)] * 50 + [(0, 0, 0, 0, 0)] * 250
    found = judge(rows)
    repaired = next(row for row in of_kind(found.displays, Counterfactuals)[0].rows if row.way == "repaired")
    assert (repaired.n, repaired.impossible) == (250, 50) and found.estimate is not None and found.estimate.n == 250
    none = judge([(0, 0, 1, None, 0)] * 50)
    assert none.verdict == "not_measured" and "no row is possible" in none.reason


def test_units_count_and_not_their_rows(judge: Judge) -> None:
    rows = [(0, place % 2, *(int(place < 20),) * 3) for place in range(400)]
    alone, shared = judge(rows), judge(rows, units=tuple(f"u{place // 10}" for place in range(400)))
    assert alone.verdict == "fail" and shared.verdict == "inconclusive"


def test_several_values_count_once_for_each_row(
    table_facts: Callable[..., Facts], observe: Callable[..., Observations]
) -> None:
    table = replace(
        TABLE, columns=tuple(replace(one, allowed=(0, 1, 2)) if one.name == "sex" else one for one in TABLE.columns)
    )
    facts = table_facts(300, schema=table.as_dict(), groups={}, mask_share=(0.5,) * 300, regions={})
    column = next(column for column in protected(facts) if column.name == "sex")
    row = {"before": 0, "own": 0, "possible/1": 1, "possible/2": 1} | {
        f"{kind}/{k}": float(k == 2) for kind in ("naive", "repaired", "worst") for k in (1, 2)
    }
    found = next(
        one
        for one in judge_invariance(
            facts, observe({invariance_trial(facts, column): dict.fromkeys(facts.ids, row)}), 0.02
        )
        if "sex" in one.id
    )
    assert found.estimate is not None and found.estimate.value == 1.0 and found.estimate.n == 300
    rows = of_kind(found.displays, Counterfactuals)[0].rows
    naive = [(one.source, one.target, one.up) for one in rows if one.way == "naive"]
    assert naive == [("any", "any other", 300), ("f", "m", 0), ("f", "x", 300)]


def test_blindness_is_no_pass(table_facts: Callable[..., Facts], observe: Callable[..., Observations]) -> None:
    facts = table_facts(100, schema=TABLE.as_dict(), groups={"race": ("v", "w") * 50})
    found = next(
        finding for finding in judge_invariance(facts, observe({}), 0.02) if finding.id == "fairness/race/invariance"
    )
    assert (
        found.verdict == "not_measured"
        and "by construction" in found.claim
        and "no proof of equal outcomes" in found.reason
    )
