"""Expressions over a table's columns: read from text without running it, evaluated on codes for thousands of rows at
once.

A comparison with a missing cell is neither true nor false: Kleene's logic.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from auditor.core.errors import ConfigError, nearest
from auditor.modalities.tables.expression_text import parse, unquoted
from auditor.modalities.tables.expression_values import all_numbers, as_numbers, day_number, finite, written_number
from auditor.modalities.tables.kleene import Truth, conjunction, negated
from auditor.modalities.tables.table import DAY, Codes, Column, Table, is_true

COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


@dataclass(frozen=True)
class Expression:
    """One expression over a table's columns, checked when it is made (ConfigError)."""

    text: str
    table: Table

    @cached_property
    def tree(self) -> ast.expr:
        """Return the expression's tree; names in backticks may hold any character."""
        return parse(self.text)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that it reads, in the table's order."""
        functions = {id(node.func) for node in ast.walk(self.tree) if isinstance(node, ast.Call)}
        named = {
            unquoted(node.id)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Name) and id(node) not in functions
        }
        unknown = sorted(named - set(self.table.names))
        if unknown:
            raise ConfigError(
                f"rule '{self.text}': expected a column of the table, got '{unknown[0]}';"
                f" {nearest(unknown[0], self.table.names)}"
            )
        return tuple(name for name in self.table.names if name in named)

    def cuts(self, column: str) -> list[float] | None:
        """Return the numbers that a column is compared with; None where something else is done with it."""
        alone: set[ast.expr] = {one for node in ast.walk(self.tree) if isinstance(node, ast.Call) for one in node.args}
        numbers: list[float] = []
        for node in ast.walk(self.tree):
            sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            for left, right in zip(sides, sides[1:], strict=False):
                for side, other in ((left, right), (right, left)):
                    others = [
                        written_number(one)
                        for one in (other.elts if isinstance(other, ast.List | ast.Tuple | ast.Set) else [other])
                    ]
                    if isinstance(side, ast.Name) and None not in others:
                        alone.add(side)
                        numbers += [number for number in others if number is not None and unquoted(side.id) == column]
        named = {node for node in ast.walk(self.tree) if isinstance(node, ast.Name) and unquoted(node.id) == column}
        return numbers if named <= alone else None

    def truth(self, x: Codes, tolerance: float = 0.0) -> Truth:
        """Return whether it holds in rows x (n, columns); comparisons of numbers are given some slack."""
        return _Reader(self, x, tolerance).truth(self.tree)

    def value(self, x: Codes) -> Codes:
        """Return the number (n,) that it computes from rows x (n, columns); NaN where a cell is missing or something is
        divided by zero.
        """
        return np.broadcast_to(_Reader(self, x, 0.0).number(self.tree), len(x)).astype(np.float64)


