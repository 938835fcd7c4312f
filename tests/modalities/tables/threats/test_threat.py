"""The threat of tables: what may be written, what it costs, what is listed, and what an independent look refuses."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.core.errors import AuditorError
from auditor.core.seeds import RowGenerators
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import Column, Rule, Table
from auditor.modalities.tables.threats.threat import TableThreat
from auditor.modalities.tables.threats.values import choices, permitted, price
from auditor.threats.listed import ListedThreat, Space

TABLE = Table(
    (
        Column("sex", "categorical", levels=("f", "m"), allowed=(0, 1), mutable=False),
        Column("job", "categorical", levels=("a", "b", "c"), allowed=(0, 1), cost=2.0),
        Column(
            "grade", "ordinal", levels=("low", "mid", "high", "top"), allowed=(0, 1, 2, 3), least=0, most=2, cost=0.5
        ),
        Column("debt", "real", low=0, high=10, cost=0.2, step=0.5),
        Column("income", "integer", low=1, high=50, least=-5, most=5, cost=0.1),
        Column("ratio", "real", low=0, high=20, step=0.01),
        Column("age", "integer", low=18, high=90),
    ),
    (
        Rule("ratio", then="debt / income", defines="ratio", tolerance=0.006),
        Rule("grown", "grade == 'top'", "age >= 30"),
        Rule("job", "job == 'b'", "grade != 'low'"),
    ),
)
X = np.array([0.0, 0.0, 1.0, 2.0, 8.0, 0.25, 25.0])


def threat(zone: Any = None, most: int | None = None) -> ListedThreat:
    found = TableThreat(TABLE, None if zone is None else torch.tensor(zone), most).over(torch.tensor(X)[None])
    assert isinstance(found, ListedThreat)
    return found


def space(epsilon: float, zone: Any = None, most: int | None = None, **more: Any) -> Space:
    return threat(zone, most).space(X, 0, epsilon, **more)


def allowed(
    change: dict[str, float], *, zone: Any = None, most: int | None = None, epsilon: float = 9.0, x: Any = X
) -> bool:
    row = np.array(x)
    for name, value in change.items():
        row[TABLE.index[name]] = value
    base = torch.tensor(np.array(x))[None]
    return bool(
        TableThreat(TABLE, None if zone is None else torch.tensor(zone), most)
        .over(base)
        .allows(torch.tensor(row)[None], base, epsilon)[0]
    )


def names(block: Any) -> set[str]:
    return {TABLE.names[place] for place in block.columns}


def test_rules_tie_columns_to_blocks_and_a_definition_ties_inputs_and_output() -> None:
    assert sorted(map(sorted, map(names, space(3.0).blocks))) == [["age", "grade", "job"], ["debt", "income", "ratio"]]
    zone = [True] * 6 + [False]
    assert sorted(map(sorted, map(names, space(3.0, zone).blocks))) == [["debt", "income", "ratio"], ["grade", "job"]]


def test_inputs_are_not_written_where_their_output_lies_outside_the_zone() -> None:
    zone = [True] * 5 + [False, False]
    assert [names(block) for block in space(3.0, zone).blocks] == [{"grade", "job"}]
    assert not allowed({"debt": 4.0, "ratio": 0.5}, zone=zone) and allowed({"debt": 4.0, "ratio": 0.5})


def test_every_listed_joint_value_is_allowed_and_its_cost_is_the_threat_s() -> None:
    one = threat()
    for block in space(3.0).blocks:
        rows = np.repeat(X[None], len(block), axis=0)
        rows[:, block.columns] = block.values
        base = torch.tensor(np.repeat(X[None], len(block), axis=0))
        wide = TableThreat(TABLE).over(base)
        assert wide.allows(torch.tensor(rows), base, 3.0).all()
        assert torch.allclose(one.size(torch.tensor(rows), base), torch.tensor(block.cost))
        assert (
            (np.diff(block.cost[1:]) >= 0).all()
            and block.changes[0] == 0
            and (block.values[0] == X[block.columns]).all()
        )
        assert len(np.unique(block.values, axis=0)) == len(block)


def test_what_a_definition_computes_follows_and_costs_nothing() -> None:
    block = next(one for one in space(3.0).blocks if "ratio" in names(one))
    debt, income, ratio = (block.values[:, place] for place in range(3))
    assert np.allclose(ratio, debt / income, atol=0.006) and np.allclose(ratio * 100, np.round(ratio * 100)), (
        "on the grid that the tolerance allows"
    )
    assert np.allclose(block.cost, 0.2 * np.abs(debt - 2) + 0.1 * np.abs(income - 8))
    assert set(block.changes) == {0, 1, 2}


@pytest.mark.parametrize(
    ("change", "more", "why"),
    [
        ({"sex": 1}, {}, "immutable"),
        ({"job": 2}, {}, "a level that is not allowed"),
        ({"grade": 0}, {}, "a change in the wrong direction"),
        ({"job": 1, "grade": 3}, {}, "a rule broken: top below 30"),
        ({"debt": 2.25, "ratio": 0.28}, {}, "off the grid"),
        ({"debt": 10.5, "ratio": 1.31}, {}, "out of range"),
        ({"income": 2, "ratio": 1.0}, {}, "too large a change"),
        ({"debt": 4.0}, {}, "a definition that does not follow"),
        ({"ratio": 0.3}, {}, "a defined column written"),
        ({"age": 40}, {"zone": [True] * 6 + [False]}, "outside the zone"),
        ({"age": 40}, {"epsilon": 10.0}, "too expensive"),
        ({"age": 26, "grade": 2}, {"most": 1}, "too many columns"),
        ({"age": float("nan")}, {}, "a cell made missing"),
        ({"age": 40.5}, {"epsilon": 99.0}, "not a whole number"),
    ],
)  # fmt: skip
def test_what_is_not_allowed(change: dict[str, float], more: dict[str, Any], why: str) -> None:
    assert not allowed(change, **more), why


@pytest.mark.parametrize(
    "change", [{}, {"job": 1}, {"grade": 3, "age": 30}, {"debt": 4.0, "ratio": 0.5}, {"age": 26, "grade": 2}]
)
def test_what_is_allowed(change: dict[str, float]) -> None:
    assert allowed(change, epsilon=20.0)


def test_a_missing_cell_is_never_written() -> None:
    x = X.copy()
    x[6] = np.nan
    assert allowed({"grade": 3}, x=x) and not allowed({"age": 40}, x=x, epsilon=99.0)
    assert "age" not in {
        name
        for block in TableThreat(TABLE).over(torch.tensor(x)[None]).space(x, 0, 99.0).blocks
        for name in names(block)
    }  # type: ignore[attr-defined]


def test_starts_are_random_feasible_changes_of_each_row_alone() -> None:
    x = torch.tensor(np.repeat(X[None], 40, axis=0))
    one = TableThreat(TABLE, max_changes=2).over(x)
    drawn = one.start(x, RowGenerators.of(list(range(40)), 40), 3.0)
    assert one.allows(drawn, x, 3.0).all() and (one.size(drawn, x) > 0).all() and len(drawn.unique(dim=0)) > 15
    rows = torch.tensor([7, 31])
    assert torch.equal(one.take(rows).start(x[rows], RowGenerators.of([7, 31], 2), 3.0), drawn[rows])


def test_saved_is_the_row_itself_on_the_grid() -> None:
    x = torch.tensor(X)[None]
    moved = x.clone()
    moved[0, 3], moved[0, 4] = 2.5 + 1e-12, 9
    saved = TableThreat(TABLE).saved(moved, x)
    assert saved[0, 3] == 2.5 and torch.equal(saved[0, [0, 1, 2, 4, 5, 6]], moved[0, [0, 1, 2, 4, 5, 6]])
    assert torch.equal(TableThreat(TABLE).saved(saved, x), saved)


def test_what_is_refused() -> None:
    x = torch.tensor(X)[None]
    one = TableThreat(TABLE)
    with pytest.raises(
        AuditorError, match=r"expected rows of float64 codes \(n, 7\), got \(1, 7\) of type torch.float32"
    ):
        one.over(x.float())
    with pytest.raises(AuditorError, match=r"expected a zone that broadcasts to rows of shape \(1, 7\), got \(3,\)"):
        TableThreat(TABLE, torch.ones(3, dtype=torch.bool)).over(x)
    with pytest.raises(AuditorError, match="expected a zone of type bool, got torch.float32"):
        TableThreat(TABLE, torch.ones(7))
    with pytest.raises(AuditorError, match="expected max_changes of at least 1, got 0"):
        TableThreat(TABLE, max_changes=0)
    with pytest.raises(AuditorError, match="column 'free': expected a range, or a cost above 0 and a budget"):
        endless = Table((Column("free", "real", cost=0.0),))
        TableThreat(endless).over(torch.zeros(1, 1).double()).space(np.zeros(1), 0, 1.0)  # type: ignore[attr-defined]


@settings(max_examples=60, deadline=None)
@given(
    own=st.integers(-200, 200).map(lambda value: value / 4),
    step=st.sampled_from([0.25, 0.5, 1.0]),
    cuts=st.lists(st.integers(-60, 60).map(lambda value: value / 2 + 0.1), max_size=5),
    numbers=st.lists(st.integers(-60, 60).map(float), max_size=2),
    limit=st.integers(1, 80),
)
def test_of_every_cell_the_cheapest_value_is_listed(
    own: float, step: float, cuts: list[float], numbers: list[float], limit: int
) -> None:
    column = Column("c", "real", low=-40, high=45, least=-limit, most=limit, cost=0.5, step=step)
    thresholds, exact = np.unique(cuts), np.unique(numbers)
    listed = choices(column, own, 15.0, thresholds=thresholds, cuts=exact, centre=own, straight=False, many=0)
    every = np.round(np.arange(-40, 45 + step / 2, step), 9)
    every = np.append(
        every[permitted(column, every, np.full(len(every), own)) & (price(column, every, own) <= 15 + 1e-9)], own
    )

    def cell(values: Any) -> list[tuple[Any, ...]]:
        parts = [
            np.searchsorted(thresholds, values),
            np.searchsorted(exact, values, "left"),
            np.searchsorted(exact, values, "right"),
        ]
        return list(zip(*(part.tolist() for part in parts), strict=True))

    cheapest: dict[tuple[Any, ...], float] = {}
    for where, cost in zip(cell(every), price(column, every, own).tolist(), strict=True):
        cheapest[where] = min(cost, cheapest.get(where, float("inf")))
    found: dict[tuple[Any, ...], float] = {}
    for where, cost in zip(cell(listed.values), listed.cost.tolist(), strict=True):
        found[where] = min(cost, found.get(where, float("inf")))
    assert listed.complete and found == pytest.approx(cheapest)
    assert set(listed.values.tolist()) <= set(every.tolist())
    long = choices(column, own, 15.0, thresholds=np.array([]), cuts=exact, centre=own, straight=True, many=0)
    spread = [
        np.round(value + stride * np.arange(extent + 1), 9)
        for value, stride, extent in zip(long.values, long.stride, long.extent, strict=True)
    ]
    assert np.array_equal(np.unique(np.concatenate(spread)), np.unique(every)), (
        "cells of a straight classifier hold every permitted value"
    )


def test_a_threshold_may_be_rounded_so_the_value_on_it_stands_for_itself() -> None:
    column = Column("c", "integer", low=0, high=1000, cost=1.0)
    listed = choices(
        column, 100.0, 1e9, thresholds=np.array([500 + 1e-5]), cuts=np.array([]), centre=100.0, straight=False, many=0
    )
    assert listed.values.tolist() == [100, 500, 501] and listed.complete
    fine = choices(
        Column("c", "real", low=0, high=1000, step=1e-6),
        100.0,
        1e9,
        thresholds=np.array([500.0]),
        cuts=np.array([]),
        centre=100.0,
        straight=False,
        many=0,
    )
    assert not fine.complete, "several values may lie on either side"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("debt == 0 or income > 5", [0.0]),
        ("debt in [1, -2]", [-2.0, 1.0]),
        ("0 <= debt < 7", [0.0, 7.0]),
        ("missing(debt) or income > 1", []),
        ("debt <= income", None),
        ("debt * 2 > 3", None),
    ],
)
def test_rules_say_between_which_numbers_they_do_not_tell_values_apart(text: str, expected: list[float] | None) -> None:
    found = Rules(Table(TABLE.columns, (Rule("one", then=text),))).cuts(0, "debt")
    assert (None if found is None else found.tolist()) == expected
    slack = Rules(Table(TABLE.columns, (Rule("one", then="debt <= 3", tolerance=0.5),))).cuts(0, "debt")
    assert slack is not None and slack.tolist() == [2.5, 3.0, 3.5]
