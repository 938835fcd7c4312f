"""The second evaluation of a rule, one row of texts at a time; it shares no code with the first."""

from __future__ import annotations

import ast
import keyword
import math
import operator
import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from auditor.core.errors import ConfigError
from auditor.modalities.tables.table import DIGITS, Column, Table

TextRow = Mapping[str, str]
"""Column -> cell as the file holds it; '' where it is missing."""
GRID_SLACK = 10.0**-DIGITS
"""Rounding alone may move a value by this share of it (of 1 where it is smaller)."""
_SIGNS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def level_rank(column: Column, text: str) -> float:
    """Return a number's value or an ordered level's place."""
    return cell_amount(column, text) if column.numeric else float(column.levels.index(text))


def cell_amount(column: Column, text: str) -> float:
    """Return the number that a cell stands for; a date's is its number of days since 1970-01-01."""
    return (
        float(date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal())
        if column.kind == "date"
        else float(text)
    )


@lru_cache(maxsize=1024)
def rule_tree(text: str) -> ast.expr:
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


class Walk:
    """One walk over an expression's tree, for one row."""

    def __init__(self, table: Table, row: TextRow, tolerance: float) -> None:
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
        return None if cell == "" else cell_amount(column, cell)

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
