"""Groups compared class by class, as if all had one mix of classes; all pairs of groups at once."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from auditor.stats.shares import effective_n, recovered, share_interval, totals
from auditor.stats.simultaneous import inverted

Strata = Mapping[str, tuple[Sequence[float], Sequence[str]]]
"""Stratum (a class) -> flags and units of a group's samples in it."""


class Side:
    """One group: what each stratum says of its share, and what moves it."""

    def __init__(self, strata: Strata) -> None:
        self.strata = {name: part for name, part in sorted(strata.items()) if len(part[0])}
        self.share = {name: float(np.mean(flags)) for name, (flags, _) in self.strata.items()}
        self.worth = {name: effective_n(*part) for name, part in self.strata.items()}
        self.size = {name: float(len(flags)) for name, (flags, _) in self.strata.items()}

    @cached_property
    def pulls(self) -> dict[str, dict[str, float]]:
        """Return by how much each unit moves each stratum's share."""
        found = {}
        for name, (flags, units) in self.strata.items():
            sums, counts = totals(flags, units)
            pull = (sums - sums.sum() / counts.sum() * counts) / counts.sum()
            found[name] = dict(zip(sorted(set(units)), pull.tolist(), strict=True))
        return found

    @property
    def together(self) -> tuple[list[float], list[str]]:
        """Return flags and units of all strata."""
        flags, units = zip(*self.strata.values(), strict=True)
        return list(chain.from_iterable(flags)), list(chain.from_iterable(units))


@dataclass(frozen=True)
class Contrast:
    """One group less another, over the strata that both have."""

    a: Side
    b: Side
    weight: Mapping[str, float]
    """Common stratum -> its share of the mix; they sum to 1."""

    @classmethod
    def of(cls, a: Side, b: Side, weights: Mapping[str, float]) -> Contrast | None:
        """Return the contrast under the weights of the strata; None where no stratum has both."""
        common = [name for name in a.strata if name in b.strata and weights.get(name, 0.0) > 0]
        total = sum(weights[name] for name in common)
        return cls(a, b, {name: weights[name] / total for name in common}) if common else None

    @cached_property
    def value(self) -> float:
        """Return the standardised difference."""
        return sum(weight * (self.a.share[name] - self.b.share[name]) for name, weight in self.weight.items())

    @cached_property
    def shared(self) -> float:
        """Return by how much the variance grows because units take part in several strata or in both groups; at least
        1.
        """
        names = [unit for side in (self.a, self.b) for name in self.weight for unit in side.strata[name][1]]
        if len(set(names)) == len(names):
            return 1.0
        parts: dict[str, list[float]] = defaultdict(list)
        for side, sign in ((self.a, 1.0), (self.b, -1.0)):
            for name, weight in self.weight.items():
                for unit, pull in side.pulls[name].items():
                    parts[unit].append(sign * weight * pull)
        if all(len(pulls) == 1 for pulls in parts.values()):
            return 1.0
        apart, together = (
            sum(pull**2 for pulls in parts.values() for pull in pulls),
            sum(sum(pulls) ** 2 for pulls in parts.values()),
        )
        return max(1.0, together / apart) if apart > 0 else sum(map(len, parts.values())) / len(parts)

    def ends(self, level: float) -> tuple[float, float]:
        """Return the interval: Newcombe's of the strata, combined by recovered variances (Zou and Donner 2008)."""
        down, up = 0.0, 0.0
        for name, weight in self.weight.items():
            a, b = self.a.share[name], self.b.share[name]
            low, high = recovered(
                a, share_interval(a, self.a.worth[name], level), b, share_interval(b, self.b.worth[name], level)
            )
            down, up = down + (weight * (a - b - low)) ** 2, up + (weight * (high - a + b)) ** 2
        return max(-1.0, self.value - math.sqrt(self.shared * down)), min(1.0, self.value + math.sqrt(self.shared * up))


def stratified_difference(
    a: Strata, b: Strata, *, level: float = 0.95, weights: Mapping[str, float] | None = None
) -> tuple[float, float, float] | None:
    """Return the difference of two shares with its interval, standardised to the same mix of strata; None without a
    common stratum.

    Each stratum weighs as much as it has samples in both groups together, or as `weights` say. The interval is widened
    where one unit
    has samples in several strata.
    """
    one = contrast(a, b, weights)
    return None if one is None else (one.value, *one.ends(level))


def stratified_difference_p(
    a: Strata, b: Strata, against: float, *, weights: Mapping[str, float] | None = None
) -> float:
    """Return the two-sided p-value of a standardised difference against a value, by inverting its interval; 1 without a
    common stratum.
    """
    one = contrast(a, b, weights)
    return 1.0 if one is None else inverted(lambda level: one.ends(level), one.value, against)


def contrast(a: Strata, b: Strata, weights: Mapping[str, float] | None = None) -> Contrast | None:
    """Return one group less another; each stratum weighs as much as it has samples in both together, or as `weights`
    say.
    """
    sides = Side(a), Side(b)
    return Contrast.of(*sides, strata_mix(sides) if weights is None else weights)


def strata_mix(sides: Sequence[Side]) -> dict[str, float]:
    """Return how many samples each stratum has, in all groups together."""
    found: dict[str, float] = defaultdict(float)
    for side in sides:
        for name, size in side.size.items():
            found[name] += size
    return dict(found)
