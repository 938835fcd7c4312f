"""Targeted harm: aimed harm is named, its honest twin is not accused, and the null of exchanged labels keeps its
word.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from auditor.checks.fairness.held_out import DRAWS, REFITTED, Held, codes_of, statistic
from auditor.checks.fairness.targeted_harm import HarmAim, harm_trials, judge_harm
from auditor.core.displays import Matrix, MatrixCell, Null, Partition, Rows, of_kind
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing
from auditor.core.records import Estimate, Finding, Observations, Trial
from auditor.stats.grouping import Attribute, dealt
from auditor.stats.strata import stratified_difference

ATTRIBUTE = Attribute(("sex",))
SETTINGS: dict[str, Any] = {"zone": "everywhere", "minimum_group": 30}

NONE = Missing.not_applicable("no perturbation was fitted on another half")
Judge = Callable[..., Finding]


@pytest.fixture
def judge(facts: Callable[..., Facts], observe: Callable[[Any], Observations]) -> Judge:
    """Return function (groups, flags {group: flags of its perturbation}) -> finding; `correct` names the classified
    ones, `refits` the flags of each refit.
    """

    def run(
        groups: Sequence[str],
        flags: dict[str, Sequence[float]],
        *,
        correct: Sequence[int] | None = None,
        refits: Sequence[dict[str, Sequence[float]]] = (),
        fit: Missing | dict[str, float] | None = None,
        tolerance: float = 0.1,
        **known: Any,
    ) -> Finding:
        audit = facts(len(groups), groups={"sex": tuple(groups)}, **known)
        settings = {**SETTINGS, "refits": len(refits)}
        trials = harm_trials(audit, ATTRIBUTE, HarmAim(**settings))
        measured: dict[Trial, Any] = {}
        for number, one in enumerate([flags, *refits]):
            if trials:
                rows = {}
                for row, name in enumerate(audit.ids):
                    fooled = {
                        f"fooled/{place}": one[group][row]
                        for place, group in enumerate(trials[0].settings["names"])
                        if group in one
                    }
                    rows[name] = {"correct": 1, **fooled} if correct is None or correct[row] else {"correct": 0}
                    rows[name] = rows[name] if groups[row] else Missing.not_applicable("its group is unknown")
                measured[trials[2 * number]] = {audit.ids[0]: fit or {"forwards": 1}}
                measured[trials[2 * number + 1]] = dict.fromkeys(audit.ids, NONE) if isinstance(fit, Missing) else rows
        return judge_harm(audit, observe(measured), ATTRIBUTE, tolerance=tolerance, aim=HarmAim(**settings))

    return run


def drawn(
    rng: np.random.Generator, groups: Sequence[str], rates: dict[str, dict[str, float]]
) -> dict[str, list[float]]:
    """Return flags by fitted group, from rates[fitted][judged]."""
    return {fitted: [float(rng.random() < rate[group]) for group in groups] for fitted, rate in rates.items()}


def test_trials_fit_the_large_groups_and_read_what_was_fitted(facts: Callable[..., Facts]) -> None:
    groups = ["f"] * 50 + ["m"] * 40 + ["x"] * 5 + [""] * 5
    fit, aimed, *rest = harm_trials(facts(100, groups={"sex": tuple(groups)}), ATTRIBUTE, HarmAim(**SETTINGS, refits=2))
    assert (
        fit.samples == 1
        and fit.keep
        and aimed.source == fit
        and aimed.samples == 0
        and fit.settings["names"] == ["f", "m"]
    )
    assert [trial.settings["exchange"] for trial in rest] == [1, 1, 2, 2] and rest[3].source == rest[2]
    assert Trial.from_dict(aimed.as_dict()) == aimed
    masked = facts(100, groups={"sex": tuple(groups)}, mask_share=(0.5,) * 50 + (0.0,) * 50)
    assert harm_trials(masked, ATTRIBUTE, HarmAim("outside", 30)) == ()


def named(found: Finding, role: str) -> dict[str, Estimate]:
    """Return the estimates of some rows by group; a group without one is left out."""
    return {row.name: row.estimate for row in of_kind(found.displays, Rows, role)[0].rows if row.estimate}


@pytest.mark.slow
def test_aimed_harm_is_named(judge: Judge) -> None:
    rng, groups = np.random.default_rng(0), ["f", "m", "x"] * 60
    for _ in range(5):
        found = judge(
            groups,
            drawn(
                rng,
                groups,
                {"f": {"f": 0.6, "m": 0.1, "x": 0.1}, "m": dict.fromkeys("fmx", 0.2), "x": dict.fromkeys("fmx", 0.2)},
            ),
        )
        assert (found.id, found.verdict, found.primary, found.question) == (
            "fairness/sex/targeted-harm",
            "fail",
            False,
            2,
        )
        assert "correct predictions: f, of which it flips" in found.claim and found.p is not None and found.p < 0.05
        null = of_kind(found.displays, Null)[0]
        assert (null.method, null.permutations) == ("labels of held-out units exchanged", DRAWS)
        assert null.p == pytest.approx(2 / (1 + DRAWS))


def test_a_group_that_anything_breaks_is_told_from_one_that_is_aimed_at(judge: Judge) -> None:
    rng, groups, y = np.random.default_rng(1), ["f", "m"] * 150, (0, 0, 1) * 100
    weak = judge(groups, drawn(rng, groups, dict.fromkeys("fm", {"f": 0.6, "m": 0.1})), y=y)
    aimed = judge(groups, drawn(rng, groups, {"f": {"f": 0.6, "m": 0.1}, "m": {"f": 0.1, "m": 0.6}}), y=y)
    assert weak.verdict == aimed.verdict == "fail"
    assert abs(named(weak, "aimed")["f"].value) < 0.15 and named(aimed, "aimed")["f"].low > 0.3
    assert named(weak, "excess")["m"].high < 0 < named(aimed, "excess")["m"].low


def test_numbers_are_counts(judge: Judge) -> None:
    groups, y = ["f"] * 40 + ["m"] * 60 + ["x"] * 4 + [""] * 3, [0] * 20 + [1] * 20 + [0] * 15 + [1] * 45 + [0] * 7
    own, other = [1.0] * 10 + [0.0] * 10 + [1.0] * 5 + [0.0] * 15, [1.0] * 3 + [0.0] * 12 + [1.0] * 9 + [0.0] * 36
    found = judge(groups, {"f": [*own, *other, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0], "m": [0.0] * 107}, y=tuple(y))
    matrix = of_kind(found.displays, Matrix)[0]
    assert matrix.rows == matrix.columns == tuple("fmx")
    assert of_kind(found.displays, Partition)[0].unknown == 3
    assert [entry.estimate and entry.estimate.value for entry in matrix.entries[0]] == [15 / 40, 12 / 60, 1 / 4]
    notes = [entry.note for entry in matrix.entries[0]]
    assert notes[0] == "" and notes[2] == "too few to say: 4 of at least 30 correct predictions"
    assert matrix.entries[2][0] == MatrixCell(note="too few to say: 4 of at least 30 samples")
    strata = {"0": (own[:20], [str(row) for row in range(20)]), "1": (own[20:], [str(row) for row in range(20, 40)])}
    rest = {
        "0": ([*other[:15], 1.0, 0.0, 0.0, 0.0], [str(row) for row in [*range(40, 55), *range(100, 104)]]),
        "1": (other[15:], [str(row) for row in range(55, 100)]),
    }
    expected = stratified_difference(strata, rest, level=0.975)
    women = named(found, "excess")["f"]
    assert (women.value, women.low, women.high) == pytest.approx(expected)
    assert (
        named(found, "aimed")["f"].value == pytest.approx(15 / 40)
        and "too few to say for x (fewer than 30)" in found.reason
    )


def test_a_pass_of_perturbations_that_only_fit_what_they_saw_is_not_believed(judge: Judge) -> None:
    groups, y = ["f", "m"] * 300, (0,) * 600
    flags = dict.fromkeys("fm", [1.0] * 30 + [0.0] * 570)
    seen = {
        f"{what}/{place}/{side}": value
        for place in (0, 1)
        for side in (0, 1)
        for what, value in (("samples", 150), ("success", 0.12))
    }
    tight = judge(groups, flags, y=y, fit=seen)
    notes = [row.note for row in of_kind(tight.displays, Rows, "aimed")[0].rows]
    assert tight.verdict == "pass" and notes == ["flips 12 % of the samples that it was fitted on"] * 2
    loose = judge(groups, flags, y=y, fit=seen | {"success/1/0": 0.3, "success/1/1": 0.2})
    assert loose.verdict == "inconclusive" and loose.estimate == tight.estimate
    assert (
        "too few to fit on: the perturbations of m flip 25 % of the samples that they were fitted on and 5 % of the"
        " others" in loose.reason
    )


@pytest.mark.slow
def test_an_easier_class_is_not_an_easier_group(judge: Judge) -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        groups = ["f"] * 150 + ["m"] * 150
        y = (rng.random(300) < np.repeat([0.8, 0.2], 150)).astype(int)
        flags = (rng.random(300) < np.where(y == 1, 0.8, 0.1)).astype(float).tolist()
        found = judge(groups, {"f": flags, "m": flags}, y=tuple(y.tolist()))
        assert found.verdict != "fail" and np.mean(flags[:150]) - np.mean(flags[150:]) > 0.2


def test_units_count_not_samples(judge: Judge) -> None:
    groups = ["f"] * 80 + ["m"] * 80
    flags = {"f": [1.0] * 24 + [0.0] * 56 + [0.0] * 80, "m": [0.0] * 160}
    apart = judge(groups, flags, y=(0,) * 160)
    together = judge(groups, flags, y=(0,) * 160, units=tuple(f"p{row // 8}" for row in range(160)))
    assert (
        apart.verdict == "fail"
        and together.verdict == "inconclusive"
        and together.estimate is not None
        and together.estimate.units == 20
    )
    assert of_kind(together.displays, Null)[0].p > 10 * of_kind(apart.displays, Null)[0].p


@pytest.mark.parametrize(
    ("groups", "more", "said"),
    [
        (
            ["f"] * 100 + ["m"] * 17,
            {},
            "too few to say: fewer than two groups have 30 samples that can be attacked (f 100, m 17)",
        ),
        (
            ["f"] * 50 + ["m"] * 50,
            {"correct": [1] * 70 + [0] * 30},
            "too few to say: fewer than two groups have 30 correct predictions (f 50, m 20)",
        ),
        (["f"] * 50 + ["m"] * 50, {"y": (0,) * 50 + (1,) * 50}, "the groups have no class in common"),
        (["f"] * 50 + ["m"] * 50, {"fit": Missing.failed("ValueError: odd")}, "failed: ValueError: odd (1 samples)"),
        ([""] * 50, {}, "too few to say: fewer than two groups have 30 samples that can be attacked (none)"),
    ],
)
def test_what_cannot_be_compared_says_why(judge: Judge, groups: list[str], more: dict[str, Any], said: str) -> None:
    found = judge(groups, dict.fromkeys("fm", [1.0] * len(groups)), **more)
    assert (found.verdict, found.estimate, found.reason) == ("not_measured", None, said)
    names = sorted({group for group in groups if group})
    matrix, (rows,) = of_kind(found.displays, Matrix)[0], of_kind(found.displays, Rows, "excess")
    assert [row.name for row in rows.rows] == list(matrix.rows) == list(matrix.columns) == names
    assert [len(line) for line in matrix.entries] == [len(names)] * len(names)
    assert of_kind(found.displays, Null) == []


def test_a_perturbation_that_was_not_fitted_on_one_half_is_judged_on_the_other_alone(
    facts: Callable[..., Facts], observe: Callable[..., Observations]
) -> None:
    audit = facts(160, groups={"sex": ("f", "m") * 80}, y=(0,) * 160)
    fit, aimed = harm_trials(audit, ATTRIBUTE, HarmAim(**SETTINGS))
    half = dealt(ATTRIBUTE, audit, "everywhere", seed=0)[1]
    rows = {
        name: {"correct": 1, "fooled/1": 0.0, **({"fooled/0": 1.0} if side else {})}
        for name, side in zip(audit.ids, half, strict=True)
    }
    found = judge_harm(audit, observe({fit: {}, aimed: rows}), ATTRIBUTE, tolerance=0.1, aim=HarmAim(**SETTINGS))
    women = named(found, "excess")["f"]
    assert women.n == half.sum() == 80 and women.value == 0 and named(found, "aimed")["f"].value == 1


def test_the_statistic_is_the_largest_standardised_excess(facts: Callable[..., Facts]) -> None:
    """Computed for many assignments at once; the slow twin is stats.stratified_difference."""
    rng = np.random.default_rng(3)
    m = 120
    for _ in range(10):
        flags = rng.integers(0, 2, (2, m)).astype(float)
        flags[0, rng.random(m) < 0.1] = np.nan
        groups = np.array(["f", "m", "x"])[rng.integers(0, 3, m)]
        held = Held(("f", "m"), np.arange(m), groups, rng.integers(0, 3, m), np.arange(m).astype(str), flags, 10)
        expected = [stratified_difference(*held.strata(name)) for name in held.names]
        assert statistic(held, codes_of(held)[None])[0] == pytest.approx(
            max(one[0] for one in expected if one is not None)
        )


def test_refits_are_counted(judge: Judge) -> None:
    groups, none = ["f", "m"] * 60, dict.fromkeys("fm", [0.0] * 120)
    flags = {"f": [1.0, 0.0] * 60, "m": [0.0] * 120}
    found = judge(groups, flags, refits=[none] * 9, y=(0,) * 120)
    assert of_kind(found.displays, Null) == [Null(method=REFITTED, permutations=9, p=0.1)]
    assert "p = 0.100 (refitted on exchanged labels)" in found.reason
    assert judge(groups, none, refits=[none] * 3, y=(0,) * 120).displays[-1] == Null(
        method=REFITTED, permutations=3, p=1.0
    )


@pytest.mark.slow
def test_exchanged_labels_reject_no_more_often_than_they_say(facts: Callable[..., Facts]) -> None:
    """Groups that mean nothing, one hidden weakness, fits that pick whichever side their half leans to: the halves'
    excesses go together.
    """
    rng = np.random.default_rng(4)
    p = []
    for _ in range(300):
        audit = facts(
            160,
            groups={"sex": tuple(rng.permutation(["f", "m"] * 80).tolist())},
            y=(0,) * 160,
            seed=int(rng.integers(1 << 30)),
        )
        groups, half = dealt(ATTRIBUTE, audit, "everywhere", seed=audit.seed)
        female, weak = np.array(groups) == "f", rng.random(160) < 0.5
        flags = np.full((2, 160), np.nan)
        for side in (0, 1):
            fit, judged = half == side, half != side
            leans = weak[fit & female].mean() > weak[fit & ~female].mean()
            for place, side_of in enumerate((weak, ~weak) if leans else (~weak, weak)):
                flags[place, judged] = side_of[judged]
        fitted = harm_trials(audit, ATTRIBUTE, HarmAim(**SETTINGS))
        held = Held(
            ("f", "m"),
            np.arange(160),
            np.array(groups),
            np.zeros(160, dtype=np.int64),
            np.array(audit.units),
            flags,
            30,
        )
        p.append(null_p(audit, held, fitted[1]))
    assert np.mean(np.array(p) <= 0.05) < 0.08


def null_p(audit: Facts, held: Held, trial: Trial) -> float:
    from auditor.checks.fairness import held_out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held_out, "DRAWS", 200)
        return float(held_out.null(audit, ATTRIBUTE, [held], trial=trial).p)
