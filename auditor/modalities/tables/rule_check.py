"""Rules and limits checked a second time, on one row of texts as a file holds it.

Nothing here is shared with `expressions`, `rules` or the threats, and no array library is used: a mistake there must
not repeat itself here.
Missing cells and what cannot be computed are None; a condition with such a part may still be true or false (Kleene's
logic).
"""

from __future__ import annotations

import ast
import keyword
import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from auditor.core.errors import ConfigError
from auditor.modalities.tables.table import DIGITS, Column, Rule, Table

_Row = Mapping[str, str]
"""Column -> cell as the file holds it; '' where it is missing."""
_SLACK = 10.0**-DIGITS
"""Rounding alone may move a value by this share of it (of 1 where it is smaller)."""
_SIGNS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def broken(table: Table, row: _Row) -> tuple[str, ...]:
    """Return the ids of the rules that a row breaks; one that a missing cell leaves open is not broken (ConfigError: a
    rule cannot be read).
    """
    return tuple(rule.id for rule in table.rules if _breaks(table, rule, row))


def forbidden(table: Table, before: _Row, after: _Row, writable: Collection[str]) -> str:
    """Return one sentence on the first limit that a change breaks; '' where it keeps all of them.

    What a definition computes is no change of its own: give such a column its value from before, and let `broken` say
    whether it is right.
    """
    for column in table.columns:
        was, now = before[column.name], after[column.name]
        if was == now or (column.numeric and was and now and _amount(column, was) == _amount(column, now)):
            continue
        reason = (
            "expected no change, since the column may not be written"
            if column.name not in writable
            else _limit(column, was, now)
        )
        if reason:
            return f"column '{column.name}', '{was}' to '{now}': {reason}."
    return ""


def cost(table: Table, before: _Row, after: _Row) -> float:
    """Return the price of a change: of numbers and ordered levels by distance, of others once; infinite to or from a
    missing cell.
    """
    total = 0.0
    for column in table.columns:
        was, now = before[column.name], after[column.name]
        if was == now:
            continue
        if not was or not now:
            return math.inf
        distance = abs(_rank(column, now) - _rank(column, was)) if column.numeric or column.kind == "ordinal" else 1.0
        total += column.cost * distance
    return total


def _limit(column: Column, was: str, now: str) -> str:
    """Return which limit of a column a change breaks; '' for none."""
    if not was or not now:
        return "expected a missing cell to stay as it is, and no cell to become missing"
    if not column.numeric and (now not in column.levels or column.levels.index(now) not in column.allowed):
        return "expected a level that may be written"
    if not column.numeric and column.kind != "ordinal":
        return ""
    value, step = _rank(column, now), _rank(column, now) - _rank(column, was)
    near = _SLACK * max(1.0, abs(value))
    if not column.low - near <= value <= column.high + near:
        return f"expected a value from {column.low:g} to {column.high:g}"
    if not column.least - near <= step <= column.most + near:
        return f"expected a change from {column.least:g} to {column.most:g}, got {step:g}"
    if column.numeric and abs(value - round(value / column.step) * column.step) > near:
        return f"expected a multiple of {column.step:g}"
    return ""


def _rank(column: Column, text: str) -> float:
    """Return a number's value or an ordered level's place."""
    return _amount(column, text) if column.numeric else float(column.levels.index(text))


def _amount(column: Column, text: str) -> float:
    return (
        float(date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal())
        if column.kind == "date"
        else float(text)
    )


def _breaks(table: Table, rule: Rule, row: _Row) -> bool:
    walk = _Walk(table, row, 0.0)
    if rule.defines:
        column, cell = table.columns[table.index[rule.defines]], row[rule.defines]
        value = walk.number(_tree(rule.then))
        if value is None or not cell:
            return False
        return abs(value - _amount(column, cell)) > max(rule.tolerance, _SLACK * max(1.0, abs(value)))
    if rule.when and walk.truth(_tree(rule.when)) is not True:
        return False
    return _Walk(table, row, rule.tolerance).truth(_tree(rule.then)) is False


