"""The contract that every threat keeps and every attack is written over, and the smooth threat: a ball of a norm around
the original, cut by a zone and by the box of legal values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from auditor.core.errors import AuditorError, nearest
from auditor.core.seeds import RowGenerators
from auditor.threats.grid import quantise
from auditor.threats.norms import NORMS_BY_NAME
from auditor.threats.room import Room
from auditor.threats.shapes import column


class Threat(ABC):
    """What an attacker may do to inputs x0 (n, *shape): where, how far, and within which values.

    Epsilon is a number, or one per row (n,), in the input's own units.
    """

    norm: str
    """The name of the norm in which sizes are measured."""
    zone: Tensor | None
    """Where the attacker may write (broadcasts to x); None for everywhere."""
    low: float | Tensor
    high: float | Tensor
    levels: int | None
    """Steps of the value grid that a file can hold; None where any value can be held."""

    @staticmethod
    def ball(  # noqa: PLR0917 - public contract
        norm: str = "linf",
        zone: Tensor | None = None,
        low: float | Tensor = 0.0,
        high: float | Tensor = 1.0,
        levels: int | None = None,
    ) -> SmoothThreat:
        """Return the threat of all points within epsilon of x0 in a norm ('linf', 'l2', 'l1', 'l0'), in the zone and
        between low and high.

        Under 'l0' epsilon is the number of values that may change (each colour channel of a pixel is one), rounded
        down.
        With `levels` only values that a file can hold count: that many steps from low to high (255 for 8-bit images).
        """
        return Ball(norm, zone, low, high, levels)

    @abstractmethod
    def over(self, x0: Tensor) -> Threat:
        """Return the same threat with its tensors broadcast to x0 and on its device, ready for `take`."""

    @abstractmethod
    def take(self, rows: Tensor) -> Threat:
        """Return the threat of some rows; `over` comes first."""

    @abstractmethod
    def start(self, x0: Tensor, rng: RowGenerators, epsilon: float | Tensor) -> Tensor:
        """Return a random allowed point per row (n, *shape)."""

    @abstractmethod
    def saved(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return the point that a file would hold, never further from x0 than x."""

    @abstractmethod
    def size(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return how far each row went (n,)."""

    @abstractmethod
    def allows(self, x: Tensor, x0: Tensor, epsilon: float | Tensor) -> Tensor:
        """Return whether each row (n,) keeps the whole constraint: outside the zone bit for bit equal to x0."""


class SmoothThreat(Threat):
    """A threat that a gradient can be followed in: any point is moved in a direction and projected back."""

    @property
    def stride(self) -> float:
        """Return the first step of an adaptive search, in epsilons: twice, so that it crosses the ball."""
        return 2.0

    @abstractmethod
    def step(self, x: Tensor, gradient: Tensor, x0: Tensor, size: float | Tensor) -> Tensor:
        """Return x moved by `size` (in the norm) up the gradient within the zone; not projected."""

    @abstractmethod
    def project(self, x: Tensor, x0: Tensor, epsilon: float | Tensor) -> Tensor:
        """Return the nearest allowed point (n, *shape)."""

    @abstractmethod
    def over(self, x0: Tensor) -> SmoothThreat:
        """Return the same threat with its tensors broadcast to x0 and on its device, ready for `take`."""

    @abstractmethod
    def take(self, rows: Tensor) -> SmoothThreat:
        """Return the threat of some rows; `over` comes first."""


@dataclass(frozen=True, eq=False)
class Ball(SmoothThreat):
    """All points within epsilon of x0 in a norm that differ from it only in the zone and lie between low and high."""

    norm: str = "linf"
    zone: Tensor | None = None
    low: float | Tensor = 0.0
    high: float | Tensor = 1.0
    levels: int | None = None
    _last: list[Any] | None = field(default=None, repr=False)
    """The originals last asked about with their room, and an epsilon with its column, since attacks ask about the same
    ones at every step;
    None where the tensors are a caller's, who may change them in place."""

    def __post_init__(self) -> None:
        if self.norm not in NORMS_BY_NAME:
            raise AuditorError(f"threat: expected a known norm, got '{self.norm}'; {nearest(self.norm, NORMS_BY_NAME)}")
        if self.zone is not None and self.zone.dtype != torch.bool:
            raise AuditorError(f"threat: expected a zone of type bool, got {self.zone.dtype}.")

    @property
    def stride(self) -> float:
        """Return the first step of an adaptive search, in epsilons."""
        return NORMS_BY_NAME[self.norm].stride

    def over(self, x0: Tensor) -> Ball:
        """Return the same threat with its tensors broadcast to x0 (AuditorError where they do not, or x0 is out of the
        box).
        """
        try:
            zone, low, high = (
                None if part is None else torch.as_tensor(part, device=x0.device).expand_as(x0)
                for part in (self.zone, self.low, self.high)
            )
        except RuntimeError:
            shapes = [tuple(part.shape) for part in (self.zone, self.low, self.high) if isinstance(part, Tensor)]
            raise AuditorError(
                f"threat: expected zone, low and high that broadcast to inputs of shape {tuple(x0.shape)}, got"
                f" {shapes}."
            ) from None
        assert low is not None and high is not None
        low, high = low.to(x0.dtype), high.to(x0.dtype)
        legal = (x0 >= low) & (x0 <= high)
        if not bool((legal if zone is None else legal | ~zone).all()):
            raise AuditorError(
                f"threat: expected inputs between low {_span(self.low)} and high {_span(self.high)}, got"
                f" {float(x0.min()):g} to {float(x0.max()):g}."
            )
        return Ball(self.norm, zone, low, high, self.levels, [])

    def take(self, rows: Tensor) -> Ball:
        """Return the threat of some rows."""
        zone = None if self.zone is None else self.zone[rows]
        assert isinstance(self.low, Tensor) and isinstance(self.high, Tensor)
        return Ball(self.norm, zone, self.low[rows], self.high[rows], self.levels, [])

    def _zone(self, x0: Tensor) -> Tensor:
        return (
            torch.ones((), dtype=torch.bool, device=x0.device).expand_as(x0)
            if self.zone is None
            else self.zone.to(x0.device).expand_as(x0)
        )

    def _room(self, x0: Tensor, epsilon: float | Tensor) -> tuple[Room, Tensor]:
        """Return the room around x0 and epsilon as a column, those of the last call where both are the same objects."""
        last = [] if self._last is None else self._last
        if not last or last[0] is not x0:
            last[:] = [x0, Room(x0, self._zone(x0), self.low, self.high), None, None]
        if last[2] is not epsilon:
            last[2:] = [epsilon, _epsilon(epsilon, x0)]
        return last[1], last[3]

    def start(self, x0: Tensor, rng: RowGenerators, epsilon: float | Tensor) -> Tensor:
        """Return a random point of the ball per row, projected onto the box."""
        return self.project(x0 + NORMS_BY_NAME[self.norm].random(rng, *self._room(x0, epsilon)), x0, epsilon)

    def step(self, x: Tensor, gradient: Tensor, x0: Tensor, size: float | Tensor) -> Tensor:
        """Return x moved by `size` up the gradient within the zone, as the norm has it."""
        last = self._last if self._last and self._last[0] is x0 else []
        room: Room = last[1] if last else self._room(x0, size)[0]
        if len(last) < 6 or last[4] is not size:
            last[4:] = [size, _epsilon(size, x0)]
        return NORMS_BY_NAME[self.norm].step(x, gradient, room, last[-1])

    def project(self, x: Tensor, x0: Tensor, epsilon: float | Tensor) -> Tensor:
        """Return the nearest point of ball, zone and box; values outside the zone are those of x0 itself."""
        return NORMS_BY_NAME[self.norm].nearest(x, *self._room(x0, epsilon))

    def saved(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return x rounded toward x0 onto the value grid; x itself where there is none."""
        return x if self.levels is None else quantise(x, x0, self.levels, low=self.low, high=self.high)

    def size(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return the norm of the change of each row (n,)."""
        return NORMS_BY_NAME[self.norm].size(x - x0)

    def allows(self, x: Tensor, x0: Tensor, epsilon: float | Tensor) -> Tensor:
        """Return whether each row keeps zone (exactly), box (exactly) and epsilon (a count exactly, a length up to the
        rounding of its own type).
        """
        zone = self._zone(x0)
        kept = ((x == x0) | zone).flatten(1).all(1)
        boxed = (((x >= self.low) & (x <= self.high)) | ~zone).flatten(1).all(1)
        norm, budget = NORMS_BY_NAME[self.norm], _epsilon(epsilon, x0).flatten()
        if not norm.whole:
            kind = torch.finfo(x0.dtype)
            rounding = (4 * kind.eps * torch.maximum(x.abs(), x0.abs())).clamp_min(kind.tiny) * (x != x0)
            budget = budget * (1 + 1e-6) + norm.size(rounding)
        return kept & boxed & (self.size(x, x0) <= budget)


def _epsilon(epsilon: float | Tensor, x0: Tensor) -> Tensor:
    return column(torch.as_tensor(epsilon, dtype=x0.dtype, device=x0.device), x0)


def _span(value: float | Tensor) -> str:
    return f"{value:g}" if not isinstance(value, Tensor) else f"{float(value.min()):g}..{float(value.max()):g}"
