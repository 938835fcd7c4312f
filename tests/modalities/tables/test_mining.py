"""Mined rules: what was planted is found with its counts, what is chance or cannot be otherwise is not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from auditor.modalities.tables.candidates import called
from auditor.modalities.tables.mining import Candidate, mine
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import Column, Table
from auditor.samples import data

ADULT = Path(__file__).parents[4] / "shared/data/adult"
N = 2000


def made(columns: Mapping[str, NDArray[Any] | list[str]]) -> tuple[Table, NDArray[np.float64]]:
    """Return a table of texts (levels) and numbers, and its codes."""
    found, codes = [], []
    for name, values in columns.items():
        array = np.asarray(values)
        if array.dtype.kind == "U":
            levels = tuple(sorted(set(array.tolist()) - {""}))
            column = Column(name, "categorical", levels=levels)
            codes.append(np.array([column.code(text) for text in array.tolist()]))
        else:
            whole = bool((array[~np.isnan(array)] % 1 == 0).all())
            column = Column(name, "integer" if whole else "real", dtype="float64", step=1.0 if whole else 0.01)
            codes.append(array.astype(np.float64))
        found.append(column)
    return Table(tuple(found)), np.stack(codes, 1)


def says(candidates: tuple[Candidate, ...]) -> dict[str, tuple[int, int]]:
    """Return rule as text -> rows that it speaks of, and that break it."""
    return {
        (
            f"{one.rule.when} => {one.rule.then}"
            if one.rule.when
            else f"{one.rule.defines} = {one.rule.then}"
            if one.rule.defines
            else one.rule.then
        ): (
            one.support,
            one.violations,
        )
        for one in candidates
    }


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def test_what_a_level_says(random: np.random.Generator) -> None:
    role = random.choice(["Husband", "Wife", "Single", "Child"], N)
    sex = np.where(role == "Husband", "Male", np.where(role == "Wife", "Female", random.choice(["Male", "Female"], N)))
    sex[np.flatnonzero(role == "Husband")[:2]] = "Female"
    state = np.where(
        np.isin(role, ["Husband", "Wife"]),
        random.choice(["civil", "church"], N),
        random.choice(["never", "divorced", "civil"], N),
    )
    found = says(mine(*made({"role": role, "sex": sex, "the state": state})))
    husbands, wives = int((role == "Husband").sum()), int((role == "Wife").sum())
    assert found["role == 'Husband' => sex == 'Male'"] == (husbands, 2)
    assert found["role == 'Wife' => sex == 'Female'"] == (wives, 0)
    assert found["role == 'Husband' => `the state` in ['church', 'civil']"] == (husbands, 0)
    assert not any(line.startswith("role == 'Single' => sex") for line in found)


def test_a_coupled_repair_is_proposed_where_two_levels_say_two_others(random: np.random.Generator) -> None:
    role = random.choice(["Husband", "Wife", "Child"], N)
    sex = np.where(role == "Husband", "Male", np.where(role == "Wife", "Female", random.choice(["Male", "Female"], N)))
    found = {
        one.rule.when: one.rule for one in mine(*made({"role": role, "sex": sex})) if one.rule.when.startswith("role")
    }
    assert [found[f"role == '{level}'"].swap for level in ("Husband", "Wife")] == [{"role": {"Husband": "Wife"}}] * 2
    many = np.where(role == "Child", random.choice(["Son", "Daughter"], N), role)
    sex = np.where(
        np.isin(many, ["Husband", "Son"]), "Male", np.where(np.isin(many, ["Wife", "Daughter"]), "Female", sex)
    )
    assert not any(one.rule.swap for one in mine(*made({"role": many, "sex": sex})))  # who would a son become?


def test_twins_are_one_rule_and_no_further_ones(random: np.random.Generator) -> None:
    number = random.integers(1, 5, N)
    name = np.array(["", "low", "mid", "high", "top"])[number]
    found = says(mine(*made({"education": name, "years": number})))
    assert list(found.values()) == [(N, 0)]
    (text,) = found
    assert text.count(" or ") == 3 and "(education == 'mid' and years == 2)" in text


def test_two_numbers_of_which_one_is_always_zero(random: np.random.Generator) -> None:
    gain, loss = random.integers(1, 5000, N), random.integers(1, 5000, N)
    which = random.choice(["gain", "loss", "none"], N, p=[0.3, 0.3, 0.4])
    found = says(mine(*made({"gain": np.where(which == "gain", gain, 0), "loss": np.where(which == "loss", loss, 0)})))
    assert found == {"gain != 0 => loss == 0": (int((which == "gain").sum()), 0)}


def test_missing_together(random: np.random.Generator) -> None:
    work = random.choice(["", "private", "state"], N, p=[0.2, 0.4, 0.4])
    job = np.where(work == "", "", random.choice(["clerk", "driver"], N))
    found = says(mine(*made({"work": work, "job": job})))
    assert found["missing(work) => missing(job)"] == (int((work == "").sum()), 0)
    assert "not missing(work) => not missing(job)" in found


def test_orders(random: np.random.Generator) -> None:
    total = random.integers(1, 40, N)
    opened = random.binomial(total, 0.5)
    opened[:3], total[:3] = 50, 20
    high = random.integers(1000, 2000, N)
    found = says(mine(*made({"open": opened, "total": total, "high": high})))
    assert found == {"open <= total": (N, 3)}  # 'open' <= 'high' holds too, and cannot be otherwise


def test_sums_products_ratios_and_multiples(random: np.random.Generator) -> None:
    rent, food = random.integers(100, 900, N), random.integers(50, 500, N)
    debt, income = random.integers(100, 90000, N), random.integers(1000, 50000, N)
    width, length = random.integers(2, 50, N), random.integers(2, 50, N)
    month = random.integers(1000, 5000, N)
    total = rent + food
    total[7] += 1
    columns = {
        "rent": rent,
        "food": food,
        "total": total,
        "debt": debt,
        "income": income,
        "ratio": np.round(debt / income, 2),
    }
    found = says(
        mine(
            *made(
                columns
                | {
                    "width": width,
                    "length": length,
                    "area": width * length,
                    "month": month,
                    "year": 12 * month,
                    "copy": month,
                }
            )
        )
    )
    assert found["total = rent + food"] == (N, 1)
    assert found["ratio = debt / income"] == (N, 0)
    assert found["area = width * length"] == (N, 0)
    assert (
        found["year = 12 * month"] == found["copy == month" if "copy == month" in found else "month == copy"] == (N, 0)
    )
    assert not any(
        " <= " in text and text.split(" <= ")[0] in ("rent", "food", "width") and text.endswith(("total", "area"))
        for text in found
    )


def test_chance_finds_nothing(random: np.random.Generator) -> None:
    columns: dict[str, Any] = {
        f"c{place}": random.choice(["a", "b", "c", "d"], N, p=[0.7, 0.26, 0.03, 0.01]) for place in range(6)
    }
    columns |= {f"n{place}": random.integers(0, 60, N) for place in range(4)} | {
        f"r{place}": np.round(random.normal(size=N), 2) for place in range(3)
    }
    columns |= {"constant": np.full(N, "x"), "nearly": np.where(np.arange(N) < 3, "y", "x")}
    assert mine(*made(columns)) == ()


@pytest.mark.slow
@given(st.lists(st.tuples(*[st.sampled_from([np.nan, 0.0, 1.0, 2.0])] * 3), min_size=1, max_size=6), st.integers(0, 3))
def test_every_candidate_can_be_read_and_counts_right(some: list[tuple[float, ...]], shift: int) -> None:
    x = np.array(some * 120)
    x[:, 2] = np.roll(x[:, 0], shift)
    table = Table(
        (
            Column("it's", "categorical", levels=("a'b", 'c"d', "e")),
            Column("class", "integer"),
            Column("ä b", "ordinal", levels=("1", "2", "3")),
        )
    )
    for one in mine(table, x):
        broken = Rules(Table(table.columns, (one.rule,))).broken(x)
        assert int(broken.sum()) == one.violations <= 0.011 * one.support and one.support >= 30


def test_names() -> None:
    assert [called(name) for name in ("age", "class", "a b", "größe", "_x1", "1x")] == [
        "age",
        "`class`",
        "`a b`",
        "`größe`",
        "_x1",
        "`1x`",
    ]


@pytest.mark.skipif(not (ADULT / "adult.csv.gz").is_file(), reason="the UCI Adult table is not beside the repository")
def test_adult() -> None:
    settings = data.bind("table", {"table": "adult.csv.gz", "label": "income_gt_50k", "where": {"split": ["train"]}})
    samples = data["table"].make(ADULT, ("0", "1"), None, **settings)
    assert samples.schema is not None
    found = says(mine(samples.schema, np.stack([samples.loader(row)[0] for row in range(len(samples))])))
    assert found["relationship == 'Husband' => sex == 'Male'"] == (13193, 1)
    assert found["relationship == 'Wife' => sex == 'Female'"] == (1568, 2)
    assert found["relationship == 'Wife' => marital_status in ['Married-AF-spouse', 'Married-civ-spouse']"] == (1568, 0)
    assert found["capital_gain != 0 => capital_loss == 0"] == (2712, 0)
    assert any(text.count("education_num == ") == 16 and counts == (32561, 0) for text, counts in found.items())
