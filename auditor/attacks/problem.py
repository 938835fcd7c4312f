"""What an attack is given: inputs, goal, threat and counted access to the classifier."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from auditor.attacks.losses import Loss, LossName, loss_named
from auditor.core.errors import AuditorError
from auditor.core.seeds import RowGenerators
from auditor.models.meter import Meter
from auditor.threats.threat import SmoothThreat, Threat


@dataclass(frozen=True)
class Goal:
    """What counts as success: any class but y (n,), or the target class (n,) where targets are given."""

    y: Tensor
    targets: Tensor | None = None

    def reached(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Return whether logits (k, classes) of the samples `rows` (k,) reach the goal (k,)."""
        predicted = logits.argmax(1)
        return predicted != self.y[rows] if self.targets is None else predicted == self.targets[rows]


@dataclass(frozen=True)
class Problem:
    """One call of an attack: x (n, *shape) with its threat broadcast over it."""

    meter: Meter
    x: Tensor
    goal: Goal
    threat: Threat
    epsilon: Tensor
    """One per row (n,)."""
    rng: RowGenerators

    @property
    def smooth(self) -> SmoothThreat:
        """Return the threat, for attacks that follow directions in it (AuditorError: its values can only be listed)."""
        if not isinstance(self.threat, SmoothThreat):
            raise AuditorError(
                "threat: expected a search over listed values, such as 'table_search', since rows under rules follow no"
                f" gradient, got {type(self.threat).__name__}."
            )
        return self.threat

    def loss(self, name: LossName) -> Loss:
        """Return a loss that grows towards the goal: cross entropy 'ce', logit 'margin' or ratio 'dlr' (AuditorError:
        too few classes).
        """
        return loss_named(name, len(self.meter.classifier.classes), targeted=self.goal.targets is not None)

    def none_reached(self, logits: Tensor, tags: Tensor) -> bool:
        """Return whether no point reaches the goal, in one comparison where any wrong class counts: most steps of most
        attacks ask only this.
        """
        if self.goal.targets is None:
            return torch.equal(logits.argmax(1), tags[:, 1])
        return not bool((logits.argmax(1) == tags[:, 0]).any())

    def tags(self, rows: Tensor) -> Tensor:
        """Return target and label (k, 2) of the samples `rows` (k,), as losses take them; without targets both are the
        label.
        """
        y = self.goal.y[rows]
        return torch.stack([y if self.goal.targets is None else self.goal.targets[rows], y], 1)

    def random_points(self, rows: Tensor) -> Tensor:
        """Return a random allowed point (k, *shape) for each of the samples `rows` (k,), which may repeat."""
        return self.threat.take(rows).start(self.x[rows], self.rng.take(rows.tolist()), self.epsilon[rows])
