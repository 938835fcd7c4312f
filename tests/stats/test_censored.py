"""Censored sizes against the leukaemia trial of Freireich et al. 1963 (Blood 21), closed forms and brute force."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps
from statsmodels.duration.survfunc import SurvfuncRight

from auditor.stats.censored import flipped_curve, log_rank_p, median, restricted_mean
from auditor.stats.means import mean
from auditor.stats.shares import proportion, share_interval

FOUND = [6, 6, 6, 7, 10, 13, 16, 22, 23]
"""Weeks of remission that ended, under 6-MP."""
LOST = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
SIZES = [float(one) for one in FOUND] + [math.inf] * len(LOST)
REACH = [40.0] * len(FOUND) + [float(one) for one in LOST]
LEFT = [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]


def own(n: int, name: str = "u") -> list[str]:
    return [f"{name}{row}" for row in range(n)]


def test_kaplan_and_meier_as_published() -> None:
    curve = flipped_curve(SIZES, REACH, own(21))
    assert [step for step, _ in curve] == sorted(set(FOUND))
    assert [1 - one.value for _, one in curve] == pytest.approx(LEFT, abs=6e-4)
    errors = SurvfuncRight(SIZES[:9] + [float(one) for one in LOST], [1] * 9 + [0] * 12).surv_prob_se
    for (_, one), error in zip(curve, errors, strict=True):
        assert (one.low, one.high) == pytest.approx(share_interval(one.value, one.value * (1 - one.value) / error**2))


def test_the_last_interval_is_like_the_published_one() -> None:
    """0.448 left, 0.188 to 0.680 by R's log(-log) interval."""
    last = flipped_curve(SIZES, REACH, own(21))[-1][1]
    assert (1 - last.high, 1 - last.low) == (pytest.approx(0.188, abs=0.06), pytest.approx(0.680, abs=0.06))


