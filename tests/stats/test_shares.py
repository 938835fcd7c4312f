"""Statistics against published figures, outside references and simulation."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from auditor.core.records import Estimate
from auditor.stats import shares as stats
from auditor.stats.decisions import benjamini_hochberg, decide, holm, needed_n
from auditor.stats.means import bootstrap_p, mean, mean_p, ratio, ratio_p
from auditor.stats.paired import paired_difference, paired_p
from auditor.stats.shares import (
    clopper_pearson,
    difference,
    effective_n,
    proportion,
    proportion_p,
    share_interval,
    share_ratio,
    totals,
)


def flags(k: int, n: int) -> list[float]:
    return [1.0] * k + [0.0] * (n - k)


def own(n: int, name: str = "u") -> list[str]:
    return [f"{name}{row}" for row in range(n)]


PUBLISHED = [(81, 263, 0.2544, 0.3662), (15, 148, 0.0601, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0017, 0.1718)]
EXACT = [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)]


@pytest.mark.parametrize(("k", "n", "low", "high"), PUBLISHED)
def test_the_wider_of_wilson_and_mid_p_as_published(k: int, n: int, low: float, high: float) -> None:
    """Newcombe 1998, Statistics in Medicine 17, 857-872, table I: upper ends of method 3 (Wilson), lower ones of method
    6 (mid-P).
    """
    found = proportion(flags(k, n))
    assert found is not None and (found.value, found.n, found.units) == (k / n, n, None)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(("k", "n", "low", "high"), EXACT)
def test_clopper_pearson_as_published(k: int, n: int, low: float, high: float) -> None:
    """The same table, method 5."""
    assert clopper_pearson(k / n, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def wilson(share: float, n: float, level: float = 0.95) -> tuple[float, float]:
    low, high = proportion_confint(share * n, n, 1 - level, method="wilson")
    return float(low), float(high)


@given(st.integers(1, 200), st.data(), st.sampled_from([0.8, 0.95, 0.999]))
def test_an_interval_of_a_share_by_brute_force(n: int, data: st.DataObject, level: float) -> None:
    """Wilson's ends are those of statsmodels; beyond a mid-P end, counts as far out have half the level's rest of a
    chance, or less.
    """
    k = data.draw(st.integers(0, n))
    low, high = share_interval(k / n, n, level)
    near, far = wilson(k / n, n, level)
    assert 0 <= low <= min(k / n, near + 1e-9) and max(k / n, far - 1e-9) <= high <= 1
    above = sps.binom.sf(k, n, low) + sps.binom.pmf(k, n, low) / 2
    below = sps.binom.cdf(k, n, high) - sps.binom.pmf(k, n, high) / 2
    assert (
        k == 0
        or above == pytest.approx((1 - level) / 2, abs=1e-9)
        or (above < (1 - level) / 2 and low == pytest.approx(near, abs=1e-9))
    )
    assert (
        k == n
        or below == pytest.approx((1 - level) / 2, abs=1e-9)
        or (below < (1 - level) / 2 and high == pytest.approx(far, abs=1e-9))
    )


@given(st.floats(0.05, 400), st.floats(0, 1), st.sampled_from([0.5, 0.95, 0.9999]))
def test_any_effective_number_has_an_interval(n: float, share: float, level: float) -> None:
    low, high = share_interval(share, n, level)
    assert 0 <= low <= share <= high <= 1
    turned = share_interval(1 - share, n, level)
    assert (1 - turned[1], 1 - turned[0]) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))
    more = share_interval(share, 1.5 * n, level)
    assert more[1] - more[0] <= high - low + 1e-9


PAIRS = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (10, 10, 0, 10, 0.6075, 1.0),
]


@pytest.mark.parametrize(("a", "m", "b", "n", "low", "high"), PAIRS)
def test_newcombe_as_published(
    a: int, m: int, b: int, n: int, low: float, high: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10: Wilson's intervals in the place of
    ours.
    """
    mine = difference(flags(a, m), flags(b, n), own(m, "a"), units_b=own(n, "b"))
    assert mine.value == pytest.approx(a / m - b / n) and -1 <= mine.low <= low + 6e-5 and high - 6e-5 <= mine.high <= 1
    turned = difference(flags(b, n), flags(a, m), own(n, "b"), units_b=own(m, "a"))
    assert (turned.low, turned.high) == (pytest.approx(-mine.high), pytest.approx(-mine.low))
    monkeypatch.setattr(stats, "share_interval", wilson)
    found = difference(flags(a, m), flags(b, n), own(m, "a"), units_b=own(n, "b"))
    assert (found.low, found.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))
    assert mine.high - mine.low < 1.09 * (found.high - found.low)


