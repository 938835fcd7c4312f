"""The table of applicants is what its docstring says: shares within four standard errors of what was planted."""

import numpy as np
import pandas as pd
import pytest

from auditor.modalities.tables.demo.applicants import (
    DEGREES,
    HISTORIES,
    PASSED,
    RACE_UNKNOWN,
    RACES,
    History,
    applicants,
)

N = 20_000


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return applicants(N, 3)


def near(flags: "pd.Series[bool] | np.ndarray[tuple[int], np.dtype[np.bool_]]", share: float) -> bool:
    return bool(abs(float(np.mean(flags)) - share) < 4 * np.sqrt(share * (1 - share) / len(flags)))


def test_who_someone_is_says_nothing_of_suitability(table: pd.DataFrame) -> None:
    suitable = table["suitable"] == "hired"
    for column in ("sex", "race", "club", "font", "weekday", "channel"):
        shares = suitable.groupby(table[column]).agg(["mean", "size"])
        assert (abs(shares["mean"] - suitable.mean()) < 4 * np.sqrt(0.25 / shares["size"])).all(), column


def test_club_gives_sex_away(table: pd.DataFrame) -> None:
    member = table[table["club"] != "none"]
    assert near((member["club"] == "netball")[member["sex"] == "Female"], 0.9)
    assert near((member["club"] == "rowing")[member["sex"] == "Male"], 0.9)


def test_columns_are_drawn_as_declared(table: pd.DataFrame) -> None:
    assert near(table["race"] == "", RACE_UNKNOWN)
    assert all(near(table.loc[table["race"] != "", "race"] == race, share) for race, share in RACES.items())
    assert set(table["degree"]) == set(DEGREES) and table["applicant"].is_unique
    assert (table["test"] >= PASSED)[table["certified"] == "yes"].all() and (table["years"] <= table["age"] - 18).all()


def test_suitability_follows_its_formula(table: pd.DataFrame) -> None:
    merit = (
        0.2 * table["years"]
        + table["degree"].map(DEGREES)
        + 0.12 * (table["test"] - 60)
        + 1.6 * (table["certified"] == "yes")
        - 3.6
    )
    chance = 1 / (1 + np.exp(-merit))
    bins = pd.cut(chance, np.linspace(0, 1, 11))
    seen = (table["suitable"] == "hired").groupby(bins, observed=True).agg(["mean", "size"])
    expected = chance.groupby(bins, observed=True).mean()
    assert (abs(seen["mean"] - expected) < 4 * np.sqrt(0.25 / seen["size"])).all()


@pytest.mark.parametrize("name", HISTORIES)
def test_histories_differ_in_what_they_plant_alone(name: str, table: pd.DataFrame) -> None:
    past = applicants(N, 3, HISTORIES[name])
    same = [column for column in table if column not in ("outcome", "channel", "font", "weekday", "race")]
    pd.testing.assert_frame_equal(past[same], table[same])
    women = (past["outcome"] == "hired")[past["sex"] == "Female"].mean() / (past["outcome"] == "hired")[
        past["sex"] == "Male"
    ].mean()
    told = (past["suitable"] == "hired") == (past["channel"] == "referral")
    assert (women < 0.5) == (name == "proxy")
    assert near(told[past["channel"] != "agency"], 0.9) == (name == "brittle")


def test_strength_zero_is_the_fair_history() -> None:
    assert (applicants(500, 1, History(asked_more=0.0))["outcome"] == applicants(500, 1)["suitable"]).all()
