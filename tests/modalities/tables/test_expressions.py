"""Expressions: Kleene's logic against every possible completion, comparisons of each kind, and what is refused."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.core.errors import ConfigError
from auditor.modalities.tables.expressions import Expression
from auditor.modalities.tables.table import Column, Table

TABLE = Table(
    (
        Column("age", "integer", dtype="int64"),
        Column("pay", "real", dtype="float64"),
        Column("born", "date"),
        Column("size", "ordinal", levels=("low", "mid", "high")),
        Column("other", "ordinal", levels=("high", "mid", "top")),
        Column("work", "categorical", levels=("none", "private")),
        Column("sort", "categorical", levels=("private", "state")),
        Column("grade", "categorical", levels=("1", "10", "2"), dtype="int64"),
        Column("member", "boolean", levels=("False", "True"), dtype="bool"),
        Column("the size (cm)", "real", dtype="float64"),
        Column("class", "integer", dtype="int64"),
        Column("größe", "integer", dtype="int64"),
    )
)
ROW = {
    "age": "40",
    "pay": "0.3",
    "born": "1980-05-01",
    "size": "mid",
    "other": "top",
    "work": "private",
    "sort": "private",
    "grade": "10",
    "member": "True",
    "the size (cm)": "1.5",
    "class": "3",
    "größe": "2",
}


def truth(text: str, tolerance: float = 0.0, **changed: str) -> bool | None:
    """Return whether an expression holds in the row, with some cells changed; None where that is open."""
    x = TABLE.codes([[{**ROW, **changed}[name] for name in TABLE.names]])
    found = Expression(text, TABLE).truth(x, tolerance)
    return bool(found.holds[0]) if found.known[0] else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("age == 40 and work == 'private'", True),
        ("not (age < 40) and age <= 40 < 41", True),
        ("30 < age < 35 or work != 'none'", True),
        ("age in [39, 40, 41]", True),
        ("work in ('none',)", False),
        ("work not in ['none']", True),
        ("work == sort", True),
        ("size >= 'mid' and 'low' < size", True),
        ("size == other", False),
        ("size < other", None),  # 'top' has no place among the levels of size
        ("grade == 10 and grade > 9", True),
        ("grade == '10'", True),
        ("member == True and member != False", True),
        ("member == 'False'", False),
        ("born < '1980-05-02' and born - '1980-04-30' == 1", True),
        ("`the size (cm)` * 2 == `class`", True),
        ("größe == 2 and `größe` == 2", True),
        ("pay == 0.1 + 0.2", False),
        ("-age / 2 + 60 == age", True),
        ("age / 0 > 1", None),
        ("age / (age - 40) > 1 or age == 40", True),
        ("missing(age) or missing(work)", False),
        ("True", True),
    ],
)
def test_what_holds(text: str, expected: bool | None) -> None:
    assert truth(text) is expected


def test_a_missing_cell_leaves_open_what_it_decides() -> None:
    assert truth("age > 1", age="") is None and truth("missing(age)", age="") is True
    assert (
        truth("age > 1 or work == 'private'", age="") is True and truth("age > 1 and work == 'none'", age="") is False
    )
    assert truth("work in ['none']", work="") is None and truth("not work == 'none'", work="") is None
    assert truth("size < other", size="") is None and truth("work == sort", sort="") is None


def test_slack() -> None:
    assert truth("pay == 0.1 + 0.2", 1e-9) is True and truth("pay != 0.1 + 0.2", 1e-9) is False
    assert (
        truth("age <= 39", 1) is True
        and truth("age >= 41", 1) is True
        and truth("age < 40", 0.5) is True
        and truth("age > 42", 1) is False
    )
    assert truth("size < 'mid'", 1) is False  # levels have no distance


atoms = st.sampled_from(["a == 1", "b == 1", "c == 1", "a == b", "b != c", "missing(a)", "a in [1, 5]"])
formulas = st.recursive(
    st.sampled_from(["a == 1", "b == 1", "c == 1"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda part: f"({' '.join(part)})"),
        inner.map("(not {})".format),
    ),
    max_leaves=5,
)
SMALL = Table(tuple(Column(name, "integer", dtype="float64") for name in "abc"))
STATES = np.array(list(itertools.product([0.0, 1.0, math.nan], repeat=3)))


@given(formulas)
def test_kleene_against_an_interpreter_of_three_values(formula: str) -> None:
    found = Expression(formula, SMALL).truth(STATES)
    for place, state in enumerate(STATES):
        values = {f"{name} == 1": 0.5 if math.isnan(value) else value for name, value in zip("abc", state, strict=True)}
        assert (0.5 if not found.known[place] else float(found.holds[place])) == three_valued(formula, values)


def three_valued(formula: str, values: dict[str, float]) -> float:
    """Return 0, 1/2 or 1: conjunction is the smaller, disjunction the larger, negation the rest to 1."""
    if formula in values:
        return values[formula]
    inner = formula[1:-1]
    if inner.startswith("not "):
        return 1 - three_valued(inner[4:], values)
    depth = 0
    for place, sign in enumerate(inner):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        for word, join in ((" and ", min), (" or ", max)):
            if depth == 0 and inner.startswith(word, place):
                return join(three_valued(inner[:place], values), three_valued(inner[place + len(word) :], values))
    raise AssertionError(formula)


@given(formulas)
def test_what_is_known_holds_for_every_completion(formula: str) -> None:
    """Kleene's answer, where there is one, is that of every way to fill the missing cells in."""
    found = Expression(formula, SMALL).truth(STATES)
    whole = {
        tuple(state): bool(held) for state, held in zip(STATES, found.holds, strict=True) if not np.isnan(state).any()
    }
    for place, state in enumerate(STATES):
        if found.known[place]:
            filled = itertools.product(*([0.0, 1.0] if math.isnan(value) else [value] for value in state))
            assert {whole[one] for one in filled} == {bool(found.holds[place])}


