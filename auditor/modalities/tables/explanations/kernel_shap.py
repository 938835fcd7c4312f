"""Shapley values of a row's columns: exact where few coalitions exist, by Kernel SHAP otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated

import torch
from captum.attr import KernelShap
from pydantic import Field
from torch import Tensor

from auditor.explanations import explanations
from auditor.modalities.tables.explanations.mixed_rows import mixed_margins
from auditor.models.classifier import Classifier

Worth = Callable[[Tensor], Tensor]
"""function (coalitions (m, columns) bool) -> worth (m,)"""


@explanations.register(
    "kernel_shap", modality="table", needs="scores", cost=lambda coalitions, background: coalitions * background
)
def kernel_shap(
    classifier: Classifier,
    x: Tensor,
    target: Tensor,
    *,
    coalitions: Annotated[int, Field(ge=16)] = 256,
    background: Annotated[int, Field(ge=1)] = 16,
    _background: Tensor,
    _seeds: Sequence[int],
    _batch_size: int = 8192,
) -> Tensor:
    """Shapley values of the target's margin; columns outside a coalition come from background rows (Lundberg and Lee
    2017, arXiv:1705.07874).

    Exact by enumeration where a table has no more coalitions than `coalitions`; a weighted regression on that many
    drawn ones otherwise.

    Parameters
    ----------
    coalitions
        Most coalitions that are evaluated for a row.
    background
        Number of background rows.
    """
    columns, maps = x.shape[1], torch.zeros(x.shape, dtype=torch.float64)
    for row, seed in enumerate(_seeds):

        def worth(kept: Tensor, row: int = row) -> Tensor:
            return mixed_margins(
                classifier, x[row], _background, kept=kept, target=int(target[row]), batch_size=_batch_size
            )

        maps[row] = (
            exact_shapley(worth, columns)
            if 2**columns <= coalitions
            else _sampled(worth, columns, coalitions, seed=seed)
        )
    return maps


def exact_shapley(worth: Worth, columns: int) -> Tensor:
    """Return the exact Shapley values (columns,) of a game by enumeration of its 2^columns coalitions."""
    places = torch.arange(2**columns)
    members = (places[:, None] >> torch.arange(columns)) & 1
    values, size = worth(members.bool()).double(), members.sum(1)
    weights = torch.tensor(
        [math.factorial(k) * math.factorial(columns - k - 1) / math.factorial(columns) for k in range(columns)],
        dtype=torch.float64,
    )
    result = torch.zeros(columns, dtype=torch.float64)
    for column in range(columns):
        without = places[members[:, column] == 0]
        result[column] = (weights[size[without]] * (values[without + 2**column] - values[without])).sum()
    return result


def _sampled(worth: Worth, columns: int, coalitions: int, *, seed: int) -> Tensor:
    """Return Captum's Kernel SHAP values (columns,) of a game whose players are a row's columns, so that no cell is
    ever multiplied.
    """
    with torch.random.fork_rng([]):  # Captum draws from torch's own generator
        torch.manual_seed(seed)
        method = KernelShap(lambda kept: worth(kept > 0.5))
        whole, none = torch.ones(1, columns), torch.zeros(1, columns)
        found: Tensor = method.attribute(whole, baselines=none, n_samples=coalitions, perturbations_per_eval=coalitions)
    return found[0].double()
