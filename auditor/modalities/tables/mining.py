"""Candidate rules found in the data, for the expert to confirm: each with how many rows it speaks of and how many break
it.

A regularity is proposed only where chance would have broken it often: if the columns had nothing to do with one
another, at least CHANCE rows would
break it, and at most the share SEEN of those do.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from auditor.modalities.tables.expressions import Expression, Flags
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import Codes, Column, Rule, Table

CHANCE, SEEN = 20.0, 0.05
SUPPORT = 30
EXCEPTIONS = 0.01
"""Largest share of the rows that a candidate speaks of and that break it."""
OVERLAP = 0.05
"""Share of rows that must break an order by chance: columns of different ranges are ordered in any data."""
MOST_LEVELS, MOST_VALUES, MOST_NUMBERS = 60, 30, 20
"""Levels of a column that is looked at; distinct numbers up to which they are levels too; columns of numbers looked at.
"""
MOST_THEN = 3
"""Levels that a candidate's second part may name."""
SAMPLE = 2000
"""Rows on which sums, products and ratios are looked for."""


@dataclass(frozen=True)
class Candidate:
    """A rule that the data suggest."""

    rule: Rule
    support: int
    """Rows that it speaks of: its condition holds and every cell is known."""
    violations: int


class _Levels(NamedTuple):
    """A column as levels: which one each row has (-1: unknown), and what a rule says of each."""

    name: str
    places: NDArray[np.int64]
    tests: tuple[str, ...]
    """Conditions such as "sex == 'Male'"."""
    words: tuple[str, ...] = ()
    """Levels as a rule lists them; empty where a list is not possible."""
    levels: tuple[str, ...] = ()
    """Levels as the file has them; empty where they are numbers."""


class _Found(NamedTuple):
    names: frozenset[str]
    rule: Rule
    says: tuple[str, str, str, str] | None = None
    """Column, its level, another column and the level that it then has."""


def mine(table: Table, x: Codes) -> tuple[Candidate, ...]:
    """Return the candidate rules of rows x (n, columns), those that nothing breaks first; rules that the table has
    already play no part.
    """
    columns = [
        (column, x[:, place])
        for place, column in enumerate(table.columns)
        if "`" not in "".join((column.name, *column.levels))
    ]
    varied = [
        (column, codes)
        for column, codes in columns
        if column.kind != "text" and np.unique(codes[~np.isnan(codes)]).size > 1
    ]
    numeric = [(column, codes) for column, codes in varied if column.numeric][:MOST_NUMBERS]
    levels = [one for column, codes in varied if (one := _as_levels(column, codes))]
    marks = [one for column, codes in varied for one in _marks(column, codes)]
    found = [*_arithmetic([(column, codes) for column, codes in numeric if column.kind != "date"])]
    found += _twins(levels, {one.names for one in found})
    found += _ordered(numeric, [one.names for one in found])
    found += _coupled(list(_implied([*levels, *marks], {one.names for one in found})))
    bare = replace(table, rules=())
    counted = [_counted(replace(one.rule, id=name), bare, x) for name, one in zip(_ids(found), found, strict=True)]
    return tuple(
        sorted(counted, key=lambda one: (one.violations > 0, one.violations / max(1, one.support), -one.support))
    )


def _counted(rule: Rule, table: Table, x: Codes) -> Candidate:
    """Return a candidate with its rows counted by the rules themselves."""
    then, made = Expression(rule.then, table), replace(table, rules=(rule,))
    if rule.defines:
        decided: Flags = ~np.isnan(then.value(x)) & ~np.isnan(x[:, table.index[rule.defines]])
    else:
        decided = then.truth(x, rule.tolerance).known & Expression(rule.when or "True", table).truth(x).holds
    return Candidate(rule, int(decided.sum()), int(Rules(made).broken(x).sum()))


def _ids(found: Sequence[_Found]) -> list[str]:
    """Return a short name for each rule, all different."""
    ids: list[str] = []
    for one in found:
        says = (
            f"{one.rule.when} {one.rule.defines} {one.rule.then}"
            if len(one.rule.then) < 80
            else " ".join(sorted(one.names))
        )
        name = re.sub(r"\W+", "-", re.sub(r"\b(or|and|in)\b", "", says).lower()).strip("-")[:60]
        ids.append(
            next(
                tried
                for number in range(len(found) + 1)
                if (tried := f"{name}-{number + 1}" if number else name) not in ids
            )
        )
    return ids


