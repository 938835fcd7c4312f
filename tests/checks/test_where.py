"""The shortcut search on planted effect maps: the peak, the intervals of all places at once, the verdicts, the
groups.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.core.displays import Map, Rows, Values, of_kind
from auditor.core.estimates import Estimate
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing
from auditor.core.records import Finding, Observations
from auditor.modalities.images.checks.clusters import clusters, number_of_clusters, place_words, spectral_labels
from auditor.modalities.images.checks.where import judge_where, where_trial

SIDE, EVIDENCE = 6, 4.0
Make = Callable[..., dict[str, Mapping[str, float]]]
Judge = Callable[..., Finding]


def planted(
    n: int = 60,
    *,
    effects: Callable[[int, int, np.random.Generator], np.ndarray],
    seed: int = 0,
    draws: int = 2,
    copies: int = 1,
    hidden: Sequence[int] = (),
) -> dict[str, dict[str, float]]:
    """Return rows of n units with `copies` samples each; effects is a function (unit, draw, generator) -> (36,)."""
    rows = {}
    for unit in range(n):
        rng = np.random.default_rng((seed, unit))
        values: dict[str, float] = {}
        for draw in range(draws):
            found = effects(unit, draw, rng)
            donor = (unit + 1 + 2 * int(rng.integers(n // 2 - 1))) % n
            values[f"k/{draw}"] = float(donor * copies)
            values |= {
                f"cell/{cell // SIDE}/{cell % SIDE}/{draw}": float(found[cell])
                for cell in range(SIDE**2)
                if cell not in hidden
            }
        rows |= {f"s{unit:03d}/{copy}": values for copy in range(copies)}
    return rows


def hot(*cells: int, size: float = 1.0, noise: float = 0.1) -> Callable[[int, int, np.random.Generator], np.ndarray]:
    """Return effects that sit in these cells and in noise everywhere."""

    def make(unit: int, draw: int, rng: np.random.Generator) -> np.ndarray:
        found = noise * rng.normal(size=SIDE**2)
        found[list(cells)] += size
        return found

    return make


@pytest.fixture
def judge(facts: Callable[..., Facts], observe: Callable[..., Observations]) -> Judge:
    def run(
        rows: Mapping[str, Any], *, evidence: float = EVIDENCE, outside: str = "fail", draws: int = 2, **changes: Any
    ) -> Finding:
        names = sorted(rows)
        known = facts(
            len(names), **{"ids": tuple(names), "units": tuple(name.split("/")[0] for name in names), **changes}
        )
        trial = where_trial(known, 48, draws=draws)
        return judge_where(known, observe({trial: rows}), trial, evidence=evidence, outside=outside, tolerance=0.05)  # type: ignore[arg-type]

    return run


def frame(found: Finding) -> Map:
    (shown,) = of_kind(found.displays, Map)
    return shown


def cell(found: Finding, row: int, column: int) -> Estimate:
    return next(one.estimate for one in frame(found).spots if (one.row, one.column) == (row, column))


def worth(found: Finding, role: str) -> Estimate | None:
    """Return the effect of the peak or of the samples' own places."""
    return next((rows.rows[0].estimate for rows in of_kind(found.displays, Rows, role)), None)


def test_the_peak_is_the_planted_cell_with_its_share(judge: Judge) -> None:
    found = judge(planted(effects=hot(0, size=0.8)))
    shown, effect = frame(found), worth(found, "peak")
    peak = shown.peak
    assert (peak.row, peak.column, shown.rows, shown.columns, peak.name) == (0, 0, 6, 6, "top left")
    assert effect == cell(found, 0, 0) and peak.value == effect.value
    assert (
        found.verdict == "fail"
        and found.estimate is not None
        and found.estimate.value == pytest.approx(0.8 / EVIDENCE, abs=0.02)
    )
    assert found.claim.startswith(
        "The strongest place is the top left (row 1, column 1 of 6 x 6): exchanging it alone moves the margin by 0."
    )
    assert "% of the class evidence" in found.claim and not found.primary
    assert [one.stands_out for one in shown.spots].count(True) == 1


