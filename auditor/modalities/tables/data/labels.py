"""Labels of a table's rows as the classifier's classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError, nearest
from auditor.modalities.tables.data.columns import canonical_label
from auditor.modalities.tables.data.declared import CellValue, declared_text
from auditor.modalities.tables.data.table_file import TextColumn


def favourable_class(favourable: CellValue | None, classes: Sequence[str]) -> str:
    """Return the class that people want (DataError: no class of the classifier)."""
    if favourable is None:
        return classes[-1]
    found = _named_class(declared_text(favourable), classes)
    if found is None:
        raise DataError(
            f"'data.favourable': expected one of the classifier's classes, got '{favourable}';"
            f" {nearest(declared_text(favourable), classes)}"
        )
    return found


def _named_class(text: str, classes: Sequence[str]) -> str | None:
    """Return the class that a text names, also '1' where the class is '1.0' or 'True'."""
    return (
        text
        if text in classes
        else next((name for name in classes if canonical_label(name) == canonical_label(text)), None)
    )


def label_codes(
    cells: TextColumn, classes: tuple[str, ...], path: Path, *, rows: NDArray[np.int64]
) -> tuple[tuple[int, ...], bool]:
    """Return each label's index in the classes, and whether the labels were numbers of classes rather than their names
    (DataError: neither).
    """
    if cells.missing:
        first = int(rows[np.flatnonzero(cells.places < 0)[0]]) + 1
        raise DataError(
            f"{path}, row {first}: expected a label, got an empty cell; leave such rows out by `where`, or give them"
            " one."
        )
    seen = [text for text, count in cells.counts.items() if count]
    named = {text: _named_class(text, classes) for text in seen}
    counted = {str(place): name for place, name in enumerate(classes)}
    by_place = any(name is None for name in named.values()) and all(canonical_label(text) in counted for text in seen)
    # a class that is called '1' is meant by its name
    if by_place and not any(canonical_label(name).isdecimal() for name in classes):
        named = {text: counted[canonical_label(text)] for text in seen}
    wrong = next((text for text in seen if named[text] is None), None)
    if wrong is not None:
        raise DataError(
            f"{path}: expected a label among the classifier's classes, got '{wrong}' in {cells.counts[wrong]} rows;"
            f" {nearest(wrong, classes)}"
        )
    places = [classes.index(str(named[text])) if text in named else -1 for text in cells.texts]
    return tuple(places[place] for place in cells.places.tolist()), by_place
