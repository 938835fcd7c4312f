"""Ratios between groups: the least favoured one against the most favoured one, and the tests that go with a four-fifths
rule.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from scipy import stats as sps
from statsmodels.stats.proportion import proportions_ztest

from auditor.core.records import Estimate
from auditor.stats.shares import ROUNDING, effective_n, method_name, recovered_ratio, share_interval
from auditor.stats.simultaneous import inverted, simultaneous_level, simultaneous_p

_FOUR_FIFTHS = 0.8
"""29 CFR 1607.4(D)."""


@dataclass(frozen=True)
class GroupShare:
    """The share of true flags in one group, and how many independent samples it is worth."""

    value: float
    worth: float
    n: int
    units: int

    @classmethod
    def of(cls, flags: Sequence[float], units: Sequence[str]) -> GroupShare:
        """Return the share of some flags (n,), of at least one."""
        return cls(sum(flags) / len(flags), effective_n(flags, units), len(flags), len(set(units)))

    def span(self, level: float) -> tuple[float, float]:
        """Return its interval."""
        return share_interval(self.value, self.worth, level)

    @property
    def counts(self) -> tuple[int, int]:
        """Return how many are true, and of how many; as many as they are worth where units share samples."""
        return round(self.value * self.worth), round(self.worth)


@dataclass(frozen=True)
class Lowest:
    """The lowest ratio of any group to any reference, with an interval that holds for all pairs at once."""

    estimate: Estimate
    group: str
    reference: str
    p: float
    """Two-sided, against the value asked for; the interval's own."""


def lowest_ratio(
    shares: Mapping[str, GroupShare], references: Collection[str], *, against: float, level: float = 0.95
) -> Lowest | None:
    """Return the lowest ratio of a group's share to a reference's; None where no reference has any true flag, or there
    is but one group.

    Which reference has the highest share is seen in the same data, so the interval is over ordered pairs, each pair's
    at `simultaneous_level`
    (Tukey and Kramer) from the intervals of both shares (Zou and Donner 2008). It goes from the lowest lower end,
    beside any group, to the
    lowest upper one, beside a reference: a small group accuses nobody, but nobody is cleared before it is known whether
    it is favoured.
    """
    pairs = [
        (a, b) for b in sorted(references) for a in sorted(shares) if a != b and shares[b].span(level)[0] > ROUNDING
    ]
    if not pairs:
        return None
    k, every = len(shares), list(permutations(sorted(shares), 2))

    def ends(each: float) -> tuple[float, float]:
        high = min(ratio_ends(shares[a], shares[b], each)[1] for a, b in pairs)
        return min(ratio_ends(shares[a], shares[b], each)[0] for a, b in every), min(high, 1.0) if len(
            references
        ) > 1 else high

    group, reference = min(pairs, key=lambda pair: shares[pair[0]].value / shares[pair[1]].value)
    value = shares[group].value / shares[reference].value
    low, high = ends(simultaneous_level(k, level))
    if not math.isfinite(high):
        return None
    estimate = _of_all(shares, value, min(low, value), high=max(high, value), level=level)
    return Lowest(estimate, group, reference, simultaneous_p(inverted(ends, value, against), k))


def _of_all(shares: Mapping[str, GroupShare], value: float, low: float, *, high: float, level: float) -> Estimate:
    """Return the estimate of a ratio of two groups that holds for all pairs."""
    n, units = sum(one.n for one in shares.values()), sum(one.units for one in shares.values())
    method = method_name("recovered from the logarithms, Tukey-Kramer over pairs", units < n)
    clustered = units if units < n else None
    return Estimate(value, low, high, n, "impact ratio", method, level, clustered, share=False)


def ratio_ends(a: GroupShare, b: GroupShare, level: float) -> tuple[float, float]:
    """Return the interval of a / b; its upper end is infinite where b may be 0."""
    span = b.span(level)
    if span[0] < ROUNDING:
        return 0.0, math.inf
    return recovered_ratio(a.value, a.span(level), b.value, span)


