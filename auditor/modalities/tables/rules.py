"""Rules between the columns of one row, on codes for thousands of rows at once.

A rule that cannot be decided, since a cell is missing, is not broken. `rule_check` evaluates the same texts a second
time, one row after
the other and from a file's own cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import ConfigError, nearest
from auditor.modalities.tables.expressions import Expression
from auditor.modalities.tables.kleene import TruthValues
from auditor.modalities.tables.table import DIGITS, Codes, Rule, Table, rounded

_EXACT = 10.0**-DIGITS
"""Share of a defined value, and of 1 below that, by which rounding alone may move it."""


class Rules:
    """A table's rules, ready for rows x (n, columns) of codes (ConfigError: a rule that cannot be read, or names what
    is not there).
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._parts = [(Expression(rule.when or "True", table), Expression(rule.then, table)) for rule in table.rules]
        for (when, then), rule in zip(self._parts, table.rules, strict=True):
            when.columns, then.columns  # noqa: B018 - unknown columns are refused here
            blank = np.full((1, len(table)), np.nan)
            when.truth(blank)
            if rule.defines:
                _check_defined(rule, table)
                then.value(blank)
            else:
                then.truth(blank)
        self._definitions = self._ordered()
        self._swaps = [
            (place, *self._mapping(rule, name, pairs))
            for place, rule in enumerate(table.rules)
            for name, pairs in rule.swap.items()
        ]

    def columns(self, place: int) -> tuple[int, ...]:
        """Return the positions of the columns that a rule ties together."""
        when, then = self._parts[place]
        rule = self.table.rules[place]
        names = {*when.columns, *then.columns, *rule.swap, *([rule.defines] if rule.defines else [])}
        return tuple(sorted(self.table.index[name] for name in names))

    def cuts(self, place: int, column: str) -> NDArray[np.float64] | None:
        """Return the numbers between which a rule does not tell a column's values apart; None where it does more than
        compare it with numbers.
        """
        rule, parts = self.table.rules[place], self._parts[place]
        if rule.defines:
            return None
        found = [part.cuts(column) for part in parts]
        if any(one is None for one in found):
            return None
        numbers = np.array([number for one in found for number in one or ()], dtype=np.float64)
        return np.unique(np.concatenate([numbers - rule.tolerance, numbers, numbers + rule.tolerance]))

    def tied(self, columns: Iterable[int]) -> list[tuple[int, ...]]:
        """Return the blocks of some columns: those that rules tie together, directly or by way of others of them, in
        the table's order.
        """
        groups = [{one} for one in sorted(columns)]
        for place in range(len(self._parts)):
            tie = set(self.columns(place))
            touched = [group for group in groups if group & tie]
            if len(touched) > 1:
                groups = [group for group in groups if not group & tie] + [set().union(*touched)]
        return sorted(tuple(sorted(group)) for group in groups)

    @property
    def defined(self) -> tuple[int, ...]:
        """Return the positions of the columns that definitions compute: nobody writes there."""
        return tuple(self.table.index[self.table.rules[place].defines] for place in self._definitions)

    def broken(self, x: Codes) -> TruthValues:
        """Return which rules each row breaks (n, rules)."""
        return (
            np.stack([self._broken(place, x) for place in range(len(self._parts))], 1)
            if self._parts
            else np.zeros((len(x), 0), np.bool_)
        )

    def feasible(self, x: Codes, among: Iterable[int] | None = None) -> TruthValues:
        """Return which rows (n,) break no rule, or none of those at some places."""
        good = np.ones(len(x), np.bool_)
        for place in range(len(self._parts)) if among is None else among:
            good[good] = ~self._broken(place, x[good])
        return good

    def recomputed(self, x: Codes) -> Codes:
        """Return the rows with every defined column computed anew, on its grid where the tolerance allows; it keeps its
        value where there is none.
        """
        result = x
        for place in self._definitions:
            result = result.copy() if result is x else result
            at = self.table.index[self.table.rules[place].defines]
            value = rounded(self._parts[place][1].value(result))
            neat = self.table.columns[at].on_grid(value) if self.table.columns[at].numeric else value
            value = np.where(np.abs(neat - value) <= self.table.rules[place].tolerance, neat, value)
            result[:, at] = np.where(np.isnan(value), result[:, at], value)
        return result

    def repaired(self, x: Codes, kept: Iterable[int]) -> Codes:
        """Return the rows with coupled levels swapped where a rule is broken, except in the columns `kept`, and
        definitions computed anew.
        """
        result, held = x.copy(), set(kept)
        for place, at, mapping in self._swaps:
            if at in held:
                continue
            wrong = self._broken(place, result) & ~np.isnan(result[:, at])
            codes = result[wrong, at].astype(np.int64)
            result[wrong, at] = mapping[codes]
        return self.recomputed(result)

    def _broken(self, place: int, x: Codes) -> TruthValues:
        rule, (when, then) = self.table.rules[place], self._parts[place]
        if rule.defines:
            value = then.value(x)
            gap = np.abs(value - x[:, self.table.index[rule.defines]])
            return ~np.isnan(gap) & (gap > np.maximum(rule.tolerance, _EXACT * np.maximum(1.0, np.abs(value))))
        condition, held = when.truth(x), then.truth(x, rule.tolerance)
        return condition.holds & held.known & ~held.holds

    def _ordered(self) -> list[int]:
        """Return the definitions, each after those that it reads (ConfigError: they go in a circle)."""
        open_ones = {place for place, rule in enumerate(self.table.rules) if rule.defines}
        makes = {self.table.rules[place].defines: place for place in open_ones}
        if len(makes) < len(open_ones):
            raise ConfigError("rules: expected at most one `define` for each column.")
        order: list[int] = []
        while open_ones:
            ready = sorted(
                place
                for place in open_ones
                if not any(makes.get(name) in open_ones for name in self._parts[place][1].columns)
            )
            if not ready:
                raise ConfigError(
                    "rules: the definitions of"
                    f" {', '.join(sorted(self.table.rules[place].defines for place in open_ones))} go in a circle."
                )
            order += ready
            open_ones -= set(ready)
        return order

    def _mapping(self, rule: Rule, name: str, pairs: Mapping[str, str]) -> tuple[int, NDArray[np.float64]]:
        """Return a column's position and which code takes each code's place (levels,), both ways."""
        column = self.table.columns[self.table.index[name]] if name in self.table.index else None
        if column is None or column.numeric:
            raise ConfigError(
                f"rule '{rule.id}': expected a column with levels in `swap`, got '{name}';"
                f" {nearest(name, self.table.names)}"
            )
        strange = next((level for level in (*pairs, *pairs.values()) if level not in column.position), None)
        if strange is not None:
            raise ConfigError(
                f"rule '{rule.id}': expected levels of '{name}' in `swap`, got '{strange}';"
                f" {nearest(strange, column.levels)}"
            )
        back = {second: first for first, second in pairs.items()}
        return self.table.index[name], np.array(
            [column.position[{**back, **pairs}.get(level, level)] for level in column.levels], dtype=np.float64
        )


def _check_defined(rule: Rule, table: Table) -> None:
    """Refuse a definition of what is no column of numbers (ConfigError)."""
    column = table.columns[table.index[rule.defines]] if rule.defines in table.index else None
    if column is None:
        raise ConfigError(
            f"rule '{rule.id}': expected a column of the table before '=', got '{rule.defines}';"
            f" {nearest(rule.defines, table.names)}"
        )
    if not column.numeric:
        raise ConfigError(
            f"rule '{rule.id}': expected a column of numbers before '=', got '{rule.defines}', which is {column.kind}."
        )
