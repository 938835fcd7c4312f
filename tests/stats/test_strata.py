"""Groups compared class by class, against closed forms, published tables and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as sps

from auditor.stats.gaps import bounded_ends, largest_gap, needed_per_group, shortfalls
from auditor.stats.shares import difference, proportion, share_interval
from auditor.stats.simultaneous import simultaneous_level, simultaneous_p
from auditor.stats.strata import Strata, stratified_difference, stratified_difference_p


def flags(k: int, n: int) -> list[float]:
    return [1.0] * k + [0.0] * (n - k)


def own(n: int, name: str = "u") -> list[str]:
    return [f"{name}{row}" for row in range(n)]


@pytest.mark.slow
@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 10**6), st.sampled_from([0.0, 0.1, 0.3]))
def test_p_values_invert_the_interval_of_a_standardised_difference(n: int, m: int, seed: int, against: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = (
        {name: ((rng.random(size) < rng.random()).astype(float).tolist(), own(size, name)) for name in ("x", "y")}
        for size in (n, m)
    )
    found, p = stratified_difference(a, b), stratified_difference_p(a, b, against)
    assert found is not None and 0 <= p <= 1
    if min(abs(found[1] - against), abs(found[2] - against)) > 1e-6:
        assert (p < 0.05) == (not found[1] <= against <= found[2])


def test_one_stratum_is_a_plain_difference() -> None:
    a, b = (flags(30, 50), own(50, "a")), (flags(20, 60), own(60, "b"))
    plain, found = difference(a[0], b[0], a[1], units_b=b[1]), stratified_difference({"x": a}, {"x": b})
    assert found == (pytest.approx(plain.value), pytest.approx(plain.low), pytest.approx(plain.high))


def test_another_mix_of_classes_is_no_difference() -> None:
    a = {"easy": (flags(9, 90), own(90, "a")), "hard": (flags(5, 10), own(10, "b"))}
    b = {"easy": (flags(1, 10), own(10, "c")), "hard": (flags(45, 90), own(90, "d"))}
    found = stratified_difference(a, b)
    assert found is not None and found[0] == pytest.approx(0) and found[1] < 0 < found[2]
    crude = difference(flags(14, 100), flags(46, 100), own(100, "a"), units_b=own(100, "b"))
    assert crude.high < -0.15


def test_strata_in_one_group_only_do_not_count() -> None:
    a = {"x": (flags(5, 10), own(10)), "only a": (flags(10, 10), own(10, "v"))}
    assert stratified_difference(a, {"x": (flags(5, 10), own(10, "w"))})[0] == 0  # type: ignore[index]


def test_nothing_in_common_is_not_compared() -> None:
    assert (
        stratified_difference({}, {}) is None
        and stratified_difference({"x": ([1.0], ["u"])}, {"y": ([1.0], ["v"])}) is None
    )
    assert largest_gap({"a": {"x": ([1.0], ["u"])}, "b": {"y": ([1.0], ["v"])}}, against=0.1) is None
    assert largest_gap({}, against=0.1) is None and shortfalls({}) == []


TUKEY = [(3, 3.314), (4, 3.633), (5, 3.858), (10, 4.474), (20, 5.012)]


@pytest.mark.parametrize(("k", "q"), TUKEY)
def test_simultaneous_levels_as_published(k: int, q: float) -> None:
    """Harter 1960: upper 5 % points of the studentised range of k, infinite degrees of freedom."""
    level = simultaneous_level(k)
    assert sps.norm.ppf(0.5 + level / 2) * math.sqrt(2) == pytest.approx(q, abs=5e-4)
    assert 1 - 0.05 / (k * (k - 1) / 2) > level > 0.95
    assert simultaneous_p(1 - level, k) == pytest.approx(0.05, abs=1e-6)


def test_two_groups_are_one_pair() -> None:
    assert simultaneous_level(2) == 0.95 and simultaneous_p(0.03, 2) == 0.03 and simultaneous_level(2, 0.9) == 0.9


def groups_of(
    rng: np.random.Generator, shares: dict[str, tuple[float, float]], n: int
) -> dict[str, dict[str, tuple[list[float], list[str]]]]:
    """Return groups with a share per class, of n samples per class, each its own unit."""
    return {
        name: {
            label: ((rng.random(n) < share).astype(float).tolist(), own(n, name + label))
            for label, share in zip("xy", pair, strict=True)
        }
        for name, pair in shares.items()
    }


def test_the_largest_gap_by_hand() -> None:
    """Three groups, two classes: all of it from the intervals of single shares."""
    hits = {"a": (45, 30), "b": (40, 18), "c": (30, 25)}
    sizes = {"a": (50, 50), "b": (50, 30), "c": (40, 60)}
    groups = {
        name: {
            label: (flags(hits[name][i], sizes[name][i]), own(sizes[name][i], name + label))
            for i, label in enumerate("xy")
        }
        for name in hits
    }
    found = largest_gap(groups, against=0.1)
    assert found is not None
    weight = (140 / 280, 140 / 280)
    shares = {name: sum(w * k / n for w, k, n in zip(weight, hits[name], sizes[name], strict=True)) for name in hits}
    assert found.shares == pytest.approx(shares) and found.pair == ("a", "c")
    assert found.estimate.value == pytest.approx(shares["a"] - shares["c"])
    each, lows, highs = simultaneous_level(3), [], []
    for one, other in (("a", "b"), ("a", "c"), ("b", "c")):
        down = up = 0.0
        for i, w in enumerate(weight):
            p, q = hits[one][i] / sizes[one][i], hits[other][i] / sizes[other][i]
            (l1, u1), (l2, u2) = share_interval(p, sizes[one][i], each), share_interval(q, sizes[other][i], each)
            down, up = down + w**2 * ((p - l1) ** 2 + (u2 - q) ** 2), up + w**2 * ((u1 - p) ** 2 + (q - l2) ** 2)
        gap = shares[one] - shares[other]
        lows.append(max(gap - math.sqrt(down), -gap - math.sqrt(up)))
        highs.append(max(gap + math.sqrt(up), -gap + math.sqrt(down)))
    assert (found.estimate.low, found.estimate.high) == (pytest.approx(max(lows)), pytest.approx(max(highs)))
    raw = difference(flags(75, 100), flags(55, 100), own(100, "a"), units_b=own(100, "c"), level=each)
    assert (found.raw.value, found.raw.low, found.raw.high, found.raw.level) == (raw.value, raw.low, raw.high, 0.95)
    assert (
        found.ratio is not None
        and found.ratio.value == pytest.approx(55 / 75)
        and found.ratio.low < 55 / 75 < found.ratio.high < 1.05
    )
    assert (found.estimate.n, found.estimate.units, found.estimate.level) == (280, None, 0.95)


@pytest.mark.slow
@settings(max_examples=30)
@given(st.integers(8, 60), st.integers(0, 10**6), st.sampled_from([0.0, 0.1, 0.3]), st.integers(2, 4))
def test_the_p_value_of_a_gap_inverts_its_interval(n: int, seed: int, against: float, k: int) -> None:
    rng = np.random.default_rng(seed)
    groups = groups_of(rng, {name: (rng.random(), rng.random()) for name in "abcd"[:k]}, n)
    found = largest_gap(groups, against=against)
    assert (
        found is not None
        and 0 <= found.estimate.low <= found.estimate.value <= found.estimate.high <= 1
        and 0 <= found.p <= 1
    )
    if min(abs(found.estimate.low - against), abs(found.estimate.high - against)) > 1e-4:
        outside = found.estimate.low > against or found.estimate.high < against
        assert (found.p < 0.05) == outside


@pytest.mark.slow
@settings(max_examples=30)
@given(st.integers(5, 40), st.integers(0, 10**6))
def test_turned_flags_turn_the_pair(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = groups_of(rng, {"a": (0.8, 0.4), "b": (0.5, 0.3), "c": (0.1, 0.6)}, n)
    turned = {
        name: {label: ([1 - flag for flag in part], units) for label, (part, units) in strata.items()}
        for name, strata in groups.items()
    }
    one, other = largest_gap(groups, against=0.1), largest_gap(turned, against=0.1)
    assert one is not None and other is not None and one.p == pytest.approx(other.p, rel=1e-3)
    assert (one.estimate.value, one.estimate.low, one.estimate.high) == pytest.approx(
        (other.estimate.value, other.estimate.low, other.estimate.high)
    )
    assert {name: 1 - share for name, share in other.shares.items()} == pytest.approx(one.shares)
    if (
        sorted(one.shares.values())[0] != sorted(one.shares.values())[1]
        and sorted(one.shares.values())[1] != sorted(one.shares.values())[2]
    ):
        assert one.pair == other.pair[::-1]


def test_a_confounded_mix_is_no_gap_though_it_looks_like_one() -> None:
    groups: dict[str, Strata] = {
        "a": {"easy": (flags(81, 90), own(90, "a")), "hard": (flags(5, 10), own(10, "b"))},
        "b": {"easy": (flags(9, 10), own(10, "c")), "hard": (flags(45, 90), own(90, "d"))},
    }
    found = largest_gap(groups, against=0.1)
    assert found is not None and found.estimate.value == pytest.approx(0) and found.estimate.low == 0
    assert abs(found.raw.value) == pytest.approx(0.32) and max(found.raw.low, -found.raw.high) > 0.15
    assert found.shares == pytest.approx({"a": 0.7, "b": 0.7})


def test_pairs_without_a_common_class_are_left_out() -> None:
    groups: dict[str, Strata] = {
        "a": {"x": (flags(9, 40), own(40, "a"))},
        "b": {"x": (flags(20, 40), own(40, "b"))},
        "c": {"y": (flags(40, 40), own(40, "c"))},
    }
    found = largest_gap(groups, against=0.1)
    assert found is not None and found.pair == ("b", "a") and found.estimate.value == pytest.approx(11 / 40)
    rows = shortfalls(groups)
    assert (
        [row.group for row in rows] == ["a", "b", "c"]
        and rows[2].estimate is None
        and rows[2].p is None
        and rows[2].q is None
    )


@pytest.mark.slow
@settings(max_examples=30)
@given(st.integers(10, 40), st.integers(2, 4), st.integers(0, 10**6))
def test_copies_under_one_unit_do_not_narrow_a_gap(n: int, copies: int, seed: int) -> None:
    groups = groups_of(np.random.default_rng(seed), {"a": (0.7, 0.4), "b": (0.5, 0.3), "c": (0.4, 0.6)}, n)
    many = {
        name: {
            label: (np.repeat(part, copies).tolist(), np.repeat(units, copies).tolist())
            for label, (part, units) in strata.items()
        }
        for name, strata in groups.items()
    }
    one, more = largest_gap(groups, against=0.1), largest_gap(many, against=0.1)
    assert one is not None and more is not None and more.estimate.units == 6 * n
    assert more.estimate.value == pytest.approx(one.estimate.value) and more.estimate.high >= one.estimate.high - 1e-9
    assert more.estimate.low <= one.estimate.low + 1e-9


def test_the_shortfall_ranks_by_what_is_sure() -> None:
    """A group of twelve with the lowest share comes after a large one whose shortfall is sure."""
    groups: dict[str, Strata] = {
        "small": {"x": (flags(4, 12), own(12, "s"))},
        "large": {"x": (flags(200, 400), own(400, "l"))},
        "rest": {"x": (flags(320, 400), own(400, "r"))},
    }
    rows = shortfalls(groups)
    assert [row.group for row in rows] == ["large", "small", "rest"]
    first, last = rows[0], rows[2]
    assert (
        first.estimate is not None
        and first.estimate.value == pytest.approx(324 / 412 - 0.5)
        and first.estimate.low > 0.2
    )
    single = difference(flags(324, 412), flags(200, 400), own(412, "o"), units_b=own(400, "l"), level=0.95 ** (1 / 3))
    assert (first.estimate.low, first.estimate.high) == (pytest.approx(single.low), pytest.approx(single.high))
    assert (
        first.p is not None
        and first.q is not None
        and first.p <= first.q < 1e-6
        and last.estimate is not None
        and last.estimate.high < 0
    )


def test_one_patient_in_both_groups_is_not_two() -> None:
    """Half of each unit's samples lie in either group: what the unit shares cancels, but never below independence."""
    units = [f"u{row // 2}" for row in range(80)]
    one: Strata = {"x": (flags(30, 80), units)}
    apart: Strata = {"x": (flags(20, 80), own(80, "v"))}
    together: Strata = {"x": (flags(20, 80), units)}
    alone, shared = stratified_difference(one, apart), stratified_difference(one, together)
    assert alone is not None and shared is not None and shared[2] - shared[1] > 0


