"""Explanations of a table's rows: Shapley values by brute force over all orders, falls of the margin by hand."""

import math
from collections.abc import Sequence
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from auditor.core.records import Trial
from auditor.engine.plan import _missing
from auditor.explanations import explanations
from auditor.modalities.tables.classifier import TableClassifier
from auditor.modalities.tables.explanations.kernel_shap import exact_shapley
from auditor.modalities.tables.table import Column, Table


def table_of(columns: int) -> Table:
    return Table(tuple(Column(f"c{place}", "real") for place in range(columns)), (), "yes")


def classifier_of(columns: int, score: Any) -> TableClassifier:
    """Return a classifier whose log odds of 'yes' are a function of codes (n, columns)."""

    def scores(frame: Any) -> np.ndarray:
        edge = score(frame.to_numpy(dtype=np.float64))
        return np.stack([np.zeros(len(edge)), edge], 1)

    return TableClassifier(
        scores, name="m", digest="d", classes=("no", "yes"), offers=frozenset({"labels", "scores"})
    ).over(table_of(columns))


def explained(
    name: str, classifier: TableClassifier, x: Tensor, background: Tensor, *, seeds: Sequence[int] = (), **settings: Any
) -> Tensor:
    target = torch.ones(len(x), dtype=torch.long)
    bound = explanations.bind(name, settings)
    found: Tensor = explanations[name].make(
        classifier, x, target, _background=background, _seeds=list(seeds) or list(range(len(x))), **bound
    )
    return found


def brute(score: Any, row: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return Shapley values as the mean gain of each column over all orders in which columns can come."""
    columns, total = len(row), np.zeros(len(row))
    for order in permutations(range(columns)):
        mixed = background.copy()
        before = score(mixed).mean()
        for column in order:
            mixed[:, column] = row[column]
            after = score(mixed).mean()
            total[column] += after - before
            before = after
    return total / math.factorial(columns)


def bent(x: np.ndarray) -> np.ndarray:
    return np.asarray(x[:, 0] * x[:, 1] + np.where(x[:, 2] > 0, 2.0, -1.0) - np.nan_to_num(x[:, 3]) ** 2)


def test_shapley_values_by_all_orders() -> None:
    rng = np.random.default_rng(0)
    x, background = rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    x[1, 3] = np.nan  # a missing cell is a value like any other
    found = explained(
        "kernel_shap", classifier_of(4, bent), torch.from_numpy(x), torch.from_numpy(background), coalitions=16
    )
    for place in range(3):
        assert found[place].numpy() == pytest.approx(brute(bent, x[place], background))
        assert float(found[place].sum()) == pytest.approx(bent(x[place : place + 1])[0] - bent(background).mean())


def test_a_game_of_one_and_a_game_of_gloves() -> None:
    assert exact_shapley(lambda kept: kept[:, 0].double() * 3, 1).tolist() == [3.0]
    # Shapley's own example: 1/6, 1/6, 2/3
    gloves = exact_shapley(lambda kept: (kept[:, 2] & (kept[:, 0] | kept[:, 1])).double(), 3)
    assert gloves.tolist() == pytest.approx([1 / 6, 1 / 6, 2 / 3])


def test_kernel_shap_of_an_additive_model_with_many_columns() -> None:
    """Of a sum the values are known: each column's own part less its mean over the background; the regression finds
    them from few coalitions.
    """
    rng = np.random.default_rng(1)
    weights, x, background = rng.normal(size=12), rng.normal(size=(2, 12)), rng.normal(size=(4, 12))
    classifier = classifier_of(12, lambda rows: rows @ weights)
    state = torch.random.get_rng_state()
    found = explained("kernel_shap", classifier, torch.from_numpy(x), torch.from_numpy(background), coalitions=64)
    assert found.numpy() == pytest.approx(weights * (x - background.mean(0)), abs=1e-3)
    assert torch.equal(torch.random.get_rng_state(), state), "draws are the row's own"
    alone = explained(
        "kernel_shap", classifier, torch.from_numpy(x[1:]), torch.from_numpy(background), seeds=[1], coalitions=64
    )
    assert torch.equal(alone[0], found[1])


def test_permutation_is_the_mean_fall_of_the_margin() -> None:
    rng = np.random.default_rng(2)
    x, background = rng.normal(size=(3, 4)), rng.normal(size=(5, 4))
    found = explained("permutation", classifier_of(4, bent), torch.from_numpy(x), torch.from_numpy(background))
    for place in range(3):
        for column in range(4):
            mixed = np.repeat(x[place : place + 1], 5, 0)
            mixed[:, column] = background[:, column]
            assert float(found[place, column]) == pytest.approx(bent(x[place : place + 1])[0] - bent(mixed).mean())


@pytest.mark.parametrize("name", [entry.name for entry in explanations if entry.facts["modality"] == "table"])
def test_nothing_to_explain(name: str) -> None:
    assert explained(
        name, classifier_of(4, bent), torch.zeros(0, 4, dtype=torch.float64), torch.zeros(2, 4, dtype=torch.float64)
    ).shape == (0, 4)


@pytest.mark.parametrize(
    ("probe", "method", "modality"),
    [("attribution_table", "saliency", "table"), ("attribution", "permutation", "image")],
)
def test_an_explanation_of_other_data_is_refused(probe: str, method: str, modality: str) -> None:
    facts: Any = SimpleNamespace(modality=modality, offers=("gradient", "labels", "scores"), norm="cost")
    missing = _missing(Trial(probe, method), facts)
    assert missing is not None and f"explanation '{method}' explains data of modality" in missing.reason
