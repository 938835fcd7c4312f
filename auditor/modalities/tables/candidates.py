"""What a candidate rule is made of, and when a pattern in the data is more than chance."""

from __future__ import annotations

import keyword
import re
from typing import NamedTuple

from auditor.modalities.tables.table import Rule

CHANCE, SEEN = 20.0, 0.05
SUPPORT = 30
EXCEPTIONS = 0.01
"""Largest share of the rows that a candidate speaks of and that break it."""


class Pattern(NamedTuple):
    """One pattern that was found: its columns, its rule, and what it says where it is an implication."""

    names: frozenset[str]
    rule: Rule
    says: tuple[str, str, str, str] | None = None
    """Column, its level, another column and the level that it then has."""


def called(name: str) -> str:
    """Return a column's name as a rule writes it, in backticks where it is no plain name."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name) and not keyword.iskeyword(name)
    return name if plain else f"`{name}`"


def surprising(expected: float, violations: float, support: float) -> bool:
    """Return whether a regularity holds, and would not by chance."""
    return bool(support >= SUPPORT and expected >= CHANCE and violations <= min(SEEN * expected, EXCEPTIONS * support))