def test_no_noise_gives_the_number_itself(judge: Judge) -> None:
    found = judge(planted(effects=hot(7, size=0.5, noise=0.0)))
    estimate, own = cell(found, 1, 1), worth(found, "own place")
    assert estimate.low == estimate.value == estimate.high == pytest.approx(0.5)
    assert cell(found, 0, 0).value == 0 and own is not None and own.value == pytest.approx(0.5)


def test_a_place_that_speaks_against_the_class_counts_as_well(judge: Judge) -> None:
    found = judge(planted(effects=hot(35, size=-0.8)))
    effect = worth(found, "peak")
    assert (found.verdict, frame(found).peak.name) == ("fail", "bottom right")
    assert effect is not None and effect.high < 0


@pytest.mark.slow
def test_intervals_hold_for_all_places_at_once(judge: Judge) -> None:
    """Among 36 places without any effect, one stands out in about 5 of 100 audits, not in 84; also where a unit's
    samples go together.
    """
    for copies in (1, 3):
        wrong = sum(
            any(
                one.stands_out
                for one in frame(judge(planted(24, effects=hot(noise=1.0), seed=seed, copies=copies))).spots
            )
            for seed in range(60)
        )
        assert wrong <= 8


def test_copies_under_one_unit_do_not_shrink_the_interval(judge: Judge) -> None:
    one, many = (judge(planted(effects=hot(0, noise=0.5), copies=copies)) for copies in (1, 4))
    a, b = (cell(found, 0, 0) for found in (one, many))
    assert a.value == pytest.approx(b.value) and b.high - b.low == pytest.approx(a.high - a.low, rel=0.1)
    (search,) = of_kind(many.displays, Values, "search")
    assert search.values == {"searched": 240, "donors": 2, "class evidence": EVIDENCE} and (b.n, b.units) == (240, 60)


def test_hidden_places_are_absent_and_said(judge: Judge) -> None:
    found = judge(planted(effects=hot(0), hidden=(14, 15)))
    assert len(frame(found).spots) == 34 and "2 of 36 places lie under too many masks" in found.reason


def test_a_diffuse_shortcut_never_passes_and_says_so(judge: Judge) -> None:
    everywhere = hot(*range(36), size=0.03, noise=0.3)
    found, calm = judge(planted(effects=everywhere)), judge(planted(effects=everywhere), outside="pass", evidence=40.0)
    assert found.verdict == "inconclusive" and "no single place stands out" in found.reason
    assert calm.verdict == "pass"
    assert judge(planted(effects=everywhere), evidence=40.0).verdict == "inconclusive"


