"""Groups by column, band and intersection; halves and exchanges that keep units whole."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.core.errors import ConfigError
from auditor.stats.grouping import Attribute, edges_of, exchanged_groups, halves

TABLE = {"sex": ("f", "m", "Unknown", "f"), "age": ("39.5", "40", "60", "n/a")}


def test_a_column_an_intersection_and_bands() -> None:
    assert Attribute(("sex",)).values(TABLE) == ("f", "m", "", "f")
    banded = Attribute(("age",), {"age": (40.0, 60.0)})
    assert banded.values(TABLE) == ("under 40", "40 to under 60", "60 and over", "")
    both = Attribute(("sex", "age"), {"age": (40.0, 60.0)})
    assert both.name == "sex+age" and both.values(TABLE) == ("f / under 40", "m / 40 to under 60", "", "")
    assert Attribute.from_dict(both.as_dict()) == both


def test_measurements_are_cut_into_quarters_and_codes_are_not() -> None:
    table = {
        "age": tuple(str(value) for value in range(100)),
        "grade": ("1", "2", "3", "4") * 25,
        "name": tuple(f"n{value}" for value in range(100)),
    }
    assert edges_of(table, {}) == {"age": (24.0, 49.0, 74.0)}
    cut = Attribute(("age",), edges_of(table, {"age": 2})).values(table)
    assert Counter(cut) == {"under 49": 49, "49 and over": 51}
    assert edges_of(table, {"grade": (3,)})["grade"] == (3.0,)


@given(st.lists(st.integers(0, 15), min_size=1, max_size=60), st.integers(2, 6))
def test_every_band_has_somebody(values: list[int], n: int) -> None:
    table = {"x": [str(value) for value in values]}
    edges = edges_of(table, {"x": n})
    names = Attribute(("x",), edges).values(table)
    assert len(set(names)) == len(edges["x"]) + 1 <= n and "" not in names


WRONG = [
    ({"agee": 2}, "expected a column of data.groups, got 'agee'; did you mean 'age'"),
    ({"sex": 2}, "expected numbers in the column 'sex', got 'f'"),
    ({"age": (60.0, 40.0)}, r"expected rising edges for the column 'age', got \[60.0, 40.0\]"),
]


@pytest.mark.parametrize(("bands", "message"), WRONG)
def test_wrong_bands_are_refused(bands: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        edges_of(TABLE, bands)  # type: ignore[arg-type]


people = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", ""]), st.integers(0, 1), st.integers(0, 12)), min_size=1, max_size=60
)


def table_of(drawn: list[tuple[str, int, int]]) -> tuple[list[str], list[int], list[str]]:
    """Return groups, labels and units; the samples of a unit share its group."""
    group = {unit: value for value, _, unit in drawn}
    return [group[unit] for _, _, unit in drawn], [label for _, label, _ in drawn], [f"u{unit}" for _, _, unit in drawn]


@given(people, st.integers(0, 99))
def test_halves_keep_units_whole_and_groups_balanced(drawn: list[tuple[str, int, int]], seed: int) -> None:
    values, y, units = table_of(drawn)
    half = halves(values, y, units, seed=seed)
    assert all(len({h for h, u in zip(half.tolist(), units, strict=True) if u == unit}) == 1 for unit in units)
    for value in set(values):
        counts = Counter(
            dict(zip(units, half.tolist(), strict=True))[unit]
            for unit in {u for u, v in zip(units, values, strict=True) if v == value}
        )
        assert abs(counts[0] - counts[1]) <= 1
    back = halves(values[::-1], y[::-1], units[::-1], seed=seed)
    assert back[::-1].tolist() == half.tolist()


@given(people, st.integers(0, 99))
def test_an_exchange_moves_whole_units_among_their_like(drawn: list[tuple[str, int, int]], seed: int) -> None:
    values, y, units = table_of(drawn)
    new = exchanged_groups(values, y, units, seed=seed)
    assert [value == "" for value in new] == [value == "" for value in values]
    labels = {
        unit: tuple(sorted({label for label, one in zip(y, units, strict=True) if one == unit})) for unit in units
    }
    before, after = (dict(zip(units, column, strict=True)) for column in (values, new))
    assert all(after[unit] == value for unit, value in zip(units, new, strict=True))
    assert Counter((labels[unit], value) for unit, value in before.items()) == Counter(
        (labels[unit], value) for unit, value in after.items()
    )


def test_exchanges_are_uniform() -> None:
    values, y, units = ["a", "b", "b"], [0, 0, 0], ["u", "v", "w"]
    counts = Counter(exchanged_groups(values, y, units, seed=seed) for seed in range(600))
    assert len(counts) == 3 and min(counts.values()) > 150
    assert exchanged_groups(values, [0, 1, 1], units, seed=3)[0] == "a"
    assert np.array(halves(["a"], [0], ["u"], seed=0)).tolist() == [0]