def test_units_in_both_strata_widen_the_interval() -> None:
    rng = np.random.default_rng(5)
    level = rng.beta(0.5, 0.5, 60)
    parts = {name: {label: (rng.random(60) < level).astype(float).tolist() for label in "xy"} for name in "ab"}
    same: dict[str, Strata] = {
        name: {label: (part, own(60, name)) for label, part in both.items()} for name, both in parts.items()
    }
    other: dict[str, Strata] = {
        name: {label: (part, own(60, name + label)) for label, part in both.items()} for name, both in parts.items()
    }
    one, two = stratified_difference(same["a"], same["b"]), stratified_difference(other["a"], other["b"])
    assert one is not None and two is not None and one[2] - one[1] > 1.15 * (two[2] - two[1])


def test_needed_samples_as_published() -> None:
    """The example of R's power.prop.test: shares 0.50 and 0.75, power 0.90, n = 76.7."""
    assert needed_per_group(0.25, 0.5, power=0.9) == 77 and needed_per_group(0.25, 0.75, power=0.9) == 77
    z, beta = sps.norm.ppf(0.975), sps.norm.ppf(0.8)
    p, q = 0.2, 0.35
    by_hand = (z * math.sqrt((p + q) * (2 - p - q) / 2) + beta * math.sqrt(p * (1 - p) + q * (1 - q))) ** 2 / (
        p - q
    ) ** 2
    assert needed_per_group(0.15, 0.2) == math.ceil(by_hand)


