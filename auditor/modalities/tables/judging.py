"""What the report says of a table, from what was known before it was measured; no model library is imported."""

from __future__ import annotations

from typing import Any

from auditor.core.facts import Facts
from auditor.modalities.tables.checks.common import table_of

MOST_LEVELS = 40
"""Levels of a column that the report lists."""


def described(facts: Facts) -> dict[str, Any]:
    """Return the columns, the rules and the favourable class of the table.

    Levels of texts, which may be names of people, are left out.
    """
    assert facts.schema is not None, "the facts of a table say its columns"
    table, columns = table_of(facts), []
    for one, column in zip(facts.schema["columns"], table.columns, strict=True):
        levels = [] if column.numeric or column.kind == "text" else [column.levels[code] for code in column.allowed]
        unsupported = 0 if column.numeric or column.kind == "text" else len(column.levels) - len(column.allowed)
        columns.append(
            {**one, "levels": levels[:MOST_LEVELS], "allowed": len(column.allowed), "unsupported": unsupported}
        )
    return {"columns": columns, "rules": facts.schema["rules"], "favourable": table.favourable}
