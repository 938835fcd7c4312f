"""One reader of manifests and tables: whatever a program wrote, the cells are the same."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from auditor.core.errors import DataError
from auditor.samples.table_reader import read_table

CELLS = pd.DataFrame({"path": ["a.png", "b.png"], "name": ["Müller", "O'Neil, Eve"], "age": ["41.5", "7"]})
Write = Callable[[Path, pd.DataFrame], object]


@pytest.mark.parametrize(
    ("file", "write", "said"),
    [
        ("t.csv", lambda file, cells: cells.to_csv(file, index=False), ()),
        ("t.csv", lambda file, cells: cells.to_csv(file, index=False, encoding="utf-8-sig"), ()),
        ("t.csv.gz", lambda file, cells: file.write_bytes(gzip.compress(cells.to_csv(index=False).encode())), ()),
        ("t.tsv", lambda file, cells: cells.to_csv(file, index=False, sep="\t"), ()),
        ("t.csv", lambda file, cells: cells.to_csv(file, index=False, sep=";"), ("semicolons",)),
        ("t.csv", lambda file, cells: cells.to_csv(file, index=False, sep="|"), ("bars",)),
        (
            "t.csv",
            lambda file, cells: cells.replace("41.5", "41,5").to_csv(file, index=False, sep=";", encoding="cp1252"),
            ("Windows-1252", "semicolons", "decimal commas were read as points in age"),
        ),
        ("t.parquet", lambda file, cells: cells.to_parquet(file), ()),
        ("t.xlsx", lambda file, cells: cells.to_excel(file, index=False), ()),
    ],
    ids=["plain", "BOM", "packed", "tabs", "semicolons", "bars", "European Excel", "Parquet", "Excel"],
)
def test_the_same_cells(tmp_path: Path, file: str, write: Write, said: tuple[str, ...]) -> None:
    write(tmp_path / file, CELLS)
    found = read_table(tmp_path / file)
    pd.testing.assert_frame_equal(found.frame, CELLS, check_dtype=False)
    assert len(found.notes) == len(said)
    for words, note in zip(said, found.notes, strict=True):
        assert words in note


def test_a_comma_that_may_part_thousands_stays(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("pay;share\n1,234;0,5\n12,500;1\n")
    found = read_table(tmp_path / "t.csv")
    assert found.frame["pay"].tolist() == ["1,234", "12,500"] and found.frame["share"].tolist() == ["0.5", "1"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a,b\n1,2,3\n", "expected as many cells in every row as the header has names, got more"),
        (b"\xff\xfea\0,\0b\0", "bytes that are no text"),
        (b"", "No columns to parse"),
        (None, "no such file"),
    ],
)
def test_what_is_no_table(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=sentence) as caught:
        read_table(tmp_path / "t.csv")
    assert "\n" not in str(caught.value)
