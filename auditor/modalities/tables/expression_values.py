"""The numbers that an expression writes out or reads from a column."""

from __future__ import annotations

import ast
from datetime import date

import numpy as np

from auditor.core.errors import ConfigError
from auditor.modalities.tables.table import EPOCH, Codes, Column


def finite(value: float, text: str) -> float:
    """Return a number that a computer can hold (ConfigError: it cannot)."""
    try:
        return float(value)
    except OverflowError:
        raise ConfigError(
            f"rule '{text}': expected numbers that a computer can hold, got one of {len(str(value))} digits."
        ) from None


def day_number(written: str, text: str) -> float:
    """Return a date's number of days, as a date column's code is."""
    try:
        return float((date.fromisoformat(written) - EPOCH).days)
    except ValueError:
        raise ConfigError(f"rule '{text}': expected a date such as '2020-12-31', got '{written}'.") from None


def written_number(node: ast.expr) -> float | None:
    """Return a number that is written out, or nothing."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = written_number(node.operand)
        return None if inner is None else -inner
    return (
        float(node.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)
        else None
    )


def all_numbers(column: Column) -> bool:
    """Return whether the levels of a column are numbers."""
    return column.dtype in ("int64", "float64")


def as_numbers(column: Column, codes: Codes) -> Codes:
    """Return the numbers (n,) that the codes of a column of levels stand for; NaN where a cell is missing."""
    absent = np.isnan(codes)
    values = np.array([float(level) for level in column.levels] or [np.nan])
    return np.where(absent, np.nan, values[np.where(absent, 0, codes).astype(np.int64)])
