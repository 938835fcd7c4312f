"""Rows as codes: the way to texts and back loses nothing, and a frame is what a reader of the file would give."""

import io
import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.core.errors import DataError
from auditor.modalities.tables.table import Column, Rule, Table, is_true, rounded

COLUMNS = (
    Column("age", "integer", dtype="int64"),
    Column("gap", "integer", dtype="float64", missing=1),
    Column("pay", "real", dtype="float64"),
    Column("size", "ordinal", levels=("low", "mid", "high")),
    Column("work", "categorical", levels=("NA", 'it\'s, "x"', "é")),
    Column("grade", "categorical", levels=("1", "10", "2"), dtype="int64"),
    Column("rate", "ordinal", levels=("0.5", "1.0"), dtype="float64"),
    Column("member", "boolean", levels=("FALSE", "TRUE"), dtype="bool"),
    Column("flag", "boolean", levels=("0", "1"), dtype="int64"),
    Column("since", "date"),
    Column("note", "text", levels=("a b", "c")),
)
TABLE = Table(COLUMNS, (Rule("r", "age > 1", "pay > 0", swap={"work": {"NA": "é"}}),), "yes")


def cell(column: Column) -> st.SearchStrategy[float]:
    if column.kind == "integer":
        return st.integers(-(2**50), 2**50).map(float)
    if column.kind == "real":
        return st.floats(allow_nan=False, allow_infinity=False)
    if column.kind == "date":
        return st.dates().map(lambda day: float(day.toordinal() - 719163))
    return st.integers(0, len(column.levels) - 1).map(float)


whole = st.tuples(*(cell(column) for column in COLUMNS))
rows = st.lists(st.tuples(*(st.one_of(st.just(math.nan), cell(column)) for column in COLUMNS)), min_size=1, max_size=5)


@pytest.mark.slow
@given(rows)
def test_texts_and_back(x: list[tuple[float, ...]]) -> None:
    codes = np.array(x)
    texts = TABLE.texts(codes)
    assert np.array_equal(TABLE.codes(texts), codes, equal_nan=True)
    assert TABLE.texts(TABLE.codes(texts)) == texts


@settings(max_examples=30)
@given(st.lists(whole, min_size=1, max_size=5))
def test_a_frame_is_what_pandas_reads(x: list[tuple[float, ...]]) -> None:
    codes = np.array(x)
    codes[0, 1] = np.nan  # a column of whole numbers is float64 to pandas where a cell is missing
    file = io.StringIO(pd.DataFrame(TABLE.texts(codes), columns=list(TABLE.names)).to_csv(index=False))
    pd.testing.assert_frame_equal(
        TABLE.frame(codes), pd.read_csv(file, keep_default_na=False, na_values=[""]), rtol=1e-14, atol=0
    )


def test_missing_cells_are_nan_in_every_kind() -> None:
    frame = TABLE.frame(np.full((2, len(COLUMNS)), np.nan))
    assert frame.isna().all().all()
    mixed = TABLE.frame(np.array([[1.0] * len(COLUMNS), [np.nan] * len(COLUMNS)]))
    assert mixed.iloc[0].tolist() == [1, 1, 1.0, "mid", 'it\'s, "x"', 10, 1.0, True, 1, "1970-01-02", "c"]
    assert {name: str(mixed[name].dtype) for name in ("age", "grade", "member", "flag")} == {
        "age": "float64",
        "grade": "float64",
        "member": "object",
        "flag": "float64",
    }


def test_the_type_of_a_column_does_not_depend_on_the_rows_asked_for() -> None:
    some = np.array([[1.0] * len(COLUMNS), [math.nan] * len(COLUMNS)])
    for name in ("size", "work", "since", "note"):
        assert {str(TABLE.frame(some[rows])[name].dtype) for rows in (slice(0, 1), slice(1, 2), slice(0, 2))} == {
            str(pd.Series(["x"]).dtype)
        }
    gappy = Table((Column("member", "boolean", levels=("False", "True"), dtype="bool", missing=2),))
    assert (
        str(gappy.frame(np.array([[1.0]]))["member"].dtype) == "object"
        and gappy.frame(np.array([[1.0]]))["member"][0] is True
    )


def test_a_half_in_a_column_of_whole_numbers_is_not_cut_off() -> None:
    table = Table((Column("age", "real", dtype="int64"),))
    assert table.frame(np.array([[37.5], [40.0]]))["age"].tolist() == [37.5, 40.0]
    assert str(table.frame(np.array([[37.0], [40.0]]))["age"].dtype) == "int64"


@pytest.mark.parametrize(
    ("place", "text", "sentence"),
    [
        (0, "nan", "column 'age': expected a value of kind integer, got 'nan'."),
        (2, "inf", "column 'pay': expected a value of kind real, got 'inf'."),
        (2, "1_000", "column 'pay': expected a value of kind real, got '1_000'."),
        (2, "1e999", "column 'pay': expected a value of kind real, got '1e999'."),
        (3, "hig", "column 'size': expected one of its levels, got 'hig'; did you mean 'high'?"),
        (9, "20200131", "column 'since': expected a value of kind date, got '20200131'."),
        (9, "2020-02-31", "column 'since': expected a value of kind date, got '2020-02-31'."),
    ],
)
def test_cells_that_no_column_holds(place: int, text: str, sentence: str) -> None:
    with pytest.raises(DataError) as refused:
        COLUMNS[place].code(text)
    assert str(refused.value) == sentence


def test_it_can_be_written_and_read_again() -> None:
    assert Table.from_dict(json.loads(json.dumps(TABLE.as_dict(), allow_nan=False))) == TABLE
    assert Table.from_dict(TABLE.as_dict()).digest == TABLE.digest != Table(COLUMNS).digest
    assert TABLE.zone("relevant").all() and not TABLE.zone("protected", "proxy").any()


@given(st.floats(-1e6, 1e6), st.sampled_from([1.0, 0.5, 0.05, 0.01, 1e-9, 7.0]))
def test_the_grid(value: float, step: float) -> None:
    column = Column("a", "real", step=step)
    found = float(column.on_grid(np.array(value)))
    assert (
        abs(found - value) <= step / 2 + 1e-9 * max(1, abs(value)) and float(column.on_grid(np.array(found))) == found
    )
    assert column.code(column.text(found)) == found


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_leaves_large_values_alone(value: float) -> None:
    found = float(rounded(np.array(value)))
    assert abs(found - value) <= 1e-9 and float(rounded(np.array(found))) == found


def test_truth() -> None:
    assert [level for level in ("TRUE", "1", "yes", " t ", "0", "no", "False", "") if is_true(level)] == [
        "TRUE",
        "1",
        "yes",
        " t ",
    ]


def test_no_rows() -> None:
    assert TABLE.codes([]).shape == (0, len(COLUMNS)) and len(TABLE.frame(np.zeros((0, len(COLUMNS))))) == 0
