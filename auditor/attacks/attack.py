"""What every attack is given and gives back, and the one door through which attacks are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.problem import Goal, Problem
from auditor.core.errors import AuditorError, nearest
from auditor.core.modality import least_batch
from auditor.core.outcomes import Outcome
from auditor.core.seeds import RowGenerators, derive
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
    _refuse(name, threat.norm, x, y=y)
    x, y = x.detach().to(classifier.device), y.to(classifier.device)
    batch_size = batch_size or max(BATCH, least_batch(classifier.modality))
    goal, size = Goal(y, None if targets is None else targets.to(x.device)), _budget(name, epsilon, x)
    task = _Task(name, bound, batch_size, x, goal, threat.over(x), size, _seeds(seed, len(x)))
    search = searching(classifier)
    return task.on(classifier) if search is classifier else _judged(task, search, classifier)


@dataclass(frozen=True, eq=False)
class _Task:
    """What an attack is to find, whichever classifier it searches on."""

    name: str
    settings: dict[str, Any]
    batch_size: int
    x: Tensor
    goal: Goal
    threat: Threat
    """Broadcast over x."""
    size: Tensor
    """Budgets (n,)."""
    seeds: Sequence[int]

    def take(self, rows: Tensor) -> _Task:
        """Return the task of some samples (k,)."""
        goal = Goal(self.goal.y[rows], None if self.goal.targets is None else self.goal.targets[rows])
        seeds = [self.seeds[row] for row in rows.tolist()]
        return replace(
            self, x=self.x[rows], goal=goal, threat=self.threat.take(rows), size=self.size[rows], seeds=seeds
        )

    def on(self, classifier: Classifier) -> Adversarials:
        """Return what is found, judged by the very classifier that is searched on."""
        placed, x = self.threat, self.x

        def view(point: Tensor, rows: Tensor) -> Tensor:
            return placed.take(rows).saved(point, x[rows])

        meter = Meter(classifier, len(x), self.batch_size, view=view if placed.levels is not None else None)
        problem = Problem(meter, x, self.goal, placed, self.size, RowGenerators.of(self.seeds, len(x)))
        point, fooled, *proven = attacks[self.name].make(problem, **self.settings)
        point = placed.saved(point, x)
        held = fooled & placed.allows(point, x, self.size)
        proof = torch.where(held == fooled, proven[0], Outcome.NONE_FOUND) if proven else _unproven(held)
        return Adversarials(point, held, placed.size(point, x), meter.forwards, meter.backwards, proof)


def _refuse(name: str, norm: str, x: Tensor, *, y: Tensor) -> None:
    """Refuse a norm that the attack does not serve, and labels that are not one per input (AuditorError)."""
    refusal = norm_refused(name, norm)
    if refusal:
        raise AuditorError(f"attack '{name}': {refusal}")
    if len(x) != len(y):
        raise AuditorError(f"attack '{name}': expected one label per input, got {len(y)} labels for {len(x)} inputs.")


def _seeds(seed: int | Sequence[int], n: int) -> Sequence[int]:
    return [derive(int(seed), row) for row in range(n)] if isinstance(seed, int | np.integer) else seed


def _judged(task: _Task, search: Classifier, classifier: Classifier) -> Adversarials:
    """Return what is found on a faster twin (auditor.models.search_twin), judged by the classifier.

    A point that fools only the twin does not count, and its sample is searched again on the classifier itself.
    """
    every = torch.arange(len(task.x), device=task.x.device)
    points = task.take(every).on(search)
    meter = Meter(classifier, len(task.x), task.batch_size)
    holds = task.goal.reached(meter.logits(points.x, every), every)
    holds &= task.threat.allows(points.x, task.x, task.size)
    lost = every[points.fooled & ~holds]
    return _merged(points, holds, meter, lost=lost, again=task.take(lost).on(classifier) if len(lost) else None)


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


def attack_names() -> tuple[str, ...]:
    """Return the name of every attack."""
    return attacks.names()


def attack_cost(name: str, settings: dict[str, Any]) -> tuple[int, int]:
    """Return the most forwards and backwards per sample that an attack makes."""
    cost: tuple[int, int] = attacks[name].facts["cost"](**attacks.bind(name, settings))
    return cost
