"""What a decision loses when one column alone comes from other rows."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from auditor.explanations import explanations
from auditor.modalities.tables.explanations.mixed_rows import mixed_margins
from auditor.models.classifier import Classifier


# a plan does not know the number of columns
@explanations.register("permutation", modality="table", needs="labels", cost=lambda background: 32 * background)
def permutation(
    classifier: Classifier,
    x: Tensor,
    target: Tensor,
    *,
    background: Annotated[int, Field(ge=1)] = 16,
    _background: Tensor,
    _batch_size: int = 8192,
    _seeds: object = None,
) -> Tensor:
    """Mean fall of the target's margin when a column comes from a background row (Breiman 2001, of single rows).

    Parameters
    ----------
    background
        Number of background rows.
    """
    n, columns = x.shape
    kept = torch.cat([torch.ones(1, columns, dtype=torch.bool), ~torch.eye(columns, dtype=torch.bool)])
    maps = torch.zeros(n, columns, dtype=torch.float64)
    for row in range(n):
        edges = mixed_margins(
            classifier, x[row], _background, kept=kept, target=int(target[row]), batch_size=_batch_size
        )
        maps[row] = edges[0] - edges[1:]
    return maps
