"""Candidate rules found in the data, for the expert to confirm: each with how many rows it speaks of and how many break
it.

A regularity is proposed only where chance would have broken it often: if the columns had nothing to do with one
another, at least CHANCE rows would
break it, and at most the share SEEN of those do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from auditor.modalities.tables.arithmetic_mining import arithmetic_patterns
from auditor.modalities.tables.candidates import EXCEPTIONS, SUPPORT, Pattern, called, surprising
from auditor.modalities.tables.expressions import Expression
from auditor.modalities.tables.kleene import TruthValues
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import Codes, Column, Rule, Table

OVERLAP = 0.05
"""Share of rows that must break an order by chance: columns of different ranges are ordered in any data."""
MOST_LEVELS, MOST_VALUES, MOST_NUMBERS = 60, 30, 20
"""Levels of a column that is looked at; distinct numbers up to which they are levels too; columns of numbers looked at.
"""
MOST_THEN = 3
"""Levels that a candidate's second part may name."""


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
    found = [*arithmetic_patterns([(column, codes) for column, codes in numeric if column.kind != "date"])]
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
        decided: TruthValues = ~np.isnan(then.value(x)) & ~np.isnan(x[:, table.index[rule.defines]])
    else:
        decided = then.truth(x, rule.tolerance).known & Expression(rule.when or "True", table).truth(x).holds
    return Candidate(rule, int(decided.sum()), int(Rules(made).broken(x).sum()))


def _ids(found: Sequence[Pattern]) -> list[str]:
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


def _implied(columns: Sequence[_Levels], tied: set[frozenset[str]]) -> Iterator[Pattern]:
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
                yield Pattern(frozenset((one.name, other.name)), Rule("", one.tests[place], listed), says)


def _coupled(found: Sequence[Pattern]) -> Iterator[Pattern]:
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
    return tuple(sorted(then)) if surprising(expected, violations, support) else ()


def _twins(columns: Sequence[_Levels], tied: set[frozenset[str]]) -> Iterator[Pattern]:
    """Yield pairs of columns of which each says what the other is."""
    for one, other in combinations(columns, 2):
        names, joint = frozenset((one.name, other.name)), _joint(one, other)
        partner = joint.argmax(1)
        if names in tied or len(set(partner.tolist())) != joint.shape[1] or joint.shape[0] != joint.shape[1]:
            continue
        n, alike = int(joint.sum()), int(joint[np.arange(len(joint)), partner].sum())
        expected = n - float((joint.sum(1) * joint.sum(0)[partner]).sum()) / max(1, n)
        if surprising(expected, n - alike, n):
            pairs = (
                f"({test} and {other.tests[place]})" for test, place in zip(one.tests, partner.tolist(), strict=True)
            )
            yield Pattern(names, Rule("", "", " or ".join(pairs)))


def _ordered(columns: Sequence[tuple[Column, Codes]], tied: Sequence[frozenset[str]]) -> Iterator[Pattern]:
    """Yield pairs of which one is never the larger."""
    for (one, a), (other, b) in permutations(columns, 2):
        names = frozenset((one.name, other.name))
        if (one.kind == "date") != (other.kind == "date") or any(names <= already for already in tied):
            continue
        both = ~(np.isnan(a) | np.isnan(b))
        n = int(both.sum())
        expected = float(np.searchsorted(np.sort(b[both]), a[both], "left").sum()) / max(1, n)
        if expected >= OVERLAP * n and surprising(expected, int((a[both] > b[both]).sum()), n):
            yield Pattern(names, Rule("", "", f"{called(one.name)} <= {called(other.name)}"))
