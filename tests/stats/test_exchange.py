"""Tests of association against published tables, brute force and hand formulas."""

import math
from collections import Counter
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps

from auditor.stats.exchange import breslow_day_p, exchange_p, mantel_haenszel_p, permutation_p
from auditor.stats.grouping import exchanged_groups
from auditor.stats.shares import Array

BERKELEY = {
    "A": (512, 313, 89, 19),
    "B": (353, 207, 17, 8),
    "C": (120, 205, 202, 391),
    "D": (138, 279, 131, 244),
    "E": (53, 138, 94, 299),
    "F": (22, 351, 24, 317),
}
"""Admitted and rejected men, then women (Bickel, Hammel and O'Connell 1975, Science 187)."""
Side = dict[str, tuple[list[float], list[str]]]


def own(n: int, name: str = "u") -> list[str]:
    return [f"{name}{row}" for row in range(n)]


def sides(tables: dict[str, tuple[int, int, int, int]], copies: int = 1) -> tuple[Side, Side]:
    def side(group: str, first: int) -> Side:
        return {
            name: (
                ([1.0] * cells[first] + [0.0] * cells[first + 1]) * copies,
                own(cells[first] + cells[first + 1], group + name) * copies,
            )
            for name, cells in tables.items()
        }

    return side("m", 0), side("w", 2)


def common_odds_by_hand(tables: dict[str, tuple[int, int, int, int]]) -> float:
    away, spread = 0.0, 0.0
    for a, b, c, d in tables.values():
        n = a + b + c + d
        away += a - (a + b) * (a + c) / n
        spread += (a + b) * (c + d) * (a + c) * (b + d) / (n**2 * (n - 1))
    return away**2 / spread


def unequal_odds_by_hand(tables: dict[str, tuple[int, int, int, int]]) -> float:
    """Return Breslow and Day's statistic with Tarone's adjustment, each expected count found by bisection."""
    odds = sum(a * d / (a + b + c + d) for a, b, c, d in tables.values()) / sum(
        b * c / (a + b + c + d) for a, b, c, d in tables.values()
    )
    total, away, spread = 0.0, 0.0, 0.0
    for a, b, c, d in tables.values():
        low, high = max(0.0, float(a - d)), float(min(a + b, a + c))
        for _ in range(200):
            e = (low + high) / 2
            too_small = e * (d - a + e) < odds * (a + b - e) * (a + c - e)
            low, high = (e, high) if too_small else (low, e)
        v = 1 / (1 / e + 1 / (a + b - e) + 1 / (a + c - e) + 1 / (d - a + e))
        total, away, spread = total + (a - e) ** 2 / v, away + a - e, spread + v
    return total - away**2 / spread


def test_berkeley_admissions_as_published() -> None:
    """No association within departments (1.52, in R 1.43 with correction), though not the same one in all (18.83;
    DescTools 18.8255, p 0.002071).
    """
    men, women = sides(BERKELEY)
    p, other = mantel_haenszel_p(men, women), breslow_day_p(men, women)
    assert p == pytest.approx(sps.chi2.sf(common_odds_by_hand(BERKELEY), 1)) and common_odds_by_hand(
        BERKELEY
    ) == pytest.approx(1.5246, abs=1e-3)
    assert other == pytest.approx(sps.chi2.sf(unequal_odds_by_hand(BERKELEY), 5)) == pytest.approx(0.002071, abs=1e-6)


def test_the_order_of_the_groups_does_not_matter() -> None:
    men, women = sides(BERKELEY)
    assert mantel_haenszel_p(men, women) == pytest.approx(mantel_haenszel_p(women, men))
    assert breslow_day_p(men, women) == pytest.approx(breslow_day_p(women, men))


def test_copies_under_one_unit_are_no_further_evidence() -> None:
    some = {name: cells for name, cells in BERKELEY.items() if name in "AF"}
    one, many = mantel_haenszel_p(*sides(some)), mantel_haenszel_p(*sides(some, copies=4))
    assert one is not None and many is not None and one < 0.01 and one <= many < 2 * one
    ten, twenty = breslow_day_p(*sides(some)), breslow_day_p(*sides(some, copies=4))
    assert ten is not None and twenty is not None and ten <= twenty < 2 * ten


def test_tables_that_tell_nothing() -> None:
    alike: Side = {"x": ([1.0] * 9, own(9, "a"))}
    assert mantel_haenszel_p({}, {}) is None and breslow_day_p({}, {}) is None
    assert mantel_haenszel_p(alike, {"x": ([1.0] * 5, own(5, "b"))}) is None
    assert mantel_haenszel_p(alike, {"y": ([0.0] * 5, own(5, "b"))}) is None
    one, other = sides({"A": (5, 5, 3, 7)})
    assert mantel_haenszel_p(one, other) is not None and breslow_day_p(one, other) is None
    assert breslow_day_p(*sides({"A": (5, 0, 3, 7), "B": (4, 0, 2, 2)})) is None


FLAGS = [1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0]
VALUES = ["a", "a", "a", "b", "b", "b", "a", "b", "", "b", "b"]
LABELS = [0, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0]
UNITS = ["u", "u", "v", "w", "x", "x", "y", "z", "z", "t", "s"]


def largest_by_hand(values: list[str]) -> float:
    known = [row for row, value in enumerate(VALUES) if value]
    mix = Counter(LABELS[row] for row in known)
    shares = []
    for name in ("a", "b"):
        by_class = {
            label: [FLAGS[row] for row in known if values[row] == name and LABELS[row] == label] for label in mix
        }
        weight = sum(mix[label] for label, mine in by_class.items() if mine)
        shares.append(sum(mix[label] * np.mean(mine) for label, mine in by_class.items() if mine) / weight)
    return float(max(shares) - min(shares))


