"""The geometry of each norm: how long a change is, which way is steepest, what is nearest, and what is random."""

from __future__ import annotations

import torch
from torch import Tensor

from auditor.core.seeds import RowGenerators
from auditor.threats.norm import Norm
from auditor.threats.room import Room
from auditor.threats.shapes import column
from auditor.threats.sparse_norms import L0, L1


class Linf(Norm):
    """The largest change of any one value."""

    def size(self, d: Tensor) -> Tensor:
        """Return the largest absolute change of each row (n,)."""
        return d.abs().flatten(1).amax(1) if d.numel() else d.new_zeros(len(d))

    def step(self, x: Tensor, gradient: Tensor, room: Room, size: Tensor) -> Tensor:
        """Return x moved along the gradient's sign, the steepest ascent."""
        return torch.addcmul(x, gradient.sign(), room.reach(size))

    def project(self, d: Tensor, room: Room, epsilon: Tensor) -> Tensor:
        """Return d clamped to both boxes."""
        return self.nearest(room.x0 + d, room, epsilon) - room.x0

    def nearest(self, x: Tensor, room: Room, epsilon: Tensor) -> Tensor:
        """Return x clamped to both boxes; outside the zone these hold x0 alone."""
        return torch.clamp(x, *self._edges(room, epsilon))

    def _edges(self, room: Room, epsilon: Tensor) -> tuple[Tensor, Tensor]:
        if room.kept is None or room.kept[0] is not epsilon:
            low, high = room.box
            room.kept = (epsilon, torch.maximum(low, room.x0 - epsilon), torch.minimum(high, room.x0 + epsilon))
        return room.kept[1], room.kept[2]

    def random(self, rng: RowGenerators, room: Room, epsilon: Tensor) -> Tensor:
        """Return uniform draws from the cube."""
        return (2 * rng.uniform(room.x0) - 1) * room.zone * epsilon


class L2(Norm):
    """The Euclidean length of the change."""

    def size(self, d: Tensor) -> Tensor:
        """Return the Euclidean length of each row (n,)."""
        length: Tensor = torch.linalg.vector_norm(d.flatten(1), dim=1)
        return length

    def step(self, x: Tensor, gradient: Tensor, room: Room, size: Tensor) -> Tensor:
        """Return x moved along the gradient, the steepest ascent."""
        return torch.addcmul(x, self._unit(room.within(gradient)), size)

    def _unit(self, d: Tensor) -> Tensor:
        """Return d at length 1, or 0 where it is 0; the largest value is divided out first, since small squares vanish
        in float32.
        """
        largest = column(d.abs().flatten(1).amax(1), d) if d.numel() else d.new_ones(())
        scaled = d / torch.where(largest > 0, largest, torch.ones_like(largest))
        return scaled / column(self.size(scaled).clamp_min(1), d)

    def project(self, d: Tensor, room: Room, epsilon: Tensor) -> Tensor:
        """Return the exact projection onto ball and box at once.

        By the optimality conditions it is clip(t d) with one t in [0, 1] per row, where |clip(t d)| = epsilon; starting
        from no clipped value, t and the set of clipped values grow until they fit each other, in finitely many rounds.
        """
        clipped = room.clip(d)
        outside = self.size(clipped) > epsilon.flatten()
        if not bool(outside.any()):
            return clipped
        reach, most, budget = d.abs(), torch.where(d > 0, room.high, -room.low), epsilon.flatten() ** 2
        t = epsilon.flatten() / self.size(d).clamp_min(torch.finfo(d.dtype).tiny)
        for _ in range(100):
            full = column(t, d) * reach >= most
            spent = (most**2 * full).flatten(1).sum(1)
            free = (reach**2 * ~full).flatten(1).sum(1)
            better = torch.where(
                free > 0, ((budget - spent).clamp_min(0) / free.clamp_min(torch.finfo(d.dtype).tiny)).sqrt(), t
            )
            if not bool(((better > t * (1 + 1e-12)) & outside).any()):
                break
            t = torch.maximum(t, better)
        return torch.where(column(outside, d), room.clip(column(t, d) * d), clipped)

    def random(self, rng: RowGenerators, room: Room, epsilon: Tensor) -> Tensor:
        """Return draws uniform in direction and in the ball's volume."""
        radius = rng.uniform(room.x0.flatten(1)[:, :1])[:, 0] ** (1 / room.free.clamp_min(1))
        return self._unit(rng.normal(room.x0) * room.zone) * column(radius, room.x0) * epsilon


NORMS_BY_NAME: dict[str, Norm] = {"linf": Linf(), "l2": L2(), "l1": L1(), "l0": L0()}
