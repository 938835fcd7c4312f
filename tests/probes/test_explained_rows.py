"""The probe of a table's attributions on an additive model, whose every attribution is known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from auditor.core.records import Trial
from auditor.core.registry import Entry
from auditor.explanations import explanations
from auditor.modalities.tables.probes.attribution import BACKGROUND
from auditor.modalities.tables.probes.rows import lenders
from auditor.modalities.tables.rules import Rules
from auditor.probes import Bench, Row, probes

Make = Callable[..., Bench]
N = 24
THREAT = {"norm": "cost", "epsilon": 2.0, "max_changes": 2}


def trial(method: str) -> Trial:
    settings = explanations.bind(
        method, {"coalitions": 64, "background": 4} if method == "kernel_shap" else {"background": 4}
    )
    return Trial("attribution_table", method, settings, "", THREAT, samples=N, keep=True)


def measured(bench: Bench, method: str, rows: range = range(N)) -> list[Row]:
    with torch.no_grad():
        return probes["attribution_table"].make(bench, trial(method), bench.samples.load(rows))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["kernel_shap", "permutation"])
def test_what_a_row_says(table_bench: Make, method: str) -> None:
    bench = table_bench()
    x = bench.samples.load(range(120)).x.numpy()
    attacked = x[3].copy()
    attacked[0] = -attacked[0]
    bench = replace(bench, source=lambda name: {"adversarial": attacked} if name == "s003" else None)
    background = lenders(bench.samples, 4, 0)[1].numpy()
    inside = np.array([True, True, False, False, False, False])
    rows = measured(bench, method)
    for place, row in enumerate(rows):
        # of a sum both methods say the same: each column's part less its mean over the background
        known = np.abs(np.array([1.0, 0.1, 0.5, 0, 0, 0]) * (x[place] - background.mean(0)))
        assert row.missing is None and row.values["correct"] == 1 and row.values["area"] == pytest.approx(1 / 3)
        assert row.values["inside"] == pytest.approx(known[inside].sum() / known.sum(), abs=1e-9)
        assert row.values["pointing"] == float(inside[known.argmax()])
        assert ("attack/rank" in row.values) == (place == 3) == (row.arrays is not None)
        if place == 3:
            after = np.abs(np.array([1.0, 0.1, 0.5, 0, 0, 0]) * (attacked - background.mean(0)))
            assert row.values["attack/rank"] == pytest.approx(spearmanr(known, after)[0], abs=1e-9)
            assert row.values["outside_after"] == pytest.approx(after[~inside].sum() / after.sum())
    assert sum("noise/rank" in row.values for row in rows) > N // 2 and all("null/rank" in row.values for row in rows)


def test_small_changes_are_allowed_ones(table_bench: Make) -> None:
    from auditor.modalities.tables.probes.attribution import _small_changes
    from auditor.modalities.tables.probes.rows import Reader

    bench = table_bench()
    chunk, reader = bench.samples.load(range(N)), Reader.of(bench)
    found, moved = _small_changes(reader, trial("permutation"), chunk)
    assert sum(moved) > N // 2 and Rules(reader.table).feasible(found.numpy()).all()
    changed = (found != chunk.x).numpy()
    assert changed.any(1).tolist() == moved and not changed[:, 4].any(), "immutable columns stay"
    assert changed[:, :5].sum(1).max() <= 2


@pytest.mark.slow
@pytest.mark.parametrize("method", ["kernel_shap", "permutation"])
def test_rows_do_not_depend_on_the_chunk(table_bench: Make, method: str) -> None:
    bench = table_bench()
    whole, (alone,) = measured(bench, method), measured(bench, method, range(7, 8))
    assert alone.values == pytest.approx(whole[7].values)


def test_an_explanation_without_the_setting_background_is_given_background_rows(
    table_bench: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def deviation(
        _: object, x: torch.Tensor, target: torch.Tensor, *, _background: torch.Tensor, _seeds: object, _batch_size: int
    ) -> torch.Tensor:
        seen.append(_background)
        return x - _background.mean(0)

    explanations.names()
    monkeypatch.setitem(
        explanations._entries,
        ("deviation", "table"),
        Entry("deviation", deviation, "", {"modality": "table", "needs": "labels", "cost": lambda: 1}),
    )
    bench = table_bench()
    found = Trial("attribution_table", "deviation", {}, "", THREAT, samples=N)
    rows = probes["attribution_table"].make(bench, found, bench.samples.load(range(N)))
    assert all(row.missing is None and "inside" in row.values for row in rows)
    assert all(torch.equal(one, lenders(bench.samples, BACKGROUND, 0)[1]) for one in seen) and len(seen) == 4