@pytest.mark.slow
@given(st.lists(st.integers(1, 12), min_size=1, max_size=60), st.integers(0, 10**6))
def test_one_reach_is_the_plain_share(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    units = [f"u{k}" for k in rng.integers(0, len(sizes), len(sizes))]
    known = [float(size) if size <= 8 else math.inf for size in sizes]
    curve = flipped_curve(known, 8.0, units)
    assert [step for step, _ in curve] == sorted({size for size in known if math.isfinite(size)})
    assert all(one == proportion([float(size <= step) for size in known], units) for step, one in curve)


@pytest.mark.slow
@given(st.lists(st.integers(1, 12), min_size=4, max_size=60), st.integers(0, 10**6), st.booleans())
def test_a_censored_curve_that_loses_nobody_is_the_plain_share(sizes: list[int], seed: int, clustered: bool) -> None:
    """One sample lost at once, of a unit of its own, sends all others through Kaplan and Meier's estimate: the plain
    share of those others.
    """
    rng = np.random.default_rng(seed)
    owners = [f"u{k}" for k in rng.integers(0, len(sizes), len(sizes))] if clustered else own(len(sizes))
    curve = flipped_curve([float(size) for size in sizes] + [math.inf], [99.0] * len(sizes) + [0.5], [*owners, "lost"])
    many = len(set(owners)) < len(owners)
    for step, one in curve:
        plain = proportion([float(size <= step) for size in sizes], owners)
        assert plain is not None and one.value == pytest.approx(plain.value)
        width, wanted = one.high - one.low, plain.high - plain.low
        assert width == pytest.approx(wanted, rel=0.25 if many else 1e-6) or one.value > 1 - 1e-9


def test_copies_under_one_unit_do_not_narrow_a_censored_curve() -> None:
    one, many = flipped_curve(SIZES, REACH, own(21)), flipped_curve(SIZES * 4, REACH * 4, own(21) * 4)
    for (_, single), (_, copied) in zip(one, many, strict=True):
        assert copied.value == pytest.approx(single.value) and copied.units == 21 and copied.n == 84
        assert copied.low <= single.low + 1e-3 and copied.high >= single.high - 1e-3


def test_a_curve_has_at_most_sixty_steps() -> None:
    curve = flipped_curve([float(row) for row in range(500)], 1000.0, own(500))
    steps = [step for step, _ in curve]
    assert len(steps) == 60 and steps[0] == 0 and steps[-1] == 499 and curve[-1][1].value == 1.0
    assert flipped_curve([], 1.0, []) == [] and flipped_curve([math.inf], 1.0, ["u"]) == []


def test_the_restricted_mean_is_the_area_above_the_curve() -> None:
    sizes = [1.0, 2.5, 2.5, 4.0, math.inf, math.inf, 7.0]
    found = restricted_mean(sizes, 6.0, own(7), unit="epsilon")
    area, last, height = 0.0, 0.0, 1.0
    for step, one in flipped_curve(sizes, 6.0, own(7)):
        if step < 6:
            area, last, height = area + height * (step - last), step, 1 - one.value
    area += height * (6 - last)
    assert found is not None and found.value == pytest.approx(area) == pytest.approx((1 + 5 + 4 + 3 * 6) / 7)
    assert (
        found == mean([1.0, 2.5, 2.5, 4.0, 6.0, 6.0, 6.0], own(7), unit="epsilon")
        and found.low < area < found.high <= 6
    )


def test_a_restricted_mean_goes_as_far_as_all_were_searched() -> None:
    """Up to the smallest reach, statsmodels' curve has the same area."""
    found = restricted_mean(SIZES, REACH, own(21))
    times = [min(size, reach) for size, reach in zip(SIZES, REACH, strict=True)]
    curve = SurvfuncRight(times, [int(math.isfinite(size)) for size in SIZES])
    steps = [0.0, *[time for time in curve.surv_times if time < 6], 6.0]
    heights = [1.0, *curve.surv_prob[curve.surv_times < 6]]
    assert (
        found is not None
        and found.value
        == pytest.approx(sum(h * (b - a) for h, a, b in zip(heights, steps, steps[1:], strict=False)))
        == 6
    )
    assert restricted_mean([], 1.0, []) is None and restricted_mean([1.0], 1.0, ["u"]) is None


TRIAL = (SIZES + [float(one) for one in PLACEBO], REACH + [40.0] * 21, ["6-MP"] * 21 + ["placebo"] * 21)


def test_log_rank_as_published() -> None:
    """Chi-square 16.79 on one degree of freedom."""
    assert log_rank_p(*TRIAL, [0] * 42, own(42), seed=0) == pytest.approx(sps.chi2.sf(16.793, 1), rel=2e-3)


def test_the_stratified_log_rank_adds_up_by_hand() -> None:
    rng = np.random.default_rng(4)
    sizes, group, y = rng.exponential(size=60), rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    away, spread = 0.0, 0.0
    for label in (0, 1):
        for time in sizes[(y == label) & (sizes < 1.5)]:
            risk = (y == label) & (sizes >= time)
            n, mine = risk.sum(), (risk & (group == 1)).sum()
            away += float(group[sizes == time].sum()) - mine / n
            spread += mine / n * (1 - mine / n)
    known = [float(size) if size < 1.5 else math.inf for size in sizes]
    p = log_rank_p(known, 1.5, [f"g{one}" for one in group], y.tolist(), own(60), seed=0)
    assert p == pytest.approx(sps.chi2.sf(away**2 / spread, 1))


def test_an_exchange_of_whole_units_as_by_brute_force() -> None:
    sizes = [1.0, 2.0, 2.0, 3.0, 4.0, math.inf, 5.0, math.inf, 1.0, math.inf]
    units, values = ["a", "a", "b", "b", "c", "c", "d", "d", "e", "f"], ["x"] * 6 + ["y"] * 4
    group = {"a": "x", "b": "x", "c": "x", "d": "y", "e": "y", "f": "y"}
    times = np.minimum(sizes, 6.0)
    hazard = {
        t: sum(sizes.count(s) / (times >= s).sum() for s in {1.0, 2.0, 3.0, 4.0, 5.0} if s <= t)
        for t in set(times.tolist())
    }
    scores = [float(math.isfinite(size)) - hazard[time] for size, time in zip(sizes, times.tolist(), strict=True)]

    def statistic(owner: dict[str, str]) -> float:
        parts = {name: [one for one, unit in zip(scores, units, strict=True) if owner[unit] == name] for name in "xy"}
        return sum(sum(part) ** 2 / len(part) for part in parts.values())

    every = [statistic(dict(zip(group, order, strict=True))) for order in permutations(group.values())]
    exact = np.mean([one >= statistic(group) - 1e-12 for one in every])
    assert 0.05 < exact < 0.95
    assert log_rank_p(sizes, 6.0, values, [0] * 10, units, seed=0, draws=20000) == pytest.approx(exact, abs=0.02)


def test_units_count_once_in_a_log_rank() -> None:
    """Copies make no new evidence: the exchange of units stays near the test of the single samples."""
    sizes, reach, values = TRIAL
    single = log_rank_p(*TRIAL, [0] * 42, own(42), seed=0)
    many = log_rank_p(sizes * 3, reach * 3, values * 3, [0] * 126, own(42) * 3, seed=0)
    assert single is not None and single < 1e-3 and many == pytest.approx(1 / 2001, abs=1e-3)
    rng, rejected = np.random.default_rng(2), 0
    for seed in range(150):
        drawn = np.repeat(rng.exponential(size=40), 3)
        known = [float(one) if one < 1.5 else math.inf for one in drawn]
        p = log_rank_p(
            known, 1.5, ["x"] * 60 + ["y"] * 60, [0] * 120, [f"u{row // 3}" for row in range(120)], seed=seed, draws=199
        )
        rejected += p is not None and p <= 0.05
    assert sps.binomtest(rejected, 150, 0.05).pvalue > 0.005


@given(st.lists(st.integers(0, 9), min_size=6, max_size=60))
def test_median_as_in_scipy(values: list[int]) -> None:
    found = median([float(one) for one in values], own(len(values)))
    expected = sps.quantile_test(values, p=0.5).confidence_interval(0.95)
    distinct = len(set(values)) == 1
    assert found is not None and found.value == np.quantile(values, 0.5, method="inverted_cdf")
    assert distinct or (found.low, found.high) == (expected.low, expected.high)


def test_two_units_that_disagree_have_no_median() -> None:
    assert median([1.0] * 5 + [3.0] * 5, ["a"] * 5 + ["b"] * 5) is None


def test_what_lies_beyond_the_search_has_no_median() -> None:
    beyond = [float(row) for row in range(20)] + [math.inf] * 20
    assert median(beyond, own(40)) is None and median(beyond[:28], own(28)) is not None
    assert median([1.0, 2.0, 3.0], own(3)) is None and median([], []) is None
    clustered = median([float(row // 5) for row in range(100)], [f"u{row // 5}" for row in range(100)])
    assert clustered is not None and clustered.units == 20 and clustered.high - clustered.low >= 8


def test_nothing_to_compare_has_no_p() -> None:
    assert log_rank_p([1.0, 2.0], 3.0, ["a", "a"], [0, 0], own(2), seed=0) is None
    assert log_rank_p([math.inf, math.inf], 3.0, ["a", "b"], [0, 0], own(2), seed=0) is None
    assert log_rank_p([1.0, 2.0], 3.0, ["a", ""], [0, 0], own(2), seed=0) is None
    assert log_rank_p([1.0, 2.0, 1.0, 2.0], 3.0, ["a", "a", "b", "b"], [0, 0, 1, 1], own(4), seed=0) is None
    assert log_rank_p([], 3.0, [], [], [], seed=0) is None
