"""The benchmark's groups: the closed form against the classifier itself, the planted gaps, and resampled audits beside
the engine's own judgement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from auditor.engine.judge import judge, observations_of, trials_of
from auditor.engine.run import run

NAMES = (
    "fair",
    "units",
    "robustness-0.2-0.45-3",
    "accuracy-2",
    "intersection",
    "classmix",
    "tiny-worst",
    "aimed",
    "outside",
    "shortcut",
)


@pytest.fixture(scope="module")
def groups(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("planted_groups")


@pytest.fixture(scope="module")
def populations(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("planted_populations")


@pytest.fixture(scope="module")
def fairness(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("planted_fairness")


@pytest.fixture(scope="module")
def tables(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("planted_fairness_tables")


def right(network: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return which grey images (n, height, width) are classified correctly."""
    with torch.no_grad():
        return network(torch.from_numpy(x).float()[:, None] / 255).argmax(1).numpy() == y


@pytest.mark.parametrize("name", NAMES)
def test_the_closed_form_is_what_the_classifier_does_under_the_worst_and_under_random_changes(
    groups: ModuleType, populations: ModuleType, name: str
) -> None:
    family, network = populations.families()[name], populations.network(name)
    drawn = groups.draw(family, 3)
    x, rng = groups.render(drawn, 4).astype(np.int64), np.random.default_rng(5)
    assert np.array_equal(right(network, x, drawn.y), drawn.correct)
    styles = np.array([people.style for people in family.people])[drawn.kind]
    directions = np.stack([groups.weights(groups.at(family.reads, style)) for style in range(4)])[styles]
    for zone in ("everywhere", "inside", "outside"):
        for budget in (*groups.BUDGETS, 16):
            worst, chance = (
                -budget * directions * groups.zones(zone),
                rng.integers(-budget, budget + 1, x.shape) * groups.zones(zone),
            )
            flips = drawn.fooled(zone, budget)
            assert np.array_equal(drawn.correct & ~right(network, x + worst, drawn.y), flips)
            assert (right(network, x + chance, drawn.y) | ~drawn.correct | flips).all()


@pytest.mark.parametrize("name", NAMES)
def test_no_value_leaves_its_range_within_the_search_and_styles_are_out_of_reach(
    groups: ModuleType, populations: ModuleType, name: str
) -> None:
    drawn = groups.draw(populations.families()[name], 1)
    x = groups.render(drawn, 2).astype(int)
    assert x.min() >= 16 and x.max() <= 255 - 16
    assert all((abs(x[:, *patch] - 128) > 64).all() for patch in groups.PATCHES)


def test_an_exact_draw_has_the_planted_shares_and_the_same_seed_draws_the_same(
    groups: ModuleType, populations: ModuleType
) -> None:
    family = populations.families()["robustness-0.2-0.45-2"]
    one, again, other = (groups.draw(family, seed, times=8, exact=True) for seed in (0, 0, 1))
    assert np.array_equal(one.room, again.room) and not np.array_equal(one.room, other.room)
    assert (one.room % 2 == 1).all()
    for kind, flips in ((0, 0.20), (1, 0.45)):
        mine = one.kind == kind
        assert mine.sum() == 8 * 150 and one.correct[mine].mean() == pytest.approx(0.90, abs=0.002)
        assert one.fooled("everywhere", 2)[mine & one.correct].mean() == pytest.approx(flips, abs=0.005)


def test_images_of_one_patient_fare_alike_and_share_their_class(groups: ModuleType, populations: ModuleType) -> None:
    drawn = groups.draw(populations.families()["units"], 0, times=8, exact=True)
    first, second = (np.unique(drawn.unit, return_index=True)[1] + step for step in (0, 1))
    assert np.array_equal(drawn.unit[first], drawn.unit[second]) and np.array_equal(drawn.y[first], drawn.y[second])
    assert np.corrcoef(np.log(drawn.room[first]), np.log(drawn.room[second]))[0, 1] > 0.5


@pytest.mark.parametrize(
    ("name", "end", "raw", "adjusted"),
    [
        ("fair", "group/accuracy-gap", 0.0, 0.0),
        ("robustness-0.05-0.3-3", "group/robustness-gap", 0.25, 0.25),
        ("edge", "group/robustness-gap", 0.10, 0.10),
        ("accuracy-3", "group/accuracy-gap", 0.25, 0.25),
        ("accuracy-3", "group/robustness-gap", 0.0, 0.0),
        ("intersection", "sex/robustness-gap", 0.0, 0.0),
        ("intersection", "race/robustness-gap", 0.0, 0.0),
        ("intersection", "sex+race/robustness-gap", 0.40, 0.40),
        ("classmix", "group/robustness-gap", 0.30, 0.0),
        ("classmix", "group/accuracy-gap", 0.12, 0.0),
        ("outside", "group/robustness-gap", 0.0, 0.0),
        ("outside", "group/exposure-gap", 0.30, 0.30),
        ("tiny-worst", "group/robustness-gap", 0.0, 0.0),
        ("aimed-twin", "group/targeted-harm", 0.0, 0.0),
        ("shortcut", "group/reliance-gap", 1 / 3 - 1 / 9, 1 / 3 - 1 / 9),
        ("shortcut-twin", "group/reliance-gap", 0.0, 0.0),
    ],
)
def test_populations_have_the_gaps_that_they_are_named_for(
    groups: ModuleType, populations: ModuleType, fairness: ModuleType, name: str, end: str, raw: float, adjusted: float
) -> None:
    planted = fairness.truth(groups.draw(populations.families()[name], 0, times=fairness.TIMES, exact=True))[
        f"fairness/{end}"
    ]
    assert planted["raw"] == pytest.approx(raw, abs=0.01 if name != "classmix" else 0.03)
    assert planted["adjusted"] == pytest.approx(adjusted, abs=0.01)


