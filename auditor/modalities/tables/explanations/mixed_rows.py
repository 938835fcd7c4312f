"""Margins of a table's rows of which some cells come from background rows."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.models.classifier import Classifier, margin


def mixed_margins(
    classifier: Classifier, row: Tensor, background: Tensor, *, kept: Tensor, target: int, batch_size: int
) -> Tensor:
    """Return the mean margin (m,) of a target class over background rows (b, columns), for each of the sets of columns
    `kept` (m, columns) of a row.

    A missing cell is a value like any other: it is kept or replaced, never multiplied.
    """
    mixed = torch.where(kept[:, None, :], row, background).flatten(0, 1)
    logits = torch.cat([classifier.logits(part) for part in torch.split(mixed, batch_size)])
    edges = margin(logits, torch.full((len(mixed),), target, device=logits.device))
    return edges.reshape(len(kept), -1).mean(1)
