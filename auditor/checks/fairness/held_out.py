"""What perturbations fitted on one half of each group's units do to the other half of everyone: excess, its interval,
exchanged labels as its null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from auditor.checks.common import usable
from auditor.core.displays import Null
from auditor.core.facts import Facts
from auditor.core.records import Estimate, Observations, Trial
from auditor.core.seeds import generator
from auditor.stats.grouping import Attribute, Blocks, dealt
from auditor.stats.paired import paired_difference
from auditor.stats.shares import Array
from auditor.stats.simultaneous import bonferroni_level
from auditor.stats.strata import Strata, stratified_difference, stratified_difference_p

DRAWS = 2000
"""Exchanges of the labels of held-out units."""
CELLS = 2_000_000
"""Exchanged labels in memory at once."""
HELD_OUT, REFITTED = "labels of held-out units exchanged", "refitted on exchanged labels"
_METHOD = "Newcombe by class, standardised, effective sample size by unit, simultaneous over groups"

Chosen = NDArray[np.bool_]
_Codes = NDArray[np.int16]
"""Place of each group among those with a perturbation, -1 for the others."""


@dataclass(frozen=True)
class Held:
    """What every fitted perturbation does to the correctly classified samples (m) that it was not fitted on."""

    names: tuple[str, ...]
    """Groups with a perturbation (k)."""
    positions: NDArray[np.int64]
    """Of each sample in the data (m,)."""
    groups: NDArray[np.str_]
    y: NDArray[np.int64]
    units: NDArray[np.str_]
    flags: Array
    """Whether each perturbation flips each sample (k, m); NaN where none was fitted on the other half."""
    minimum: int
    """Fewest correct predictions of a group that is compared."""

    @staticmethod
    def of(facts: Facts, observations: Observations, attribute: Attribute, trial: Trial, minimum: int) -> Held:
        """Return what a judging trial found."""
        rows = usable(observations.of(trial))
        at = np.array(sorted(facts.position_of[name] for name in rows), dtype=np.int64)
        values = [rows[facts.ids[position]].values for position in at.tolist()]
        names = tuple(trial.settings["names"])
        flags = np.array(
            [[one.get(f"fooled/{place}", np.nan) for one in values] for place in range(len(names))], dtype=float
        )
        groups = dealt(attribute, facts, trial.zone, seed=trial.seed, exchange=trial.settings["exchange"])[0]
        return Held(names, at, np.array(groups)[at], np.array(facts.y)[at], np.array(facts.units)[at], flags, minimum)

    @staticmethod
    def empty(minimum: int) -> Held:
        """Return what is found where nothing was fitted."""
        none, texts = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.str_)
        return Held((), none, texts, none, texts, np.zeros((0, 0)), minimum)

    def take(self, rows: Chosen) -> Held:
        """Return what is known of some of the samples (m,), of which half as many are enough."""
        positions, groups, y, units = self.positions[rows], self.groups[rows], self.y[rows], self.units[rows]
        return Held(self.names, positions, groups, y, units, self.flags[:, rows], (self.minimum + 1) // 2)

    def seen(self, name: str) -> Chosen:
        """Return which samples (m,) the perturbation of a group was tried on."""
        seen: Chosen = ~np.isnan(self.flags[self.names.index(name)])
        return seen

    def n(self, name: str) -> int:
        """Return how many of a group's samples its own perturbation was tried on."""
        return int((self.seen(name) & (self.groups == name)).sum())

    def flipped(self, fitted: str, rows: Chosen) -> tuple[list[float], list[str]]:
        """Return the flags of a group's perturbation on those of the samples (m,) that it was tried on, and their
        units.
        """
        rows = rows & self.seen(fitted)
        return self.flags[self.names.index(fitted)][rows].tolist(), self.units[rows].tolist()

    def success(self, name: str) -> float:
        """Return the share of a group's samples that its own perturbation flips."""
        return float(np.mean(self.flipped(name, self.groups == name)[0]))

    def strata(self, name: str) -> tuple[Strata, Strata]:
        """Return the flags and units of a group's perturbation by class: on the group itself, and on everyone else."""
        mine = self.groups == name
        own, others = (
            {str(label): self.flipped(name, rows & (self.y == label)) for label in np.unique(self.y)}
            for rows in (mine, ~mine)
        )
        common = [label for label in own if own[label][0] and others[label][0]]
        return {label: own[label] for label in common}, {label: others[label] for label in common}

    @cached_property
    def compared(self) -> int:
        """Return how many groups have enough correct predictions."""
        return sum(self.n(name) >= self.minimum for name in self.names)

    def excess(self, name: str) -> Estimate | None:
        """Return the excess of a group's perturbation, its interval simultaneous over the groups that are compared;
        None without a common class.
        """
        found = stratified_difference(*self.strata(name), level=bonferroni_level(max(1, self.compared)))
        return None if found is None else self.estimate(found, self.seen(name))

    def estimate(self, found: tuple[float, float, float], rows: Chosen) -> Estimate:
        """Return a difference of shares with its interval, over some of the samples (m,)."""
        n, units = int(rows.sum()), len(set(self.units[rows].tolist()))
        return Estimate(*found, n, "difference of shares", _METHOD, 0.95, units if units < n else None, share=True)

    def aimed(self, name: str) -> Estimate | None:
        """Return by how much more of a group its own perturbation flips than those of the other groups do on average,
        on the same samples.

        A group that anything breaks has an excess without it; a group at which harm is aimed has both.
        """
        mine, rows = self.names.index(name), (self.groups == name) & ~np.isnan(self.flags).any(0)
        others = np.delete(self.flags[:, rows], mine, axis=0).mean(0) if len(self.names) > 1 else np.zeros(0)
        return (
            paired_difference(self.flags[mine, rows].tolist(), others.tolist(), self.units[rows].tolist())
            if len(others)
            else None
        )


