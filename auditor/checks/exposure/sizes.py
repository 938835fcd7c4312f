"""The smallest sizes that flip some samples, and what is shown of them, whatever a size is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from auditor.core.displays import Point, Steps
from auditor.core.estimates import Estimate
from auditor.stats.censored import flipped_curve, median


@dataclass(frozen=True, kw_only=True)
class SmallestSizes:
    """The smallest size that is known to flip each of some samples."""

    sizes: Sequence[float]
    """(n,); infinite where nothing flipped a sample."""
    units: Sequence[str]
    """(n,) independent unit of each sample."""
    limit: float
    """Largest size that was tried."""
    unit: str
    """What a size is: an epsilon, or a cost."""
    share: str
    """What the shares are shares of."""
    words: Callable[[float], str]
    """function (size) -> the size in words"""

    @property
    def beyond(self) -> int:
        """Return the number of samples that nothing flipped."""
        return sum(math.isinf(size) for size in self.sizes)

    @cached_property
    def median(self) -> Estimate | None:
        """Return the median size with its interval; None where too few samples were flipped for it."""
        return median(self.sizes, self.units, unit=self.unit)

    @property
    def text(self) -> str:
        """Return the median with its interval in words; empty where there is none."""
        if self.median is None:
            return ""
        value, low, high = (self.words(one) for one in (self.median.value, self.median.low, self.median.high))
        return f"{value} [{low}, {high}]"

    def steps(self, name: str, *, label: str = "", short: str, role: str) -> Steps:
        """Return the share flipped at or below each size, with pointwise intervals, and the median; `short` says why
        there is none.
        """
        found = flipped_curve(self.sizes, self.limit, self.units, unit=self.share) if self.sizes else []
        return Steps(
            name=name,
            label=label,
            n=len(self.sizes),
            beyond=self.beyond,
            reach=self.limit,
            steps=tuple(Point(size=size, estimate=estimate) for size, estimate in found),
            median=self.median,
            text=self.text,
            reason="" if self.median else short if self.sizes else "nothing was measured",
            role=role,
        )
