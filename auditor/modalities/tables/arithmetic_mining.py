"""Candidate rules between columns of numbers: sums, products and differences of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, permutations

import numpy as np

from auditor.modalities.tables.candidates import EXCEPTIONS, SUPPORT, Pattern, called, surprising
from auditor.modalities.tables.kleene import TruthValues
from auditor.modalities.tables.table import Codes, Column, Rule

SAMPLE = 2000
"""Rows on which sums, products and ratios are looked for."""


def arithmetic_patterns(columns: Sequence[tuple[Column, Codes]]) -> Iterator[Pattern]:
    """Yield columns that are a multiple, sum, product or ratio of others."""
    rows = slice(None, None, max(1, len(columns[0][1]) // SAMPLE)) if columns else slice(None)
    sample = [(column, codes[rows]) for column, codes in columns]
    tied: set[frozenset[str]] = set()
    for (target, c), (one, a) in permutations(sample, 2):
        active = ~np.isnan(a) & ~np.isnan(c) & (a != 0)
        factor = float(f"{np.median(c[active] / a[active]):.6g}") if active.sum() >= SUPPORT else 0.0
        names = frozenset((target.name, one.name))
        if abs(factor) >= 1 and names not in tied and _equal(c, factor * a, active, tolerance=0.0):
            tied.add(names)
            left, right = called(target.name), called(one.name)
            yield Pattern(
                names,
                Rule("", "", f"{left} == {right}")
                if factor == 1
                else Rule("", "", f"{factor:g} * {right}", target.name),
            )
    for sign in "+*/":
        for (target, c), *parts in _triples(sample, sign):
            names = frozenset((target.name, parts[0][0].name, parts[1][0].name))
            if any(already <= names for already in tied):
                continue
            tolerance = _of_two(sign, target, c, parts=parts)
            if tolerance is not None:
                tied.add(names)
                yield Pattern(
                    names,
                    Rule(
                        "",
                        "",
                        f"{called(parts[0][0].name)} {sign} {called(parts[1][0].name)}",
                        target.name,
                        tolerance=tolerance,
                    ),
                )


def _triples(columns: Sequence[tuple[Column, Codes]], sign: str) -> Iterator[tuple[tuple[Column, Codes], ...]]:
    pairs: Iterable[tuple[tuple[Column, Codes], ...]] = (
        permutations(columns, 2) if sign == "/" else combinations(columns, 2)
    )
    for one, other in pairs:
        yield from ((target, one, other) for target in columns if target[0].name not in (one[0].name, other[0].name))


def _of_two(sign: str, target: Column, c: Codes, *, parts: Sequence[tuple[Column, Codes]]) -> float | None:
    """Return the tolerance at which a column is the sum, product or ratio of two others: 0, or half a unit of its last
    digit; None where it is not.
    """
    (one, a), (other, b) = parts
    if sign == "*" and target.step > min(one.step, other.step):  # what was divided, not what was multiplied
        return None
    active = ~(np.isnan(a) | np.isnan(b) | np.isnan(c)) & (a != 0) & (b != 0)
    if sign != "+":
        active &= (np.abs(b) != 1) & (np.abs(a) != 1)
    divisor = np.where(active, b, 1.0)
    value = a + b if sign == "+" else a * b if sign == "*" else a / divisor
    tries = (0.0, 0.5000001 * target.step) if target.kind == "real" else (0.0,)
    return next((tolerance for tolerance in tries if _equal(c, value, active, tolerance=tolerance)), None)


def _equal(c: Codes, value: Codes, active: TruthValues, *, tolerance: float) -> bool:
    """Return whether a column equals a value in the rows that tell, as it would not if its cells were moved to other
    rows.
    """
    n = int(active.sum())
    if n < SUPPORT:
        return False
    c, value = c[active], value[active]
    slack = np.maximum(tolerance, 1e-9 * np.maximum(1.0, np.abs(value)))
    violations = int((np.abs(c - value) > slack).sum())
    if violations > EXCEPTIONS * n:
        return False
    moved = np.mean([(np.abs(np.roll(c, shift) - value) > slack).sum() for shift in (1, n // 3, n // 2)])
    return surprising(float(moved), violations, n)
