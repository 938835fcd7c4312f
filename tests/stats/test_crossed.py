"""Two-way intervals against brute force, closed forms and the one-way case."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps

from auditor.stats.crossed import Crossed, Part, bounds, crossed_proportion, share_of
from auditor.stats.shares import share_interval

seeds = st.integers(0, 2**31)


def widening(units: int) -> float:
    return float(units / (units - 1) * (sps.t.ppf(0.975, units - 1) / sps.norm.ppf(0.975)) ** 2)


def random_part(seed: int, *, t: int = 30, s: int = 3, roles: int = 3, units: int = 12) -> Part:
    rng = np.random.default_rng(seed)
    return Part(rng.normal(size=(t, s)), rng.integers(0, units, (t, roles)))


@given(seeds)
def test_the_covariance_by_brute_force(seed: int) -> None:
    one, two = random_part(seed), random_part(seed + 1, t=17, s=2, roles=2)
    found = Crossed.of([one, two])
    pulls = np.zeros((12, 5))
    for part, columns in ((one, slice(0, 3)), (two, slice(3, 5))):
        scale = np.sqrt(widening(len(set(part.units.ravel().tolist()))))
        for value, involved in zip(part.values - part.values.mean(0), part.units, strict=True):
            for unit in involved:
                pulls[unit, columns] += scale * value / len(part.values)
    assert np.allclose(found.point, [*one.values.mean(0), *two.values.mean(0)])
    assert np.allclose(found.covariance, sum(np.outer(pull, pull) for pull in pulls))


@given(seeds, st.integers(3, 40))
def test_with_one_unit_a_row_it_is_the_ordinary_error_of_a_mean(seed: int, t: int) -> None:
    values = np.random.default_rng(seed).normal(size=(t, 1))
    found = Crossed.of([Part(values, np.arange(t)[:, None])])
    assert found.covariance[0, 0] == pytest.approx(widening(t) * values.var() / t)


@given(seeds)
def test_copies_of_a_row_under_its_units_add_nothing(seed: int) -> None:
    part = random_part(seed)
    copies = Part(np.repeat(part.values, 5, 0), np.repeat(part.units, 5, 0))
    assert np.allclose(Crossed.of([part]).covariance, Crossed.of([copies]).covariance)


def test_draws_have_that_mean_and_covariance() -> None:
    found = Crossed.of([random_part(0), random_part(1)])
    draws = found.draws(3)
    assert np.array_equal(draws, found.draws(3)) and not np.array_equal(draws, found.draws(4))
    scale = np.sqrt(np.diag(found.covariance))
    assert (np.abs(draws.mean(0) - found.point) < 5 * scale / np.sqrt(len(draws))).all()
    assert np.allclose(np.cov(draws.T) / np.outer(scale, scale), found.covariance / np.outer(scale, scale), atol=0.1)
    low, high = bounds(draws[:, 0])
    assert (low, high) == (
        pytest.approx(found.point[0] - 1.96 * scale[0], rel=0.1),
        pytest.approx(found.point[0] + 1.96 * scale[0], rel=0.1),
    )


def test_one_unit_alone_says_nothing() -> None:
    low, high = bounds(Crossed.of([Part(np.array([[1.0], [2.0]]), np.zeros((2, 2), dtype=np.int64))]).draws(0))
    assert high - low > 1e5


@given(st.floats(-9, 9), st.floats(-9, 9))
def test_a_share_is_between_minus_one_and_one(part: float, rest: float) -> None:
    share = float(share_of(np.array(part), np.array(rest)))
    assert -1 <= share <= 1 and share == pytest.approx(-float(share_of(np.array(-part), np.array(rest))))


def test_shares_in_closed_form() -> None:
    assert share_of(np.array([1.0, 0.0, -1.0, 0.0]), np.array([3.0, 2.0, -1.0, 0.0])).tolist() == [0.25, 0.0, -0.5, 0.0]


def test_flags_that_all_agree_count_each_unit_once() -> None:
    units = np.array([[row % 10, 10 + row % 5] for row in range(200)])
    found = crossed_proportion([1.0] * 200, units, unit="share")
    assert (found.value, found.low, found.high) == (1.0, *share_interval(1.0, 15)) and (found.n, found.units) == (
        200,
        15,
    )


def test_pairs_of_strangers_are_worth_half_of_their_number() -> None:
    """Each flag's noise is counted for both of its units: the price of never counting a unit too little."""
    flags = [float(row % 2) for row in range(400)]
    found = crossed_proportion(flags, np.arange(800).reshape(400, 2), unit="share")
    low, high = share_interval(0.5, 200)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))
