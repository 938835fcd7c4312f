"""The exchange of columns between rows, single columns, and plain answers of rows, on models whose every effect is
known.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from auditor.checks import make_check
from auditor.checks.reliance.arms import Draws
from auditor.core.displays import Rows, of_kind
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing
from auditor.core.records import Observation, Observations, Trial
from auditor.modalities.tables.checks.columns import tied_blocks
from auditor.modalities.tables.rules import Rules
from auditor.probes import Bench, Row, probes

Make = Callable[..., Bench]
EXCHANGE = Trial("exchange", settings={"draws": 3, "pool": 60}, zone="outside")
ARMS = {"A": (0, 1), "B": (0, 2), "C": (2, 1), "D": (2, 3)}


def measured(bench: Bench, trial: Trial, rows: Any = None) -> list[Row]:
    return probes.serving(trial.probe, "table").make(
        bench, trial, bench.samples.load(range(len(bench.samples)) if rows is None else rows)
    )


@pytest.mark.slow
def test_arms_are_what_they_say(table_bench: Make) -> None:
    """Every arm's margin, rebuilt from the positions of its donors alone."""
    bench = table_bench()
    x, table = bench.samples.load(range(120)).x.numpy(), bench.samples.schema
    assert table is not None
    outside, rules = ~table.zone("relevant"), Rules(table)
    decided = np.array(bench.samples.y)
    rows = measured(bench, EXCHANGE)
    assert all(row.missing is None for row in rows)
    for place, row in enumerate(rows[:30]):
        sign = 1 if decided[place] else -1
        for draw in range(3):
            who = [place, *(int(row.values[f"{name}/{draw}"]) for name in "jkl")]
            assert decided[who[1]] == decided[place] != decided[who[2]] == decided[who[3]] and len(set(who)) == 4
            for arm, (inside, other) in ARMS.items():
                mixed = np.where(outside, x[who[other]], x[who[inside]])[None]
                assert rules.feasible(mixed).all()
                logits = bench.classifier.logits(torch.from_numpy(mixed))
                edge = float(sign * (logits[0, 1] - logits[0, 0]))
                assert row.values[f"{arm}/{draw}"] == pytest.approx(edge)
                if arm in "AB":
                    assert row.values[f"lost/{arm}/{draw}"] == float(edge <= 0 if sign > 0 else edge < 0)


