"""Gradients summed along the way from a plain image to the input."""

from __future__ import annotations

from typing import Annotated

import torch
from captum.attr import IntegratedGradients
from pydantic import Field
from torch import Tensor

from auditor.explanations import explanations
from auditor.models.classifier import Classifier


@explanations.register("integrated_gradients", modality="image", needs="gradient", cost=lambda steps: steps)
def integrated_gradients(
    classifier: Classifier, x: Tensor, target: Tensor, *, steps: Annotated[int, Field(ge=1)] = 16, _batch_size: int = 64
) -> Tensor:
    """Signed attributions that sum to the change of the target's logit (Sundararajan et al. 2017, arXiv:1703.01365).

    The baseline is a plain image of each sample's own mean per channel: black would make every bright pixel evidence.

    Parameters
    ----------
    steps
        Points of the Gauss-Legendre rule along the way.
    """
    if not len(x):
        return x
    method = IntegratedGradients(classifier.logits)
    maps = []
    for part, to in zip(torch.split(x, _batch_size), torch.split(target, _batch_size), strict=True):
        baseline = part.mean(tuple(range(2, x.ndim)), keepdim=True).expand_as(part)
        maps.append(
            method.attribute(
                part.clone().requires_grad_(),
                baselines=baseline,
                target=to,
                n_steps=steps,
                internal_batch_size=_batch_size,
            ).detach()
        )
    return torch.cat(maps).to(x.dtype)