def test_a_ratio_of_shares_beside_koopman() -> None:
    """Koopman 1984, Biometrics 40, 513-517: 36 of 40 beside 16 of 80 give 2.94 to 7.15. Another method, and so not the
    same digits.
    """
    found = share_ratio(flags(36, 40), flags(16, 80), own(40, "a"), units_b=own(80, "b"))
    assert found is not None and (found.value, found.low, found.high) == (
        4.5,
        pytest.approx(2.94, rel=0.03),
        pytest.approx(7.15, rel=0.03),
    )


@pytest.mark.parametrize(
    ("a", "m", "b", "n"), [(20, 50, 30, 60), (45, 50, 40, 60), (100, 300, 150, 200), (190, 200, 95, 100)]
)
def test_a_ratio_of_shares_beside_statsmodels(a: int, m: int, b: int, n: int) -> None:
    found = share_ratio(flags(a, m), flags(b, n), own(m, "a"), units_b=own(n, "b"))
    ends = confint_proportions_2indep(a, m, b, n, method="score", compare="ratio")
    assert found is not None and (found.low, found.high) == (
        pytest.approx(ends[0], rel=0.03),
        pytest.approx(ends[1], rel=0.03),
    )


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_a_ratio_of_shares_turns_with_its_groups(m: int, n: int, data: st.DataObject) -> None:
    a, b = data.draw(st.integers(0, m)), data.draw(st.integers(1, n))
    found = share_ratio(flags(a, m), flags(b, n), own(m, "a"), units_b=own(n, "b"))
    assert found is not None and 0 <= found.low <= found.value <= found.high < math.inf and (found.low == 0) == (a == 0)
    if a:
        turned = share_ratio(flags(b, n), flags(a, m), own(n, "b"), units_b=own(m, "a"))
        assert turned is not None and (1 / turned.high, 1 / turned.low) == (
            pytest.approx(found.low),
            pytest.approx(found.high),
        )


def test_a_ratio_beside_the_full_share_has_an_interval() -> None:
    """Where statsmodels 0.15 gives [0.625, 0.625] for a ratio of 0.25."""
    found = share_ratio(flags(5, 20), flags(20, 20), own(20, "a"), units_b=own(20, "b"))
    assert found is not None and found.low < 0.13 and 0.45 < found.high < 0.6


def test_nothing_is_not_measured() -> None:
    assert proportion([]) is None and ratio([], [], []) is None and mean([], []) is None
    assert share_ratio([], [1.0], [], units_b=["u"]) is None and share_ratio([1.0], [0.0], ["u"], units_b=["v"]) is None
    assert decide(None, 0.1) == "not_measured" and holm([]) == [] and benjamini_hochberg([]) == []


@given(st.integers(20, 80), st.integers(2, 6), st.integers(0, 10**6))
def test_copies_under_one_unit_add_nothing(m: int, copies: int, seed: int) -> None:
    single = (np.random.default_rng(seed).random(m) < 0.5).astype(float)
    many, units = np.repeat(single, copies), np.repeat(own(m), copies)
    worth = effective_n(many.tolist(), units.tolist())
    assert 0.8 * m <= worth <= m
    one, more = proportion(single.tolist(), own(m)), proportion(many.tolist(), units.tolist())
    assert one is not None and more is not None and more.value == pytest.approx(one.value)
    assert more.high - more.low >= one.high - one.low - 1e-9
    assert (more.n, more.units) == (m * copies, m)


def test_independent_samples_in_clusters_are_worth_nearly_all() -> None:
    worths = []
    for seed in range(40):
        drawn = (np.random.default_rng(seed).random(400) < 0.3).astype(float)
        worths.append(effective_n(drawn.tolist(), np.repeat(own(100), 4).tolist()))
    assert 320 < np.mean(worths) <= 400 and max(worths) <= 400


def test_effective_number_at_its_edges() -> None:
    assert effective_n(flags(3, 10), own(10)) == 10
    assert effective_n(flags(10, 10), ["a"] * 5 + ["b"] * 5) == effective_n(flags(0, 10), ["a"] * 5 + ["b"] * 5) == 2
    assert effective_n(flags(3, 10), ["a"] * 10) == 1
    assert effective_n(flags(3, 10), own(10)[::-1]) == 10