@pytest.mark.slow
def test_a_resampled_audit_of_everyone_says_what_the_engine_says(
    tmp_path: Path, groups: ModuleType, populations: ModuleType, fairness: ModuleType
) -> None:
    case = fairness.Case("robustness-0.2-0.45-2", 0, resampled=1, whole=0)
    drawn = groups.draw(populations.families()[case.name], 7)
    prepared = fairness.prepared_audit(tmp_path, case, drawn, 8, whole=False)
    with run(prepared, tmp_path / "out") as store:
        observations = replace(observations_of(store), trials=tuple(trials_of(prepared.lock, prepared.facts)))
        everyone = fairness.resample(prepared.facts, observations, list(range(len(drawn))), list(prepared.facts.units))
        again = {finding.id: fairness.kept(finding) for finding in fairness.judged(prepared, *everyone)}
    assert again == {finding.id: fairness.kept(finding) for finding in judge(tmp_path / "out")}
    accused = {name for name, one in again.items() if one["estimate"]["low"] > 0}
    assert accused == {name for name in again if name.endswith(("/robustness-gap", "/exposure-gap"))}


@pytest.mark.slow
def test_a_case_agrees_with_the_closed_form_from_end_to_end(
    tmp_path: Path, fairness: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fairness, "TIMES", 1)
    row = fairness.audited(tmp_path, "code", fairness.Case("tiny-worst", 0, resampled=2, whole=0))
    assert row["checked"]["wrong"] == 0 and row["checked"]["answers"] >= 2 * 297
    assert len(row["resampled"]) == 2 and [file.name for file in (tmp_path / "fairness").iterdir()] == [
        "tiny-worst-0-2-0.json"
    ]
    shown = [found for audit in row["resampled"] for name, found in audit.items() if "robustness" in name]
    assert shown and all(
        found["notes"]["C"][1].startswith("too few to say") and "C" not in found["pair"] for found in shown
    )


def test_an_answer_that_differs_from_the_closed_form_is_counted(
    groups: ModuleType, populations: ModuleType, fairness: ModuleType
) -> None:
    from auditor.core.records import Observation, Trial

    drawn = groups.draw(populations.families()["fair"], 0)
    trial, flips = Trial("evasion", zone="everywhere", threat={"epsilon": 2 / 255}), drawn.fooled("everywhere", 2)
    rows = {
        f"s{row:05d}": Observation("k", f"s{row:05d}", {"correct": float(ok), "fooled": float(flips[row])})
        for row, ok in enumerate(drawn.correct)
    }
    first = f"s{np.flatnonzero(flips)[0]:05d}"
    for fooled, wrong in ((1.0, 0), (0.0, 1)):
        checked = dict.fromkeys(fairness.CHECKED, 0)
        rows[first] = Observation("k", first, {"correct": 1.0, "fooled": fooled})
        fairness.compare(drawn, [trial], {trial: rows}, checked)
        assert checked == {"answers": len(drawn), "wrong": wrong, "searches": 0, "best": 0}


def found(verdict: str, low: float, high: float, chance: float | None = None) -> dict[str, Any]:
    return {"verdict": verdict, "estimate": {"value": high, "low": low, "high": high}, "chance": chance}


def test_rules_read_verdict_interval_and_permutation(tables: ModuleType) -> None:
    rows = [
        found("fail", 0.1, 0.4, 0.01),
        found("inconclusive", 0.01, 0.2, 0.2),
        found("pass", 0.0, 0.05),
        {"verdict": "not_measured", "estimate": None},
    ]
    assert [tables.failed(one) for one in rows] == [True, False, False, False]
    assert [tables.seen(one) for one in rows] == [True, True, False, False]
    assert [tables.sure(one) for one in rows] == [True, False, False, False]
    assert [tables.looks_unfair({"raw": raw}) for raw in (0.3, 0.05, None)] == [True, False, False]


def test_targets_are_missed_only_by_what_was_measured(tables: ModuleType) -> None:
    assert tables.least("", [True] * 9 + [False])[1] is True and tables.least("", [True, False])[1] is False
    assert tables.most("", [False] * 19 + [True])[1] is True and tables.most("", [False, True])[1] is False
    assert tables.not_above("", [False] * 9 + [True])[1] is True and tables.not_above("", [True] * 9)[1] is False
    assert [rule("", [])[1] for rule in (tables.least, tables.most, tables.not_above)] == [None] * 3


def test_a_verdict_contradicts_the_truth_on_the_other_side_of_the_tolerance_only(tables: ModuleType) -> None:
    fail, cleared = found("fail", 0.12, 0.3), found("pass", 0.0, 0.08)
    assert [tables.contradicts(one, planted) for one in (fail, cleared) for planted in (0.0, 0.25)] == [
        True,
        False,
        False,
        True,
    ]
    assert [tables.misses(one, planted) for one in (fail, cleared) for planted in (0.0, 0.25)] == [
        True,
        False,
        False,
        True,
    ]
    row = {
        "name": "fair",
        "resampled": [{"a": cleared}] * 9 + [{"a": fail}],
        "whole": [],
        "truth": {"a": {"adjusted": 0.0}},
    }
    assert [target[1] for target in tables.against_truth([row])] == [False, True]
