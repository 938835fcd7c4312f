"""Rules on many rows: what breaks them, definitions in their order, coupled repair, and what is refused."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.core.errors import ConfigError
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import Column, Rule, Table

ROLE, SEX, STATE = ("Husband", "Wife", "Own-child"), ("Female", "Male"), ("married", "never")
HOME = (
    Column("role", "categorical", levels=ROLE),
    Column("sex", "categorical", levels=SEX),
    Column("state", "categorical", levels=STATE),
    Column("gain", "integer"),
    Column("loss", "integer"),
)
COUPLED = (
    Rule("husband", "role == 'Husband'", "sex == 'Male'", swap={"role": {"Husband": "Wife"}}),
    Rule("wife", "role == 'Wife'", "sex == 'Female'", swap={"role": {"Husband": "Wife"}}),
    Rule("married", "role in ['Husband', 'Wife']", "state == 'married'"),
    Rule("gains", "", "gain == 0 or loss == 0"),
)
RULES = Rules(Table(HOME, COUPLED))
EVERY = np.array(
    list(
        itertools.product([0, 1, 2, math.nan], [0, 1, math.nan], [0, 1, math.nan], [0, 5, math.nan], [0, 7, math.nan])
    ),
    dtype=float,
)


def test_what_is_broken_against_the_rules_in_plain_words() -> None:
    broken = RULES.broken(EVERY)
    for row, found in zip(EVERY, broken.tolist(), strict=True):
        role, sex, state = (
            levels[int(code)] if not math.isnan(code) else ""
            for levels, code in zip((ROLE, SEX, STATE), row[:3], strict=True)
        )
        gain, loss = row[3:]
        assert found == [
            role == "Husband" and sex == "Female",
            role == "Wife" and sex == "Male",
            role in ("Husband", "Wife") and state == "never",
            gain > 0 and loss > 0,
        ]
    assert np.array_equal(RULES.feasible(EVERY), ~broken.any(1))
    assert Rules(Table(HOME)).broken(EVERY).shape == (len(EVERY), 0) and Rules(Table(HOME)).feasible(EVERY).all()


def test_a_condition_that_is_open_breaks_nothing() -> None:
    rules = Rules(Table(HOME, (Rule("r", "gain > 0", "missing(role)"),)))
    assert rules.broken(np.array([[0, 0, 0, math.nan, 0], [0, 0, 0, 1, 0], [math.nan, 0, 0, 1, 0]]))[:, 0].tolist() == [
        False,
        True,
        False,
    ]


def test_coupled_repair_goes_both_ways_and_leaves_the_rest() -> None:
    couples = np.array([[0, 1, 0, 0, 0], [1, 0, 0, 0, 0], [2, 0, 1, 3, 0], [0, math.nan, 0, 0, 0]], dtype=float)
    flipped = couples.copy()
    flipped[:, 1] = 1 - flipped[:, 1]
    repaired = RULES.repaired(flipped, [1])
    assert repaired[:, 0].tolist() == [1, 0, 2, 0] and np.array_equal(repaired[:, 1:], flipped[:, 1:], equal_nan=True)
    assert not RULES.broken(repaired)[:, :2].any()
    assert np.array_equal(RULES.repaired(flipped, [0, 1]), flipped, equal_nan=True)  # the coupled column is kept too
    assert np.array_equal(flipped[:, 0], couples[:, 0])  # in place nothing is changed


@given(st.lists(st.integers(0, len(EVERY) - 1), min_size=1, max_size=20))
def test_repair_changes_only_rows_that_break_a_rule_with_a_swap(places: list[int]) -> None:
    x = EVERY[places]
    repaired, touched = RULES.repaired(x, [1]), RULES.broken(x)[:, :2].any(1)
    assert np.array_equal(repaired[~touched], x[~touched], equal_nan=True) and not RULES.broken(repaired)[:, :2].any()
    assert np.array_equal(RULES.repaired(repaired, [1]), repaired, equal_nan=True)


MONEY = tuple(Column(name, "real", dtype="float64") for name in ("debt", "income", "ratio", "double", "note"))
DEFINED = (Rule("double", "", "ratio * 2", "double"), Rule("ratio", "", "debt / income", "ratio", tolerance=0.01))


def test_definitions_are_computed_in_their_order() -> None:
    rules = Rules(Table(MONEY, DEFINED))
    assert rules.defined == (2, 3) and rules.columns(0) == (2, 3) and rules.columns(1) == (0, 1, 2)
    x = np.array([[1, 3, 9, 9, 0], [1, 0, 9, 9, 0], [math.nan, 3, 9, 18, 0]], dtype=float)
    found = rules.recomputed(x)
    assert found[0].tolist() == [1, 3, 0.333333333, 0.666666666, 0]
    assert found[1].tolist() == [1, 0, 9, 18, 0] and np.isnan(found[2, 0]) and found[2, 1:].tolist() == [3, 9, 18, 0]
    assert not rules.broken(found).any() and x[0, 2] == 9
    assert Rules(Table(MONEY)).recomputed(x) is x


def test_the_slack_of_a_definition() -> None:
    rules = Rules(Table(MONEY, DEFINED))
    x = np.array([[1, 4, 0.255, 0.51, 0], [1, 4, 0.27, 0.54, 0], [1, 4, 0.25, 0.5001, 0]])
    assert rules.broken(x).tolist() == [[False, False], [False, True], [True, False]]


@given(st.lists(st.tuples(*[st.floats(-1e12, 1e12)] * 5), min_size=1, max_size=5))
def test_what_was_computed_anew_breaks_no_definition(x: list[tuple[float, ...]]) -> None:
    rules = Rules(Table(MONEY, DEFINED))
    found = rules.recomputed(np.array(x))
    assert not rules.broken(found).any() and np.array_equal(rules.recomputed(found), found)


BAD = [
    (HOME, (Rule("r", "", "gains > 1"),), "expected a column of the table, got 'gains'; did you mean 'gain'?"),
    (
        HOME,
        (Rule("r", "role == 'Husbnd'", "gain > 1"),),
        "expected a level of 'role', got 'Husbnd'; did you mean 'Husband'?",
    ),
    (
        HOME,
        (Rule("r", "", "gain > 1", swap={"gain": {"1": "2"}}),),
        "rule 'r': expected a column with levels in `swap`, got 'gain'; ",
    ),
    (
        HOME,
        (Rule("r", "", "gain > 1", swap={"rol": {"1": "2"}}),),
        "rule 'r': expected a column with levels in `swap`, got 'rol'; did you mean 'role'?",
    ),
    (
        HOME,
        (Rule("r", "", "gain > 1", swap={"sex": {"Male": "Femal"}}),),
        "rule 'r': expected levels of 'sex' in `swap`, got 'Femal'; did you mean",
    ),
    (MONEY, (Rule("r", "", "debt", "rate"),), "rule 'r': expected a column of the table before '=', got 'rate'; "),
    (
        HOME,
        (Rule("r", "", "gain", "sex"),),
        "rule 'r': expected a column of numbers before '=', got 'sex', which is categorical.",
    ),
    (MONEY, (Rule("r", "", "debt > 1", "ratio"),), "expected a number or a column of numbers, got 'debt > 1'."),
    (
        MONEY,
        (Rule("a", "", "ratio", "double"), Rule("b", "", "double", "ratio")),
        "rules: the definitions of double, ratio go in a circle.",
    ),
    (MONEY, (Rule("a", "", "ratio + 1", "ratio"),), "rules: the definitions of ratio go in a circle."),
    (
        MONEY,
        (Rule("a", "", "debt", "ratio"), Rule("b", "", "income", "ratio")),
        "rules: expected at most one `define` for each column.",
    ),
]


@pytest.mark.parametrize(("columns", "rules", "sentence"), BAD, ids=[sentence[:50] for _, _, sentence in BAD])
def test_what_is_refused(columns: tuple[Column, ...], rules: tuple[Rule, ...], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Rules(Table(columns, rules))
    assert sentence in str(refused.value)
