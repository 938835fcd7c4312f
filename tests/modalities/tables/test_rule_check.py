"""The independent checker agrees with the fast rules on any table, row and rule, and names the limit that a change
breaks.
"""

import ast
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import auditor.modalities.tables.rule_check
from auditor.core.errors import ConfigError
from auditor.modalities.tables.rule_check import broken, forbidden, price_of_change
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import Column, Rule, Table

COLUMNS = (
    Column("a", "integer", dtype="int64"),
    Column("r", "real", dtype="float64"),
    Column("born on", "date"),
    Column("o", "ordinal", levels=("low", "mid", "high")),
    Column("p", "ordinal", levels=("high", "mid", "top")),
    Column("c", "categorical", levels=("x", "y", "low", "it's")),
    Column("g", "categorical", levels=("1", "10", "2"), dtype="int64"),
    Column("b", "boolean", levels=("False", "True"), dtype="bool"),
    Column("class", "categorical", levels=("x", "y")),
)
VALUES = {"a": [-2.0, 0.0, 1.0, 3.0], "r": [-1.5, 0.0, 0.1, 0.3, 1e200], "born on": [-1.0, 0.0, 18262.0]}
FIELD = {
    column.name: column.name if column.name in ("a", "r", "o", "p", "c", "g", "b") else f"`{column.name}`"
    for column in COLUMNS
}

FIELDS = {"a": r"\ba\b", "r": r"\br\b", "born on": "`born on`"}
"""Column of numbers -> how an expression names it; a definition may not name its own."""

numbers = st.recursive(
    st.one_of(st.sampled_from(["0", "1", "-2", "0.1", "1e300"]), st.sampled_from(["a", "r", "g", "`born on`"])),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda part: f"({part[0]} {part[1]} {part[2]})"),
        inner.map("-{}".format),
    ),
    max_leaves=4,
)
order = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
same = st.sampled_from(["==", "!="])
leaves = st.one_of(
    st.tuples(numbers, order, numbers).map(" ".join),
    st.tuples(numbers, order, numbers, order, numbers).map(" ".join),
    st.tuples(st.sampled_from(["o", "p"]), order, st.sampled_from(["o", "p", "'mid'", "'high'"])).map(" ".join),
    st.tuples(st.sampled_from(["c", "o", "`class`"]), same, st.sampled_from(["c", "o", "`class`"])).map(" ".join),
    st.tuples(st.sampled_from(["c", "`class`"]), same, st.sampled_from(["'x'", "'y'"])).map(" ".join),
    st.tuples(
        st.sampled_from(["c", "`class`"]), st.sampled_from(["in", "not in"]), st.sampled_from(["['x']", "('x', 'y')"])
    ).map(" ".join),
    st.tuples(
        st.sampled_from(["a", "g"]), st.sampled_from(["in", "not in"]), st.sampled_from(["[1, 3]", "(2, r)"])
    ).map(" ".join),
    st.tuples(st.just("b"), same, st.sampled_from(["True", "False", "'True'"])).map(" ".join),
    st.tuples(st.just("`born on`"), order, st.sampled_from(["'1970-01-01'", "'2020-01-01'"])).map(" ".join),
    st.sampled_from(sorted(FIELD.values())).map("missing({})".format),
    st.sampled_from(["True", "False"]),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda part: f"({' '.join(part)})"),
        inner.map("(not {})".format),
    ),
    max_leaves=4,
)
tolerances = st.sampled_from([0.0, 0.15, 2.0])
rules = st.one_of(
    st.builds(lambda when, then, slack: Rule("r", when, then, tolerance=slack), conditions, conditions, tolerances),
    st.builds(lambda then, slack: Rule("r", "", then, tolerance=slack), conditions, tolerances),
    st.builds(
        lambda then, name, slack: Rule("r", "", re.sub(FIELDS[name], "2", then), name, tolerance=slack),
        numbers,
        st.sampled_from(sorted(FIELDS)),
        tolerances,
    ),
)
rows = st.tuples(
    *(
        st.sampled_from([math.nan, *(VALUES.get(column.name) or map(float, range(len(column.levels))))])
        for column in COLUMNS
    )
)


