"""The contract that every threat keeps and every attack is written over."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from auditor.seeds import Rows


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
    def ball(norm: str = "linf", zone: Tensor | None = None, low: float | Tensor = 0.0, high: float | Tensor = 1.0, levels: int | None = None) -> Threat:
        """Return the threat of all points within epsilon of x0 in a norm ('linf', 'l2', 'l1', 'l0'), in the zone and between low and high.

        Under 'l0' epsilon is the number of values that may change (each colour channel of a pixel is one), rounded down.
        With `levels` only values that a file can hold count: that many steps from low to high (255 for 8-bit images).
        """
        from auditor.threats.ball import Ball

        return Ball(norm, zone, low, high, levels)

    @property
    def stride(self) -> float:
        """Return the first step of an adaptive search, in epsilons: twice, so that it crosses the ball."""
        return 2.0

    @abstractmethod
    def over(self, x0: Tensor) -> Threat:
        """Return the same threat with its tensors broadcast to x0 and on its device, ready for `take`."""

    @abstractmethod
    def take(self, rows: Tensor) -> Threat:
        """Return the threat of some rows; `over` comes first."""

    @abstractmethod
    def start(self, x0: Tensor, rng: Rows, epsilon: float | Tensor) -> Tensor:
        """Return a random allowed point per row (n, *shape)."""

    @abstractmethod
    def step(self, x: Tensor, gradient: Tensor, x0: Tensor, size: float | Tensor) -> Tensor:
        """Return x moved by `size` (in the norm) up the gradient within the zone; not projected."""

    @abstractmethod
    def project(self, x: Tensor, x0: Tensor, epsilon: float | Tensor) -> Tensor:
        """Return the nearest allowed point (n, *shape)."""

    @abstractmethod
    def saved(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return the point that a file would hold, never further from x0 than x."""

    @abstractmethod
    def size(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return how far each row went (n,)."""

    @abstractmethod
    def allows(self, x: Tensor, x0: Tensor, epsilon: float | Tensor) -> Tensor:
        """Return whether each row (n,) keeps the whole constraint: outside the zone bit for bit equal to x0."""