def called(name: str) -> str:
    """Return a column's name as a rule writes it, in backticks where it is no plain name."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name) and not keyword.iskeyword(name)
    return name if plain else f"`{name}`"


def _as_levels(column: Column, codes: Codes) -> _Levels | None:
    """Return a column of few levels or few numbers; None for another."""
    known = ~np.isnan(codes)
    values, places = np.unique(codes[known], return_inverse=True)
    if len(values) > (MOST_VALUES if column.numeric else MOST_LEVELS):
        return None
    whole = np.full(len(codes), -1)
    whole[known] = places
    texts = [column.text(value) for value in values]
    words = tuple(text if column.numeric and column.kind != "date" else repr(text) for text in texts)
    return _Levels(
        column.name,
        whole,
        tuple(f"{called(column.name)} == {word}" for word in words),
        words,
        () if column.numeric else tuple(texts),
    )


def _marks(column: Column, codes: Codes) -> Iterator[_Levels]:
    """Yield whether a number is zero, and whether a cell is missing, where some are and some are not."""
    name, absent = called(column.name), np.isnan(codes)
    zero = codes == 0
    if (
        column.kind in ("integer", "real")
        and np.unique(codes[~absent]).size > MOST_VALUES
        and SUPPORT <= zero.sum() <= len(codes) - SUPPORT
    ):
        yield _Levels(column.name, np.where(absent, -1, ~zero), (f"{name} == 0", f"{name} != 0"))
    if absent.sum() >= SUPPORT:
        yield _Levels(column.name, absent.astype(np.int64), (f"not missing({name})", f"missing({name})"))


def _joint(one: _Levels, other: _Levels) -> NDArray[np.int64]:
    """Return how many rows have both of two levels (levels of one, levels of the other)."""
    both = (one.places >= 0) & (other.places >= 0)
    size = len(other.tests)
    return np.bincount(one.places[both] * size + other.places[both], minlength=len(one.tests) * size).reshape(-1, size)


def _surprising(expected: float, violations: float, support: float) -> bool:
    """Return whether a regularity holds, and would not by chance."""
    return bool(support >= SUPPORT and expected >= CHANCE and violations <= min(SEEN * expected, EXCEPTIONS * support))


def _implied(columns: Sequence[_Levels], tied: set[frozenset[str]]) -> Iterator[_Found]:
    """Yield what a level says of another column's."""
    seen: set[frozenset[tuple[str, ...]]] = set()
    for one, other in permutations(columns, 2):
        if one.name == other.name or frozenset((one.name, other.name)) in tied:
            continue
        joint = _joint(one, other)
        shares = joint.sum(0) / max(1, joint.sum())
        for place, counts in enumerate(joint):
            then = _consequence(counts, shares)
            if not then or (len(then) > 1 and not other.words):
                continue
            excluded = frozenset(
                tuple(sorted((one.tests[place], other.tests[level])))
                for level in range(len(counts))
                if level not in then
            )
            if excluded not in seen:  # a rule and its contraposition exclude the same
                seen.add(excluded)
                listed = (
                    f"{called(other.name)} in [{', '.join(other.words[level] for level in then)}]"
                    if len(then) > 1
                    else other.tests[then[0]]
                )
                plain = bool(one.levels and other.levels) and len(then) == 1
                says = (one.name, one.levels[place], other.name, other.levels[then[0]]) if plain else None
                yield _Found(frozenset((one.name, other.name)), Rule("", one.tests[place], listed), says)


def _coupled(found: Sequence[_Found]) -> Iterator[_Found]:
    """Yield the rules, two of them with a coupled repair where two levels of a column say two different ones of
    another: husbands and wives.
    """
    for one in found:
        if one.says is None:
            yield one
            continue
        column, level, other, then = one.says
        alike = [said for each in found if (said := each.says) and (said[0], said[2]) == (column, other)]
        partner = [said[1] for said in alike if said[3] != then]
        swap = {column: dict([sorted((level, partner[0]))])} if len(alike) == 2 and partner else {}
        yield one._replace(rule=replace(one.rule, swap=swap))


def _consequence(counts: NDArray[np.int64], shares: NDArray[np.float64]) -> tuple[int, ...]:
    """Return the fewest levels that nearly all rows of an antecedent have, with any that takes away half of the
    exceptions; none where that is no surprise.
    """
    order, support = np.argsort(-counts, kind="stable"), int(counts.sum())
    then: list[int] = []
    for level in order[: min(MOST_THEN, len(order) - 1)]:
        left = support - int(counts[then].sum())
        if then and left <= EXCEPTIONS * support and counts[level] * 2 < max(1, left):
            break
        then.append(int(level))
        if counts[then].sum() == support:
            break
    expected, violations = support * (1 - float(shares[then].sum())), support - int(counts[then].sum())
    return tuple(sorted(then)) if _surprising(expected, violations, support) else ()


def _twins(columns: Sequence[_Levels], tied: set[frozenset[str]]) -> Iterator[_Found]:
    """Yield pairs of columns of which each says what the other is."""
    for one, other in combinations(columns, 2):
        names, joint = frozenset((one.name, other.name)), _joint(one, other)
        partner = joint.argmax(1)
        if names in tied or len(set(partner.tolist())) != joint.shape[1] or joint.shape[0] != joint.shape[1]:
            continue
        n, alike = int(joint.sum()), int(joint[np.arange(len(joint)), partner].sum())
        expected = n - float((joint.sum(1) * joint.sum(0)[partner]).sum()) / max(1, n)
        if _surprising(expected, n - alike, n):
            pairs = (
                f"({test} and {other.tests[place]})" for test, place in zip(one.tests, partner.tolist(), strict=True)
            )
            yield _Found(names, Rule("", "", " or ".join(pairs)))


def _ordered(columns: Sequence[tuple[Column, Codes]], tied: Sequence[frozenset[str]]) -> Iterator[_Found]:
    """Yield pairs of which one is never the larger."""
    for (one, a), (other, b) in permutations(columns, 2):
        names = frozenset((one.name, other.name))
        if (one.kind == "date") != (other.kind == "date") or any(names <= already for already in tied):
            continue
        both = ~(np.isnan(a) | np.isnan(b))
        n = int(both.sum())
        expected = float(np.searchsorted(np.sort(b[both]), a[both], "left").sum()) / max(1, n)
        if expected >= OVERLAP * n and _surprising(expected, int((a[both] > b[both]).sum()), n):
            yield _Found(names, Rule("", "", f"{called(one.name)} <= {called(other.name)}"))


def _arithmetic(columns: Sequence[tuple[Column, Codes]]) -> Iterator[_Found]:
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
            yield _Found(
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
                yield _Found(
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


def _equal(c: Codes, value: Codes, active: Flags, *, tolerance: float) -> bool:
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
    return _surprising(float(moved), violations, n)
