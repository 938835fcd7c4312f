"""Intervals of values that depend on several units at once: a recipient's and its donors'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats as sps

from auditor.core.records import Estimate
from auditor.core.seeds import generator
from auditor.stats.means import RESAMPLES
from auditor.stats.shares import Array, share_interval, worth_of

BOUNDLESS = 1e6
"""How far a single unit moves a mean: it says nothing of other units."""
METHOD = "two-way bootstrap over the units of recipients and donors"


@dataclass(frozen=True)
class Part:
    """Values (t, s) and the numbers of all units that each row involves (t, roles)."""

    values: Array
    units: NDArray[np.int64]


@dataclass(frozen=True)
class Crossed:
    """Means of several parts (s,) one after another, and their covariance (s, s) when units are drawn anew."""

    point: Array
    covariance: Array

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Crossed:
        """Return the means of some parts; the same unit moves all of them together.

        A bootstrap with product weights (Owen and Eckles 2012, arXiv:1106.2125), to first order: each unit's weight
        moves
        every row in which it takes part, in any role. The full product would count the noise of single rows once more
        per
        role and so never decide anything. To first order its distribution is normal, so nothing needs to be resampled.
        A t
        quantile makes up for few units. A part of one unit moves without bound.
        """
        point = np.concatenate([part.values.mean(0) for part in parts])
        most = 1 + max(int(part.units.max()) for part in parts)
        pulls = np.concatenate([_pull(part, most) for part in parts], 1)
        return cls(point, pulls.T @ pulls)

    def draws(self, seed: int) -> Array:
        """Return resampled means (b, s), the same for the same seed."""
        values, vectors = np.linalg.eigh(self.covariance)
        noise = generator(seed, "two-way bootstrap").normal(size=(RESAMPLES, len(values)))
        return np.asarray(self.point + (noise * np.sqrt(values.clip(0))) @ vectors.T)


def _pull(part: Part, m: int) -> Array:
    """Return by how much each unit (m) moves each mean of a part (s)."""
    pull, among = np.zeros((m, part.values.shape[1])), len(np.unique(part.units))
    if among < 2:
        return np.full_like(pull, BOUNDLESS)
    centred = (part.values - part.values.mean(0)) / len(part.values)
    for role in part.units.T:
        np.add.at(pull, role, centred)
    return np.asarray(pull * np.sqrt(among / (among - 1)) * sps.t.ppf(0.975, among - 1) / sps.norm.ppf(0.975))


def share_of(part: Array, rest: Array) -> Array:
    """Return part / (|part| + |rest|), 0 where neither moves anything."""
    total = np.abs(part) + np.abs(rest)
    return np.asarray(np.divide(part, total, out=np.zeros_like(total), where=total > 1e-9))


def bounds(draws: Array, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of resampled values (b,)."""
    low, high = np.percentile(draws, [50 - 50 * level, 50 + 50 * level])
    return float(low), float(high)


def crossed_proportion(flags: Sequence[float], units: NDArray[np.int64], *, unit: str, level: float = 0.95) -> Estimate:
    """Return the mean of flags between 0 and 1 with the interval of `share_interval` on the number of independent ones
    that they are worth.

    `units` (t, roles) are the units behind each flag. Where all flags agree, their variance says nothing and each unit
    counts once.
    """
    values = np.asarray(flags, dtype=float)
    found, among = Crossed.of([Part(values[:, None], units)]), len(np.unique(units))
    share, spread = float(found.point[0]), float(found.covariance[0, 0])
    low, high = share_interval(share, worth_of(share, spread, len(values), among=among), level)
    return Estimate(
        share,
        low,
        high,
        len(values),
        unit,
        "Wilson and mid-P, effective sample size over the units of both",
        level,
        among,
        share=True,
    )
