"""Tables: types, limits, labels, rows and rules counted on the data, and what is refused."""

import gc
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.core.errors import AuditorError, ConfigError, DataError
from auditor.modalities.tables.data.columns import canonical_label, inferred_kind, read_type
from auditor.modalities.tables.data.table_file import TextColumn
from auditor.samples import data
from auditor.samples.samples import Samples

ADULT = Path(__file__).parents[5] / "shared/data/adult"
GERMAN = ADULT.parent / "german_credit"
HEADER = "age,pay,work,level,member,since,sex,note,id,person,fold,hired\n"
WORDS = ["Ann asked", "Bob called", "Cy wrote"]


def row(number: int) -> str:
    work = ["private", "state", "private", "none" if number < 4 else "private"][number % 4]
    size = ["low", "mid", "high"][number % 3]
    return (
        f"{20 + number % 40},{number % 7 + 0.25},{work},{size},{number % 2 == 0},2020-01-{1 + number % 28:02d},"
        f"{'fm'[number % 2]},{WORDS[number % 3]} {number},r{number},p{number // 2},{number % 5},"
        f"{'yes' if number % 3 else 'no'}\n"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A table of 120 applicants."""
    (tmp_path / "people.csv").write_text(HEADER + "".join(map(row, range(120))))
    return tmp_path


def read(
    base: Path, classes: tuple[str, ...] = ("no", "yes"), takes: tuple[str, ...] | None = None, **settings: Any
) -> Samples:
    settings = {"table": "people.csv", "label": "hired", **settings}
    return data["table"].make(base, classes, takes, **data.bind("table", settings))


def codes(samples: Samples) -> np.ndarray[Any, Any]:
    return samples.load(range(len(samples))).x.numpy()


def column(samples: Samples, name: str) -> Any:
    assert samples.schema is not None
    return samples.schema.columns[samples.schema.index[name]]


def test_what_is_inferred(folder: Path) -> None:
    samples = read(folder, id="id", unit="person", groups=["sex", "age"], where={"fold": [0, 1, 2, 3, 4]})
    assert samples.schema is not None and samples.modality == "table"
    assert [(one.name, one.kind, one.dtype, one.mutable) for one in samples.schema.columns] == [
        ("age", "integer", "int64", True),
        ("pay", "real", "float64", True),
        ("work", "categorical", "str", True),
        ("level", "categorical", "str", True),
        ("member", "boolean", "bool", True),
        ("since", "date", "str", False),
        ("sex", "categorical", "str", True),
        ("note", "text", "str", False),
    ]
    assert samples.schema.favourable == "yes" and samples.shape == (8,) and samples.levels is None
    assert samples.ids[:2] == ("r0", "r1") and samples.units[:3] == ("p0", "p0", "p1") and samples.y[:4] == (0, 1, 1, 0)
    assert samples.groups["sex"][:2] == ("f", "m") and samples.groups["age"][:2] == ("20", "21")
    assert samples.mask_share[0] is None and samples.regions == {}
    age, pay, work = (column(samples, name) for name in ("age", "pay", "work"))
    x = codes(samples)
    assert (age.low, age.high, age.step) == (20, 59, 1) and (pay.low, pay.high, pay.step) == (0.25, 6.25, 0.01)
    assert age.cost == pytest.approx(1 / np.subtract(*np.percentile(x[:, 0], [75, 25])))
    assert (
        work.levels == ("none", "private", "state")
        and [work.levels[code] for code in work.allowed] == ["private", "state"]
        and work.cost == 1
    )
    assert any("work: none (1)" in note for note in samples.notes)
    note = next(note for note in samples.notes if "inferred" in note)
    assert "integer: age; real: pay; categorical: work, level, sex; boolean: member; date: since; text: note" in note


def test_the_rows_are_those_of_the_file(folder: Path) -> None:
    samples = read(folder, drop=["note"])
    assert samples.schema is not None and samples.ids[:2] == ("1", "2") and samples.units == samples.ids
    expected = pd.read_csv(folder / "people.csv")[list(samples.schema.names)]
    pd.testing.assert_frame_equal(samples.schema.frame(codes(samples)), expected)
    chunk = samples.load([5, 2])
    assert (
        chunk.x.dtype.is_floating_point
        and chunk.x.shape == (2, 10)
        and chunk.inside.all()
        and chunk.y.tolist() == [1, 1]
    )


def test_declared_columns(folder: Path) -> None:
    declared = {
        "age": {"type": "integer", "role": "protected"},
        "pay": {"type": "real", "change": [-1, 2], "direction": "up", "range": [0, 10], "cost": 0.5, "step": 0.25},
        "work": {"type": "categorical", "role": "irrelevant", "levels": ["private", "new"]},
        "level": {
            "type": "ordinal",
            "levels": ["low", "mid", "high"],
            "range": ["low", "mid"],
            "change": [0, 1],
            "min_support": 0,
        },
        "member": {"type": "boolean"},
        "since": {"type": "date", "mutable": True, "range": ["2020-01-05", "2020-02-01"]},
        "sex": {"type": "categorical", "role": "protected", "mutable": True},
        "note": {"type": "text", "role": "proxy"},
    }
    samples = read(folder, takes=tuple(declared), columns=declared)
    assert not any("inferred" in note for note in samples.notes)
    pay, work, level, since = (column(samples, name) for name in ("pay", "work", "level", "since"))
    assert (pay.least, pay.most, pay.low, pay.high, pay.cost, pay.step) == (0, 2, 0, 10, 0.5, 0.25)
    assert work.levels == ("new", "none", "private", "state") and [work.levels[code] for code in work.allowed] == [
        "new",
        "private",
    ]
    assert (
        level.levels == ("low", "mid", "high")
        and (level.low, level.high, level.least, level.most) == (0, 1, 0, 1)
        and level.allowed == (0, 1, 2)
    )
    assert since.mutable and (since.text(since.low), since.text(since.high)) == ("2020-01-05", "2020-02-01")
    assert [one.mutable for one in samples.schema.columns] == [False, True, True, True, True, True, True, False]  # type: ignore[union-attr]
    assert samples.regions == {"irrelevant": (1 / 8,) * 120, "protected": (2 / 8,) * 120, "proxy": (1 / 8,) * 120}
    chunk = samples.load([0])
    assert (
        chunk.inside[0].tolist() == [False, True, False, True, True, True, False, False]
        and samples.mask_share[0] == 4 / 8
    )
    assert chunk.regions["protected"][0].tolist() == [True, False, False, False, False, False, True, False]
    assert any("column 'since': " in note and "outside the declared range" in note for note in samples.notes)


def test_codes_that_begin_with_a_zero_stay_texts(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("zip,age,hired\n01234,041.5,yes\n10115,0,no\n")
    samples = read(tmp_path)
    assert column(samples, "zip").dtype == "str" and column(samples, "zip").levels == ("01234", "10115")
    assert column(samples, "age").dtype == "float64", "a number may be written so"


def test_an_order_of_numbers_needs_no_list(folder: Path) -> None:
    fold = column(read(folder, columns={"fold": {"type": "ordinal", "direction": "up", "min_support": 25}}), "fold")
    assert (fold.levels, fold.dtype, fold.least, fold.most, fold.allowed) == (
        ("0", "1", "2", "3", "4"),
        "int64",
        0,
        np.inf,
        (),
    )
    sort = column(read(folder, columns={"fold": {"type": "categorical", "levels": [3, 1.0, True]}}), "fold")
    assert [sort.levels[code] for code in sort.allowed] == ["1", "3"] and sort.dtype == "int64"


def test_direction_down_and_support(folder: Path) -> None:
    samples = read(
        folder, columns={"age": {"direction": "down"}, "work": {"levels": ["private", "none"], "min_support": 3}}
    )
    assert (column(samples, "age").least, column(samples, "age").most) == (-np.inf, 0)
    work = column(samples, "work")
    assert [work.levels[code] for code in work.allowed] == ["private"]


def test_a_classifier_decides_the_order_and_the_columns(folder: Path) -> None:
    samples = read(folder, takes=("sex", "age", "fold"), drop=["note"], groups=["work"])
    assert (
        samples.schema is not None
        and samples.schema.names == ("sex", "age", "fold")
        and set(samples.groups) == {"work"}
    )


def test_types_come_from_the_whole_file_and_limits_from_the_rows_kept(folder: Path) -> None:
    text = (folder / "people.csv").read_text().splitlines()
    text[5] = text[5].replace("24,", ",", 1)
    (folder / "people.csv").write_text("\n".join(text) + "\n")
    samples = read(folder, where={"fold": "0"})
    assert len(samples) == 24 and samples.ids[:2] == ("1", "6")
    age = column(samples, "age")
    assert (age.kind, age.dtype, age.missing, age.high) == ("integer", "float64", 0, 55)
    assert read(folder).notes[2].startswith("missing cells of 120 rows, kept as they are and never written: age 1")


def test_missing_words_and_what_looks_like_them(folder: Path) -> None:
    lines = [HEADER, *map(row, range(120))]
    for number, word in ((3, "?"), (4, "NA"), (5, "?")):
        lines[number] = lines[number].replace(lines[number].split(",")[0], word, 1).replace("private", "NA", 1)
    (folder / "people.csv").write_text("".join(lines))
    kept = read(folder)
    assert column(kept, "age").kind in ("categorical", "text") and column(kept, "age").dtype == "str"
    assert any("column 'age' holds '?' 2, 'NA' 1, though most cells are numbers" in note for note in kept.notes)
    assert any(
        "column 'work' holds 'NA'" in note and "which pandas.read_csv reads as missing" in note for note in kept.notes
    )
    read_as = read(folder, missing=["?", "NA"], groups=["age"], drop=["note"])
    assert (
        column(read_as, "age").kind == "integer"
        and column(read_as, "age").missing == 3
        and read_as.groups["age"][2] == ""
    )
    expected = pd.read_csv(folder / "people.csv", na_values=["?", "NA"])[list(read_as.schema.names)]  # type: ignore[union-attr]
    pd.testing.assert_frame_equal(read_as.schema.frame(codes(read_as)), expected)  # type: ignore[union-attr]


def test_other_files_say_the_same(folder: Path) -> None:
    plain = read(folder)
    text = (folder / "people.csv").read_text()
    (folder / "packed.csv.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "marked.csv").write_bytes(text.encode("utf-8-sig"))
    (folder / "tabs.tsv").write_text(text.replace(",", "\t"))
    (folder / "tabs.tsv.gz").write_bytes(gzip.compress(text.replace(",", "\t").encode()))
    pd.read_csv(folder / "people.csv").to_parquet(folder / "people.parquet")
    for name in ("packed.csv.gz", "marked.csv", "tabs.tsv", "tabs.tsv.gz", "people.parquet"):
        assert read(folder, table=name).digest == plain.digest, name
    frame = pd.read_csv(folder / "people.csv", dtype={"age": str})
    frame.to_parquet(folder / "texts.parquet")  # where the file says that digits are texts, they are
    assert (
        column(read(folder, table="texts.parquet"), "age").dtype == "str"
        and column(read(folder, table="texts.parquet"), "age").kind != "integer"
    )


def test_the_digest_hears_everything(folder: Path) -> None:
    first = read(folder).digest
    assert read(folder).digest == first
    others = [
        read(folder, groups=["sex"]),
        read(folder, unit="person"),
        read(folder, where={"fold": [1, 2]}),
        read(folder, columns={"age": {"cost": 2}}),
    ]
    others += [read(folder, classes=("yes", "no")), read(folder, favourable="no")]
    (folder / "people.csv").write_text((folder / "people.csv").read_text().replace("0.25", "0.26", 1))
    assert len({first, *(one.digest for one in others), read(folder).digest}) == 8


RULES = [
    {"id": "work", "if": "work == 'none'", "then": "age > 21"},
    {"id": "pay", "require": "pay <= 6"},
    {"id": "idle", "if": "age > 100", "then": "pay > 1"},
    {"id": "sum", "define": "pay = age * 0 + pay2", "tolerance": 0.5},
]


def test_the_lint_counts_every_rule(folder: Path) -> None:
    samples = read(folder, rules=RULES[:3])
    pay = int((codes(samples)[:, 1] > 6).sum())
    assert (
        "rule 'work' is broken by 0 of 120 rows" in samples.notes
        and f"rule 'pay' is broken by {pay} of 120 rows" in samples.notes
    )
    assert (
        "rule 'idle' is broken by 0 of 120 rows; its condition holds in none, so it forbids nothing here"
        in samples.notes
    )
    assert f"{pay} of 120 rows break a rule themselves; searches leave them out" in samples.notes
    assert len(samples) == 120  # nothing is left out here


@pytest.mark.parametrize(
    ("labels", "classes", "y"),
    [
        (["yes", "no", "yes"], ("no", "yes"), (1, 0, 1)),
        (["1", "0", "1"], ("0.0", "1.0"), (1, 0, 1)),
        (["1.0", "0.0", "1.0"], ("0", "1"), (1, 0, 1)),
        (["1", "0", "1"], ("False", "True"), (1, 0, 1)),
        (["True", "False", "True"], ("0", "1"), (1, 0, 1)),
        (["1", "0", "1"], ("denied", "hired"), (1, 0, 1)),
        ([" yes", "no", "yes "], ("no", "yes"), (1, 0, 1)),
        (["2", "1", "2"], ("1", "2"), (1, 0, 1)),
    ],
)
def test_labels_are_matched_by_what_they_mean(
    tmp_path: Path, labels: list[str], classes: tuple[str, ...], y: tuple[int, ...]
) -> None:
    pd.DataFrame({"a": [1, 2, 3], "hired": labels}).to_csv(tmp_path / "people.csv", index=False)
    samples = read(tmp_path, classes=classes)
    assert samples.y == y
    assert any("the labels are numbers: 0 stands for 'denied', 1 for 'hired'" in note for note in samples.notes) == (
        classes[0] == "denied"
    )


def test_the_favourable_class_by_what_it_means(folder: Path) -> None:
    assert read(folder, favourable="no").schema.favourable == "no"  # type: ignore[union-attr]
    pd.DataFrame({"a": [1, 2], "hired": [0, 1]}).to_csv(folder / "people.csv", index=False)
    assert read(folder, classes=("False", "True"), favourable=1).schema.favourable == "True"  # type: ignore[union-attr]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"table": "none.csv"}, "expected a table (.csv, .tsv, .xlsx or .parquet), got: no such file"),
    ({"label": "hird"}, "expected a column 'hird' (label), got none; did you mean 'hired'?"),
    ({"takes": ("age", "salary")}, "expected a column 'salary' (which the classifier takes), got none; "),
    (
        {"takes": ("age", "pay"), "drop": ["pay"]},
        "'data.drop': expected columns that the classifier does not take, got 'pay'; it takes age, pay.",
    ),
    ({"drop": ["wrk"]}, "expected a column in `drop`, got 'wrk'; did you mean 'work'?"),
    ({"groups": ["sexe"]}, "expected a column 'sexe' (groups), got none; did you mean 'sex'?"),
    ({"id": "person"}, "expected every row to have an id of its own in 'person', got 'p0' 2 times."),
    ({"where": {"fold": [9]}}, "no row is left by where: fold in [9]; that column has 0, 1, 2, 3, 4."),
    (
        {"classes": ("no", "yes.")},
        "expected a label among the classifier's classes, got 'yes' in 80 rows; did you mean 'yes.'?",
    ),
    (
        {"favourable": "yess"},
        "'data.favourable': expected one of the classifier's classes, got 'yess'; did you mean 'yes'?",
    ),
    ({"columns": {"wrk": {}}}, "got 'wrk'; did you mean 'work'?"),
    (
        {"columns": {"age": {"rol": "proxy"}}},
        "data source 'table', setting 'columns.age': unknown key 'rol'; did you mean 'role'?",
    ),
    (
        {"columns": {"age": {"role": "secret"}}},
        "setting 'columns.age.role': Input should be 'relevant', 'irrelevant', 'protected' or 'proxy', got 'secret'",
    ),
    (
        {"columns": {"age": {"change": [1, 2]}}},
        "expected the largest step down and the largest step up, such as [-10, 10] or [0, 1]",
    ),
    (
        {"columns": {"age": {"range": [9, 1]}}},
        "column 'age': expected a `range` from the smallest to the largest value, got [9, 1].",
    ),
    ({"columns": {"age": {"levels": ["a"]}}}, "column 'age': expected no `levels`, since it is integer"),
    ({"columns": {"age": {"direction": "sideways"}}}, "expected both, up or down, got 'sideways'"),
    (
        {"columns": {"work": {"change": [0, 1]}}},
        "column 'work': expected no `change`, since it is categorical and has no order.",
    ),
    (
        {"columns": {"work": {"type": "integer"}}},
        "column 'work': expected a whole number in every cell, since it is integer, got 'private' in ",
    ),
    ({"columns": {"work": {"type": "date"}}}, "expected a date such as 2020-12-31 in every cell"),
    (
        {"columns": {"pay": {"type": "integer"}}},
        "column 'pay': expected a whole number in every cell, since it is integer, got '0.25' in 18 rows; if that",
    ),
    (
        {"columns": {"level": {"type": "ordinal"}}},
        "column 'level': expected `levels` in their order, since it is declared ordinal, got none; it has low, mid,",
    ),
    (
        {"columns": {"level": {"type": "ordinal", "levels": ["low", "hi"]}}},
        "expected every level's place in the order of `levels`, got none for 'mid'",
    ),
    (
        {"columns": {"level": {"type": "boolean"}}},
        "column 'level': expected at most two levels, since it is declared boolean, got 3: high, low, mid.",
    ),
    (
        {"takes": ("age",), "columns": {"pay": {"type": "real"}}},
        "expected a column that the classifier takes, got 'pay'; it takes age.",
    ),
    ({"rules": [{"id": "a", "if": "age > 1"}]}, "rule 'a': expected one of `if` with `then`, `require`, and `define`"),
    ({"rules": [{"id": "a", "define": "age"}]}, "rule 'a': expected a definition such as \"ratio = debt / income\""),
    ({"rules": [{"id": "a", "requires": "age > 1"}]}, "unknown key 'requires'; did you mean 'require'?"),
    ({"rules": [RULES[1], RULES[1]]}, "'data.rules': expected every rule to have an id of its own, got 'pay' 2 times."),
    ({"rules": [RULES[3]]}, "expected a column of the table, got 'pay2'; did you mean 'pay'?"),
    (
        {"rules": [{"id": "a", "define": "payy = age"}]},
        "rule 'a': expected a column of the table before '=', got 'payy'; did you mean 'pay'?",
    ),
    (
        {"rules": [{"id": "a", "define": "work = age"}]},
        "rule 'a': expected a column of numbers before '=', got 'work', which is categorical.",
    ),
    (
        {"rules": [{"id": "a", "require": "work == 'privat'"}]},
        "expected a level of 'work', got 'privat'; did you mean 'private'?",
    ),
    ({"colums": {}}, "data source 'table': unknown setting 'colums'; did you mean 'columns'?"),
]


@pytest.mark.parametrize(("settings", "sentence"), BAD, ids=[sentence[:40] for _, sentence in BAD])
def test_what_is_refused(folder: Path, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AuditorError) as refused:
        read(folder, **settings)
    assert sentence in str(refused.value)
    assert isinstance(refused.value, DataError | ConfigError) or "data source" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a,hired\n1,\n2,yes\n", "row 1: expected a label, got an empty cell"),
        ("hired\nyes\n", "expected a column for the model beside label, id, unit, `where` and `drop`, got none."),
        ("a,hired\n1,yes,3\n2,no,3\n", "expected as many cells in every row as the header has names, got more."),
        ("a,hired\n1,yes\n2,no,3\n", "expected a table (.csv, .tsv, .xlsx or .parquet), got: Error tokenizing data"),
        ("a,hired\n", "expected at least one row, got none."),
        ("", "expected a table (.csv, .tsv, .xlsx or .parquet), got: No columns to parse"),
        (
            "a,hired\n1,yes\ninf,no\n",
            (
                "column 'a': expected a whole number in every cell, since it is integer, got 'inf' in 1 row; if that"
                " means a missing"
            ),
        ),
    ],
)
def test_files_that_are_refused(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "people.csv").write_text(content)
    with pytest.raises(DataError) as refused:
        read(tmp_path)
    assert sentence in str(refused.value)


SCALARS = st.one_of(
    st.lists(st.integers(-(2**40), 2**40).map(str)),
    st.lists(st.floats(-1e6, 1e6).map(repr)),
    st.lists(st.sampled_from(["True", "False"])),
    st.lists(st.sampled_from(["0", "1"])),
    st.lists(st.dates().map(str)),
    st.lists(st.sampled_from(["x", " y", "1_0", "007", "1", "-1e3", "é", "2020-1-1"])),
)


@pytest.mark.slow
@given(SCALARS.filter(bool), st.booleans())
def test_any_column_but_codes_is_read_as_pandas_reads_it(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], gap: bool
) -> None:
    base = tmp_path_factory.mktemp("any")
    cells = [*cells, *([""] if gap else [])]
    pd.DataFrame({"a": cells, "hired": ["yes", *["no"] * (len(cells) - 1)]}).to_csv(base / "people.csv", index=False)
    samples = read(base)
    assert samples.schema is not None
    frame = samples.schema.frame(codes(samples))
    # of a code that begins with a zero, pandas would keep a number
    asked = {"a": str} if any(cell.strip().startswith("0") and cell.strip()[1:].isdecimal() for cell in cells) else None
    expected = pd.read_csv(base / "people.csv", usecols=["a"], dtype=asked)
    pd.testing.assert_frame_equal(frame, expected, rtol=1e-14, atol=0)
    assert np.array_equal(samples.schema.codes(samples.schema.texts(codes(samples))), codes(samples), equal_nan=True)


def cells_of(*texts: str) -> TextColumn:
    listed = sorted({text for text in texts if text})
    return TextColumn(tuple(listed), np.array([listed.index(text) if text else -1 for text in texts]))


@pytest.mark.parametrize(
    ("texts", "kind", "dtype"),
    [
        (["1", "2", "3"], "integer", "int64"),
        (["1", "", "3"], "integer", "float64"),
        (["1.0", "2", "3"], "integer", "float64"),
        (["1.5", "2"], "real", "float64"),
        (["0", "1", "1"], "boolean", "int64"),
        (["0.0", "1.0", ""], "boolean", "float64"),
        (["TRUE", "False"], "boolean", "bool"),
        (["yes", "no"], "categorical", "str"),
        (["2020-01-31", ""], "date", "str"),
        (["2020-02-31"], "categorical", "str"),
        (["9007199254740993", "1"], "text", "int64"),
        (["99999999999999999999", "1"], "categorical", "str"),
        (["", ""], "real", "float64"),
        ([str(place) + "x" for place in range(21)], "text", "str"),
        ([str(place % 21) + "x" for place in range(500)], "categorical", "str"),
    ],
)
def test_kinds(texts: list[str], kind: str, dtype: str) -> None:
    assert (inferred_kind(cells_of(*texts)), read_type(cells_of(*texts))) == (kind, dtype)


def test_what_means_the_same() -> None:
    assert (
        canonical_label("1")
        == canonical_label("1.0")
        == canonical_label("True")
        == canonical_label(" TRUE ")
        != canonical_label("0")
    )
    assert canonical_label("yes") != canonical_label("1") and canonical_label("0") == canonical_label(
        "false"
    ) == canonical_label("-0")


def test_only_numbers_stay_in_memory(folder: Path) -> None:
    samples = read(folder, drop=["note"])
    gc.collect()
    assert not [one for one in gc.get_objects() if type(one) is pd.DataFrame and "hired" in one.columns]
    assert len(samples) == 120


@pytest.mark.skipif(not (ADULT / "adult.csv.gz").is_file(), reason="the UCI Adult table is not beside the repository")
def test_adult() -> None:
    rules = [
        {"id": "husband", "if": "relationship == 'Husband'", "then": "sex == 'Male'"},
        {"id": "wife", "if": "relationship == 'Wife'", "then": "sex == 'Female'"},
        {
            "id": "married",
            "if": "marital_status == 'Married-civ-spouse'",
            "then": "relationship in ('Husband', 'Wife')",
        },
    ]
    samples = read(
        ADULT, ("0", "1"), table="adult.csv.gz", label="income_gt_50k", where={"split": "train"}, rules=rules
    )
    counts = [
        f"rule '{name}' is broken by {count} of 32561 rows"
        for name, count in (("husband", 1), ("wife", 2), ("married", 236))
    ]
    assert (
        set(counts) <= set(samples.notes)
        and "239 of 32561 rows break a rule themselves; searches leave them out" in samples.notes
    )
    assert samples.schema is not None
    expected = (
        pd.read_csv(ADULT / "adult.csv.gz").query("split == 'train'")[list(samples.schema.names)].reset_index(drop=True)
    )
    pd.testing.assert_frame_equal(
        samples.schema.frame(np.stack([samples.loader(place)[0] for place in range(len(samples))])), expected
    )


@pytest.mark.skipif(
    not (GERMAN / "german_credit.csv").is_file(), reason="the German credit table is not beside the repository"
)
def test_german_credit() -> None:
    samples = read(
        GERMAN, ("0", "1"), table="german_credit.csv", label="bad_credit", favourable=0, groups=["foreign_worker"]
    )
    assert (
        len(samples) == 1000
        and samples.groups["foreign_worker"].count("A202") == 37
        and samples.schema.favourable == "0"
    )  # type: ignore[union-attr]