def all_exchanges() -> list[list[str]]:
    """Return every exchange of whole blocks with the same classes, by brute force."""
    blocks: dict[tuple[str, str], set[int]] = {}
    for unit, value, label in zip(UNITS, VALUES, LABELS, strict=True):
        if value:
            blocks.setdefault((unit, value), set()).add(label)
    strata: dict[tuple[int, ...], list[tuple[str, str]]] = {}
    for block, labels in blocks.items():
        strata.setdefault(tuple(sorted(labels)), []).append(block)
    found = []
    for orders in product(*(list(permutations(mine)) for mine in strata.values())):
        new = {
            block: to[1]
            for mine, order in zip(strata.values(), orders, strict=True)
            for block, to in zip(mine, order, strict=True)
        }
        found.append([new[unit, value] if value else "" for unit, value in zip(UNITS, VALUES, strict=True)])
    return found


def test_the_largest_gap_under_exchange_as_by_brute_force() -> None:
    every, seen = [largest_by_hand(values) for values in all_exchanges()], largest_by_hand(VALUES)
    exact = np.mean([one >= seen - 1e-12 for one in every])
    assert 0.02 < exact < 0.98
    draws = 20000
    assert permutation_p(FLAGS, VALUES, LABELS, units=UNITS, seed=0, draws=draws) == pytest.approx(
        exact, abs=5 * math.sqrt(exact * (1 - exact) / draws)
    )


@pytest.mark.slow
def test_groups_are_exchanged_as_in_grouping() -> None:
    """The same gaps, as often: 4000 exchanges by auditor.stats.grouping beside as many drawn here."""
    theirs = Counter(
        round(largest_by_hand(list(exchanged_groups(VALUES, LABELS, UNITS, seed=seed))), 9) for seed in range(4000)
    )
    every = Counter(round(largest_by_hand(values), 9) for values in all_exchanges())
    mine: Counter[float] = Counter()
    known = [row for row, value in enumerate(VALUES) if value]
    values, y, units = ([column[row] for row in known] for column in (VALUES, LABELS, UNITS))
    rows = {row: place for place, row in enumerate(known)}

    def statistic(sums: Array) -> Array:
        for one in sums:
            new = ["" if row not in rows else "ab"[int(one[1, rows[row]])] for row in range(len(VALUES))]
            mine[round(largest_by_hand(new), 9)] += 1
        return np.zeros(len(sums))

    assert exchange_p(np.eye(len(known)), values, y, units=units, statistic=statistic, seed=3, draws=4000) == 1.0
    assert set(theirs) == set(mine) == set(every)
    total = sum(every.values())
    for gap, count in every.items():
        margin = 5 * math.sqrt(count / total * (1 - count / total) / 4000)
        assert (
            theirs[gap] / 4000
            == pytest.approx(count / total, abs=margin)
            == pytest.approx(mine[gap] / 4001, abs=margin)
        )


@pytest.mark.slow
@pytest.mark.parametrize("copies", [1, 3])
def test_equal_groups_are_rarely_called_unequal(copies: int) -> None:
    """Another mix of classes, and copies of each sample, are no difference."""
    rng, rejected, rounds = np.random.default_rng(0), 0, 200
    for seed in range(rounds):
        values = rng.choice(["a", "b", "c"], 90, p=[0.5, 0.3, 0.2])
        y = (rng.random(90) < np.where(values == "a", 0.8, 0.3)).astype(int)
        flags = (rng.random(90) < np.where(y == 1, 0.8, 0.4)).astype(float)
        many = [np.repeat(column, copies).tolist() for column in (flags, values, y, np.array(own(90)))]
        rejected += permutation_p(many[0], many[1], many[2], units=many[3], seed=seed, draws=199) <= 0.05
    assert sps.binomtest(rejected, rounds, 0.05).pvalue > 0.005


@given(st.integers(0, 10**6))
def test_names_and_order_do_not_matter_to_a_sure_gap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = ["a"] * 40 + ["b"] * 40
    flags = (rng.random(80) < np.repeat([0.95, 0.2], 40)).astype(float).tolist()
    order = rng.permutation(80)
    p = permutation_p(flags, values, [0] * 80, units=own(80), seed=1, draws=200)
    assert p == pytest.approx(1 / 201)
    assert p == permutation_p(
        [flags[row] for row in order],
        ["xy"[values[row] == "a"] for row in order],
        [0] * 80,
        units=own(80),
        seed=1,
        draws=200,
    )


def test_one_group_has_no_gap() -> None:
    assert permutation_p([1.0, 0.0], ["a", "a"], [0, 1], units=["u", "v"], seed=0) == 1.0
    assert (
        permutation_p([1.0], [""], [0], units=["u"], seed=0) == 1.0
        and permutation_p([], [], [], units=[], seed=0) == 1.0
    )


def test_drawn_counts_agree_with_exchanges(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sample per unit both draw from one distribution: their p-values differ by the noise of 2000
    draws alone.
    """
    rng = np.random.default_rng(4)
    for gap in (0.0, 0.05, 0.1):
        groups, y = rng.choice(["a", "b", "c"], 600).tolist(), rng.integers(0, 2, 600).tolist()
        flags = [
            float(rng.random() < 0.3 + gap * (group == "b") + 0.3 * label)
            for group, label in zip(groups, y, strict=True)
        ]
        one = permutation_p(flags, groups, y, units=own(600), seed=0)
        monkeypatch.setattr("auditor.stats.exchange.MANY", 0)
        other = permutation_p(flags, groups, y, units=own(600), seed=0)
        monkeypatch.undo()
        assert other == pytest.approx(one, abs=0.05) and other != one
        assert permutation_p(flags, groups, y, units=[f"u{row // 2}" for row in range(600)], seed=0) <= 1.0