def test_the_columns_and_the_value() -> None:
    expression = Expression("`class` + age * 2 - pay", TABLE)
    assert expression.columns == ("age", "pay", "class")
    x = TABLE.codes([[ROW[name] for name in TABLE.names]] * 2)
    x[1, 0] = np.nan
    assert expression.value(x)[0] == 82.7 and np.isnan(expression.value(x)[1])
    assert np.array_equal(Expression("2", TABLE).value(x), [2.0, 2.0])


BAD = [
    ("age ==", "expected an expression such as \"relationship == 'Husband'\", but invalid syntax."),
    ("aged == 1", "expected a column of the table, got 'aged'; did you mean 'age'?"),
    ("work == 'privat'", "expected a level of 'work', got 'privat'; did you mean 'private'?"),
    ("work < 'private'", "expected == or != or in for 'work', which is categorical, since its levels have no order."),
    ("work == 1", "expected a number or a column of numbers, got 'work'."),
    ("work == age", "expected a number or a column of numbers, got 'work'."),
    ("age == 'forty'", "expected a number or a column of numbers, got ''forty''."),
    ("age + 1", "expected a condition, got 'age + 1'."),
    ("age", "expected a condition, got 'age'."),
    ("age ** 2 > 1", "expected a number or a column of numbers, got 'age ** 2'."),
    ("age is None", "expected ==, !=, <, <=, >, >= or in, got 'age'."),
    ("work in []", "expected a list of levels, got '[]'."),
    ("work in 'private'", "expected a list of levels, got ''private''."),
    ("len(work) > 1", "expected a number or a column of numbers, got 'len(work)'."),
    ("lost(work)", "expected no function but missing(column), got 'lost(work)'."),
    ("missing(1)", "expected a column, got '1'."),
    ("born > '2020-02-31'", "expected a date such as '2020-12-31', got '2020-02-31'."),
    ("age > 1" + "0" * 400, "expected numbers that a computer can hold, got one of 401 digits."),
    (
        "__import__('os').system('x') == 1",
        "expected a number or a column of numbers, got '__import__('os').system('x')'.",
    ),
    ("(lambda: 1)() == 1", "expected a number or a column of numbers, got '(lambda: 1)()'."),
    ("not " * 5000 + "True", "expected an expression"),
]


@pytest.mark.parametrize(("text", "sentence"), BAD, ids=[text[:30] for text, _ in BAD])
def test_what_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        expression = Expression(text, TABLE)
        assert expression.columns is not None
        expression.truth(np.full((1, len(TABLE)), np.nan))
    assert sentence in str(refused.value)
