"""Groups compared class by class, as if all had one mix of classes; all pairs of groups at once."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, combinations, permutations

import numpy as np
from scipy import stats as sps
from scipy.optimize import brentq
from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

from auditor.core.records import Estimate
from auditor.stats.shares import (
    benjamini_hochberg,
    difference,
    effective_n,
    method_name,
    recovered,
    share_interval,
    share_ratio,
    totals,
)

Strata = Mapping[str, tuple[Sequence[float], Sequence[str]]]
"""Stratum (a class) -> flags and units of a group's samples in it."""
LEAST_P = 1e-12
"""Smaller p-values are not told apart."""


@dataclass(frozen=True)
class Gap:
    """The largest difference between any two groups, standardised to one mix of strata, with an interval that holds for
    all pairs at once.
    """

    estimate: Estimate
    pair: tuple[str, str]
    """Groups with the larger and with the smaller standardised share."""
    p: float
    """Two-sided, against the value asked for; the interval's own."""
    raw: Estimate
    """The same pair's difference as it is, not standardised: it may have the other sign."""
    ratio: Estimate | None
    """The second group's share as it is over the first's; None where that is 0."""
    shares: Mapping[str, float]
    """Standardised share of each group, over the strata that it has."""


@dataclass(frozen=True)
class Shortfall:
    """By how much everyone else lies above a group, standardised to one mix of strata; None where no stratum has
    both.
    """

    group: str
    estimate: Estimate | None
    """Its interval holds for all groups at once."""
    p: float | None
    """Two-sided, against no difference, for this group alone."""
    q: float | None
    """Adjusted over all groups (Benjamini and Hochberg 1995)."""


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
class _Contrast:
    """One group less another, over the strata that both have."""

    a: Side
    b: Side
    weight: Mapping[str, float]
    """Common stratum -> its share of the mix; they sum to 1."""

    @classmethod
    def of(cls, a: Side, b: Side, weights: Mapping[str, float]) -> _Contrast | None:
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


def contrast(a: Strata, b: Strata, weights: Mapping[str, float] | None = None) -> _Contrast | None:
    """Return one group less another; each stratum weighs as much as it has samples in both together, or as `weights`
    say.
    """
    sides = Side(a), Side(b)
    return _Contrast.of(*sides, _mix(sides) if weights is None else weights)


def _mix(sides: Sequence[Side]) -> dict[str, float]:
    """Return how many samples each stratum has, in all groups together."""
    found: dict[str, float] = defaultdict(float)
    for side in sides:
        for name, size in side.size.items():
            found[name] += size
    return dict(found)


def inverted(ends: Callable[[float], tuple[float, float]], value: float, against: float) -> float:
    """Return 1 less the level at which an interval's end meets a value."""

    def reach(alpha: float) -> float:
        low, high = ends(1 - alpha)
        return against - low if value >= against else high - against

    if reach(LEAST_P) <= 0:
        return LEAST_P
    return 1.0 if reach(1 - 1e-9) >= 0 else float(brentq(reach, LEAST_P, 1 - 1e-9, xtol=1e-13, rtol=1e-6))


@lru_cache(maxsize=1024)
def simultaneous_level(k: int, level: float = 0.95) -> float:
    """Return the level of each pair's interval at which those of all pairs of k groups hold together.

    Tukey and Kramer's studentised range over the square root of 2, as a normal quantile; for unequal sizes and
    variances it errs on the
    safe side (Hayter 1984, Annals of Statistics 12).

    >>> round(simultaneous_level(2), 3), round(simultaneous_level(3), 3)
    (0.95, 0.981)
    """
    return level if k <= 2 else float(1 - 2 * sps.norm.sf(sps.studentized_range.ppf(level, k, np.inf) / math.sqrt(2)))


def simultaneous_p(p: float, k: int) -> float:
    """Return what a pair's two-sided p-value is worth when it is one of all pairs of k groups."""
    if k <= 2:
        return p
    together = float(sps.studentized_range.sf(sps.norm.isf(p / 2) * math.sqrt(2), k, np.inf))
    return min(1.0, p * k * (k - 1) / 2, max(p, together))


def largest_gap(groups: Mapping[str, Strata], *, against: float, level: float = 0.95) -> Gap | None:
    """Return the largest difference between any two groups, directly standardised; None where no two have a stratum in
    common.

    All groups together give one mix of strata, which weighs every pair over the strata that both have. The interval
    goes from the largest
    lower end of all pairs to the largest upper one, each pair's at `simultaneous_level`; `p` inverts it against a value
    of the gap.
    """
    sides = {name: side for name, strata in sorted(groups.items()) if (side := Side(strata)).strata}
    mix, k = _mix(list(sides.values())), len(sides)
    pairs = {
        (a, b): one for a, b in combinations(sides, 2) if (one := _Contrast.of(sides[a], sides[b], mix)) is not None
    }
    if not pairs:
        return None

    def ends(each: float) -> tuple[float, float]:
        spans = [one.ends(each) for one in pairs.values()]
        return max(max(low, -high) for low, high in spans), max(max(high, -low) for low, high in spans)

    first, second = max(pairs, key=lambda pair: abs(pairs[pair].value))
    value, each = abs(pairs[first, second].value), simultaneous_level(k, level)
    pair = (first, second) if pairs[first, second].value >= 0 else (second, first)
    low, high = ends(each)
    mine = (sides[pair[0]].together, sides[pair[1]].together)
    estimate = _estimate(value, max(0.0, low), high, list(sides.values()), "Tukey-Kramer over pairs", level)
    raw = _at(difference(mine[0][0], mine[1][0], mine[0][1], mine[1][1], level=each), level)
    ratio = share_ratio(mine[1][0], mine[0][0], mine[1][1], units_b=mine[0][1], level=each)
    p = simultaneous_p(inverted(ends, value, against), k)
    return Gap(
        estimate,
        pair,
        p,
        raw,
        _at(ratio, level) if ratio else None,
        {name: _standardised(side, mix) for name, side in sides.items()},
    )