@given(st.integers(2, 60), st.integers(1, 60), st.integers(0, 10**6), st.sampled_from([0.05, 0.1, 0.5]))
def test_p_values_invert_the_interval_of_a_share(n: int, m: int, seed: int, against: float) -> None:
    rng = np.random.default_rng(seed)
    values, units = (rng.random(n) < rng.random()).astype(float).tolist(), [f"u{k}" for k in rng.integers(0, m, n)]
    found, p = proportion(values, units), proportion_p(values, units, against)
    assert found is not None
    if min(abs(found.low - against), abs(found.high - against)) > 1e-9:
        assert (p < 0.05) == (not found.low <= against <= found.high)


def test_totals_by_unit() -> None:
    sums, counts = totals([1.0, 2.0, 3.0, 4.0], ["b", "a", "b", "c"])
    assert sums.tolist() == [2, 4, 4] and counts.tolist() == [1, 2, 1]


def test_the_interval_of_a_ratio_by_hand() -> None:
    rng = np.random.default_rng(0)
    below = rng.random(40) + 0.5
    above = 0.7 * below + 0.05 * rng.standard_normal(40)
    found = ratio(above.tolist(), below.tolist(), own(40), unit="x")
    assert found is not None and found.value == pytest.approx(above.sum() / below.sum())
    picks = rng.integers(0, 40, (20000, 40))
    low, high = np.percentile(above[picks].sum(1) / below[picks].sum(1), [2.5, 97.5])
    assert (found.low, found.high) == (pytest.approx(low, abs=0.004), pytest.approx(high, abs=0.004))
    assert found == ratio(above.tolist(), below.tolist(), own(40), unit="x")


def test_copies_under_one_unit_do_not_shrink_a_ratio() -> None:
    rng = np.random.default_rng(1)
    above, below = rng.random(30), rng.random(30) + 1
    one, more = (
        ratio(above.tolist(), below.tolist(), own(30)),
        ratio(np.repeat(above, 5).tolist(), np.repeat(below, 5).tolist(), np.repeat(own(30), 5).tolist()),
    )
    assert one is not None and more is not None and more.value == pytest.approx(one.value)
    assert more.high - more.low == pytest.approx(one.high - one.low, rel=0.15)
    assert ratio_p(
        np.repeat(above, 5).tolist(), np.repeat(below, 5).tolist(), np.repeat(own(30), 5).tolist(), against=0.3
    ) == pytest.approx(ratio_p(above.tolist(), below.tolist(), own(30), against=0.3))


EDGES = {
    "one unit": ([1.0, 2.0], [1.0, 1.0], ["a", "a"]),
    "no denominator": ([1.0, 2.0], [0.0, 0.0], ["a", "b"]),
    "hardly any denominator": ([1.0, 0.0, 0.0], [1.0, 0.0, 0.0], ["a", "b", "c"]),
    "no denominator in some units": ([1.0, -0.5, 0.7, 0.2], [1.0, 0.0, 1.0, 0.0], ["a", "b", "c", "d"]),
    "all equal": ([2.0] * 5, [1.0] * 5, own(5)),
    "one outlier": ([1.0] + [0.0] * 30, [1.0] * 31, own(31)),
}


@pytest.mark.parametrize("name", EDGES)
def test_a_ratio_is_finite_or_none(name: str) -> None:
    found = ratio(*EDGES[name])
    assert found is None or all(math.isfinite(value) for value in (found.value, found.low, found.high))
    assert found is None or found.low <= found.value <= found.high


def test_the_mean_of_independent_values_against_a_t_test() -> None:
    from scipy.stats import ttest_1samp

    values = np.random.default_rng(2).normal(0.3, 1, 50).tolist()
    assert mean_p(values, own(50), 0.0) == pytest.approx(ttest_1samp(values, 0.0).pvalue)
    found = mean(values, own(50))
    assert found is not None and found.value == pytest.approx(np.mean(values)) and found.low < found.value < found.high
    assert (
        mean_p([1.0], ["a"], 0.0) == 1.0
        and mean_p([2.0, 2.0], ["a", "b"], 2.0) == 1.0
        and mean_p([2.0, 2.0], ["a", "b"], 1.0) == 0.0
    )


@pytest.mark.parametrize(("n", "seed"), [(1, 0), (2, 1), (5, 2), (12, 3), (12, 4)])
def test_holm_as_in_statsmodels(n: int, seed: int) -> None:
    p_values = (np.random.default_rng(seed).random(n) ** 4).tolist()
    assert holm(p_values) == multipletests(p_values, method="holm")[0].tolist()


