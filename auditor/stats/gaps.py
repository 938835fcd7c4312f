"""The largest gap between any two groups, and each group's shortfall behind everyone else."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

from auditor.core.records import Estimate
from auditor.stats.decisions import benjamini_hochberg
from auditor.stats.shares import difference, method_name, share_ratio
from auditor.stats.simultaneous import inverted, simultaneous_level, simultaneous_p
from auditor.stats.strata import Contrast, Side, Strata, strata_mix


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


def largest_gap(groups: Mapping[str, Strata], *, against: float, level: float = 0.95) -> Gap | None:
    """Return the largest difference between any two groups, directly standardised; None where no two have a stratum in
    common.

    All groups together give one mix of strata, which weighs every pair over the strata that both have. The interval
    goes from the largest
    lower end of all pairs to the largest upper one, each pair's at `simultaneous_level`; `p` inverts it against a value
    of the gap.
    """
    sides = {name: side for name, strata in sorted(groups.items()) if (side := Side(strata)).strata}
    mix, k = strata_mix(list(sides.values())), len(sides)
    pairs = {
        (a, b): one for a, b in combinations(sides, 2) if (one := Contrast.of(sides[a], sides[b], mix)) is not None
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
    estimate = _estimate(
        value, (max(0.0, low), high), list(sides.values()), over="Tukey-Kramer over pairs", level=level
    )
    raw = _at(difference(mine[0][0], mine[1][0], mine[0][1], units_b=mine[1][1], level=each), level)
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
    mix, each = strata_mix(list(low.values())), simultaneous_level(len(low), level)
    down = [
        one.ends(each)[0] for a, b in permutations(low, 2) if (one := Contrast.of(low[a], high[b], mix)) is not None
    ]
    up = [one.ends(each)[1] for a, b in permutations(low, 2) if (one := Contrast.of(high[a], low[b], mix)) is not None]
    return max([0.0, *down]), max(up, default=1.0)


def _standardised(side: Side, mix: Mapping[str, float]) -> float:
    total = sum(mix[name] for name in side.strata)
    return sum(mix[name] * share for name, share in side.share.items()) / total


def _estimate(value: float, ends: tuple[float, float], sides: Sequence[Side], *, over: str, level: float) -> Estimate:
    (low, high), owners = ends, [unit for side in sides for unit in side.together[1]]
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
    mix = strata_mix(list(sides.values()))
    found: list[tuple[str, Estimate, float]] = []
    for name, side in sides.items():
        one = Contrast.of(Side(_merged([other.strata for key, other in sides.items() if key != name])), side, mix)
        if one is not None:
            estimate = _estimate(
                one.value, one.ends(level ** (1 / len(sides))), [one.a, one.b], over="Sidak over groups", level=level
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