def bounded_ends(
    least: Mapping[str, Strata], most: Mapping[str, Strata], *, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the largest gap where each group's flags are known to lie between `least` and `most`,
    sample by sample.

    It holds whatever the unknown flags are. As that of `largest_gap` where nothing is unknown; (0, 1) where no two
    groups have a stratum in common.
    """
    low, high = ({name: Side(strata) for name, strata in sorted(groups.items())} for groups in (least, most))
    mix, each = _mix(list(low.values())), simultaneous_level(len(low), level)
    down = [
        one.ends(each)[0] for a, b in permutations(low, 2) if (one := _Contrast.of(low[a], high[b], mix)) is not None
    ]
    up = [one.ends(each)[1] for a, b in permutations(low, 2) if (one := _Contrast.of(high[a], low[b], mix)) is not None]
    return max([0.0, *down]), max(up, default=1.0)


def _standardised(side: Side, mix: Mapping[str, float]) -> float:
    total = sum(mix[name] for name in side.strata)
    return sum(mix[name] * share for name, share in side.share.items()) / total


def _estimate(value: float, low: float, high: float, sides: Sequence[Side], over: str, level: float) -> Estimate:
    owners = [unit for side in sides for unit in side.together[1]]
    n, units = len(owners), len(set(owners))
    method = method_name(f"Newcombe by class, standardised, {over}", units < n)
    return Estimate(
        value, low, high, n, "difference of shares", method, level, units if units < n else None, share=True
    )


def _at(one: Estimate, level: float) -> Estimate:
    """Return a pair's estimate under the level that all pairs have together."""
    return Estimate(
        one.value,
        one.low,
        one.high,
        one.n,
        one.unit,
        f"{one.method}, Tukey-Kramer over pairs",
        level,
        one.units,
        share=one.share,
    )


def shortfalls(groups: Mapping[str, Strata], *, level: float = 0.95) -> list[Shortfall]:
    """Return by how much everyone else lies above each group, standardised to the mix of all; the surest shortfall
    first.

    Sorted by the lower end, not by the point, so that a small group does not lead by chance. The intervals hold for all
    groups together
    (Sidak 1967). A group that shares no stratum with anyone comes last, without an estimate.
    """
    sides = {name: side for name, strata in sorted(groups.items()) if (side := Side(strata)).strata}
    mix = _mix(list(sides.values()))
    found: list[tuple[str, Estimate, float]] = []
    for name, side in sides.items():
        one = _Contrast.of(Side(_merged([other.strata for key, other in sides.items() if key != name])), side, mix)
        if one is not None:
            estimate = _estimate(
                one.value, *one.ends(level ** (1 / len(sides))), [one.a, one.b], "Sidak over groups", level
            )
            found.append((name, estimate, inverted(one.ends, one.value, 0.0)))
    adjusted = benjamini_hochberg([p for _, _, p in found])
    rows = [Shortfall(name, estimate, p, q) for (name, estimate, p), q in zip(found, adjusted, strict=True)]
    rows += [Shortfall(name, None, None, None) for name in sides if name not in {row.group for row in rows}]
    return sorted(rows, key=lambda row: -row.estimate.low if row.estimate else math.inf)


def _merged(groups: Sequence[Strata]) -> dict[str, tuple[list[float], list[str]]]:
    merged: dict[str, tuple[list[float], list[str]]] = defaultdict(lambda: ([], []))
    for strata in groups:
        for name, (flags, units) in strata.items():
            merged[name][0].extend(flags)
            merged[name][1].extend(units)
    return dict(merged)


def needed_per_group(
    gap: float, share: float, *, groups: int = 2, power: float = 0.8, level: float = 0.95
) -> int | None:
    """Return how many independent samples per group would show a gap between two of several groups, where one has that
    share; None of no gap.

    Shown means that the interval, simultaneous over all pairs, excludes 0. The other share is taken nearer to a half,
    where the noise is
    larger, if it can be (Fleiss, Levin and Paik 2003, formula 4.14).
    """
    sign = 1 if share <= 0.5 else -1
    other = next((one for one in (share + sign * gap, share - sign * gap) if 0 <= one <= 1), None)
    if gap <= 0 or other is None:
        return None
    wanted = samplesize_proportions_2indep_onetail(
        gap, min(share, other), power, alpha=1 - simultaneous_level(groups, level)
    )
    return max(2, math.ceil(float(wanted)))
