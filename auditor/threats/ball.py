"""The classic threat: a ball of a norm around the original, cut by a zone and by the box of legal values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from auditor.errors import AuditorError, nearest
from auditor.seeds import Rows
from auditor.threats.grid import quantise
from auditor.threats.threat import Threat


class Norm(Protocol):
    """The geometry of one norm, on perturbations d (n, *shape) that are 0 outside the zone."""

    def size(self, d: Tensor) -> Tensor:
        """Return the norm of each row (n,)."""
        ...

    def steepest(self, gradient: Tensor) -> Tensor:
        """Return the unit perturbation (n, *shape) with the largest inner product with the gradient; 0 where that is 0."""
        ...

    def project(self, d: Tensor, low: Tensor, high: Tensor, epsilon: Tensor) -> Tensor:
        """Return the nearest point (n, *shape) with norm <= epsilon and low <= d <= high, where low <= 0 <= high."""
        ...

    def random(self, like: Tensor, rng: Rows, zone: Tensor) -> Tensor:
        """Return a random perturbation (n, *shape) in the unit ball, 0 outside the zone."""
        ...


class Linf:
    """The largest change of any one value."""

    def size(self, d: Tensor) -> Tensor:
        """Return the largest absolute change of each row (n,)."""
        return d.abs().flatten(1).amax(1) if d.numel() else d.new_zeros(len(d))

    def steepest(self, gradient: Tensor) -> Tensor:
        """Return the gradient's sign."""
        return gradient.sign()

    def project(self, d: Tensor, low: Tensor, high: Tensor, epsilon: Tensor) -> Tensor:
        """Return d clamped to both boxes."""
        return torch.minimum(torch.maximum(d, torch.maximum(low, -epsilon)), torch.minimum(high, epsilon))

    def random(self, like: Tensor, rng: Rows, zone: Tensor) -> Tensor:
        """Return uniform draws from the cube."""
        return (2 * rng.uniform(like) - 1) * zone


class L2:
    """The Euclidean length of the change."""

    def size(self, d: Tensor) -> Tensor:
        """Return the Euclidean length of each row (n,)."""
        length: Tensor = torch.linalg.vector_norm(d.flatten(1), dim=1)
        return length

    def steepest(self, gradient: Tensor) -> Tensor:
        """Return the gradient at length 1; its largest value is divided out first, since squares of small ones vanish in float32."""
        largest = column(NORMS["linf"].size(gradient), gradient)
        scaled = gradient / torch.where(largest > 0, largest, torch.ones_like(largest))
        return scaled / column(self.size(scaled).clamp_min(1), gradient)

    def project(self, d: Tensor, low: Tensor, high: Tensor, epsilon: Tensor) -> Tensor:
        """Return the exact projection onto ball and box at once.

        By the optimality conditions it is clip(t d) with one t in [0, 1] per row, where |clip(t d)| = epsilon; starting
        from no clipped value, t and the set of clipped values grow until they fit each other, in finitely many rounds.
        """
        clipped = torch.minimum(torch.maximum(d, low), high)
        outside = self.size(clipped) > epsilon.flatten()
        if not bool(outside.any()):
            return clipped
        reach, room, budget = d.abs(), torch.where(d > 0, high, -low), epsilon.flatten() ** 2
        t = epsilon.flatten() / self.size(d).clamp_min(torch.finfo(d.dtype).tiny)
        for _ in range(100):
            full = column(t, d) * reach >= room
            spent = (room**2 * full).flatten(1).sum(1)
            free = (reach**2 * ~full).flatten(1).sum(1)
            better = torch.where(free > 0, ((budget - spent).clamp_min(0) / free.clamp_min(torch.finfo(d.dtype).tiny)).sqrt(), t)
            if not bool(((better > t * (1 + 1e-12)) & outside).any()):
                break
            t = torch.maximum(t, better)
        scaled = torch.minimum(torch.maximum(column(t, d) * d, low), high)
        return torch.where(column(outside, d), scaled, clipped)

    def random(self, like: Tensor, rng: Rows, zone: Tensor) -> Tensor:
        """Return draws uniform in direction and in the ball's volume."""
        free = zone.flatten(1).sum(1).clamp_min(1)
        radius = rng.uniform(like.flatten(1)[:, :1])[:, 0] ** (1 / free)
        return self.steepest(rng.normal(like) * zone) * column(radius, like)


NORMS: dict[str, Norm] = {"linf": Linf(), "l2": L2()}


def column(values: Tensor, like: Tensor) -> Tensor:
    """Return values (n,) or () shaped to broadcast over like (n, *shape)."""
    return values.reshape(-1, *(1,) * (like.ndim - 1))


