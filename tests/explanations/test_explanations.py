"""Explanations on a linear model, where every map is known; and measures of likeness."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import Tensor, nn

from auditor.explanations import explanations
from auditor.explanations.similarity import mass_share, rank_correlation, strength, structure, top_overlap
from auditor.models.classifier import wrap

EXACT: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "saliency": lambda weight, x: weight.abs().expand_as(x),
    "integrated_gradients": lambda weight, x: weight * (x - x.mean((2, 3), keepdim=True)),
}
"""Map of a linear model with this weight; a new explanation of images adds a row, one of tables goes into test_rows.py.
"""


def test_every_explanation_has_a_row() -> None:
    assert set(EXACT) == {entry.name for entry in explanations if entry.facts["modality"] == "image"}


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("batch_size", [2, 64])
@pytest.mark.parametrize("gradients", [True, False])
def test_the_map_of_a_linear_model(name: str, batch_size: int, gradients: bool) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(32, 3)
    classifier, x, target = (
        wrap(nn.Sequential(nn.Flatten(), linear), ["a", "b", "c"]),
        torch.rand(5, 2, 4, 4),
        torch.tensor([0, 1, 2, 0, 1]),
    )
    with torch.set_grad_enabled(gradients):
        maps = explanations[name].make(classifier, x, target, _batch_size=batch_size, **explanations.bind(name, {}))
    weight = linear.weight.detach()[target].view(5, 2, 4, 4)
    assert torch.allclose(maps, EXACT[name](weight, x), atol=1e-5)
    assert not maps.requires_grad and all(part.grad is None for part in linear.parameters())
    assert explanations[name].make(classifier, x[:0], target[:0], **explanations.bind(name, {})).shape == (0, 2, 4, 4)


@given(st.integers(0, 2**31), st.integers(2, 6))
def test_rank_correlation_as_in_scipy(seed: int, levels: int) -> None:
    a, b = np.random.default_rng(seed).integers(0, levels, (2, 5, 5)).astype(float)
    if np.ptp(a) and np.ptp(b):
        assert rank_correlation(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic)
    assert rank_correlation(a, np.ones((5, 5))) == 0.0


def test_likeness_of_a_map_with_itself_and_with_its_opposite() -> None:
    a = np.random.default_rng(0).random((10, 10))
    for measure in (rank_correlation, top_overlap, structure):
        assert measure(a, a) == pytest.approx(1.0)
        assert measure(a, 1 - a) < 0.1
        assert measure(a, 3 * a) == pytest.approx(1.0)


def test_mass() -> None:
    signed = np.array([[[1.0, -1.0]], [[2.0, 0.0]]])
    assert strength(signed).tolist() == [[3.0, 1.0]]
    assert mass_share(strength(signed), np.array([[True, False]])) == 0.75
    assert mass_share(np.zeros((1, 2)), np.array([[True, False]])) == 0.5
