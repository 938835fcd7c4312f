"""Tests of association between groups and flags within classes: by tables, and by exchange of whole units."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.contingency_tables import StratifiedTable

from auditor.core.seeds import generator
from auditor.stats.grouping import Blocks
from auditor.stats.shares import Array
from auditor.stats.strata import Strata, contrast

MANY = 5000
"""With more samples than this the counts of an exchange are drawn, not the exchange."""


def mantel_haenszel_p(a: Strata, b: Strata) -> float | None:
    """Return the two-sided p-value that two groups have one share in every stratum (Mantel and Haenszel 1959, without
    correction).

    Counts shrink by the design effect where units share samples (Rao and Scott 1992). None where no stratum has both
    groups and both flags.
    """
    tables = _tables(a, b)
    return float(StratifiedTable(tables).test_null_odds().pvalue) if tables else None


def breslow_day_p(a: Strata, b: Strata) -> float | None:
    """Return the p-value that the odds ratio of two groups is one in all strata (Breslow and Day 1980, with Tarone's
    adjustment 1985).

    Counts shrink as in `mantel_haenszel_p`. None where fewer than two strata tell, or the common odds ratio is 0 or
    infinite.
    """
    tables = _tables(a, b)
    if len(tables) < 2:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        p = float(StratifiedTable(tables).test_equal_odds(adjust=True).pvalue)
    return p if math.isfinite(p) else None


def _tables(a: Strata, b: Strata) -> list[Array]:
    """Return a 2x2 table of true and false flags per stratum with both groups and both flags, as many as they are
    worth.
    """
    one = contrast(a, b)
    if one is None:
        return []
    rows = {name: [(side.share[name], side.worth[name] / one.shared) for side in (one.a, one.b)] for name in one.weight}
    tables = [np.array([[share * worth, (1 - share) * worth] for share, worth in pair]) for pair in rows.values()]
    return [table for table in tables if table.sum(0).all() and table.sum() > 1]


def permutation_p(
    flags: Sequence[float],
    values: Sequence[str],
    y: Sequence[int],
    *,
    units: Sequence[str],
    seed: int,
    draws: int = 2000,
) -> float:
    """Return the p-value that groups (n,) differ in nothing but their classes: the largest gap of directly standardised
    shares.

    Groups are exchanged between units as `auditor.stats.grouping.exchanged` does. What is unknown, '', stays out.
    """
    known = [row for row, value in enumerate(values) if value]
    classes = sorted({y[row] for row in known})
    labels = np.array([y[row] for row in known])
    alone = len(known) > MANY and len({units[row] for row in known}) == len(known)
    seen = np.stack([labels == one for one in classes], 1).astype(float) if known else np.zeros((0, 0))
    columns = np.concatenate([seen * np.array([flags[row] for row in known], dtype=float)[:, None], seen], 1)
    mix = seen.sum(0)

    def largest(sums: Array) -> Array:
        """Return the largest gap (b,) of sums and counts by group and class (b, groups, 2 * classes)."""
        hits, counts = sums[..., : len(classes)], sums[..., len(classes) :]
        weights = mix * (counts > 0)
        return np.asarray(np.ptp((weights * hits / np.maximum(counts, 1)).sum(-1) / weights.sum(-1), axis=-1))

    group = [values[row] for row in known]
    if alone:
        return _counted_p(columns, group, largest, seed=seed, draws=draws)
    return exchange_p(
        columns, group, labels.tolist(), units=[units[row] for row in known], statistic=largest, seed=seed, draws=draws
    )


def _counted_p(
    columns: Array, values: Sequence[str], statistic: Callable[[Array], Array], *, seed: int, draws: int
) -> float:
    """Return what `exchange_p` says of flags and classes, columns (n, 2 * classes), where every sample is its own unit.

    How many true flags each group gets is drawn at once: exchanges within a class have a multivariate hypergeometric
    distribution.
    """
    names, half = sorted(set(values)), columns.shape[1] // 2
    if len(names) < 2:
        return 1.0
    group = np.array(values)
    sums = np.stack([columns[group == name].sum(0) for name in names])
    rng, drawn = generator(seed, "counted", len(group)), np.repeat(sums[None], draws, 0)
    for one in range(half):
        counts = sums[:, half + one].astype(np.int64)
        drawn[:, :, one] = rng.multivariate_hypergeometric(
            counts, int(sums[:, one].sum()), size=draws, method="marginals"
        )
    hits = int((statistic(drawn) >= float(statistic(sums[None])[0]) - 1e-12).sum())
    return (1 + hits) / (1 + draws)


def exchange_p(
    columns: Array,
    values: Sequence[str],
    y: Sequence[int],
    *,
    units: Sequence[str],
    statistic: Callable[[Array], Array],
    seed: int,
    draws: int,
) -> float:
    """Return the share of exchanges, the observed one among them, whose statistic is as large as the observed; 1 with
    fewer than two groups.

    `statistic` maps the sums of the columns (n, c) in each group (b, groups, c) to numbers (b,).
    """
    names, blocks = sorted(set(values)), Blocks.of(values, y, units)
    if len(names) < 2:
        return 1.0
    inside = np.zeros((len(blocks.groups), columns.shape[1]))
    np.add.at(inside, blocks.of_sample, columns)
    group = np.array([names.index(value) for value in blocks.groups])
    rng, hits = generator(seed, "exchange", len(group)), 0

    def value(labels: NDArray[np.int64]) -> Array:
        return statistic(np.stack([(labels == one) @ inside for one in range(len(names))], 1))

    observed = float(value(group[None])[0])
    for start in range(0, draws, 100):
        hits += int((value(group[blocks.exchanges(rng, min(100, draws - start))]) >= observed - 1e-12).sum())
    return (1 + hits) / (1 + draws)