@dataclass(frozen=True, eq=False)
class Ball(Threat):
    """All points within epsilon of x0 in a norm that differ from it only in the zone and lie between low and high."""

    norm: str = "linf"
    zone: Tensor | None = None
    low: float | Tensor = 0.0
    high: float | Tensor = 1.0
    levels: int | None = None

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise AuditorError(f"threat: expected a known norm, got '{self.norm}'; {nearest(self.norm, NORMS)}")
        if self.zone is not None and self.zone.dtype != torch.bool:
            raise AuditorError(f"threat: expected a zone of type bool, got {self.zone.dtype}.")

    def over(self, x0: Tensor) -> Ball:
        """Return the same threat with its tensors broadcast to x0 (AuditorError where they do not, or x0 is out of the box)."""
        try:
            zone, low, high = (None if part is None else torch.as_tensor(part, device=x0.device).expand_as(x0) for part in (self.zone, self.low, self.high))
        except RuntimeError:
            shapes = [tuple(part.shape) for part in (self.zone, self.low, self.high) if isinstance(part, Tensor)]
            raise AuditorError(f"threat: expected zone, low and high that broadcast to inputs of shape {tuple(x0.shape)}, got {shapes}.") from None
        assert low is not None and high is not None
        low, high = low.to(x0.dtype), high.to(x0.dtype)
        legal = (x0 >= low) & (x0 <= high)
        if not bool((legal if zone is None else legal | ~zone).all()):
            raise AuditorError(
                f"threat: expected inputs between low {_span(self.low)} and high {_span(self.high)}, got {float(x0.min()):g} to {float(x0.max()):g}."
            )
        return Ball(self.norm, zone, low, high, self.levels)

    def take(self, rows: Tensor) -> Ball:
        """Return the threat of some rows."""
        zone = None if self.zone is None else self.zone[rows]
        assert isinstance(self.low, Tensor) and isinstance(self.high, Tensor)
        return Ball(self.norm, zone, self.low[rows], self.high[rows], self.levels)

    def _zone(self, x0: Tensor) -> Tensor:
        return torch.ones((), dtype=torch.bool, device=x0.device).expand_as(x0) if self.zone is None else self.zone.to(x0.device).expand_as(x0)

    def start(self, x0: Tensor, rng: Rows, epsilon: float | Tensor) -> Tensor:
        """Return a random point of the ball per row, projected onto the box."""
        draw = NORMS[self.norm].random(x0, rng, self._zone(x0))
        return self.project(x0 + draw * _epsilon(epsilon, x0), x0, epsilon)

    def step(self, x: Tensor, gradient: Tensor, x0: Tensor, size: float | Tensor) -> Tensor:
        """Return x moved by `size` along the steepest ascent within the zone."""
        return x + NORMS[self.norm].steepest(torch.where(self._zone(x0), gradient, torch.zeros_like(gradient))) * _epsilon(size, x0)

    def project(self, x: Tensor, x0: Tensor, epsilon: float | Tensor) -> Tensor:
        """Return the nearest point of ball, zone and box; values outside the zone are those of x0 itself."""
        zone, zero = self._zone(x0), x0.new_zeros(())
        low, high = torch.where(zone, self.low - x0, zero), torch.where(zone, self.high - x0, zero)
        d = NORMS[self.norm].project(torch.where(zone, x - x0, zero), low, high, _epsilon(epsilon, x0))
        moved = torch.maximum(
            torch.minimum(x0 + d, torch.as_tensor(self.high, dtype=x0.dtype, device=x0.device)), torch.as_tensor(self.low, dtype=x0.dtype, device=x0.device)
        )
        return torch.where(zone & (d != 0), moved, x0)

    def saved(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return x rounded toward x0 onto the value grid; x itself where there is none."""
        return x if self.levels is None else quantise(x, x0, self.levels, self.low, self.high)

    def size(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return the norm of the change of each row (n,)."""
        return NORMS[self.norm].size(x - x0)

    def allows(self, x: Tensor, x0: Tensor, epsilon: float | Tensor) -> Tensor:
        """Return whether each row keeps zone (exactly), box (exactly) and epsilon (up to the rounding of its own type)."""
        zone = self._zone(x0)
        kept = ((x == x0) | zone).flatten(1).all(1)
        boxed = (((x >= self.low) & (x <= self.high)) | ~zone).flatten(1).all(1)
        rounding = 4 * torch.finfo(x0.dtype).eps * torch.maximum(x.abs(), x0.abs())
        slack = NORMS[self.norm].size(rounding) + 1e-6 * _epsilon(epsilon, x0).flatten()
        return kept & boxed & (self.size(x, x0) <= _epsilon(epsilon, x0).flatten() + slack)


def _epsilon(epsilon: float | Tensor, x0: Tensor) -> Tensor:
    return column(torch.as_tensor(epsilon, dtype=x0.dtype, device=x0.device), x0)


def _span(value: float | Tensor) -> str:
    return f"{value:g}" if not isinstance(value, Tensor) else f"{float(value.min()):g}..{float(value.max()):g}"
