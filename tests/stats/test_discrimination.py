"""Balanced accuracy and AUC: by brute force over pairs, with units as what counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from auditor.stats.discrimination import auc, balanced_accuracy


@given(st.integers(0, 2**31), st.integers(4, 40))
def test_the_auc_is_the_share_of_pairs(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    scores, y = rng.integers(0, 6, n).astype(float), np.arange(n) % 2
    found = auc(scores.tolist(), y.tolist(), [str(row) for row in range(n)])
    above, below = scores[y == 1][:, None], scores[y == 0][None]
    assert found is not None and found.value == pytest.approx(((above > below) + (above == below) / 2).mean())
    assert found.value == pytest.approx(roc_auc_score(y, scores)) and found.low <= found.value <= found.high


@given(st.integers(0, 2**31), st.integers(2, 4))
def test_balanced_accuracy_is_the_mean_over_classes(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(0, classes, 30)])
    said = rng.integers(0, classes, len(y))
    found = balanced_accuracy((said == y).astype(float).tolist(), y.tolist(), [str(row) for row in range(len(y))])
    assert found is not None and found.value == pytest.approx(balanced_accuracy_score(y, said))


def test_without_two_classes_there_is_nothing_to_tell() -> None:
    assert auc([1.0, 2.0], [1, 1], ["a", "b"]) is None
    assert balanced_accuracy([1.0, 0.0], [0, 0], ["a", "b"]) is None


def test_copies_of_a_patient_tell_no_more() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    scores = rng.normal(size=60) + y
    units = [str(row) for row in range(60)]
    one = auc(scores.tolist(), y.tolist(), units)
    many = auc(np.repeat(scores, 4).tolist(), np.repeat(y, 4).tolist(), np.repeat(units, 4).tolist())
    assert one is not None and many is not None and many.value == pytest.approx(one.value)
    assert many.high - many.low == pytest.approx(one.high - one.low, rel=0.1) and many.units == 60


def test_the_interval_holds_the_truth_in_nineteen_of_twenty() -> None:
    """Normal scores one standard deviation apart: the AUC is 0.760."""
    rng, hits = np.random.default_rng(1), 0
    for _ in range(300):
        y = np.arange(80) % 2
        found = auc((rng.normal(size=80) + y).tolist(), y.tolist(), [str(row) for row in range(80)])
        hits += found is not None and found.low <= 0.7602 <= found.high
    assert 0.92 <= hits / 300 <= 0.99
