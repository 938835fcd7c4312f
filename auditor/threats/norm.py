"""What a threat asks of a norm."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from auditor.core.seeds import RowGenerators
from auditor.threats.room import Room


class Norm(ABC):
    """One norm, on changes d (n, *shape) that are 0 outside the zone; epsilon and step sizes broadcast to them."""

    whole = False
    """Whether sizes are counts, which are compared exactly."""
    stride = 2.0
    """First step of an adaptive search, in epsilons."""

    @abstractmethod
    def size(self, d: Tensor) -> Tensor:
        """Return the norm of each row (n,)."""

    @abstractmethod
    def step(self, x: Tensor, gradient: Tensor, room: Room, size: Tensor) -> Tensor:
        """Return x (n, *shape) moved by this size up the gradient, within the zone; the caller projects."""

    @abstractmethod
    def project(self, d: Tensor, room: Room, epsilon: Tensor) -> Tensor:
        """Return the nearest change (n, *shape) in the box with norm <= epsilon."""

    @abstractmethod
    def random(self, rng: RowGenerators, room: Room, epsilon: Tensor) -> Tensor:
        """Return a random change (n, *shape) with norm <= epsilon, 0 outside the zone; the caller projects."""

    def nearest(self, x: Tensor, room: Room, epsilon: Tensor) -> Tensor:
        """Return the point (n, *shape) of ball, zone and box that is nearest to x (n, *shape)."""
        d = self.project(torch.where(room.zone, x - room.x0, room.x0.new_zeros(())), room, epsilon)
        return torch.where(d != 0, torch.clamp(room.x0 + d, *room.box), room.x0)
