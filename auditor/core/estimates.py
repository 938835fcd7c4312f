"""A number with its interval: what every figure, table and claim rests on."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float
    low: float
    high: float
    n: int
    """Number of samples that it rests on."""
    unit: str
    method: str
    level: float = 0.95
    units: int | None = None
    """Number of independent units (patients) behind the samples; None where each sample is its own."""
    share: bool = field(kw_only=True)
    """Whether it is a share of one or made of shares, and is read in per cent."""

    @property
    def least(self) -> float:
        """Return how far from zero the number is at least; not above 0 where the interval holds zero."""
        return max(self.low, -self.high)
