"""A table's file and the cells of its columns, as texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import DataError, nearest
from auditor.samples.table_reader import read_table

if TYPE_CHECKING:
    pass


NOT_FINITE = {"inf", "-inf", "+inf", "infinity", "-infinity", "+infinity"}


@dataclass(frozen=True)
class TextColumn:
    """One column of a file: its distinct texts, and which one each row holds."""

    texts: tuple[str, ...]
    places: NDArray[np.int64]
    """(rows,) position in `texts`; -1 where the cell is missing."""
    said_text: bool = False
    """Whether the file itself says that these are texts, as Parquet does."""

    def at(self, rows: NDArray[np.int64]) -> TextColumn:
        """Return some of the rows; texts that none of them holds stay."""
        return replace(self, places=self.places[rows])

    def listed(self) -> tuple[str, ...]:
        """Return each row's text; '' where it is missing."""
        known = (*self.texts, "")
        return tuple(known[place] for place in self.places.tolist())

    @property
    def counts(self) -> dict[str, int]:
        """Return text -> number of rows."""
        found = np.bincount(self.places[self.places >= 0], minlength=len(self.texts))
        return dict(zip(self.texts, found.tolist(), strict=True))

    @property
    def missing(self) -> int:
        """Return the number of missing cells."""
        return int((self.places < 0).sum())


class TableFile:
    """A table file's columns, cell by cell as texts (DataError: unreadable, or no rows)."""

    def __init__(self, path: Path, missing: Iterable[str] = ()) -> None:
        self.path, self._missing = path, {"", *missing}
        self._frame, self.notes = read_table(path, "a table")
        self._frame.columns = self._frame.columns.map(str)
        self._said_text = _said_text(path)
        self.names = tuple(self._frame.columns)
        if not len(self):
            raise DataError(f"{path}: expected at least one row, got none.")

    def __len__(self) -> int:
        return len(self._frame)

    def cells(self, name: str, use: str) -> TextColumn:
        """Return a column's cells (DataError: there is no such column for what it is to be used for)."""
        import pandas as pd

        if name not in self.names:
            raise DataError(f"{self.path}: expected a column '{name}' ({use}), got none; {nearest(name, self.names)}")
        places, texts = pd.factorize(self._frame[name].to_numpy(dtype=object, na_value=""))
        absent = np.array([text.strip() in self._missing for text in texts], dtype=np.bool_)
        renumbered = np.where(absent, -1, np.cumsum(~absent) - 1)
        return TextColumn(
            tuple(text for text, gone in zip(texts, absent, strict=True) if not gone),
            renumbered[places].astype(np.int64),
            name in self._said_text,
        )


def _said_text(path: Path) -> set[str]:
    """Return the columns of a Parquet file that hold texts, whatever these look like."""
    if path.suffix.lower() != ".parquet":
        return set()
    from pyarrow import parquet

    return {field.name for field in parquet.read_schema(path) if "string" in str(field.type)}
