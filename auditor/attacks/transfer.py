"""Transfer: points found on another classifier, tried on the audited one; needs no gradient of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.distil import QUERIES, distil
from auditor.attacks.pgd import scaled
from auditor.attacks.problem import Problem
from auditor.core.errors import AuditorError
from auditor.models.meter import Meter


@attacks.register(
    "transfer",
    needs="labels",
    cost=lambda surrogate, tries, **_: (tries + 1 + (QUERIES if surrogate is None else 0), 0),
)
def transfer(
    problem: Problem,
    *,
    surrogate: Any = None,
    steps: Annotated[int, Field(ge=1)] = 40,
    tries: Annotated[int, Field(ge=1)] = 8,
    momentum: Annotated[float, Field(ge=0)] = 1.0,
) -> tuple[Tensor, Tensor]:
    """Ascent with momentum on a surrogate (Dong et al. 2018, arXiv:1710.06081), its points shown to the audited
    classifier on the way. The ascent does not stop where the surrogate is fooled: what goes further transfers better.

    Parameters
    ----------
    surrogate
        A classifier with gradients and the same classes; in an audit file what `model` takes. Without one, a small
        network is trained on the audited classifier's answers to these inputs (Papernot et al. 2017, arXiv:1602.02697).
    steps
        Gradient steps on the surrogate.
    tries
        Points of the way that the audited classifier is shown.
    momentum
        Decay of the sum of earlier gradients.
    """
    x0, every = problem.x, torch.arange(len(problem.x), device=problem.x.device)
    point, fooled = x0.clone(), problem.goal.reached(problem.meter.logits(x0, every), every)
    rows = every[~fooled]
    if not len(rows):
        return point, fooled
    outside, x, gathered = _outside(problem, surrogate), x0[rows], torch.zeros_like(x0[rows])
    shown = {round(steps * (place + 1) / tries) for place in range(min(tries, steps))}
    for step in range(1, steps + 1):
        gathered = momentum * gathered + _slope(outside, x, rows)
        x = _moved(problem, rows, x, along=gathered, share=2.5 / steps)
        if step in shown:
            hit = problem.goal.reached(problem.meter.logits(x, rows), rows)
            point[rows], fooled[rows] = x, hit
            if bool(hit.all()):
                break
            rows, x, gathered = rows[~hit], x[~hit], gathered[~hit]
    return point, fooled


def _outside(problem: Problem, surrogate: Any) -> Problem:
    """Return the problem on the surrogate, whose passes are not counted as the audited classifier's."""
    other = distil(problem) if surrogate is None else _fitting(problem, surrogate)
    return replace(problem, meter=Meter(other, len(problem.x), problem.meter.batch_size))


def _slope(outside: Problem, x: Tensor, rows: Tensor) -> Tensor:
    """Return the surrogate's slopes (k, *shape) at points x (k, *shape), at an l1 length of 1 each."""
    _, slope = outside.meter.gradient(x, rows, outside.loss("ce").slope, outside.tags(rows))
    return scaled(slope)


def _moved(problem: Problem, rows: Tensor, x: Tensor, *, along: Tensor, share: float) -> Tensor:
    """Return points x (k, *shape) one step further along slopes, a share of epsilon, within the threat."""
    threat, base, epsilon = problem.smooth.take(rows), problem.x[rows], problem.epsilon[rows]
    return threat.project(threat.step(x, along, base, share * epsilon), base, epsilon)


def _fitting(problem: Problem, surrogate: Any) -> Any:
    """Return the surrogate (AuditorError: it has no gradient, or other classes)."""
    classes = problem.meter.classifier.classes
    if not hasattr(surrogate, "logits") or "gradient" not in surrogate.offers:
        raise AuditorError("attack 'transfer': expected a surrogate that offers 'gradient', got none.")
    if tuple(surrogate.classes) != tuple(classes):
        raise AuditorError(
            f"attack 'transfer': expected a surrogate with the classes {list(classes)}, got {list(surrogate.classes)}."
        )
    return surrogate