class _Reader:
    """One expression over some rows."""

    def __init__(self, expression: Expression, x: Codes, tolerance: float) -> None:
        self._text, self._table, self._x, self._tolerance = expression.text, expression.table, x, tolerance

    def truth(self, node: ast.expr) -> Truth:
        """Return the truth of a condition."""
        if isinstance(node, ast.BoolOp):
            parts = [self.truth(part) for part in node.values]
            return (
                conjunction(parts)
                if isinstance(node.op, ast.And)
                else negated(conjunction([negated(part) for part in parts]))
            )
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return negated(self.truth(node.operand))
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            return conjunction(
                [
                    self._compared(left, kind, right)
                    for left, kind, right in zip(sides, node.ops, sides[1:], strict=False)
                ]
            )
        if isinstance(node, ast.Call):
            return self._missing(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            return Truth(np.full(len(self._x), node.value), np.full(len(self._x), True))
        raise self._refuse(node, "a condition")

    def number(self, node: ast.expr) -> Codes:
        """Return the value of an arithmetic expression."""
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            with np.errstate(all="ignore"):
                found = np.asarray(
                    ARITHMETIC[type(node.op)](self.number(node.left), self.number(node.right)), dtype=np.float64
                )
            return np.where(np.isinf(found), np.nan, found)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self.number(node.operand)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return np.asarray(finite(node.value, self._text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and DAY.fullmatch(node.value):
            return np.asarray(day_number(node.value, self._text))
        column = self._column(node)
        if column is not None and (column.numeric or all_numbers(column)):
            codes = self._codes(column)
            return codes if column.numeric else as_numbers(column, codes)
        raise self._refuse(node, "a number or a column of numbers")

    def _compared(self, left: ast.expr, kind: ast.cmpop, right: ast.expr) -> Truth:
        if isinstance(kind, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple | ast.Set) or not right.elts:
                raise self._refuse(right, "a list of levels")
            parts = [negated(self._compared(left, ast.Eq(), one)) for one in right.elts]
            none = conjunction(parts)
            return none if isinstance(kind, ast.NotIn) else negated(none)
        if type(kind) not in COMPARE:
            raise self._refuse(left, "==, !=, <, <=, >, >= or in")
        for side, other in ((left, right), (right, left)):
            column = self._column(side)
            if column is not None and not column.numeric and not self._is_number(other):
                return self._levels(column, kind, left, right)
        a, b = self.number(left), self.number(right)
        known = np.broadcast_to(~(np.isnan(a) | np.isnan(b)), len(self._x))
        slack = {ast.Eq: np.abs(a - b) <= self._tolerance, ast.NotEq: np.abs(a - b) > self._tolerance}.get(type(kind))
        if slack is None:
            towards = self._tolerance if isinstance(kind, ast.LtE | ast.Lt) else -self._tolerance
            slack = COMPARE[type(kind)](a, b + towards)
        return Truth(np.broadcast_to(slack, len(self._x)) & known, known)

    def _is_number(self, node: ast.expr) -> bool:
        if isinstance(node, ast.UnaryOp):
            return self._is_number(node.operand)
        column = self._column(node)
        return (
            isinstance(node, ast.BinOp)
            or (isinstance(node, ast.Constant) and not isinstance(node.value, str | bool))
            or (column is not None and column.numeric)
        )

    def _levels(self, column: Column, kind: ast.cmpop, left: ast.expr, right: ast.expr) -> Truth:
        if not isinstance(kind, ast.Eq | ast.NotEq) and column.kind != "ordinal":
            raise ConfigError(
                f"rule '{self._text}': expected == or != or in for '{column.name}', which is {column.kind}, since its"
                " levels have no order."
            )
        a, b = (self._level(column, side) for side in (left, right))
        # a level of the other column alone
        strange = np.zeros_like(a, dtype=np.bool_) if isinstance(kind, ast.Eq | ast.NotEq) else (a < 0) | (b < 0)
        known = np.broadcast_to(~(np.isnan(a) | np.isnan(b) | strange), len(self._x))
        return Truth(np.broadcast_to(COMPARE[type(kind)](a, b), len(self._x)) & known, known)

    def _level(self, column: Column, node: ast.expr) -> Codes:
        """Return the codes of one side of a comparison, in the codes of `column`."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value not in column.position:
                raise ConfigError(
                    f"rule '{self._text}': expected a level of '{column.name}', got '{node.value}';"
                    f" {nearest(node.value, column.levels)}"
                )
            return np.asarray(float(column.position[node.value]))
        if isinstance(node, ast.Constant) and isinstance(node.value, bool) and column.kind == "boolean":
            return np.asarray(
                next((float(code) for code, level in enumerate(column.levels) if is_true(level) == node.value), -1.0)
            )
        other = self._column(node)
        if other is None or other.numeric:
            raise self._refuse(node, f"a level of '{column.name}' in quotes")
        mapped = np.array(
            [column.position.get(level, -1 - place) for place, level in enumerate(other.levels)], dtype=np.float64
        )
        codes = self._codes(other)
        absent = np.isnan(codes)
        return np.where(absent, np.nan, mapped[np.where(absent, 0, codes).astype(np.int64)])

    def _missing(self, node: ast.Call) -> Truth:
        if not (
            isinstance(node.func, ast.Name) and node.func.id == "missing" and len(node.args) == 1 and not node.keywords
        ):
            raise self._refuse(node, "no function but missing(column)")
        column = self._column(node.args[0])
        if column is None:
            raise self._refuse(node.args[0], "a column")
        return Truth(np.isnan(self._codes(column)), np.full(len(self._x), True))

    def _column(self, node: ast.expr) -> Column | None:
        if not isinstance(node, ast.Name):
            return None
        name = unquoted(node.id)
        if name not in self._table.index:
            raise ConfigError(
                f"rule '{self._text}': expected a column of the table, got '{name}'; {nearest(name, self._table.names)}"
            )
        return self._table.columns[self._table.index[name]]

    def _codes(self, column: Column) -> Codes:
        return self._x[:, self._table.index[column.name]]

    def _refuse(self, node: ast.expr, expected: str) -> ConfigError:
        return ConfigError(f"rule '{self._text}': expected {expected}, got '{ast.unparse(node)}'.")