@pytest.mark.slow
@settings(max_examples=400)
@given(rule=rules, x=st.lists(rows, min_size=1, max_size=8))
def test_it_agrees_with_the_fast_rules(rule: Rule, x: list[tuple[float, ...]]) -> None:
    table = Table(COLUMNS, (rule,))
    codes = np.array(x)
    fast = Rules(table).broken(codes)[:, 0].tolist()
    slow = [broken(table, dict(zip(table.names, texts, strict=True))) == ("r",) for texts in table.texts(codes)]
    assert fast == slow


@pytest.mark.slow
@given(x=st.lists(rows, min_size=1, max_size=8), expression=numbers)
def test_a_row_that_was_recomputed_keeps_its_definition(x: list[tuple[float, ...]], expression: str) -> None:
    table = Table(COLUMNS, (Rule("r", "", re.sub(FIELDS["r"], "a", expression), "r"),))
    made = Rules(table)
    found = made.recomputed(np.array(x))
    assert not made.broken(found).any()
    assert all(broken(table, dict(zip(table.names, texts, strict=True))) == () for texts in table.texts(found))


def test_it_shares_nothing_with_what_it_checks() -> None:
    tree = ast.parse(Path(auditor.modalities.tables.rule_check.__file__).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} | {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    assert not {
        name
        for name in modules
        if name and (name.startswith("numpy") or name.split(".")[-1] in ("rules", "expressions", "threats"))
    }


LIMITS = Table(
    (
        Column("hours", "integer", low=1, high=99, least=-10, most=10, cost=0.1),
        Column("pay", "real", low=0, high=10, step=0.05, cost=2),
        Column("level", "ordinal", levels=("HS", "BA", "MA"), low=0, high=2, least=0, most=1, allowed=(0, 1, 2)),
        Column("work", "categorical", levels=("none", "private", "state"), allowed=(1, 2), cost=3),
        Column("start", "date", low=0, high=100, most=10),
    )
)
BEFORE = {"hours": "95", "pay": "0.1", "level": "HS", "work": "private", "start": "1970-02-01"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hours": "99"}, ""),
        ({"hours": "95.0"}, ""),
        ({"hours": "100"}, "column 'hours', '95' to '100': expected a value from 1 to 99."),
        ({"hours": "80"}, "column 'hours', '95' to '80': expected a change from -10 to 10, got -15."),
        (
            {"hours": ""},
            "column 'hours', '95' to '': expected a missing cell to stay as it is, and no cell to become missing.",
        ),
        ({"pay": "0.35"}, ""),
        ({"pay": "0.36"}, "column 'pay', '0.1' to '0.36': expected a multiple of 0.05."),
        ({"level": "BA"}, ""),
        ({"level": "MA"}, "column 'level', 'HS' to 'MA': expected a change from 0 to 1, got 2."),
        ({"work": "state"}, ""),
        ({"work": "none"}, "column 'work', 'private' to 'none': expected a level that may be written."),
        ({"work": "new"}, "column 'work', 'private' to 'new': expected a level that may be written."),
        (
            {"start": "1970-02-20"},
            "column 'start', '1970-02-01' to '1970-02-20': expected a change from -inf to 10, got 19.",
        ),
    ],
)
def test_the_limit_that_a_change_breaks(change: dict[str, str], sentence: str) -> None:
    assert forbidden(LIMITS, BEFORE, {**BEFORE, **change}, writable=LIMITS.names) == sentence
    refused = forbidden(LIMITS, BEFORE, {**BEFORE, **change}, writable=())
    assert ("may not be written" in refused) == (change != {"hours": "95.0"})


def test_the_price_of_a_change() -> None:
    after = {**BEFORE, "hours": "90", "pay": "0.6", "level": "MA", "work": "state"}
    assert price_of_change(LIMITS, BEFORE, after) == pytest.approx(5 * 0.1 + 0.5 * 2 + 2 + 3)
    assert price_of_change(LIMITS, BEFORE, BEFORE) == 0
    assert (
        price_of_change(LIMITS, BEFORE, {**BEFORE, "work": ""})
        == price_of_change(LIMITS, {**BEFORE, "work": ""}, BEFORE)
        == math.inf
    )


@pytest.mark.parametrize("text", ["a b", "a ** 2 > 1", "nothing == 1", "len(a)", "a", "missing(1)"])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        broken(Table(COLUMNS, (Rule("r", "", text),)), {column.name: "1" for column in COLUMNS})