FDR_1995 = [
    0.0001,
    0.0004,
    0.0019,
    0.0095,
    0.0201,
    0.0278,
    0.0298,
    0.0344,
    0.0459,
    0.3240,
    0.4262,
    0.5719,
    0.6528,
    0.7590,
    1.0,
]


def test_benjamini_hochberg_as_published() -> None:
    """Benjamini and Hochberg 1995, section 4: of fifteen claims four hold at 0.05, three by Bonferroni's or Holm's
    correction.
    """
    adjusted = benjamini_hochberg(FDR_1995)
    assert sum(q <= 0.05 for q in adjusted) == 4 and sum(holm(FDR_1995)) == 3
    by_hand = [min(FDR_1995[rank] * 15 / (rank + 1) for rank in range(start, 15)) for start in range(15)]
    assert adjusted == pytest.approx(by_hand)
    assert benjamini_hochberg(FDR_1995[::-1]) == pytest.approx(by_hand[::-1])


def test_bootstrap_p() -> None:
    draws = np.linspace(0, 1, 1001)
    assert bootstrap_p(draws, 0.5) == 1.0
    assert bootstrap_p(draws, -1.0) == bootstrap_p(draws, 2.0) == pytest.approx(2 / 1002)
    assert bootstrap_p(draws, 0.01) == pytest.approx(2 * 12 / 1002)


DECISIONS = [
    (0.2, 0.3, "above", "fail"),
    (0.05, 0.3, "above", "inconclusive"),
    (0.0, 0.05, "above", "pass"),
    (0.0, 0.1, "above", "pass"),
    (0.1, 0.2, "above", "inconclusive"),
    (0.2, 0.3, "below", "pass"),
    (0.1, 0.3, "below", "pass"),
    (0.05, 0.3, "below", "inconclusive"),
    (0.0, 0.05, "below", "fail"),
]


@pytest.mark.parametrize(("low", "high", "worse", "verdict"), DECISIONS)
def test_a_verdict_is_taken_on_the_whole_interval(low: float, high: float, worse: str, verdict: str) -> None:
    assert decide(Estimate((low + high) / 2, low, high, 10, "", "", share=True), 0.1, worse=worse) == verdict


def test_the_number_that_would_decide() -> None:
    def wanted(value: float, half: float, n: int, tolerance: float = 0.1) -> int | None:
        return needed_n(Estimate(value, value - half, value + half, n, "", "", share=True), tolerance)

    assert wanted(0.2, 0.2, 100) == 400 and wanted(0.0, 0.2, 100) == 400 and wanted(0.3, 0.2, 100) == 100
    assert wanted(0.2, 0.2, 200) == 800 and wanted(0.2, 0.1, 100) == 100
    assert wanted(0.1, 0.2, 100) is None and wanted(0.1001, 0.2, 100) is None
    pilot = proportion(flags(6, 30))
    assert pilot is not None and decide(pilot, 0.1) == "inconclusive"
    n = needed_n(pilot, 0.1)
    assert n is not None and decide(proportion(flags(round(0.2 * 1.3 * n), round(1.3 * n))), 0.1) == "fail"


@pytest.mark.slow
@pytest.mark.parametrize(("share", "alike"), [(0.1, 0.0), (0.3, 0.5), (0.5, 0.9)])
def test_clustered_intervals_cover(share: float, alike: float) -> None:
    """Patients with four images, whose flags agree more than by chance; the planted share must lie inside."""
    rng, covered, rounds = np.random.default_rng(7), 0, 500
    for _ in range(rounds):
        common = np.repeat(rng.random(50) < share, 4)
        drawn = np.where(rng.random(200) < alike, common, rng.random(200) < share).astype(float)
        found = proportion(drawn.tolist(), np.repeat(own(50), 4).tolist())
        covered += found is not None and found.low <= share <= found.high
    assert covered / rounds >= 0.92


def pairs(both: int, first: int, second: int, neither: int) -> tuple[list[float], list[float]]:
    return (
        flags(both + first, both + first + second + neither),
        [1.0] * both + [0.0] * first + [1.0] * second + [0.0] * neither,
    )


PAIRED = [
    ((20, 12, 2, 16), 0.0562, 0.3292, 0.0129),
    ((1, 1, 7, 12), -0.507, -0.026, 0.0703),
    ((14, 5, 0, 22), 0.0115, 0.2265, 0.0625),
]


