"""Fairness by simulation: a planted gap is named, its absence is not accused, and small groups are not judged."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from auditor.checks import checks
from auditor.checks.common import clean_trial, evasion_trial
from auditor.checks.exposure.smallest import search_trial
from auditor.core.displays import (
    AnyDisplay,
    AttackBudget,
    Curve,
    Disparity,
    GroupRow,
    Groups,
    Partition,
    Rows,
    Steps,
    of_kind,
)
from auditor.core.errors import ConfigError
from auditor.core.facts import Facts
from auditor.core.records import Finding, Observations, Trial

Judge = Callable[..., dict[str, Finding]]
GAP, ACCURACY, EXPOSURE = "fairness/sex/robustness-gap", "fairness/sex/accuracy-gap", "fairness/sex/exposure-gap"


@pytest.fixture
def judge(facts: Callable[..., Facts], observe: Callable[..., Observations], attacked: Callable[..., Any]) -> Judge:
    """Return function (groups, fooled flags) -> findings by id, all samples classified correctly unless told."""

    def run(
        groups: Sequence[str] | Mapping[str, Sequence[str]],
        fooled: Sequence[float],
        *,
        y: Sequence[int] | None = None,
        correct: Sequence[float] | None = None,
        units: Sequence[str] | None = None,
        outside: Sequence[float] | None = None,
        **settings: Any,
    ) -> dict[str, Finding]:
        table = groups if isinstance(groups, Mapping) else {"sex": groups}
        n = len(fooled)
        changes = {name: tuple(value) for name, value in (("y", y), ("units", units)) if value is not None}
        known = facts(n, groups={name: tuple(values) for name, values in table.items()}, **changes)
        check = checks.serving("fairness", "image").make(
            **checks.bind("fairness", {"targeted_harm": False, **settings}, "image")
        )
        right = list(correct) if correct is not None else [1.0] * n
        clean = {
            name: {"correct": flag, "predicted": float(label if flag else 1 - label), "confidence": 0.8}
            for name, flag, label in zip(known.ids, right, known.y, strict=True)
        }

        def rows(flags: Sequence[float]) -> dict[str, Any]:
            return {
                name: row if clean[name]["correct"] else {"correct": 0}
                for name, row in attacked(known.ids, flags).items()
            }

        measured: dict[Trial, Any] = {
            clean_trial(): clean,
            evasion_trial(known, "everywhere", known.primary): rows(fooled),
        }
        measured[evasion_trial(known, "outside", known.primary)] = rows(fooled if outside is None else outside)
        found = check.judge(known, observe(measured))
        return {finding.id: finding for finding in found}

    return run


def shown(found: Finding, kind: type[AnyDisplay], role: str | None = None) -> AnyDisplay:
    """Return the first display of a kind that a finding has."""
    return of_kind(found.displays, kind, role)[0]


def values(row: GroupRow) -> dict[str, float]:
    """Return the measures of a group that were measured."""
    return {name: one.value for name, one in row.measures.items() if one}


def flips(rng: np.random.Generator, groups: Sequence[str], rates: Mapping[str, float]) -> list[float]:
    return [float(rng.random() < rates[group]) for group in groups]


@pytest.mark.slow
def test_no_gap_is_not_accused(judge: Judge) -> None:
    rng, names = np.random.default_rng(0), ["f", "m", "x"]
    verdicts = []
    for _ in range(30):
        groups = [names[k] for k in rng.integers(0, 3, 240)]
        found = judge(
            groups,
            flips(rng, groups, dict.fromkeys(names, 0.4)),
            y=rng.integers(0, 2, 240).tolist(),
            correct=(rng.random(240) < 0.9).astype(float).tolist(),
        )
        verdicts += [finding.verdict for finding in found.values()]
    assert len(verdicts) == 90 and "fail" not in verdicts


@pytest.mark.slow
def test_a_planted_gap_is_named(judge: Judge) -> None:
    rng, groups = np.random.default_rng(1), ["f", "m", "x"] * 60
    for _ in range(10):
        fooled = flips(rng, groups, {"f": 0.2, "m": 0.7, "x": 0.25})
        found = judge(groups, fooled, y=rng.integers(0, 2, 180).tolist(), outside=[0.0] * 180)
        gap = found[GAP]
        assert gap.verdict == "fail" and shown(gap, Disparity).pair[1] == "m" and gap.p < 0.05
        worst = shown(gap, Rows, "ranking").rows[0]
        assert worst.name == "m" and worst.q is not None and worst.q < 0.05
        tests = shown(gap, Rows, "tests").rows
        assert "Permutation of the groups" in {test.name for test in tests if test.p is not None and test.p < 0.05}
        assert found[ACCURACY].verdict != "fail" and found[EXPOSURE].verdict != "fail"


def test_a_difference_that_may_be_tolerated_is_said_to_be_one(judge: Judge) -> None:
    groups = ["f"] * 100 + ["m"] * 100
    gap = judge(groups, [0.0] * 95 + [1.0] * 5 + [0.0] * 78 + [1.0] * 22, y=[0] * 200)[GAP]
    assert gap.verdict == "inconclusive" and gap.estimate is not None and 0 < gap.estimate.low < 0.1
    assert gap.reason.startswith(
        "the groups do differ, since the interval lies above 0; whether by more than is tolerated, is too few to tell"
    )


def test_the_zones_are_told_apart(judge: Judge) -> None:
    groups = ["f", "m"] * 100
    found = judge(groups, [0.0] * 200, outside=[float(group == "m") for group in groups], y=[0] * 200)
    assert found[EXPOSURE].verdict == "fail" and found[GAP].verdict == "pass"
    assert (
        "outside the expert's mask" in found[EXPOSURE].claim and shown(found[EXPOSURE], AttackBudget).zone == "outside"
    )


@pytest.mark.slow
def test_another_mix_of_classes_is_not_accused(judge: Judge) -> None:
    rng = np.random.default_rng(2)
    for _ in range(10):
        groups = ["f"] * 150 + ["m"] * 150
        y = (rng.random(300) < np.repeat([0.85, 0.15], 150)).astype(int)
        fooled = (rng.random(300) < np.where(y == 1, 0.8, 0.1)).astype(float)
        found = judge(groups, fooled.tolist(), y=y.tolist())[GAP]
        assert found.verdict != "fail" and found.estimate is not None
        beside = shown(found, Disparity)
        assert beside.raw and beside.largest and abs(beside.raw.value) > 0.3 and found.estimate.value < 0.25
        assert beside.largest.value == pytest.approx(abs(beside.raw.value))


@pytest.mark.slow
def test_an_intersection_is_named_where_its_columns_are_even(judge: Judge) -> None:
    rng = np.random.default_rng(5)
    sex, race = ["f", "m"] * 160, ["b", "b", "w", "w"] * 80
    fooled = [float(rng.random() < (0.7 if (a == "f") == (b == "b") else 0.1)) for a, b in zip(sex, race, strict=True)]
    found = judge({"sex": sex, "race": race}, fooled, y=rng.integers(0, 2, 320).tolist())
    assert {name for name, finding in found.items() if finding.verdict == "fail"} == {
        "fairness/race+sex/robustness-gap",
        "fairness/race+sex/exposure-gap",
    }
    gap = found["fairness/race+sex/robustness-gap"]
    made = shown(gap, Partition)
    assert not gap.primary and not made.declared and made.columns == ("race", "sex")
    assert [row.values for row in shown(gap, Groups).rows] == [("b", "f"), ("b", "m"), ("w", "f"), ("w", "m")]
    named = judge({"sex": sex, "race": race}, fooled, intersections=[["sex", "race"]])
    assert named["fairness/sex+race/robustness-gap"].primary
    assert not any("+" in name for name in judge({"sex": sex, "race": race}, fooled, intersections="none"))


@pytest.mark.slow
def test_an_exploration_is_held_to_a_stricter_level(judge: Judge) -> None:
    rng = np.random.default_rng(6)
    table = {name: rng.choice(["a", "b"], 400).tolist() for name in ("p", "q", "r")}
    found = judge(table, flips(rng, ["x"] * 400, {"x": 0.3}))
    levels = {
        name: finding.estimate.level
        for name, finding in found.items()
        if finding.estimate is not None and name.endswith("robustness-gap")
    }
    assert levels["fairness/p/robustness-gap"] == 0.95 and levels["fairness/p+q/robustness-gap"] == pytest.approx(
        1 - 0.05 / 3
    )


def test_cells_that_are_too_few_are_listed_in_one_line(judge: Judge) -> None:
    found = judge({"sex": ["f", "m"] * 40, "race": ["b"] * 10 + ["w"] * 70}, [0.0] * 80, y=[0] * 80)[
        "fairness/race+sex/robustness-gap"
    ]
    assert (
        found.verdict != "fail"
        and not found.primary
        and "too few to say for b / f 5, b / m 5 (fewer than 30" in found.reason
    )
    few = judge({"sex": ["f", "m"] * 20, "race": ["b"] * 10 + ["w"] * 30}, [0.0] * 40)["fairness/race+sex/groups"]
    assert few.reason == "too few to say: fewer than two cells have 30 samples (b / f 5, b / m 5, w / f 15, w / m 15)"


@pytest.mark.slow
def test_a_measurement_is_cut_into_bands(judge: Judge) -> None:
    ages = [str(20 + row % 60) for row in range(240)]
    fooled = [float(int(age) >= 65) for age in ages]
    found = judge({"age": ages}, fooled, bands={"age": [40, 65]}, y=[0] * 240)["fairness/age/robustness-gap"]
    assert (
        found.verdict == "fail"
        and shown(found, Disparity).pair[1] == "65 and over"
        and shown(found, Partition).bands == {"age": (40, 65)}
    )
    assert [row.name for row in shown(found, Groups).rows] == ["40 to under 65", "65 and over", "under 40"]
    quarters = judge({"age": ages}, fooled, y=[0] * 240)["fairness/age/robustness-gap"]
    assert len(shown(quarters, Groups).rows) == 4 and quarters.verdict == "fail"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"bands": {"sec": 2}}, "bands: expected a column of data.groups, got 'sec'; did you mean 'sex'"),
    (
        {"intersections": [["sex", "rase"]]},
        "intersections: expected two or more different columns of data.groups, got 'rase'; did you mean 'race'",
    ),
    ({"intersections": [["sex"]]}, "intersections: expected two or more different columns"),
    ({"targeted_harm": ["six"]}, "targeted_harm: expected a column of data.groups, got 'six'; did you mean 'sex'"),
    ({"positive": "malignat"}, "positive: expected a class, got 'malignat'; did you mean 'malignant'"),
]


@pytest.mark.parametrize(("settings", "message"), WRONG)
def test_wrong_settings_are_refused_before_any_work(
    facts: Callable[..., Facts], settings: dict[str, Any], message: str
) -> None:
    known = facts(4, groups={"sex": ("f", "m", "f", "m"), "race": ("b", "w", "b", "w")})
    with pytest.raises(ConfigError, match=message):
        checks.serving("fairness", "image").make(**checks.bind("fairness", settings, "image")).trials(known)


def test_no_class_in_common_is_said_so(judge: Judge) -> None:
    found = judge(["f"] * 40 + ["m"] * 40, [0.0] * 80, y=[0] * 40 + [1] * 40)[GAP]
    assert (found.verdict, found.reason) == ("not_measured", "the groups have no class in common")


def test_a_group_that_nobody_can_be_compared_with_is_named(judge: Judge) -> None:
    found = judge(["f"] * 40 + ["m"] * 40 + ["x"] * 40, [0.0] * 80 + [1.0] * 40, y=[0] * 80 + [1] * 40)[GAP]
    assert found.verdict != "fail" and found.reason.endswith(
        "not compared, having no class in common with any other group: x"
    )


def test_seventeen_of_seventeen_are_too_few(judge: Judge) -> None:
    found = judge(["f"] * 100 + ["m"] * 17, [0.0] * 100 + [1.0] * 17)[GAP]
    assert found.verdict == "not_measured" and found.estimate is None
    assert (
        found.reason.startswith("too few to say for m 17 (fewer than 30; about ")
        and "per group would show a difference of 10 %" in found.reason
    )
    men = next(row for row in shown(found, Groups).rows if row.name == "m")
    success = men.measures["success"]
    assert men.few and men.note == "too few to say: 17 of at least 30 samples" and success and success.value == 1.0


def test_small_groups_are_named_beside_the_others(judge: Judge) -> None:
    found = judge(["f"] * 60 + ["m"] * 60 + ["x"] * 5, [0.0] * 120 + [1.0] * 5)[GAP]
    assert found.verdict != "fail" and "too few to say for x 5 (fewer than 30" in found.reason
    assert found.claim.startswith("Among groups of at least 30 by sex") and "x" not in shown(found, Disparity).pair
    assert {row.name: row.few for row in shown(found, Groups).rows} == {"f": False, "m": False, "x": True}


def test_usable_samples_decide_what_is_small(judge: Judge) -> None:
    """A group of 60 of whom 20 are classified correctly has 20 samples that an attack can fool."""
    found = judge(["f"] * 60 + ["m"] * 60, [0.0] * 120, correct=[1.0] * 60 + [1.0] * 20 + [0.0] * 40)
    assert found[GAP].verdict == "not_measured" and "m 20" in found[GAP].reason
    assert found[ACCURACY].verdict == "fail"


def test_unknown_values_are_counted_not_compared(judge: Judge) -> None:
    found = judge(["f", "m", ""] * 40, [0.0, 0.0, 1.0] * 40)[GAP]
    assert shown(found, Partition).unknown == 40 and {row.name for row in shown(found, Groups).rows} == {"f", "m"}
    assert found.estimate is not None and found.estimate.value == 0 and found.estimate.n == 80


def test_groups_are_described_exactly(judge: Judge) -> None:
    correct = [1.0, 1.0, 1.0, 0.0] * 20
    fooled = [1.0, 0.0, 0.0, 0.0] * 20
    found = judge(["f"] * 40 + ["m"] * 40, fooled, correct=correct)
    for row in shown(found[GAP], Groups).rows:
        attacked = {"clean": 0.75, "robust": 0.5, "success": 1 / 3}
        assert row.n == 30 and values(row) == pytest.approx(attacked)
    for row in shown(found[ACCURACY], Groups).rows:
        assert row.n == 40 and values(row)["clean"] == 0.75 and values(row)["calibration"] == pytest.approx(0.05)


@pytest.mark.slow
def test_answers_as_scikit_learn_counts_them(judge: Judge) -> None:
    rng = np.random.default_rng(8)
    groups, y, correct = rng.choice(["f", "m"], 200), rng.integers(0, 2, 200), (rng.random(200) < 0.8).astype(float)
    predicted = np.where(correct == 1, y, 1 - y)
    for positive, label in (("", 1), ("malignant", 1), ("benign", 0)):
        found = judge(groups.tolist(), [0.0] * 200, y=y.tolist(), correct=correct.tolist(), positive=positive)[ACCURACY]
        for row in shown(found, Groups).rows:
            mine = groups == row.name
            recall = precision_recall_fscore_support(y[mine], predicted[mine], labels=[label, 1 - label])[1]
            assert values(row)["sensitivity"] == pytest.approx(recall[0])
            assert values(row)["specificity"] == pytest.approx(recall[1])
            assert values(row)["selection"] == pytest.approx(np.mean(predicted[mine] == label))


def test_patients_count_not_images(judge: Judge) -> None:
    groups, fooled = ["f"] * 80 + ["m"] * 80, [0.0] * 72 + [1.0] * 8 + [1.0] * 48 + [0.0] * 32
    single = judge(groups, fooled, y=[0] * 160)[GAP]
    shared = judge(groups, fooled, y=[0] * 160, units=[f"p{row // 8}" for row in range(160)])[GAP]
    assert single.verdict == "fail" and shared.verdict == "inconclusive"
    assert shared.estimate.value == pytest.approx(single.estimate.value) and shared.estimate.units == 20


@pytest.mark.slow
def test_renaming_groups_renames_and_changes_nothing(judge: Judge) -> None:
    rng = np.random.default_rng(3)
    groups = ["a", "b", "c"] * 50
    fooled = flips(rng, groups, {"a": 0.1, "b": 0.6, "c": 0.3})
    new = {"a": "z", "b": "y", "c": "x"}
    one, other = (judge(names, fooled, y=[0] * 150)[GAP] for names in (groups, [new[name] for name in groups]))
    assert other.verdict == one.verdict and shown(other, Disparity).pair == tuple(
        new[name] for name in shown(one, Disparity).pair
    )
    for key in ("value", "low", "high"):
        assert getattr(other.estimate, key) == pytest.approx(getattr(one.estimate, key))
    assert other.p == pytest.approx(one.p)


def test_without_groups_nothing_is_asked_for(facts: Callable[..., Facts]) -> None:
    assert checks.serving("fairness", "image").make().trials(facts(10)) == ()


def test_what_other_checks_measured_is_used(facts: Callable[..., Facts], observe: Callable[..., Observations]) -> None:
    """Other budgets and the search for the smallest change show where exposure asked for them, and cost
    nothing here.
    """
    known = facts(80, groups={"sex": ("f", "m") * 40}, y=(0,) * 80)
    check = checks.serving("fairness", "image").make(targeted_harm=False)
    small, large = known.epsilons
    search = search_trial(known, "everywhere", 200)
    hit = {"correct": 1, "clean_margin": 1.0, "area": 10}
    rows: dict[Trial, Any] = {
        clean_trial(): {name: {"correct": 1, "predicted": 0, "confidence": 1.0} for name in known.ids}
    }
    rows[evasion_trial(known, "everywhere", small)] = {name: hit | {"fooled": 0.0, "size": small} for name in known.ids}
    rows[evasion_trial(known, "everywhere", large)] = {
        name: hit | {"fooled": float(k % 2), "size": large} for k, name in enumerate(known.ids)
    }
    rows[search] = {
        name: hit | ({"fooled": 1.0, "size": 4 / 255} if k % 2 else {"fooled": 0.0}) for k, name in enumerate(known.ids)
    }
    assert search not in check.trials(known)
    alone = {finding.id: finding for finding in check.judge(known, observe(rows))}[GAP]
    assert [[point.size for point in curve.points] for curve in of_kind(alone.displays, Curve)] == [[small]] * 2
    seen = observe(rows)
    planned = Observations(seen.binding, seen.read, tuple(rows))
    both = {finding.id: finding for finding in check.judge(known, planned)}[GAP].displays
    lines = [[point.estimate for point in curve.points] for curve in of_kind(both, Curve)]
    assert [[one.value for one in line if one] for line in lines] == [[1.0, 1.0], [1.0, 0.0]]
    never, always = of_kind(both, Steps)
    assert never.restricted and always.median and always.restricted
    assert (never.beyond, never.median, never.restricted.value) == (40, None, pytest.approx(2 * large))
    assert (always.beyond, always.median.value) == (0, pytest.approx(4 / 255))
    assert always.restricted.value == pytest.approx(4 / 255)
    assert never.reason == "40 of 40 beyond 16/255" and always.text.startswith("4/255")