def test_recipients_share_their_donors_pool_and_not_their_unit(table_bench: Make) -> None:
    bench = table_bench(units=[f"u{row // 3}" for row in range(120)])
    rows = measured(bench, EXCHANGE)
    used = [[int(row.values[f"{name}/{draw}"]) for name in "jkl" for draw in range(3)] for row in rows]
    assert len({one for some in used for one in some}) <= 60
    assert all(place // 3 != donor // 3 for place, some in enumerate(used) for donor in some)


@pytest.mark.parametrize("probe", ["exchange", "permuted"])
def test_rows_do_not_depend_on_the_chunk(table_bench: Make, probe: str) -> None:
    bench = table_bench()
    trial = (
        EXCHANGE
        if probe == "exchange"
        else Trial("permuted", settings={"blocks": tied_blocks(bench.samples.schema), "pool": 60})
    )  # type: ignore[arg-type]
    whole = measured(bench, trial)
    backwards = measured(bench, trial, list(range(119, -1, -7)))
    assert [row.values for row in backwards] == [pytest.approx(whole[place].values) for place in range(119, -1, -7)]


def share(bench: Bench, facts: Facts, draws: int = 6) -> Any:
    trial = Trial("exchange", settings={"draws": draws, "pool": 120}, zone="outside")
    rows = {
        name: Observation("k", name, row.values, missing=row.missing)
        for name, row in zip(bench.samples.ids, measured(bench, trial), strict=True)
    }
    return Draws.of(facts, Observations("b", lambda key: rows), trial)


def test_the_outside_share_of_an_additive_model_has_a_closed_form(
    table_bench: Make, facts_of: Callable[[Bench], Facts]
) -> None:
    """Effects are differences of mean outside and inside sums between donors, whatever the draws were."""
    from auditor.checks.reliance.arms import effects_of, shares_of

    bench = table_bench()
    draws, x = share(bench, facts_of(bench)), bench.samples.load(range(120)).x.numpy()
    sign = np.where(np.array(bench.samples.y)[draws.who[:, 0]] == 1, 1.0, -1.0)
    inside, outside = x[:, 0] + 0.1 * x[:, 1], 0.5 * x[:, 2]
    _, j, k, _ = draws.who.T
    # B - A moves the outside from j to k, D - C from j to l; A - C and B - D both move the inside from the recipient to
    # k
    moved = (sign * (outside[j] - outside[k])).mean() / 2 + (sign * (outside[j] - outside[draws.who[:, 3]])).mean() / 2
    kept = (sign * (inside[draws.who[:, 0]] - inside[k])).mean() + (
        sign * (outside[k] - outside[draws.who[:, 3]])
    ).mean() / 2
    effects = effects_of(draws.margins.mean(0))
    assert effects[:2] == pytest.approx([kept, moved])
    assert shares_of(draws.margins.mean(0)) == pytest.approx(moved / (abs(moved) + abs(kept)))


@pytest.mark.parametrize(("weights", "verdict"), [((1, 0.03, 0, 0, 0, 0), "pass"), ((0, 0, 1, 0, 0, 0), "fail")])
def test_an_honest_model_and_one_that_reads_shoes_only(
    table_bench: Make, facts_of: Callable[[Bench], Facts], weights: tuple[float, ...], verdict: str
) -> None:
    bench = table_bench(weights, shift=0.25)
    check, facts = make_check("reliance", "table", {"donors": 4}), facts_of(bench)
    found: dict[str, dict[str, Observation]] = {}
    for trial in check.trials(facts):
        rows = zip(bench.samples.ids, measured(bench, trial), strict=True)
        found[trial.key("b")] = {name: Observation("k", name, row.values, missing=row.missing) for name, row in rows}
    findings = {one.id: one for one in check.judge(facts, Observations("b", lambda key: found[key]))}
    outside = findings["reliance/outside-share"]
    assert outside.estimate is not None and outside.verdict == verdict
    assert outside.estimate.value == pytest.approx(
        0.0 if verdict == "pass" else 1.0, abs=1e-9 if verdict == "pass" else 0.2
    )
    assert findings["reliance/columns"].verdict == verdict
    (columns,) = of_kind(findings["reliance/columns"].displays, Rows, "columns")
    assert columns.rows[0].name == ("skill" if verdict == "pass" else "shoe + twice")


@pytest.mark.slow
def test_coupled_columns_never_make_impossible_people(table_bench: Make) -> None:
    """With 'rel' alone outside, most exchanges would marry husbands to women: they are drawn again, or the row is not
    applicable.
    """
    table = table_bench().samples.schema
    assert table is not None
    other = replace(
        table,
        columns=tuple(replace(one, role="irrelevant" if one.name == "rel" else "relevant") for one in table.columns),
    )
    bench, inside = table_bench(table=other), other.zone("relevant")
    x, rules = bench.samples.load(range(120)).x.numpy(), Rules(other)
    rows = measured(bench, EXCHANGE)
    good = [row for row in rows if row.missing is None]
    assert len(good) > 60
    for place, row in enumerate(rows):
        for draw in range(3):
            if f"A/{draw}" in row.values:
                who = [place, *(int(row.values[f"{name}/{draw}"]) for name in "jkl")]
                assert all(rules.feasible(np.where(~inside, x[who[b]], x[who[a]])[None])[0] for a, b in ARMS.values())


def test_rows_that_break_a_rule_neither_take_nor_give(table_bench: Make, table_rows: Callable[[], np.ndarray]) -> None:
    x = table_rows()
    x[:10, 3], x[:10, 4] = 1, 0  # husbands who are women
    bench = table_bench(x=x)
    rows = measured(bench, EXCHANGE)
    assert [row.missing for row in rows[:10]] == [Missing.not_applicable("the row itself breaks rule 'husband'")] * 10
    assert all(int(row.values[f"{name}/{draw}"]) >= 10 for row in rows[10:] for name in "jkl" for draw in range(3))


def test_one_column_from_another_row_by_brute_force(table_bench: Make) -> None:
    bench = table_bench()
    assert bench.samples.schema is not None
    parts = tied_blocks(bench.samples.schema)
    assert parts == [[0], [1], [2, 5], [3, 4]]
    x = bench.samples.load(range(120)).x.numpy()
    rows = measured(bench, Trial("permuted", settings={"blocks": parts, "pool": 60}))
    for place, row in enumerate(rows):
        donor, sign = int(row.values["donor"]), 1 if bench.samples.y[place] else -1
        assert donor != place
        for block in parts:
            mixed = x[place].copy()
            mixed[block] = x[donor, block]
            fall = sign * float((x[place] - mixed) @ np.array([1.0, 0.1, 0.5, 0, 0, 0]))
            assert row.values[f"fall/{block[0]}"] == pytest.approx(fall)
            assert row.values[f"flip/{block[0]}"] == float(
                (row.values["margin"] - fall <= 0) if sign > 0 else (row.values["margin"] - fall < 0)
            )


def test_plain_answers_of_rows(table_bench: Make, table_rows: Callable[[], np.ndarray]) -> None:
    x = table_rows()
    x[3, 0], x[4, 3], x[4, 4] = np.nan, 1, 0
    bench = table_bench(x=x)
    strict = replace(bench.classifier, decide=lambda frame: (bench.classifier.scores(frame)[:, 1] > 1).astype(np.int64))  # type: ignore[attr-defined, call-overload]
    rows = measured(replace(bench, classifier=strict), Trial("clean"))
    assert all(row.missing is None for row in rows), "a missing cell is no failure"
    assert rows[3].values["missing"] == 1 and rows[5].values["missing"] == 0
    assert [rows[4].values[f"broken/{place}"] for place in range(3)] == [1, 0, 0]
    for row in rows:
        score = row.values["score"]
        assert row.values["predicted"] == (score > 1) and row.values["agrees"] == ((score > 0) == (score > 1))
        assert row.values["repeat_difference"] == 0 and "low" not in row.values
