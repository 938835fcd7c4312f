"""The gradient itself as a map."""

from __future__ import annotations

import torch
from captum.attr import Saliency
from torch import Tensor

from auditor.explanations import explanations
from auditor.models.classifier import Classifier


@explanations.register("saliency", modality="image", needs="gradient", cost=lambda: 1)
def saliency(classifier: Classifier, x: Tensor, target: Tensor, *, _batch_size: int = 64) -> Tensor:
    """Absolute gradient of the target's logit (Simonyan et al. 2014, arXiv:1312.6034)."""
    if not len(x):
        return x
    method = Saliency(classifier.logits)
    parts = zip(torch.split(x, _batch_size), torch.split(target, _batch_size), strict=True)
    maps = [method.attribute(part.clone().requires_grad_(), target=to).detach() for part, to in parts]
    return torch.cat(maps)