@pytest.mark.parametrize(("table", "low", "high", "p"), PAIRED)
def test_paired_difference_as_published(
    table: tuple[int, int, int, int], low: float, high: float, p: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Armitage and Berry 1994, p. 127; Bentur et al. 2009 in Fagerland et al. 2014 (Statistics in Medicine 33,
    2850-2875); Altman et al. 2000, table 6.2.
    """
    a, b = pairs(*table)
    mine, turned = paired_difference(a, b, own(len(a))), paired_difference(b, a, own(len(a)))
    assert mine is not None and mine.value == pytest.approx((table[1] - table[2]) / len(a)) and mine.units is None
    assert mine.low <= low + 6e-4 and mine.high >= high - 6e-4
    assert turned is not None and (turned.low, turned.high) == (pytest.approx(-mine.high), pytest.approx(-mine.low))
    assert paired_p(a, b, own(len(a))) == pytest.approx(p, abs=6e-5)
    monkeypatch.setattr(stats, "share_interval", wilson)
    found = paired_difference(a, b, own(len(a)))
    assert found is not None and (found.low, found.high) == (
        pytest.approx(low, abs=6e-4),
        pytest.approx(high, abs=6e-4),
    )


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 5))
def test_mcnemar_as_in_statsmodels(first: int, second: int, both: int) -> None:
    a, b = pairs(both, first, second, 3)
    assert paired_p(a, b, own(len(a))) == pytest.approx(
        min(1.0, mcnemar([[both, first], [second, 3]], exact=True).pvalue), abs=1e-12
    )


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_units_are_turned_over_whole_as_by_brute_force(nets: list[int]) -> None:
    a = [float(one > 0) for net in nets for one in [net] * abs(net)] + [1.0]
    b = [float(one < 0) for net in nets for one in [net] * abs(net)] + [1.0]
    units = [f"u{row}" for row, net in enumerate(nets) for _ in range(abs(net))] + ["same"]
    sums = [
        abs(sum(sign * net for sign, net in zip(signs, nets, strict=True)))
        for signs in product((1, -1), repeat=len(nets))
    ]
    assert paired_p(a, b, units) == pytest.approx(np.mean([one >= abs(sum(nets)) for one in sums]))


def test_copies_of_a_pair_under_one_unit_add_nothing() -> None:
    a, b = pairs(10, 8, 2, 20)
    units = own(40)
    assert paired_p(a * 5, b * 5, units * 5) == pytest.approx(paired_p(a, b, units))
    one, many = paired_difference(a, b, units), paired_difference(a * 5, b * 5, units * 5)
    assert one is not None and many is not None and many.units == 40
    assert many.low <= one.low + 0.02 and many.high >= one.high - 0.02
    assert paired_difference([], [], []) is None and paired_p([], [], []) == 1.0


@pytest.mark.slow
def test_paired_intervals_cover_the_truth_in_units() -> None:
    rng, covered, rejected = np.random.default_rng(3), 0, 0
    for _ in range(400):
        level = rng.beta(2, 3, size=30)
        a, b = ((rng.random((30, 4)) < level[:, None]).astype(float).ravel().tolist() for _ in range(2))
        units = [f"u{row}" for row in range(30) for _ in range(4)]
        found = paired_difference(a, b, units)
        assert found is not None
        covered, rejected = covered + (found.low <= 0 <= found.high), rejected + (paired_p(a, b, units) < 0.05)
    assert covered >= 0.93 * 400 and rejected <= 0.07 * 400


@pytest.mark.parametrize("n", [20, 25, 27, 50, 120])
def test_intervals_of_a_share_hold_it_as_counted(n: int) -> None:
    """Over the binomial, not by simulation; Wilson's alone holds 0.90 of shares of 0.02 at n = 27."""
    low, high = np.array([share_interval(k / n, n) for k in range(n + 1)]).T
    shares = np.arange(2, 99) / 100
    chance = sps.binom.pmf(np.arange(n + 1)[:, None], n, shares)
    cover = (chance * ((low[:, None] <= shares) & (shares <= high[:, None]))).sum(0)
    assert cover.min() >= 0.93 and 0.94 <= cover.mean() <= 0.98


def test_few_units_that_differ_are_not_taken_for_unrelated_samples() -> None:
    """Of 100 patients, 4 images each, three have one flag each: chance alone made them look unrelated."""
    sums = np.zeros((100, 4))
    sums[:3, 0] = 1
    worth = effective_n(sums.ravel().tolist(), np.repeat(own(100), 4).tolist())
    assert 100 < worth < 320
