"""What every attack is given and gives back, and the one door through which attacks are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from auditor.attacks import attacks
from auditor.classifier import Classifier, Loss, Meter, margin
from auditor.errors import AuditorError, nearest
from auditor.seeds import Rows
from auditor.threats.threat import Threat

LossName = Literal["ce", "margin"]


@dataclass(frozen=True)
class Goal:
    """What counts as success: any class but y (n,), or the target class (n,) where targets are given."""

    y: Tensor
    targets: Tensor | None = None

    def reached(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Return whether logits (k, classes) of the samples `rows` (k,) reach the goal (k,)."""
        predicted = logits.argmax(1)
        return predicted != self.y[rows] if self.targets is None else predicted == self.targets[rows]

    def loss(self, name: LossName) -> Loss:
        """Return a loss that grows towards the goal: cross entropy 'ce' (as log odds), or the logit 'margin'."""

        def ce(logits: Tensor, rows: Tensor) -> Tensor:
            return log_odds(logits, self.y[rows]) if self.targets is None else -log_odds(logits, self.targets[rows])

        def difference(logits: Tensor, rows: Tensor) -> Tensor:
            return -margin(logits, self.y[rows]) if self.targets is None else margin(logits, self.targets[rows])

        return {"ce": ce, "margin": difference}[name]


def log_odds(logits: Tensor, y: Tensor) -> Tensor:
    """Return the log odds against the labels y (n,): cross entropy is softplus of it, so both order points alike and have one direction.

    Cross entropy itself rounds to 0 where the classifier is confident (margins beyond 16 in float32) and loses its gradient.
    """
    others = logits.scatter(1, y[:, None], float("-inf"))
    return others.logsumexp(1) - logits.gather(1, y[:, None])[:, 0]


@dataclass(frozen=True)
class Problem:
    """One call of an attack: x (n, *shape) with its threat broadcast over it."""

    meter: Meter
    x: Tensor
    goal: Goal
    threat: Threat
    epsilon: Tensor
    """One per row (n,)."""
    rng: Rows

    def random_points(self, rows: Tensor) -> Tensor:
        """Return a random allowed point (k, *shape) for each of the samples `rows` (k,), which may repeat."""
        return self.threat.take(rows).start(self.x[rows], self.rng.take(rows.tolist()), self.epsilon[rows])


@dataclass(frozen=True)
class Adversarials:
    """What an attack found, per sample: x (n, *shape), fooled (n,) bool, size (n,), forwards and backwards (n,)."""

    x: Tensor
    """The fooling point; where none was found, the attack's best try."""
    fooled: Tensor
    size: Tensor
    forwards: Tensor
    backwards: Tensor


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
    batch_size: int = 64,
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
    settings
        The attack's own; an unknown one is refused (AuditorError).
    """
    bound = check_attack(name, classifier.offers, settings)
    refusal = norm_refused(name, threat.norm)
    if refusal:
        raise AuditorError(f"attack '{name}': {refusal}")
    x, y = x.detach().to(classifier.device), y.to(classifier.device)
    if len(x) != len(y):
        raise AuditorError(f"attack '{name}': expected one label per input, got {len(y)} labels for {len(x)} inputs.")
    size = _budget(name, epsilon, x)
    placed = threat.over(x)

    def held(point: Tensor, rows: Tensor) -> Tensor:
        return placed.take(rows).saved(point, x[rows])

    meter = Meter(classifier, len(x), batch_size, held if threat.levels is not None else None)
    goal = Goal(y, None if targets is None else targets.to(x.device))
    point, fooled = attacks[name].make(Problem(meter, x, goal, placed, size, Rows.of(seed, len(x))), **bound)
    point = placed.saved(point, x)
    fooled = fooled & placed.allows(point, x, size)
    return Adversarials(point, fooled, placed.size(point, x), meter.forwards, meter.backwards)


def _budget(name: str, epsilon: float | Tensor | None, x: Tensor) -> Tensor:
    """Return the budget of each row (n,), infinite for attacks that search for the smallest change themselves."""
    if not attacks[name].facts.get("budget", True):
        if epsilon is not None:
            raise AuditorError(f"attack '{name}': expected no epsilon, since it searches for the smallest, got {epsilon}.")
        return torch.full((len(x),), float("inf"), dtype=x.dtype, device=x.device)
    size = torch.as_tensor(float("nan") if epsilon is None else epsilon, dtype=x.dtype, device=x.device).expand(len(x))
    if not bool((size > 0).all()):
        raise AuditorError(f"attack '{name}': expected a positive epsilon, got {epsilon}.")
    return size


def check_attack(name: str, offers: frozenset[str], settings: dict[str, Any]) -> dict[str, Any]:
    """Return the attack's complete settings, before any work (AuditorError: unknown name or setting, or the classifier offers too little)."""
    needs = attacks[name].facts["needs"]
    if needs not in offers:
        raise AuditorError(f"attack '{name}': expected a classifier that offers '{needs}', got one that offers {', '.join(sorted(offers))}.")
    return attacks.bind(name, settings)


def norm_refused(name: str, norm: str) -> str:
    """Return what is wrong where an attack does not serve a norm, or nothing; an attack serves every norm unless its fact `norms` names some."""
    served: tuple[str, ...] = attacks[name].facts.get("norms", (norm,))
    return "" if norm in served else f"expected a norm that '{name}' serves, got '{norm}'; {nearest(norm, served)}"


def attack_names() -> tuple[str, ...]:
    """Return the name of every attack."""
    return attacks.names()


def attack_cost(name: str, settings: dict[str, Any]) -> tuple[int, int]:
    """Return the most forwards and backwards per sample that an attack makes."""
    cost: tuple[int, int] = attacks[name].facts["cost"](**attacks.bind(name, settings))
    return cost
