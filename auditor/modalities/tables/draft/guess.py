"""What the columns of a table seem to be for."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from auditor.config.draft import MOST_GROUPS
from auditor.modalities.tables.data.columns import make_column
from auditor.modalities.tables.data.declared import ColumnSpec
from auditor.modalities.tables.data.table_file import TextColumn

LABEL = r"(^|_)(label|class|target|outcome|decision|hired|approved|granted|rejected|denied|default|y)$"
SPLIT = r"^(split|fold|set|partition|subset)$"
PERSON = r"^(id|.*_id|row|index|number|unnamed: 0)$"
_UNIT = r"^(person|applicant|patient|subject|customer|household|case)(_?id)?$"
PROTECTED = (
    r"(^|[^a-z])(sex|gender|race|ethnic|age([^a-z]|$)|national|native|foreign|country|religio|disab|birth|pregnan"
    r"|orientation|caste|veteran)"
)
MOST_CLASSES = 10


@dataclass(frozen=True)
class Guess:
    """What the columns of a table seem to be for."""

    label: str | None
    classes: tuple[str, ...]
    sure: bool
    """Whether the label's name says so."""
    id: str | None
    unit: str | None
    split: tuple[str, tuple[str, ...]] | None
    """Column that says which rows the model learned from, and its values."""
    groups: tuple[str, ...]


def guess_roles(cells: dict[str, TextColumn], n: int) -> Guess:
    """Return what the columns of n rows seem to be for, by their names and their cells."""
    split = next((name for name in cells if re.match(SPLIT, name, re.IGNORECASE)), None)
    unit = next(
        (name for name, one in cells.items() if re.match(_UNIT, name, re.IGNORECASE) and 2 < len(one.texts) < n), None
    )
    unique = [name for name, one in cells.items() if len(one.texts) == n and re.match(PERSON, name, re.IGNORECASE)]
    few = [
        name
        for name, one in cells.items()
        if name not in (split, unit) and 2 <= len(one.texts) <= MOST_CLASSES and not one.missing
    ]
    named = [name for name in few if re.search(LABEL, name, re.IGNORECASE)]
    label = next(iter([*named, *reversed([name for name in few if len(cells[name].texts) == 2]), *reversed(few)]), None)
    people = [name for name in cells if name != label and re.search(PROTECTED, name, re.IGNORECASE)]
    groups = tuple(
        name
        for name in people
        if len(cells[name].texts) >= 2 and (len(cells[name].texts) <= MOST_GROUPS or _amount(cells[name]))
    )
    return Guess(
        label,
        tuple(sorted(cells[label].texts)) if label else (),
        bool(named),
        next(iter(unique), None),
        unit,
        (split, cells[split].texts) if split else None,
        groups,
    )


def _amount(cells: TextColumn) -> bool:
    """Return whether a column's cells are numbers: such a column is compared in bands."""
    return make_column("", cells, np.arange(len(cells.places)), spec=ColumnSpec())[0].kind in ("integer", "real")
