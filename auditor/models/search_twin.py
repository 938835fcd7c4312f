"""A faster twin of a classifier, on which attacks search; what fools is always decided in float32."""

from __future__ import annotations

import copy

import torch

from auditor.models.classifier import Classifier, TorchClassifier
from auditor.models.precision import Precision


def hasten(classifier: TorchClassifier, precision: Precision, *, compile: bool = False) -> None:
    """Let attacks search in another arithmetic, or with a compiled module; `classifier.logits` stays as it is and
    judges.

    Parameters
    ----------
    precision
        'tf32' rounds the factors of products to 10 bits, 'bfloat16' runs products in 7 bits (torch.autocast).
    compile
        Whether the search's module goes through torch.compile.
    """
    if precision == "float32" and not compile:
        return
    twin = copy.copy(classifier)
    twin.precision = precision
    if compile:
        twin.module = torch.compile(classifier.module, dynamic=True)  # type: ignore[assignment]
    classifier.search = twin
    how = f"in {precision}" + " with a compiled module" * compile
    classifier.notes = (
        *classifier.notes,
        f"attacks searched {how}; what fools was decided in float32 by the module as it is",
    )


def searching(classifier: Classifier) -> Classifier:
    """Return the classifier as an attack's search sees it: the same, or its faster twin."""
    twin: Classifier | None = getattr(classifier, "search", None)
    return classifier if twin is None else twin
