"""What every attack is given and gives back, and the one door through which attacks are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.problem import Goal, Problem
from auditor.core.errors import AuditorError, nearest
from auditor.core.modality import least_batch
from auditor.core.outcomes import Outcome
from auditor.core.seeds import Rows, derive
from auditor.models.classifier import Classifier
from auditor.models.meter import Meter
from auditor.models.search_twin import searching
from auditor.threats.threat import Threat

VALUES = ("linf", "l2", "l1", "l0")
"""Norms of values, which attacks serve that name none; 'cost' counts changes of table rows."""
BATCH = 64
"""Inputs per call of the classifier, at least."""


@dataclass(frozen=True)
class Adversarials:
    """What an attack found, per sample: x (n, *shape), fooled (n,) bool, size (n,), forwards and backwards (n,)."""

    x: Tensor
    """The fooling point; where none was found, the attack's best try."""
    fooled: Tensor
    size: Tensor
    forwards: Tensor
    backwards: Tensor
    proof: Tensor
    """(n,) what the search can say: an `Outcome` of each sample, by its number."""


def attack(
    name: str,
    classifier: Classifier,
    x: Tensor,
    y: Tensor,
    threat: Threat,
    *,
    epsilon: float | Tensor | None = None,
    targets: Tensor | None = None,
    seed: int | Sequence[int] = 0,
    batch_size: int | None = None,
    **settings: Any,
) -> Adversarials:
    """Return what an attack finds against a classifier at inputs x (n, *shape) with labels y (n,).

    A classifier with a faster twin (auditor.models.search_twin) is searched on the twin and judged by itself; a point
    that fools only
    the twin does not count, and its sample is searched again on the classifier itself.

    Parameters
    ----------
    name
        One of `attack_names()`.
    threat
        What the attacker may do; the whole constraint reaches the attack through it.
    epsilon
        Budget in the input's own units, one number or one per sample (n,).
    targets
        Classes (n,) to reach; without them any wrong class counts.
    seed
        One number, or one per sample so that a sample's draws do not depend on its batch.
    batch_size
        Inputs per call of the classifier; of a table thousands where none is given.
    settings
        The attack's own; an unknown one is refused (AuditorError).
    """
    bound = check_attack(name, classifier.offers, settings)
    refusal = norm_refused(name, threat.norm)
    if refusal:
        raise AuditorError(f"attack '{name}': {refusal}")
    x, y = x.detach().to(classifier.device), y.to(classifier.device)
    batch_size = batch_size or max(BATCH, least_batch(classifier.modality))
    if len(x) != len(y):
        raise AuditorError(f"attack '{name}': expected one label per input, got {len(y)} labels for {len(x)} inputs.")
    size, placed = _budget(name, epsilon, x), threat.over(x)
    goal = Goal(y, None if targets is None else targets.to(x.device))
    seeds = [derive(int(seed), row) for row in range(len(x))] if isinstance(seed, int | np.integer) else seed

    def found(by: Classifier, rows: Tensor) -> Adversarials:
        few = Goal(goal.y[rows], None if goal.targets is None else goal.targets[rows])
        return _search(
            name,
            by,
            x[rows],
            goal=few,
            placed=placed.take(rows),
            size=size[rows],
            seeds=[seeds[row] for row in rows.tolist()],
            batch_size=batch_size,
            bound=bound,
        )

    every = torch.arange(len(x), device=x.device)
    search = searching(classifier)
    if search is classifier:
        return _search(
            name, classifier, x, goal=goal, placed=placed, size=size, seeds=seeds, batch_size=batch_size, bound=bound
        )
    points = found(search, every)
    meter = Meter(classifier, len(x), batch_size)
    holds = goal.reached(meter.logits(points.x, every), every) & placed.allows(points.x, x, size)
    lost = every[points.fooled & ~holds]
    return _merged(points, holds, meter, lost=lost, again=found(classifier, lost) if len(lost) else None)