def test_a_marker_that_moves_is_found_in_the_samples_themselves(judge: Judge) -> None:
    corners = (0, 5, 30, 35)

    def moving(unit: int, draw: int, rng: np.random.Generator) -> np.ndarray:
        found = 0.1 * rng.normal(size=36)
        found[corners[(unit // 2) % 4]] += 1.2
        return found

    found = judge(planted(40, effects=moving))
    assert (
        found.verdict == "fail"
        and "not the same one in all: " in found.claim
        and found.estimate.value == pytest.approx(0.3, abs=0.03)
    )
    assert not any(one.stands_out for one in frame(found).spots)
    assert sorted((one.size, one.peak.name) for one in frame(found).clusters) == [
        (10, "bottom left"),
        (10, "bottom right"),
        (10, "top left"),
        (10, "top right"),
    ]


def test_a_rare_detail_without_a_link_to_the_class_is_no_shortcut(judge: Judge) -> None:
    """It speaks for one class and against the other; of one class alone the samples' own places are not judged."""

    def blob(unit: int, draw: int, rng: np.random.Generator) -> np.ndarray:
        found = 0.05 * rng.normal(size=36)
        found[unit // 2 % 36] += 1.0 if unit % 2 else -1.0
        return found

    found = judge(planted(effects=blob))
    own = worth(found, "own place")
    assert own is not None and abs(own.value) < 0.05 and found.verdict != "fail"
    one_sided = judge(planted(effects=hot(0)), y=(1,) * 60)
    assert worth(one_sided, "own place") is None and one_sided.verdict == "fail"


def test_names_and_order_do_not_matter(judge: Judge) -> None:
    rows = planted(effects=hot(0, size=0.3, noise=0.5))
    shuffled = {name: rows[name] for name in np.random.default_rng(1).permutation(sorted(rows)).tolist()}
    assert judge(rows) == judge(shuffled)


def test_nothing_to_share_out(judge: Judge) -> None:
    flat = judge(planted(effects=hot(noise=0.0)), evidence=0.0)
    assert (flat.verdict, flat.estimate) == ("inconclusive", None) and "neither" in flat.reason
    few = judge(planted(4, effects=hot(0)))
    assert few.verdict == "not_measured" and "at least 5 units" in few.reason
    none = judge({f"s{row:03d}/0": Missing.not_applicable("empty mask", "outside") for row in range(9)})
    assert (none.verdict, none.reason) == ("not_measured", "not applicable for zone outside: empty mask (9 samples)")


def two_groups(n: int, seed: int, noise: float = 0.1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    maps = {}
    for row in range(n):
        maps[f"s{row:03d}"] = noise * rng.normal(size=(6, 6))
        maps[f"s{row:03d}"][(0, 0) if row % 3 else (4, 5)] += 1 + rng.random()
    return maps


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.integers(15, 60))
def test_two_planted_groups_are_separated_exactly(seed: int, n: int) -> None:
    maps = two_groups(n, seed)
    label = {name: row % 2 for row, name in enumerate(maps)}
    found, why = clusters(maps, label, ("a", "b"), least=0.2)
    assert why == "" and [(one.peak.row, one.peak.column) for one in found] == [(0, 0), (4, 5)]
    assert [one.size for one in found] == [n - -(-n // 3), -(-n // 3)]
    assert sum(found[0].classes.values()) == found[0].size
    assert all((int(name[1:]) % 3 == 0) == (place == 1) for place, one in enumerate(found) for name in one.cases)
    order = np.random.default_rng(seed).permutation(sorted(maps)).tolist()
    assert clusters({name: maps[name] for name in order}, label, ("a", "b"), least=0.2) == (found, why)


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("seed", range(8))
def test_clusters_are_those_of_scikit_learn(seed: int, k: int) -> None:
    from sklearn.cluster import SpectralClustering

    rng = np.random.default_rng(seed)
    flat = rng.normal(size=(int(rng.integers(20, 90)), 36)) * 0.6 + rng.normal(size=(k, 36))[rng.integers(k, size=1)]
    flat += 2 * rng.normal(size=(k, 36))[rng.integers(k, size=len(flat))]
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    alike = np.exp(-3 * (2 - 2 * (flat @ flat.T).clip(-1, 1)))
    mine = spectral_labels(alike, k)
    theirs = SpectralClustering(k, affinity="precomputed", assign_labels="cluster_qr", random_state=0).fit_predict(
        alike
    )
    assert len(set(mine)) == k == len(set(zip(mine.tolist(), theirs.tolist(), strict=True)))


def test_noise_and_one_hot_cell_are_one_group() -> None:
    rng = np.random.default_rng(0)
    label = {f"s{row:03d}": 0 for row in range(30)}
    noise = {name: rng.normal(size=(6, 6)) for name in label}
    same = {name: np.eye(6) + 0.1 * rng.normal(size=(6, 6)) for name in label}
    assert [len(clusters(maps, label, ("a",), least=0.2)[0]) for maps in (noise, same)] == [1, 1]
    assert number_of_clusters(np.kron(np.eye(4), np.ones((5, 5)))) == 4


def test_few_samples_with_an_effect_are_not_clustered() -> None:
    maps = {name: one * (row < 9) for row, (name, one) in enumerate(two_groups(30, 0, noise=0.0).items())}
    found, why = clusters(maps, dict.fromkeys(maps, 0), ("a",), least=0.2)
    assert found == () and why == "no clusters: 9 of 30 samples have a place that matters, and 10 are needed"


def test_places_never_measured_are_none_in_the_map() -> None:
    maps = two_groups(30, 0)
    for one in maps.values():
        one[2, 2] = np.nan
    found, _ = clusters(maps, dict.fromkeys(maps, 0), ("a",), least=0.2)
    assert all(one.values[2][2] is None and one.values[0][1] is not None for one in found)


@pytest.mark.parametrize(
    ("row", "column", "side", "words"),
    [(0, 0, 1, "centre"), (0, 1, 2, "top right"), (2, 1, 3, "bottom"), (4, 4, 8, "centre")],
)
def test_places_in_words(row: int, column: int, side: int, words: str) -> None:
    assert place_words(row, column, side) == words