def test_more_groups_need_more_samples() -> None:
    wanted = [needed_per_group(0.1, 0.3, groups=k) for k in (2, 3, 6)]
    assert wanted == sorted(wanted) and len(set(wanted)) == 3  # type: ignore[type-var]
    assert needed_per_group(0.0, 0.5) is None and needed_per_group(1.2, 0.5) is None
    assert needed_per_group(0.3, 0.9) == needed_per_group(0.3, 0.1) and needed_per_group(0.8, 0.9) == needed_per_group(
        0.8, 0.1
    )


def test_the_needed_number_of_samples_shows_the_gap() -> None:
    n, rng, shown = needed_per_group(0.2, 0.5, groups=3), np.random.default_rng(0), 0
    assert n is not None
    for _ in range(300):
        parts = [(rng.random(n) < share).astype(float).tolist() for share in (0.5, 0.7)]
        found = difference(parts[1], parts[0], own(n, "a"), units_b=own(n, "b"), level=simultaneous_level(3))
        shown += found.low > 0
    seen = proportion(flags(shown, 300))
    assert seen is not None and seen.low <= 0.8 <= seen.high + 0.02


@pytest.mark.slow
def test_intervals_of_all_pairs_hold_together() -> None:
    rng, held, rounds, truth = np.random.default_rng(1), 0, 200, {"a": (0.9, 0.5), "b": (0.85, 0.45), "c": (0.8, 0.5)}
    gap = 0.5 * (0.1 + 0.0)  # a and c, both classes alike; a and b differ by 0.05 too
    for _ in range(rounds):
        found = largest_gap(groups_of(rng, truth, 40), against=gap)
        assert found is not None
        held += found.estimate.low <= gap <= found.estimate.high
    assert held / rounds >= 0.93


@pytest.mark.slow
@given(st.integers(10, 60), st.integers(0, 10**6))
def test_bounds_hold_whatever_the_unknown_flags_are(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    known, open_ones = rng.random((3, n)) < 0.4, rng.random((3, n)) < 0.2
    parts = {name: row for row, name in enumerate("abc")}

    def strata(flags: np.ndarray) -> dict[str, Strata]:
        return {name: {"x": (flags[row].astype(float).tolist(), own(n, name))} for name, row in parts.items()}

    low, high = bounded_ends(strata(known), strata(known | open_ones))
    for _ in range(5):
        found = largest_gap(strata(known | (open_ones & (rng.random((3, n)) < 0.5))), against=0.1)
        assert found is not None and low <= found.estimate.low + 1e-9 and found.estimate.high <= high + 1e-9
    plain = largest_gap(strata(known), against=0.1)
    assert plain is not None and bounded_ends(strata(known), strata(known)) == pytest.approx(
        (plain.estimate.low, plain.estimate.high)
    )