def _search(
    name: str,
    classifier: Classifier,
    x: Tensor,
    *,
    goal: Goal,
    placed: Threat,
    size: Tensor,
    seeds: Sequence[int],
    batch_size: int,
    bound: dict[str, Any],
) -> Adversarials:
    """Return what an attack finds, judged by the very classifier that it searched on."""

    def view(point: Tensor, rows: Tensor) -> Tensor:
        return placed.take(rows).saved(point, x[rows])

    meter = Meter(classifier, len(x), batch_size, view=view if placed.levels is not None else None)
    point, fooled, *proven = attacks[name].make(Problem(meter, x, goal, placed, size, Rows.of(seeds, len(x))), **bound)
    point = placed.saved(point, x)
    held = fooled & placed.allows(point, x, size)
    proof = torch.where(held == fooled, proven[0], Outcome.NONE_FOUND) if proven else _unproven(held)
    return Adversarials(point, held, placed.size(point, x), meter.forwards, meter.backwards, proof)


def _unproven(fooled: Tensor) -> Tensor:
    """Return the outcomes (n,) of a search that proves nothing."""
    return torch.where(fooled, Outcome.FLIPPED_AT_MOST, Outcome.NONE_FOUND)


def _merged(
    points: Adversarials, holds: Tensor, judge: Meter, *, lost: Tensor, again: Adversarials | None
) -> Adversarials:
    """Return the points of a search in lower precision as float32 judges them (n,), the `lost` ones replaced by those
    of a search in float32.
    """
    x, fooled, size, proof = points.x.clone(), holds.clone(), points.size.clone(), _unproven(holds)
    forwards, backwards = points.forwards + judge.forwards, points.backwards.clone()
    if again is not None:
        x[lost], fooled[lost], size[lost], proof[lost] = again.x, again.fooled, again.size, again.proof
        forwards[lost.cpu()] += again.forwards
        backwards[lost.cpu()] += again.backwards
    return Adversarials(x, fooled, size, forwards, backwards, proof)


def _budget(name: str, epsilon: float | Tensor | None, x: Tensor) -> Tensor:
    """Return the budget of each row (n,), infinite for attacks that search for the smallest change themselves."""
    takes = attacks[name].facts.get("budget", True)
    if not takes and (epsilon is None or takes is False):
        if epsilon is not None:
            raise AuditorError(
                f"attack '{name}': expected no epsilon, since it searches for the smallest, got {epsilon}."
            )
        return torch.full((len(x),), float("inf"), dtype=x.dtype, device=x.device)
    size = torch.as_tensor(float("nan") if epsilon is None else epsilon, dtype=x.dtype, device=x.device).expand(len(x))
    if not bool((size > 0).all()):
        raise AuditorError(f"attack '{name}': expected a positive epsilon, got {epsilon}.")
    return size


def check_attack(name: str, offers: frozenset[str], settings: dict[str, Any]) -> dict[str, Any]:
    """Return the attack's complete settings, before any work (AuditorError: unknown name or setting, or the classifier
    offers too little).
    """
    needs = attacks[name].facts["needs"]
    if needs not in offers:
        raise AuditorError(
            f"attack '{name}': expected a classifier that offers '{needs}', got one that offers"
            f" {', '.join(sorted(offers))}."
        )
    return attacks.bind(name, settings)


def norm_refused(name: str, norm: str) -> str:
    """Return what is wrong where an attack does not serve a norm, or nothing; it serves every norm of values unless its
    fact `norms` names some.
    """
    served: tuple[str, ...] = attacks[name].facts.get("norms", VALUES)
    return "" if norm in served else f"expected a norm that '{name}' serves, got '{norm}'; {nearest(norm, served)}"


def column(values: Tensor, like: Tensor) -> Tensor:
    """Return values (n,) shaped to broadcast over like (n, *shape)."""
    return values.reshape(-1, *(1,) * (like.ndim - 1))


def attack_names() -> tuple[str, ...]:
    """Return the name of every attack."""
    return attacks.names()


def attack_cost(name: str, settings: dict[str, Any]) -> tuple[int, int]:
    """Return the most forwards and backwards per sample that an attack makes."""
    cost: tuple[int, int] = attacks[name].facts["cost"](**attacks.bind(name, settings))
    return cost
