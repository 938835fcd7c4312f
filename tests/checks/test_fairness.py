"""Fairness by simulation: a planted gap is named, its absence is not accused, and small groups are not judged."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from auditor.checks import checks
from auditor.checks.common import clean_trial, evasion_trial
from auditor.records import Facts, Finding, Observations

Judge = Callable[..., dict[str, Finding]]


@pytest.fixture
def judge(facts: Callable[..., Facts], observe: Callable[..., Observations], attacked: Callable[..., Any]) -> Judge:
    """Return function (groups, fooled flags) -> findings by id, all samples classified correctly unless told."""

    def run(
        groups: Sequence[str],
        fooled: Sequence[float],
        *,
        y: Sequence[int] | None = None,
        correct: Sequence[float] | None = None,
        units: Sequence[str] | None = None,
        **settings: Any,
    ) -> dict[str, Finding]:
        n = len(groups)
        known = facts(n, groups={"sex": tuple(groups)}, **({"y": tuple(y)} if y is not None else {}), **({"units": tuple(units)} if units is not None else {}))
        check = checks["fairness"].make(**checks.bind("fairness", settings))
        clean = {name: {"correct": flag} for name, flag in zip(known.ids, correct if correct is not None else [1.0] * n, strict=True)}
        rows = {name: row if clean[name]["correct"] else {"correct": 0} for name, row in attacked(known.ids, fooled).items()}
        found = check.judge(known, observe({clean_trial(): clean, evasion_trial(known, "everywhere", known.primary): rows}))
        return {finding.id: finding for finding in found}

    return run


def flips(rng: np.random.Generator, groups: Sequence[str], rates: dict[str, float]) -> list[float]:
    return [float(rng.random() < rates[group]) for group in groups]


def test_no_gap_is_not_accused(judge: Judge) -> None:
    rng, names = np.random.default_rng(0), ["f", "m", "x"]
    verdicts = []
    for _ in range(100):
        groups = [names[k] for k in rng.integers(0, 3, 240)]
        found = judge(
            groups, flips(rng, groups, dict.fromkeys(names, 0.4)), y=rng.integers(0, 2, 240).tolist(), correct=(rng.random(240) < 0.9).astype(float).tolist()
        )
        verdicts += [finding.verdict for finding in found.values()]
    assert len(verdicts) == 200 and "fail" not in verdicts


def test_a_planted_gap_is_named(judge: Judge) -> None:
    rng, groups = np.random.default_rng(1), ["f", "m", "x"] * 60
    for _ in range(10):
        found = judge(groups, flips(rng, groups, {"f": 0.2, "m": 0.7, "x": 0.25}), y=rng.integers(0, 2, 180).tolist())
        gap = found["fairness/sex/gap"]
        assert gap.verdict == "fail" and gap.details["pair"][0] == "m" and gap.p < 0.05
        assert found["fairness/sex/accuracy-gap"].verdict != "fail"


def test_another_mix_of_classes_is_not_accused(judge: Judge) -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        groups = ["f"] * 150 + ["m"] * 150
        y = (rng.random(300) < np.repeat([0.85, 0.15], 150)).astype(int)
        fooled = (rng.random(300) < np.where(y == 1, 0.8, 0.1)).astype(float)
        crude = abs(fooled[:150].mean() - fooled[150:].mean())
        assert crude > 0.3
        assert judge(groups, fooled.tolist(), y=y.tolist())["fairness/sex/gap"].verdict != "fail"


def test_no_class_in_common_is_said_so(judge: Judge) -> None:
    found = judge(["f"] * 40 + ["m"] * 40, [0.0] * 80, y=[0] * 40 + [1] * 40)["fairness/sex/gap"]
    assert (found.verdict, found.reason) == ("not_measured", "the groups have no class in common")


def test_seventeen_of_seventeen_are_too_few(judge: Judge) -> None:
    found = judge(["f"] * 100 + ["m"] * 17, [0.0] * 100 + [1.0] * 17)["fairness/sex/gap"]
    assert found.verdict == "not_measured" and found.estimate is None
    assert found.reason == "too few to say: fewer than two groups have 30 usable samples (f 100, m 17)"
    table = {row["group"]: row for row in found.details["groups"]}
    assert table["m"]["note"] == "too few to say: 17 of at least 30 samples" and table["m"]["success"]["value"] == 1.0


def test_small_groups_are_named_beside_the_others(judge: Judge) -> None:
    found = judge(["f"] * 60 + ["m"] * 60 + ["x"] * 5, [0.0] * 120 + [1.0] * 5)["fairness/sex/gap"]
    assert found.verdict != "fail" and "too few to say for x (fewer than 30)" in found.reason


def test_usable_samples_decide_what_is_small(judge: Judge) -> None:
    """A group of 60 of whom 20 are classified correctly has 20 samples that an attack can fool."""
    found = judge(["f"] * 60 + ["m"] * 60, [0.0] * 120, correct=[1.0] * 60 + [1.0] * 20 + [0.0] * 40)
    assert found["fairness/sex/gap"].verdict == "not_measured" and "m 20" in found["fairness/sex/gap"].reason
    assert found["fairness/sex/accuracy-gap"].verdict == "fail"


def test_unknown_values_are_counted_not_compared(judge: Judge) -> None:
    found = judge(["f", "m", ""] * 40, [0.0, 0.0, 1.0] * 40)["fairness/sex/gap"]
    assert found.details["unknown"] == 40 and {row["group"] for row in found.details["groups"]} == {"f", "m"}
    assert found.estimate is not None and found.estimate.value == 0 and found.estimate.n == 80


def test_groups_are_described_exactly(judge: Judge) -> None:
    correct = [1.0, 1.0, 1.0, 0.0] * 20
    fooled = [1.0, 0.0, 0.0, 0.0] * 20
    found = judge(["f"] * 40 + ["m"] * 40, fooled, correct=correct)["fairness/sex/gap"]
    for row in found.details["groups"]:
        assert (row["n"], row["clean"]["value"], row["robust"]["value"], row["success"]["value"]) == (40, 0.75, 0.5, pytest.approx(1 / 3))


def test_patients_count_not_images(judge: Judge) -> None:
    groups, fooled = ["f"] * 80 + ["m"] * 80, [0.0] * 72 + [1.0] * 8 + [1.0] * 48 + [0.0] * 32
    single = judge(groups, fooled, y=[0] * 160)["fairness/sex/gap"]
    shared = judge(groups, fooled, y=[0] * 160, units=[f"p{row // 8}" for row in range(160)])["fairness/sex/gap"]
    assert single.verdict == "fail" and shared.verdict == "inconclusive"
    assert shared.estimate.value == pytest.approx(single.estimate.value) and shared.estimate.units == 20


def test_renaming_groups_renames_and_changes_nothing(judge: Judge) -> None:
    rng = np.random.default_rng(3)
    groups = ["a", "b", "c"] * 50
    fooled = flips(rng, groups, {"a": 0.1, "b": 0.6, "c": 0.3})
    new = {"a": "z", "b": "y", "c": "x"}
    one, other = (judge(names, fooled, y=[0] * 150)["fairness/sex/gap"] for names in (groups, [new[name] for name in groups]))
    assert other.verdict == one.verdict and other.details["pair"] == [new[name] for name in one.details["pair"]]
    for key in ("value", "low", "high"):
        assert getattr(other.estimate, key) == pytest.approx(getattr(one.estimate, key))
    assert other.p == pytest.approx(one.p)


def test_without_groups_nothing_is_asked_for(facts: Callable[..., Facts]) -> None:
    assert checks["fairness"].make().trials(facts(10)) == ()
