"""Changes of a protected column against brute force: alone, repaired, and at the worst of what rules tie to it."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.modalities.tables.rules import Rules
from auditor.probes import Bench, Row, probes

MakeBench = Callable[..., Bench]
REL, SEX = 3, 4
TRIAL = Trial("invariance", settings={"column": "sex", "values": [0.0, 1.0], "block": {"rel": [0.0, 1.0, 2.0]}})
REVERSING = (1.0, 0.1, 0.0, -1.5, 0.8, 0.0)
"""A man is favoured by 0.8, and a wife over a husband by 1.5."""


@pytest.fixture
def coupled_bench(table_bench: MakeBench) -> MakeBench:
    """Return function (weights) -> Bench whose rules swap wife and husband whichever of the two is broken."""
    table = table_bench().samples.schema
    assert table is not None
    husband, wife, *rest = table.rules
    both = replace(table, rules=(husband, replace(wife, swap=husband.swap), *rest))
    return lambda *weights, **changes: table_bench(*weights, **{"table": both, **changes})


def measured(bench: Bench, trial: Trial = TRIAL, chunk: int = 120) -> list[Row]:
    places = range(len(bench.samples))
    return [
        row
        for start in places[::chunk]
        for row in probes["invariance"].make(bench, trial, bench.samples.load(places[start : start + chunk]))
    ]


def decided(bench: Bench, rows: Any) -> list[int]:
    return bench.classifier.decisions(torch.from_numpy(np.array(rows, dtype=np.float64).reshape(-1, 6))).tolist()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_every_value_agrees_with_brute_force(coupled_bench: MakeBench) -> None:
    bench = coupled_bench(REVERSING)
    rules = Rules(bench.samples.schema)
    x = bench.samples.load(range(120)).x.numpy()
    before = decided(bench, x)
    for row, (found, own) in enumerate(zip(measured(bench), x, strict=True)):
        k = 1 - int(own[SEX])
        naive = own.copy()
        naive[SEX] = k
        joint = []
        for rel in (0.0, 1.0, 2.0):
            one = naive.copy()
            one[REL] = rel
            if rules.feasible(one[None])[0]:
                joint.append(one)
        repaired = naive.copy()
        if own[REL] < 2:
            repaired[REL] = 1 - own[REL]
        answers = decided(bench, joint)
        assert found.values["before"] == before[row] and found.values["own"] == own[SEX]
        assert found.values[f"naive/{k}"] == decided(bench, naive)[0] and found.values[f"possible/{k}"] == (
            own[REL] == 2
        )
        assert found.values[f"repaired/{k}"] == decided(bench, repaired)[0]
        assert found.values[f"joint/{k}"] == len(joint) == 2
        assert (found.values[f"worst/{k}"] != before[row]) == any(answer != before[row] for answer in answers)
        assert not any(key.endswith(f"/{1 - k}") for key in found.values)


def test_the_sign_reverses_once_the_coupled_column_is_repaired(coupled_bench: MakeBench) -> None:
    rows = [row.values for row in measured(coupled_bench(REVERSING)) if row.values["own"] == 0]
    net = {kind: sum(row[f"{kind}/1"] - row["before"] for row in rows) for kind in ("naive", "repaired")}
    assert net["naive"] > 3 and net["repaired"] < -3


def test_a_model_that_ignores_the_column_moves_only_by_what_is_coupled(coupled_bench: MakeBench) -> None:
    rows = [row.values for row in measured(coupled_bench((1.0, 0.1, 0.0, -1.5, 0.0, 0.0)))]
    for row in rows:
        k = 1 - int(row["own"])
        assert row[f"naive/{k}"] == row["before"]
    assert any(row[f"repaired/{1 - int(row['own'])}"] != row["before"] for row in rows)


def test_rows_that_cannot_be_asked_say_why(coupled_bench: MakeBench, table_rows: Callable[..., np.ndarray]) -> None:
    x = table_rows()[:5]
    x[0, SEX] = np.nan
    x[1, [REL, SEX]] = 1, 0
    x[2, REL] = np.nan
    x[3, 0] = np.nan
    rows = measured(coupled_bench(REVERSING, x=x))
    assert rows[0].missing == Missing.not_applicable("'sex' is missing")
    assert rows[1].missing == Missing.not_applicable("the row itself breaks rule 'husband'")
    k = 1 - int(x[2, SEX])
    assert (
        rows[2].values[f"naive/{k}"] == rows[2].values[f"repaired/{k}"] == rows[2].values[f"worst/{k}"]
        and rows[2].values[f"joint/{k}"] == 1
    )
    assert rows[3].missing is None


def test_what_stays_impossible_after_the_repair_is_left_out(
    coupled_bench: MakeBench, table_rows: Callable[..., np.ndarray]
) -> None:
    """Without a swap of its own, a rule that the change breaks leaves no possible row, except by another value of the
    block.
    """
    x = table_rows()
    table = coupled_bench(REVERSING).samples.schema
    assert table is not None
    plain = replace(table, rules=tuple(replace(rule, swap={}) for rule in table.rules))
    alone = Trial("invariance", settings={"column": "sex", "values": [0.0, 1.0], "block": {}})
    for row, own in zip(measured(coupled_bench(REVERSING, x=x, table=plain), alone), x, strict=True):
        k = 1 - int(own[SEX])
        assert (
            (f"repaired/{k}" in row.values)
            == (f"worst/{k}" in row.values)
            == (own[REL] == 2)
            == (row.values[f"possible/{k}"] == 1)
        )
        assert f"naive/{k}" in row.values


@pytest.mark.slow
def test_neither_chunks_nor_batches_matter(coupled_bench: MakeBench) -> None:
    bench = coupled_bench(REVERSING)
    whole = measured(bench)
    assert whole == measured(bench, chunk=7)
    assert whole == measured(Bench(bench.classifier, bench.samples, bench.source, batch_size=3))


def test_its_cost_is_an_upper_bound(coupled_bench: MakeBench) -> None:
    bench, shown = coupled_bench(REVERSING), []
    decisions = type(bench.classifier).decisions

    class Counting(type(bench.classifier)):  # type: ignore[misc]
        def decisions(self, x: Any) -> Any:
            shown.append(len(x))
            return decisions(self, x)

    counting = Counting(**vars(bench.classifier))
    measured(Bench(counting, bench.samples, bench.source, batch_size=512))
    most, backwards = probes["invariance"].facts["cost"](method="", settings=TRIAL.settings)
    assert 0 < sum(shown) <= most * 120 and backwards == 0
    assert most == 1 + 2 * (2 + len(list(product(range(3)))))
