"""The file of one case of a table: two rows of texts under the names of their columns; any text comes
back as it was.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

_ROWS = ("original", "changed")


def write_rows(path: Path, names: Sequence[str], before: Sequence[str], *, after: Sequence[str]) -> Path:
    """Write two rows of texts under the names of their columns, every cell quoted."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows([["", *names], *([label, *row] for label, row in zip(_ROWS, (before, after), strict=True))])
    return path


def read_rows(path: Path) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the names of the columns and the texts before and after (ValueError: other lines than these)."""
    with path.open(encoding="utf-8", newline="") as file:
        try:
            lines = [tuple(line) for line in csv.reader(file, strict=True)]
        except csv.Error as error:
            raise ValueError(str(error)) from None
    if (
        len(lines) != 3
        or [line[:1] for line in lines] != [("",), *((label,) for label in _ROWS)]
        or len({len(line) for line in lines}) != 1
    ):
        raise ValueError(f"expected a header and the rows {' and '.join(_ROWS)}")
    header, before, after = (line[1:] for line in lines)
    return header, before, after