def largest_excess(held: Held, large: Mapping[str, Estimate]) -> Estimate:
    """Return the largest excess with its interval: no group's is above the largest upper end, and one's is above the
    largest lower end.
    """
    value, low, high = (max(getattr(one, end) for one in large.values()) for end in ("value", "low", "high"))
    return held.estimate((value, low, high), np.ones(len(held.y), dtype=bool))


def excess_p(held: Held, large: Mapping[str, Estimate], tolerance: float) -> float:
    """Return the p-value of the largest excess against the tolerance, Bonferroni over the groups."""
    each = {name: min(1.0, len(large) * stratified_difference_p(*held.strata(name), tolerance)) for name in large}
    beyond = [each[name] for name, one in large.items() if one.low > tolerance]
    return min(beyond) if beyond else max(each.values())


def null(facts: Facts, attribute: Attribute, held: Sequence[Held], *, trial: Trial) -> Null:
    """Return how often exchanged labels give an excess as large: of the refits where there are any, else of the
    held-out units alone.

    What judges one half was fitted on the other, so within a half exchanging its labels is exact given the fits. The
    two halves share their
    labels, each fitting with one and judging with the other: exchanged together they reject up to twice too often where
    a fit picks sides.
    So each half has its own p-value, and twice the smaller one counts.

    Parameters
    ----------
    held
        What the judging trial found, then what those on exchanged labels found.
    trial
        The judging trial.
    """
    found, refitted = held[0], [one for one in held[1:] if one.flags.size]
    if refitted:
        drawn = np.concatenate([statistic(one, codes_of(one)[None]) for one in refitted])
        return Null(method=REFITTED, permutations=len(refitted), p=_share(found, drawn))
    half = dealt(attribute, facts, trial.zone, seed=trial.seed)[1][found.positions]
    each = [found.take(half == side) for side in (0, 1)]
    p = [
        _share(one, np.concatenate([statistic(one, codes) for codes in _exchanges(facts, attribute, one, trial=trial)]))
        for one in each
    ]
    return Null(method=HELD_OUT, permutations=DRAWS, p=min(1.0, 2 * min(p)))


def _share(held: Held, drawn: Array) -> float:
    """Return the p-value of what was found among what exchanged labels give (d,)."""
    observed = float(statistic(held, codes_of(held)[None])[0])
    return (1 + int((drawn >= observed - 1e-12).sum())) / (1 + len(drawn))


def statistic(held: Held, codes: _Codes) -> Array:
    """Return the largest standardised excess (d,) of the groups with enough samples, under each of d assignments of
    groups (d, m).
    """
    best = np.full(len(codes), -np.inf)
    for number, name in enumerate(held.names):
        mine, seen, flags = codes == number, held.seen(name), held.flags[number]
        value, weight = np.zeros(len(codes)), np.zeros(len(codes))
        for label in np.unique(held.y):
            cell = seen & (held.y == label)
            here, n = mine[:, cell], int(cell.sum())
            inside, hits = here.sum(1), here @ flags[cell]
            both = (inside > 0) & (inside < n)
            gap = hits / np.maximum(inside, 1) - (flags[cell].sum() - hits) / np.maximum(n - inside, 1)
            value += np.where(both, n * gap, 0.0)
            weight += np.where(both, n, 0)
        enough = ((mine & seen).sum(1) >= held.minimum) & (weight > 0)
        best = np.where(enough, np.maximum(best, value / np.maximum(weight, 1)), best)
    return best


def codes_of(held: Held, groups: Sequence[str] | None = None) -> _Codes:
    """Return the code of each of the groups, those of the samples (m,) where none are given."""
    place = {name: number for number, name in enumerate(held.names)}
    return np.array(
        [place.get(group, -1) for group in (held.groups.tolist() if groups is None else groups)], dtype=np.int16
    )


def _exchanges(facts: Facts, attribute: Attribute, held: Held, *, trial: Trial) -> Iterator[_Codes]:
    """Yield random exchanges (d, m) of groups between units of one half and the same classes, as `grouping.exchanged`
    draws them.
    """
    groups, half = dealt(attribute, facts, trial.zone, seed=trial.seed)
    blocks = Blocks.of(
        groups, [2 * label + side for label, side in zip(facts.y, half.tolist(), strict=True)], facts.units
    )
    codes, mine = codes_of(held, blocks.groups), blocks.of_sample[held.positions]
    size, rng = max(1, CELLS // max(len(codes), len(mine))), generator(facts.seed, "held-out", attribute.name)
    for start in range(0, DRAWS, size):
        yield codes[blocks.exchanges(rng, min(size, DRAWS - start))][:, mine]
