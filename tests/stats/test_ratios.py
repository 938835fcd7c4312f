"""Ratios between groups against closed forms, libraries, a published power table and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps
from statsmodels.stats.proportion import proportions_ztest

from auditor.core.records import Estimate
from auditor.stats.decisions import decide
from auditor.stats.ratios import (
    GroupShare,
    fisher_p,
    largest_ratio,
    lowest_ratio,
    needed_for_ratio,
    one_more,
    ratio_to,
    z_p,
)
from auditor.stats.shares import share_ratio

PAIRS = st.tuples(st.integers(1, 200), st.floats(0, 1)).map(lambda drawn: (round(drawn[1] * drawn[0]), drawn[0]))


def share(true: int, n: int) -> GroupShare:
    return GroupShare(true / n, float(n), n, n)


def drawn(rng: np.random.Generator, rates: dict[str, float], ns: dict[str, int]) -> dict[str, GroupShare]:
    return {name: share(int(rng.binomial(ns[name], rate)), ns[name]) for name, rate in rates.items()}


@pytest.mark.parametrize(
    ("rates", "ns"),
    [
        ((0.3, 0.3), (50, 500)),
        ((0.08, 0.1), (200, 200)),
        ((0.18, 0.3), (300, 300)),
        ((0.24, 0.3, 0.3, 0.28), (100, 150, 200, 400)),
        ((0.5,) * 5, (100,) * 5),
        ((0.9, 0.99), (100, 100)),
    ],
)
def test_the_interval_of_the_lowest_ratio_holds_the_truth(
    rates: tuple[float, ...], ns: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.stats.ratios.inverted", lambda *_: 1.0)  # p-values take most of the time
    rng, names, hits = np.random.default_rng(0), [f"g{k}" for k in range(len(rates))], 0
    for _ in range(400):
        shares = drawn(rng, dict(zip(names, rates, strict=True)), dict(zip(names, ns, strict=True)))
        found = lowest_ratio(shares, names, against=0.8)
        assert found is not None
        hits += found.estimate.low <= min(rates) / max(rates) <= found.estimate.high
    assert hits / 400 >= 0.93


def test_a_fair_twin_is_never_accused_and_a_low_ratio_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditor.stats.ratios.inverted", lambda *_: 1.0)
    rng = np.random.default_rng(1)
    ns = {"f": 250, "m": 350, "x": 60}
    fair = [lowest_ratio(drawn(rng, dict.fromkeys(ns, 0.3), ns), ["f", "m"], against=0.8) for _ in range(500)]
    assert not any(decide(found.estimate, 0.8, worse="below") == "fail" for found in fair if found)
    n = needed_for_ratio(0.3, 0.6, 0.8)
    assert n is not None
    biased = [
        lowest_ratio(drawn(rng, {"f": 0.18, "m": 0.3}, {"f": n, "m": n}), ["f", "m"], against=0.8) for _ in range(500)
    ]
    assert (
        0.75
        < np.mean([found is not None and decide(found.estimate, 0.8, worse="below") == "fail" for found in biased])
        < 0.88
    )


def test_of_two_groups_it_is_the_ratio_of_their_shares() -> None:
    found = lowest_ratio({"f": share(30, 150), "m": share(80, 200)}, ["f", "m"], against=0.8)
    other = share_ratio(
        [1.0] * 30 + [0.0] * 120,
        [1.0] * 80 + [0.0] * 120,
        [f"a{k}" for k in range(150)],
        units_b=[f"b{k}" for k in range(200)],
    )
    assert found is not None and other is not None and (found.group, found.reference) == ("f", "m")
    assert (found.estimate.value, found.estimate.low, found.estimate.high) == pytest.approx(
        (other.value, other.low, other.high)
    )
    assert 0.005 < found.p < 0.02 and found.estimate.n == 350


@pytest.mark.slow
@given(PAIRS, PAIRS)
def test_the_lowest_ratio_is_at_most_one_between_two_references(a: tuple[int, int], b: tuple[int, int]) -> None:
    found = lowest_ratio({"a": share(*a), "b": share(*b)}, ["a", "b"], against=0.8)
    if found is None:
        assert not a[0] and not b[0]
        return
    assert 0 <= found.estimate.low <= found.estimate.value <= found.estimate.high <= 1
    rates = sorted([a[0] / a[1], b[0] / b[1]])
    assert found.estimate.value == pytest.approx(rates[0] / rates[1])
    assert 0 < found.p <= 1
    assert (decide(found.estimate, 0.8, worse="below") == "inconclusive") == (found.p > 0.05)


def test_a_small_group_accuses_nobody_but_clears_nobody_either() -> None:
    large = {"f": share(400, 1000), "m": share(410, 1000)}
    alone = lowest_ratio(large, ["f", "m"], against=0.8)
    beside = lowest_ratio(large | {"x": share(36, 37)}, ["f", "m"], against=0.8)
    assert alone is not None and beside is not None and alone.estimate.low > 0.8
    assert beside.estimate.value == alone.estimate.value and beside.estimate.low < 0.5 and beside.estimate.high > 0.9


def test_nothing_selected_is_no_ratio() -> None:
    assert lowest_ratio({"f": share(0, 50), "m": share(0, 50)}, ["f", "m"], against=0.8) is None
    assert lowest_ratio({"m": share(20, 50)}, ["m"], against=0.8) is None
    none = lowest_ratio({"f": share(0, 66), "m": share(250, 1000)}, ["m"], against=0.8)
    assert none is not None and none.estimate.value == none.estimate.low == 0 and 0.05 < none.estimate.high < 0.4


@pytest.mark.parametrize(
    ("rate", "most"),
    [
        (0.05, (10_000, None, None, 5_000)),
        (0.1, (5_000, 20_000, 10_000, 5_000)),
        (0.3, (1_000, 5_000, 5_000, 1_000)),
        (0.5, (500, 2_000, 2_000, 500)),
    ],
)
def test_sample_sizes_agree_with_a_simulated_table(rate: float, most: tuple[int | None, ...]) -> None:
    """On a grid of 500, 1000, 2000, 5000, 10000 and 20000 per group, for power 0.8; None: more than all of them."""
    grid = [500, 1_000, 2_000, 5_000, 10_000, 20_000]
    for ratio, least in zip((1.0, 0.9, 0.7, 0.6), most, strict=True):
        n = needed_for_ratio(rate, ratio, 0.8)
        assert n is not None and next((step for step in grid if step >= n), None) == least
    assert needed_for_ratio(rate, 0.8, 0.8) is None and needed_for_ratio(0.0, 0.5, 0.8) is None
    assert (needed_for_ratio(rate, 0.6, 0.8, groups=4) or 0) > (needed_for_ratio(rate, 0.6, 0.8) or 0)


@given(PAIRS, PAIRS)
def test_the_tests_are_those_of_libraries(a: tuple[int, int], b: tuple[int, int]) -> None:
    table = [[a[0], a[1] - a[0]], [b[0], b[1] - b[0]]]
    assert fisher_p(share(*a), share(*b)) == pytest.approx(sps.fisher_exact(table).pvalue)
    if a[0] + b[0] in (0, a[1] + b[1]):
        assert z_p(share(*a), share(*b)) is None
        return
    pooled = (a[0] + b[0]) / (a[1] + b[1])
    z = (a[0] / a[1] - b[0] / b[1]) / math.sqrt(pooled * (1 - pooled) * (1 / a[1] + 1 / b[1]))
    assert (
        z_p(share(*a), share(*b))
        == pytest.approx(2 * sps.norm.sf(abs(z)))
        == proportions_ztest([a[0], b[0]], [a[1], b[1]])[1]
    )


@given(PAIRS, PAIRS)
def test_one_more_hire_by_counting(a: tuple[int, int], b: tuple[int, int]) -> None:
    (k, n), (j, m) = a, b
    below, reaches = 5 * k * m < 4 * j * n, 5 * (k + 1) * m >= 4 * j * n
    assert one_more(share(k, n), share(j, m)) == (below and reaches)


def test_units_count_and_not_their_samples() -> None:
    flags, units = [1.0] * 60 + [0.0] * 140, [f"u{row // 10}" for row in range(200)]
    alone, shared = GroupShare.of(flags, [str(row) for row in range(200)]), GroupShare.of(flags, units)
    assert shared.worth < 30 < alone.worth and shared.counts[1] == round(shared.worth) and shared.units == 20
    narrow, wide = ratio_to(alone, share(100, 200), 0.95), ratio_to(shared, share(100, 200), 0.95)
    assert (
        narrow is not None
        and wide is not None
        and wide.units == 220
        and wide.high - wide.low > narrow.high - narrow.low
    )


def mean(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, value + half, 100, "cost", "", share=False)


def test_the_largest_ratio_of_means() -> None:
    means = {"f": mean(3.0, 0.3), "m": mean(2.0, 0.2), "x": mean(2.4, 0.2)}
    found = largest_ratio(means, means)
    assert found is not None and found[1] == ("f", "m") and found[0].value == 1.5
    down, up = (math.hypot(math.log(3 / 2.7), math.log(2.2 / 2)), math.hypot(math.log(3.3 / 3), math.log(2 / 1.8)))
    assert (found[0].low, found[0].high) == pytest.approx((1.5 * math.exp(-down), 1.5 * math.exp(up)))
    wide = largest_ratio(means, means | {"f": mean(2.1, 0.3)})
    assert wide is not None and wide[0].value == 1.5 and wide[0].low < found[0].low and wide[0].high == found[0].high
    assert largest_ratio({"f": mean(3.0, 0.3)}, {"f": mean(3.0, 0.3)}) is None
    assert largest_ratio(means, means | {"m": mean(0.0, 0.0)}) is None