@lru_cache(maxsize=1024)
def _tree(text: str) -> ast.expr:
    """Return an expression's tree; a column in backticks is read as a name in hexadecimal digits unless it is a plain
    name.
    """

    def named(found: re.Match[str]) -> str:
        name = found[1]
        simple = re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name) and name not in keyword.kwlist
        return name if simple else "_q_" + name.encode().hex()

    try:
        return ast.parse(re.sub("`([^`]+)`", named, text.strip()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ConfigError(f"rule '{text}': expected an expression, got what cannot be read.") from None


class _Walk:
    """One walk over an expression's tree, for one row."""

    def __init__(self, table: Table, row: _Row, tolerance: float) -> None:
        self._table, self._row, self._tolerance = table, row, tolerance

    def truth(self, node: ast.expr) -> bool | None:
        """Return True, False, or None where that is open."""
        match node:
            case ast.BoolOp(op=ast.And(), values=parts):
                return _every([self.truth(part) for part in parts])
            case ast.BoolOp(values=parts):
                return _opposite(_every([_opposite(self.truth(part)) for part in parts]))
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return _opposite(self.truth(part))
            case ast.Compare(left=left, ops=signs, comparators=others):
                found = []
                for sign, right in zip(signs, others, strict=True):
                    found.append(self._holds(left, sign, right))
                    left = right
                return _every(found)
            case ast.Call(func=ast.Name(id="missing"), args=[part]) if self._column(part) is not None:
                return self._cell(part) == ""
            case ast.Constant(value=bool(value)):
                return value
        raise ConfigError(f"expected a condition in a rule, got '{ast.unparse(node)}'.")

    def number(self, node: ast.expr) -> float | None:
        """Return a value; None where a cell is missing or the result is no finite number."""
        match node:
            case ast.Constant(value=int(value) | float(value)) if not isinstance(value, bool):
                return float(value)
            case ast.Constant(value=str(text)):
                return float(date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal())
            case ast.UnaryOp(op=ast.USub(), operand=part):
                inner = self.number(part)
                return None if inner is None else -inner
            case ast.BinOp(left=left, op=sign, right=right):
                return _computed(sign, self.number(left), self.number(right))
        column = self._column(node)
        if column is None:
            raise ConfigError(f"expected a number or a column in a rule, got '{ast.unparse(node)}'.")
        cell = self._cell(node)
        return None if cell == "" else _amount(column, cell)

    def _holds(self, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> bool | None:
        if isinstance(sign, ast.In | ast.NotIn):
            assert isinstance(right, ast.List | ast.Tuple | ast.Set)
            none = _every([_opposite(self._holds(left, ast.Eq(), one)) for one in right.elts])
            return none if isinstance(sign, ast.NotIn) else _opposite(none)
        if self._by_level(left, right) or self._by_level(right, left):
            return self._levels(left, sign, right)
        a, b = self.number(left), self.number(right)
        if a is None or b is None:
            return None
        if isinstance(sign, ast.Eq | ast.NotEq):
            return (abs(a - b) <= self._tolerance) == isinstance(sign, ast.Eq)
        return _SIGNS[type(sign)](a, b + self._tolerance if isinstance(sign, ast.Lt | ast.LtE) else b - self._tolerance)

    def _by_level(self, side: ast.expr, other: ast.expr) -> bool:
        """Return whether a side is a column of levels that the other side compares with levels, not with numbers."""
        column = self._column(side)
        while isinstance(other, ast.UnaryOp):
            other = other.operand
        against = self._column(other)
        amount = isinstance(other, ast.BinOp) or (isinstance(other, ast.Constant) and type(other.value) in (int, float))
        return (
            column is not None and not column.numeric and not amount and not (against is not None and against.numeric)
        )

    def _levels(self, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> bool | None:
        column = self._column(left if self._by_level(left, right) else right)
        assert column is not None
        a, b = self._level(column, left), self._level(column, right)
        if a == "" or b == "":
            return None
        if isinstance(sign, ast.Eq | ast.NotEq):
            return (a == b) == isinstance(sign, ast.Eq)
        if a not in column.levels or b not in column.levels:
            return None
        return _SIGNS[type(sign)](column.levels.index(a), column.levels.index(b))

    def _level(self, column: Column, side: ast.expr) -> str:
        match side:
            case ast.Constant(value=bool(value)):
                true = [
                    level for level in column.levels if level.strip().lower() in ("true", "t", "yes", "y", "1", "1.0")
                ]
                same = true if value else [level for level in column.levels if level not in true]
                return same[0] if same else "\0"  # a level that no cell has
            case ast.Constant(value=str(text)):
                return text
        return self._cell(side)

    def _column(self, node: ast.expr) -> Column | None:
        if not isinstance(node, ast.Name):
            return None
        name = bytes.fromhex(node.id[3:]).decode() if re.fullmatch("_q_[0-9a-f]+", node.id) else node.id
        return self._table.columns[self._table.index[name]] if name in self._table.index else None

    def _cell(self, node: ast.expr) -> str:
        column = self._column(node)
        if column is None:
            raise ConfigError(f"expected a column in a rule, got '{ast.unparse(node)}'.")
        return self._row[column.name]


def _every(parts: list[bool | None]) -> bool | None:
    """Return Kleene's conjunction."""
    if False in parts:
        return False
    return None if None in parts else True


def _opposite(part: bool | None) -> bool | None:
    return None if part is None else not part


def _computed(sign: ast.operator, a: float | None, b: float | None) -> float | None:
    if a is None or b is None or (isinstance(sign, ast.Div) and b == 0):
        return None
    match sign:
        case ast.Add():
            found = a + b
        case ast.Sub():
            found = a - b
        case ast.Mult():
            found = a * b
        case ast.Div():
            found = a / b
        case _:
            raise ConfigError("expected +, -, * or / in a rule.")
    return found if math.isfinite(found) else None
