"""Protected columns: which they are, to which values they are set, and which columns a rule ties to them."""

from __future__ import annotations

from math import prod

import numpy as np

from auditor.core.facts import Facts
from auditor.core.records import Trial
from auditor.modalities.tables.checks.common import table_of
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import Column, Table
from auditor.stats.grouping import known, reads_as_number

PLACES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Where a numeric column is set to, as shares of the people with smaller values."""
MOST_JOINT = 500
"""At most this many rows per sample are shown to the model for the worst of the block."""


def invariance_trials(facts: Facts) -> tuple[Trial, ...]:
    """Return the trials of every protected column and proxy that the model takes."""
    return tuple(invariance_trial(facts, column) for column in protected(facts) if supported_values(facts, column))


def invariance_trial(facts: Facts, column: Column) -> Trial:
    """Return the trial that sets a column to each of its other supported values."""
    values = supported_values(facts, column)
    settings = {"column": column.name, "values": values, "block": _block(table_of(facts), column.name, len(values))}
    return Trial("invariance", settings=settings, seed=facts.seed)


def protected(facts: Facts) -> list[Column]:
    """Return the columns that the model takes and that say who someone is, or stand for that: those of `groups`,
    protected ones, proxies.
    """
    table = table_of(facts)
    computed = set(Rules(table).defined)
    return [
        column
        for place, column in enumerate(table.columns)
        if column.kind != "text"
        and place not in computed
        and (column.name in facts.groups or column.role in ("protected", "proxy"))
    ]


def supported_values(facts: Facts, column: Column) -> list[float]:
    """Return the codes that a column is set to: its supported levels, or five values spread over those that people
    have.
    """
    if not column.numeric:
        return [float(code) for code in column.allowed or range(len(column.levels))]
    given = [
        float(column.code(value))
        for value in facts.groups.get(column.name, ())
        if known(value) and (column.kind == "date" or reads_as_number(value))
    ]
    if not given and not np.isfinite([column.low, column.high]).all():
        return []
    found = np.quantile(given or [column.low, column.high], PLACES, method="inverted_cdf" if given else "linear")
    return sorted(set(column.on_grid(found).tolist()))


def _block(table: Table, name: str, values: int) -> dict[str, list[float]]:
    """Return the supported codes of the columns with levels that a rule ties to a column; those with the most are left
    as they are where there are too many.
    """
    rules, place = Rules(table), table.index[name]
    ties = {at for number in range(len(table.rules)) if place in (tied := rules.columns(number)) for at in tied} - {
        place,
        *rules.defined,
    }
    columns = [
        table.columns[at] for at in sorted(ties) if table.columns[at].levels and table.columns[at].kind != "text"
    ]
    block = {column.name: [float(code) for code in column.allowed or range(len(column.levels))] for column in columns}
    while values * prod(map(len, block.values())) > MOST_JOINT and block:
        del block[max(block, key=lambda one: len(block[one]))]
    return block
