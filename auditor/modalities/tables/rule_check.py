"""Rules and limits checked a second time, on one row of texts as a file holds it.

Nothing here is shared with `expressions`, `rules` or the threats, and no array library is used: a mistake there must
not repeat itself here.
Missing cells and what cannot be computed are None; a condition with such a part may still be true or false (Kleene's
logic).
"""

from __future__ import annotations

import math
from collections.abc import Collection

from auditor.modalities.tables.rule_walk import GRID_SLACK, TextRow, Walk, cell_amount, level_rank, rule_tree
from auditor.modalities.tables.table import Column, Rule, Table


def broken(table: Table, row: TextRow) -> tuple[str, ...]:
    """Return the ids of the rules that a row breaks; one that a missing cell leaves open is not broken (ConfigError: a
    rule cannot be read).
    """
    return tuple(rule.id for rule in table.rules if _breaks(table, rule, row))


def forbidden(table: Table, before: TextRow, after: TextRow, *, writable: Collection[str]) -> str:
    """Return one sentence on the first limit that a change breaks; '' where it keeps all of them.

    What a definition computes is no change of its own: give such a column its value from before, and let `broken` say
    whether it is right.
    """
    for column in table.columns:
        was, now = before[column.name], after[column.name]
        if was == now or (column.numeric and was and now and cell_amount(column, was) == cell_amount(column, now)):
            continue
        reason = (
            "expected no change, since the column may not be written"
            if column.name not in writable
            else _limit(column, was, now)
        )
        if reason:
            return f"column '{column.name}', '{was}' to '{now}': {reason}."
    return ""


def price_of_change(table: Table, before: TextRow, after: TextRow) -> float:
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
        distance = (
            abs(level_rank(column, now) - level_rank(column, was))
            if column.numeric or column.kind == "ordinal"
            else 1.0
        )
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
    value, step = level_rank(column, now), level_rank(column, now) - level_rank(column, was)
    near = GRID_SLACK * max(1.0, abs(value))
    if not column.low - near <= value <= column.high + near:
        return f"expected a value from {column.low:g} to {column.high:g}"
    if not column.least - near <= step <= column.most + near:
        return f"expected a change from {column.least:g} to {column.most:g}, got {step:g}"
    if column.numeric and abs(value - round(value / column.step) * column.step) > near:
        return f"expected a multiple of {column.step:g}"
    return ""


def _breaks(table: Table, rule: Rule, row: TextRow) -> bool:
    walk = Walk(table, row, 0.0)
    if rule.defines:
        column, cell = table.columns[table.index[rule.defines]], row[rule.defines]
        value = walk.number(rule_tree(rule.then))
        if value is None or not cell:
            return False
        return abs(value - cell_amount(column, cell)) > max(rule.tolerance, GRID_SLACK * max(1.0, abs(value)))
    if rule.when and walk.truth(rule_tree(rule.when)) is not True:
        return False
    return Walk(table, row, rule.tolerance).truth(rule_tree(rule.then)) is False