def ratio_to(a: GroupShare, b: GroupShare, level: float) -> Estimate | None:
    """Return one group's share over another's; None where the other may be 0."""
    low, high = ratio_ends(a, b, level)
    if not math.isfinite(high):
        return None
    n, units = a.n + b.n, a.units + b.units
    method = method_name("recovered from the logarithms", units < n)
    return Estimate(
        a.value / b.value, low, high, n, "impact ratio", method, level, units if units < n else None, share=False
    )


def fisher_p(a: GroupShare, b: GroupShare) -> float:
    """Return Fisher's exact two-sided p-value (1935) that two shares are one."""
    (true, n), (other, m) = a.counts, b.counts
    return float(sps.fisher_exact([[true, n - true], [other, m - other]]).pvalue)


def z_p(a: GroupShare, b: GroupShare) -> float | None:
    """Return the two-sided p-value of the z test, with the variance of both together, that two shares are one; None
    where both are 0 or 1.
    """
    (true, n), (other, m) = a.counts, b.counts
    if true + other in (0, n + m):
        return None
    return float(proportions_ztest([true, other], [n, m])[1])


def one_more(a: GroupShare, b: GroupShare, *, rule: float = _FOUR_FIFTHS) -> bool:
    """Return whether a ratio a / b below four fifths would reach them if one more of the first group were selected."""
    bound = rule * b.value * a.n
    return a.value * a.n < bound - ROUNDING and a.value * a.n + 1 >= bound - ROUNDING


def needed_for_ratio(
    rate: float, ratio: float, against: float, *, groups: int = 2, power: float = 0.8, level: float = 0.95
) -> int | None:
    """Return about how many independent samples per group would show that a ratio lies on its side of a value; None
    where it lies on it.

    The delta method on the logarithm, for a reference with this rate: shown means that the interval, simultaneous over
    all pairs, lies
    beyond the value.

    >>> needed_for_ratio(0.3, 0.6, 0.8)
    654
    """
    gap = abs(math.log(ratio / against)) if ratio > 0 else math.inf
    if gap < ROUNDING or not 0 < rate < 1:
        return None
    least = max(ratio * rate, ROUNDING)
    variance = (1 - least) / least + (1 - rate) / rate
    reach = float(sps.norm.isf((1 - simultaneous_level(groups, level)) / 2) + sps.norm.ppf(power))
    wanted = math.ceil(variance * (reach / gap) ** 2) if math.isfinite(gap) else 2
    return wanted if wanted <= 1_000_000 else None


def largest_ratio(
    means: Mapping[str, Estimate], least: Mapping[str, Estimate], *, level: float = 0.95
) -> tuple[Estimate, tuple[str, str]] | None:
    """Return the largest ratio of two groups' means, and the pair, the larger mean first; None of fewer than two
    groups, or where a mean may be 0.

    Each mean may be as low as `least` says of its group, where something is unknown of some samples. The means'
    intervals hold at
    `simultaneous_level` of the groups, and that of the ratio, recovered from their logarithms, is over every ordered
    pair, as in `lowest_ratio`.
    """
    pairs = [(a, b) for a in sorted(means) for b in sorted(means) if a != b]
    if not pairs or any(one.low < ROUNDING for one in (*means.values(), *least.values())):
        return None

    def ends(above: Estimate, below: Estimate) -> tuple[float, float]:
        return recovered_ratio(above.value, (above.low, above.high), below.value, (below.low, below.high))

    pair = max(pairs, key=lambda one: means[one[0]].value / means[one[1]].value)
    value, n = means[pair[0]].value / means[pair[1]].value, sum(one.n for one in means.values())
    low = max(1.0, *(ends(least[a], means[b])[0] for a, b in pairs))
    high = max(ends(means[a], least[b])[1] for a, b in pairs)
    units = sum(one.units or one.n for one in means.values())
    method = method_name("bootstrap of each mean, recovered from the logarithms, Tukey-Kramer over pairs", units < n)
    return Estimate(
        value,
        min(low, value),
        max(high, value),
        n,
        "ratio of means",
        method,
        level,
        units if units < n else None,
        share=False,
    ), pair
