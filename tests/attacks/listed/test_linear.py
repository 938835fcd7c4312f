"""The exact search of linear classifiers against brute force: long columns under rules, several classes, ties, and
classifiers that only claim it.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from auditor.attacks.attack import Adversarials, attack
from auditor.modalities.tables.classifier import Structure, TableClassifier
from auditor.modalities.tables.table import Column, Rule, Table
from auditor.modalities.tables.threats.threat import TableThreat

LONG = Table(
    (
        Column("gain", "integer", low=0, high=120, least=0, most=100, cost=0.02, dtype="int64"),
        Column("loss", "real", low=0, high=6, cost=0.3, step=0.1, dtype="float64"),
        Column("hours", "integer", low=1, high=99, least=-40, most=40, cost=0.05, dtype="int64"),
        Column("job", "categorical", levels=("a", "b", "c"), allowed=(0, 1, 2)),
    ),
    (Rule("either", then="gain == 0 or loss == 0"), Rule("busy", "job == 'c'", "hours >= 30")),
)
LINEAR = Structure("linear")


def linear(
    weights: NDArray[np.float64],
    shift: NDArray[np.float64],
    structure: Structure | None = LINEAR,
    *,
    whole: bool = False,
) -> TableClassifier:
    """Return the classifier with scores x @ weights (6, classes) + shift, x = gain, loss, hours and the three jobs."""

    def scores(frame: Any) -> NDArray[np.float64]:
        jobs = np.column_stack([frame.job == job for job in "abc"])
        found = np.column_stack([frame[["gain", "loss", "hours"]].to_numpy(np.float64), jobs]) @ weights + shift
        return np.asarray(np.round(found) if whole else found)

    return TableClassifier(
        scores, "m", "d", tuple("xyz"[: len(shift)]), frozenset({"labels", "scores"}), structure=structure
    ).over(LONG)


def every(x: NDArray[np.float64], epsilon: float, most: int = 4) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return every feasible row within the budget and its cost, by brute force."""
    gains, losses, hours = np.arange(121.0), np.round(np.arange(61) * 0.1, 9), np.arange(1.0, 100)
    grid = np.array(np.meshgrid(gains, losses, hours, np.arange(3.0), indexing="ij")).reshape(4, -1).T
    gap = grid - x
    cost = 0.02 * np.abs(gap[:, 0]) + 0.3 * np.abs(gap[:, 1]) + 0.05 * np.abs(gap[:, 2]) + (gap[:, 3] != 0)
    kept = (
        (cost <= epsilon + 1e-9)
        & ((gap != 0).sum(1) <= most)
        & (gap[:, 0] >= 0)
        & (gap[:, 0] <= 100)
        & (np.abs(gap[:, 2]) <= 40)
    )
    kept &= ((grid[:, 0] == 0) | (grid[:, 1] == 0)) & ((grid[:, 3] != 2) | (grid[:, 2] >= 30))
    return grid[kept], cost[kept]


def found(classifier: TableClassifier, x: NDArray[np.float64], most: int | None = None, **more: Any) -> Adversarials:
    rows = torch.tensor(x)[None]
    threat = TableThreat(LONG, max_changes=most)
    result = attack("table_search", classifier, rows, classifier.logits(rows).argmax(1), threat, epsilon=1.5, **more)
    assert threat.over(rows).allows(result.x, rows, 1.5).all()
    return result


def start(rng: np.random.Generator) -> NDArray[np.float64]:
    gain = float(rng.integers(0, 100)) * float(rng.random() < 0.5)
    return np.array(
        [
            gain,
            0.0 if gain else round(float(rng.integers(0, 61)) * 0.1, 9),
            float(rng.integers(30, 99)),
            float(rng.integers(0, 3)),
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_costs_are_those_of_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes, most, x = 2 + seed % 2, 4 if seed % 3 else 2, start(rng)
    weights = rng.normal(size=(6, classes)) * np.array([0.02, 0.4, 0.05, 1, 1, 1])[:, None]
    classifier = linear(weights, rng.normal(size=classes) / 4)
    targets = (classifier.logits(torch.tensor(x)[None]).argmax(1) + 1) % classes if seed % 4 == 0 else None
    rows, costs = every(x, 1.5, most)
    said, own = (
        classifier.logits(torch.tensor(rows)).argmax(1).numpy(),
        classifier.logits(torch.tensor(x)[None]).argmax().item(),
    )
    hits = costs[said != own if targets is None else said == targets.item()]
    result = found(classifier, x, None if most == 4 else most, targets=targets)
    assert result.proof[0] == (2 if len(hits) else 3)
    assert result.forwards[0] < 40
    if len(hits):
        assert result.size[0].item() == pytest.approx(hits.min(), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_what_lies_on_the_boundary_is_decided_by_the_classifier(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = start(rng)
    weights = np.zeros((6, 2))
    weights[:, seed % 2] = rng.integers(-1, 2, 6)
    shift = np.zeros(2)
    shift[seed % 2] = -(np.append(x[:3], np.eye(3)[int(x[3])]) @ weights[:, seed % 2]) + (3 if seed % 4 < 2 else -3)
    classifier = linear(weights, shift)
    rows, costs = every(x, 1.5)
    said, own = (
        classifier.logits(torch.tensor(rows)).argmax(1).numpy(),
        classifier.logits(torch.tensor(x)[None]).argmax().item(),
    )
    result, hits = found(classifier, x), costs[said != own]
    if len(hits) and result.proof[0] == 2:
        assert result.size[0].item() == pytest.approx(hits.min(), abs=1e-9)
    assert result.proof[0] in ((1, 2) if len(hits) else (0, 3))


def test_a_classifier_that_only_claims_to_be_linear_is_searched_as_any_other() -> None:
    rng = np.random.default_rng(1)
    x, weights = start(rng), rng.normal(size=(6, 2)) * np.array([0.04, 0.8, 0.1, 2, 2, 2])[:, None]
    stepped, honest = linear(weights, np.zeros(2), whole=True), linear(weights, np.zeros(2), None, whole=True)
    mine, its = found(stepped, x), found(honest, x)
    assert mine.fooled[0] == its.fooled[0] and mine.size[0] == pytest.approx(its.size[0].item())
    assert mine.proof[0] == its.proof[0]


def test_without_a_wish_for_proofs_nothing_is_solved() -> None:
    rng = np.random.default_rng(3)
    classifier, x = linear(rng.normal(size=(6, 2)), np.zeros(2)), start(rng)
    exact, rough = found(classifier, x), found(classifier, x, exact=False)
    assert exact.proof[0] == 2 and rough.fooled[0] and rough.size[0] >= exact.size[0] - 1e-9
    assert found(replace(classifier, structure=None), x).size[0] >= exact.size[0] - 1e-9
