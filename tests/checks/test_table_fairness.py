"""Fairness of tables: every verdict can be reached, nothing empty counts as good, and small groups are not judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from auditor.checks import make_check
from auditor.core.displays import AnyDisplay, Disparity, Groups, Partition, Rows, Selection, TableDisplay, of_kind
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing, Outcome
from auditor.core.records import VERDICTS, Finding, Observations, Trial, canonical
from auditor.modalities.tables.checks.common import SEARCHED, flip_trial
from auditor.stats.shares import proportion

N = 1200
Pair = tuple[float, float]
"""A share of the rows of f and of m."""


@dataclass(frozen=True)
class World:
    """What is true of women and of men: 300 of each sex with either label."""

    true_positive: Pair = (0.9, 0.9)
    false_positive: Pair = (0.1, 0.1)
    shift: Pair = (0.0, 0.0)
    """Of the scores, which are spread over 1."""
    reached: Pair = (0.6, 0.6)
    """Of those who are decided unfavourably."""
    open: Pair = (0.0, 0.0)
    """Of those for whom nothing is found: the share without a proof."""
    exposed: Pair = (0.05, 0.05)
    cost: Pair = (1.0, 1.0)
    moved: Mapping[str, Pair] | None = None
    """Share of decisions that another sex changes, by kind of change."""

    def row(self, facts: Facts, trial: Trial, place: int) -> dict[str, float]:
        sex, label, rank = place % 2, place // 2 % 2, place // 4
        chosen = float(spread(rank, 1) < (self.true_positive if label else self.false_positive)[sex])
        if trial.probe == "clean":
            return {
                "predicted": chosen,
                "correct": float(chosen == label),
                "confidence": 0.8,
                "score": spread(rank, 3) + self.shift[sex],
            }
        if trial.probe == "invariance":
            return {"before": chosen, "own": float(sex), **self.other(sex, chosen, rank)}
        if trial.zone == "everywhere" and chosen:
            return {"searched": 0, "before": 1}
        share = self.reached if trial.zone == "everywhere" else self.exposed
        flipped = spread(rank, 5) < share[sex]
        outcome = 2.0 if flipped else 0.0 if spread(rank, 7) < self.open[sex] else 3.0
        return {
            "searched": 1,
            "before": chosen,
            "flipped": float(flipped),
            "outcome": outcome,
            **({"cost": self.cost[sex]} if flipped else {}),
        }

    def other(self, sex: int, chosen: float, rank: int) -> dict[str, float]:
        shares = {kind: (self.moved or {}).get(kind, (0.0, 0.0))[sex] for kind in ("naive", "repaired", "worst")}
        after = {f"{kind}/{1 - sex}": (chosen + (spread(rank, 9) < share)) % 2 for kind, share in shares.items()}
        return {**after, f"possible/{1 - sex}": 1.0}


def spread(rank: int, step: int) -> float:
    """Return numbers spread evenly over [0, 1), in another order for each step."""
    return (rank * (2 * step + 59) % 300) / 300


SEX = {"groups": {"sex": ("f", "m") * (N // 2)}, "y": tuple(place // 2 % 2 for place in range(N))}
FAIR = World()
BIASED = World(
    (0.3, 0.95),
    (0.02, 0.25),
    (-0.6, 0.0),
    (0.2, 0.7),
    exposed=(0.5, 0.05),
    moved=dict.fromkeys(("naive", "repaired", "worst"), (0.2, 0.0)),
)
MIDDLE = World(
    (0.75, 0.9), (0.1, 0.18), (-0.12, 0.0), (0.5, 0.6), exposed=(0.18, 0.08), moved={"repaired": (0.03, 0.01)}
)
ERRING = World((0.66, 0.9), (0.1, 0.18))
OPEN = World(reached=(0.2, 0.7), open=(1.0, 1.0), exposed=(0.05, 0.05), moved={"worst": (0.3, 0.3)})
KINDS = [
    "impact-ratio",
    "scoring-rate",
    "accuracy-gap",
    "true-positive-gap",
    "false-positive-gap",
    "reachability-gap",
    "recourse-cost",
    "exposure-gap",
]
ALL = [*KINDS, "invariance"]
Judge = Callable[..., dict[str, Finding]]


def shown(found: Finding, kind: type[AnyDisplay], role: str | None = None) -> AnyDisplay:
    """Return the first display of a kind that a finding has."""
    return of_kind(found.displays, kind, role)[0]


def measures(found: Finding, name: str) -> list[float]:
    """Return one measure of every group in which it was measured."""
    return [one.value for row in shown(found, Groups).rows if (one := row.measures[name])]


def bounds(found: Finding) -> tuple[float, int]:
    """Return the lower end over all that may be true of the unproven searches, and how many these are."""
    (row,) = shown(found, Rows, "bounds").rows
    assert row.estimate
    return row.estimate.low, int(row.note.partition(" ")[0])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the counts of an exchange also where there are few rows."""
    monkeypatch.setattr("auditor.stats.exchange.MANY", 0)


@pytest.fixture(scope="module")
def judge(table_facts: Callable[..., Facts], observe: Callable[[Mapping[Trial, Any]], Observations]) -> Judge:
    """Return function (world) -> findings by id; those of the same world are judged once."""
    known: dict[str, dict[str, Finding]] = {}

    def run(
        world: World | None, settings: Mapping[str, Any] = {}, rows: Any = None, **changes: Any
    ) -> dict[str, Finding]:  # noqa: B006
        key = repr((world, settings, rows, changes))
        if key not in known:
            facts, check = (
                table_facts(N, **{"mask_share": (0.5,) * N, "regions": {}, **SEX, **changes}),
                make_check("fairness", "table", settings),
            )
            measured: dict[Trial, Any] = {}
            for trial in check.trials(facts):
                made = {name: world.row(facts, trial, place) if world else rows for place, name in enumerate(facts.ids)}
                measured[trial] = {name: row for name, row in made.items() if row is not None}
            found = check.judge(facts, observe(measured))
            assert len({finding.id for finding in found}) == len(found)
            known[key] = {finding.id: finding for finding in found}
        return known[key]

    return run


CASES = [
    *((kind, "pass", FAIR, {}) for kind in ALL),
    *((kind, "fail", BIASED, {}) for kind in ALL),
    *((kind, "inconclusive", ERRING if kind == "accuracy-gap" else MIDDLE, {}) for kind in ALL),
    *((kind, "not_measured", FAIR, {"minimum_group": 700}) for kind in KINDS),
    *((kind, "inconclusive", OPEN, {}) for kind in ("reachability-gap", "recourse-cost", "exposure-gap", "invariance")),
]


@pytest.mark.parametrize(
    ("kind", "verdict", "world", "settings"), CASES, ids=[f"{kind} {verdict}" for kind, verdict, *_ in CASES]
)
def test_every_verdict_is_reachable(
    judge: Judge, kind: str, verdict: str, world: World, settings: dict[str, Any]
) -> None:
    found = judge(world, settings)[f"fairness/sex/{kind}"]
    assert found.verdict == verdict, found
    assert found.check == "fairness" and found.question == 2 and found.claim.endswith(".") and found.reason
    assert found.primary == (kind in ("impact-ratio", "accuracy-gap"))
    assert (shown(found, Partition).attribute, shown(found, Partition).columns) == ("sex", ("sex",))
    if found.estimate is not None:
        assert found.estimate.low <= found.estimate.value <= found.estimate.high and found.estimate.n > 0
    assert Finding.from_dict(found.as_dict()) == found and canonical(found.as_dict())
    for table in of_kind(found.displays, TableDisplay):
        assert all(len(row) == len(table.columns) for row in table.rows), table.title


def test_verdicts_of_the_table_are_known() -> None:
    assert {verdict for _, verdict, *_ in CASES} == set(VERDICTS) and {kind for kind, *_ in CASES} == set(ALL)


@pytest.mark.parametrize("rows", [None, Missing.not_applicable("nothing to see"), Missing.failed("RuntimeError: boom")])
def test_nothing_measured_is_never_good(judge: Judge, rows: Any) -> None:
    empty = judge(None, rows=rows)
    assert list(empty) == list(judge(FAIR)), "no row goes missing, and the order stays"
    for finding in empty.values():
        assert finding.verdict == "not_measured" and finding.reason and finding.estimate is None


def test_without_groups_nobody_is_compared(judge: Judge) -> None:
    found = judge(FAIR, groups={})
    assert found["fairness/groups"].verdict == "not_measured" and found["fairness/groups"].primary
    assert found["fairness/sex/invariance"].verdict == "pass", "a column with the role protected is enough"


def test_trials_are_values_and_shared(table_facts: Callable[..., Facts]) -> None:
    facts = table_facts(N, **SEX)
    check = make_check("fairness", "table", {})
    trials = check.trials(facts)
    assert trials == check.trials(facts) and len(set(trials)) == len(trials)
    assert [trial.probe for trial in trials] == ["clean", "flip", "flip", "invariance"]
    assert (
        flip_trial(facts, "outside", samples=SEARCHED) in trials
        and flip_trial(facts, "everywhere", towards="malignant", samples=1000) in trials
    )
    for trial in trials:
        assert Trial.from_dict(trial.as_dict()) == trial and canonical(trial.as_dict())
    assert not make_check("fairness", "table", {}).trials(
        replace(facts, groups={}, schema={**facts.schema, "columns": facts.schema["columns"][:3], "rules": []})
    )


def test_rates_and_ratios_are_those_of_the_counts(judge: Judge) -> None:
    found = judge(BIASED)["fairness/sex/impact-ratio"]
    rates = shown(found, Selection)
    women, men = rates.categories
    assert found.estimate is not None and found.estimate.value == pytest.approx(0.16 / 0.6)
    assert (women.selected, women.n, men.selected, men.n) == (96, 600, 360, 600)
    rate = proportion([1.0] * 96 + [0.0] * 504)
    assert rate and women.rate and (women.rate.low, women.rate.high) == pytest.approx((rate.low, rate.high))
    assert women.ratio and women.ratio.value == pytest.approx(0.16 / 0.6)
    assert men.ratio is None and rates.reference == "m"
    assert (women.share, women.values, women.excluded, women.one_more) == (0.5, ("f",), "", False)
    assert women.fisher_p is not None and women.fisher_p < 1e-20
    assert (
        found.claim.startswith("By sex, f is decided 'malignant' least: at 0.27 [")
        and "(16 % against 60 %)" in found.claim
    )
    scored = shown(judge(BIASED)["fairness/sex/scoring-rate"], Selection)
    assert (rates.counted, rates.median, scored.counted) == ("selection", None, "scoring")
    assert rates.favourable == scored.favourable == "malignant"


def test_the_scoring_rate_is_the_share_above_the_median(judge: Judge) -> None:
    found = judge(BIASED)["fairness/sex/scoring-rate"]
    scores = [spread(place // 4, 3) + (-0.6, 0.0)[place % 2] for place in range(N)]
    middle = np.median(scores)
    rates = shown(found, Selection)
    assert rates.median == pytest.approx(middle)
    shares = [np.mean([score > middle for score in scores[sex::2]]) for sex in (0, 1)]
    assert [row.rate and row.rate.value for row in rates.categories] == pytest.approx(shares)
    blind = judge(FAIR, offers=("labels",))["fairness/sex/scoring-rate"]
    assert blind.verdict == "not_measured" and "no scores" in blind.reason


def test_equalised_odds_are_those_of_the_labels(judge: Judge) -> None:
    found = judge(BIASED)
    assert found["fairness/sex/true-positive-gap"].estimate.value == pytest.approx(0.65)  # type: ignore[union-attr]
    assert found["fairness/sex/false-positive-gap"].estimate.value == pytest.approx(0.23, abs=0.004)  # type: ignore[union-attr]
    groups = found["fairness/sex/accuracy-gap"]
    assert measures(groups, "sensitivity") == pytest.approx([0.3, 0.95])
    assert measures(groups, "selection")[0] == pytest.approx(0.16)
    assert shown(groups, Groups).positive == "malignant"


def mixed(sizes: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(name for name, n in sizes.items() for _ in range(n))


@pytest.mark.slow
def test_categories_below_two_per_cent_are_listed_and_not_compared(judge: Judge) -> None:
    race = mixed({"a": 800, "b": 347, "rare": 23, "?": 30})
    found = judge(FAIR, {"minimum_group": 20}, groups={"race": race})["fairness/race/impact-ratio"]
    rare = next(row for row in shown(found, Selection).categories if row.name == "rare")
    assert (rare.excluded, rare.n, rare.ratio) == ("fewer than 2 % of the rows", 23, None) and rare.rate is not None
    assert (
        shown(found, Partition).unknown == 30
        and "listed, not compared: rare 23 (fewer than 2 % of the rows)" in found.reason
    )
    assert rare.share == pytest.approx(23 / 1170), "of the rows whose category is known"
    assert shown(found, TableDisplay).rows[-1][:2] == ("unknown", 30)


@pytest.mark.slow
def test_thirty_seven_are_too_few_to_say(judge: Judge) -> None:
    favoured = World((1.0, 0.9), (1.0, 0.1))
    few = tuple("f" if place < 74 and place % 2 == 0 else "m" if place % 2 else "" for place in range(N))
    found = judge(favoured, groups={"sex": few})["fairness/sex/impact-ratio"]
    assert (
        found.verdict == "not_measured"
        and found.reason == "too few to say for f 37: all have a higher rate than m, but a reference needs 100 rows"
    )
    found = judge(favoured, {"minimum_group": 50}, groups={"sex": few})["fairness/sex/impact-ratio"]
    assert found.verdict == "not_measured" and "too few to say" in found.reason
    assert shown(found, Selection).categories[0].excluded == "too few to say: 37 of at least 50 rows"


@pytest.mark.slow
def test_a_small_group_with_a_higher_rate_is_no_reference(judge: Judge) -> None:
    groups = tuple("x" if place < 160 and place % 4 == 0 else "fm"[place % 2] for place in range(N))
    found = judge(World((0.9, 0.9), (1.0, 0.1)), groups={"sex": groups})["fairness/sex/impact-ratio"]
    assert shown(found, Selection).reference == "f" and found.verdict == "fail"
    assert (
        "the reference is f, the highest rate among groups of at least 100 rows and 2 % of all: x 40 have a higher rate"
        " but are too few" in found.reason
    )


@pytest.mark.slow
def test_few_expected_selections_are_too_few(judge: Judge) -> None:
    found = judge(World((0.04, 0.04), (0.04, 0.04)), groups={"sex": mixed({"a": 600, "b": 500, "c": 100})})[
        "fairness/sex/impact-ratio"
    ]
    small = next(row for row in shown(found, Selection).categories if row.name == "c")
    assert small.excluded == "too few to say: 4.0 of at least 5 expected" and "too few to say for c 100" in found.reason


@pytest.mark.slow
def test_intersections_that_nobody_declared_decide_nothing(judge: Judge) -> None:
    groups = {"race": mixed({"a": 700, "b": 500}), "sex": SEX["groups"]["sex"]}  # type: ignore[index]
    found = judge(FAIR, groups=groups)
    crossed = found["fairness/race+sex/impact-ratio"]
    rates = shown(crossed, Selection).categories
    assert not crossed.primary and [row.name for row in rates] == ["a / f", "a / m", "b / f", "b / m"]
    assert not shown(crossed, Partition).declared and rates[0].values == ("a", "f")
    assert found["fairness/race/invariance"].reason.startswith("blindness is no proof of equal outcomes")
    tiny = judge(FAIR, {"minimum_group": 600}, groups=groups)
    assert {name for name in tiny if "race+sex" in name} == {
        f"fairness/race+sex/{kind}" for kind in ("impact-ratio", "scoring-rate", "groups")
    }
    assert all(row.rate for row in shown(tiny["fairness/race+sex/impact-ratio"], Selection).categories), (
        "their rates are listed all the same"
    )
    assert not any("+" in name for name in judge(FAIR, {"intersections": "none"}, groups=groups))


def test_who_cannot_reach_it_is_censored_and_not_left_out(judge: Judge) -> None:
    world = World(reached=(0.2, 0.7), cost=(1.0, 1.0))
    cost, reach = (judge(world)[f"fairness/sex/{kind}"] for kind in ("recourse-cost", "reachability-gap"))
    shares = measures(cost, "flipped")
    assert shares == pytest.approx([0.2, 0.7], abs=0.04)
    assert cost.estimate is not None and cost.estimate.value == pytest.approx(
        (shares[0] + 4 * (1 - shares[0])) / (shares[1] + 4 * (1 - shares[1]))
    )
    assert cost.verdict == reach.verdict == "fail" and shown(cost, Disparity).pair == ("f", "m")
    table = shown(cost, TableDisplay)
    women, men = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert str(women["Median cost"]).startswith("infinite: ") and "beyond 4" in str(women["Median cost"])
    assert men["Median cost"] == "1 [1, 1]"
    (test,) = shown(cost, Rows, "tests").rows
    assert test.name == "Log-rank" and test.p is not None and test.p < 1e-6
    assert measures(cost, "exact")[0] == 1.0
    assert women[Outcome.FLIPPED_EXACTLY.text.capitalize()] == round(shares[0] * shown(cost, Groups).rows[0].n)


@pytest.mark.slow
def test_what_was_not_proven_may_be_either(judge: Judge) -> None:
    """The gap of 50 points between what was found is no gap if the search of one group merely proved less."""
    world = World(reached=(0.2, 0.7), open=(1.0, 0.0))
    found = judge(world)["fairness/sex/reachability-gap"]
    assert (
        found.verdict == "inconclusive"
        and found.estimate is not None
        and found.estimate.value == pytest.approx(0.5, abs=0.05)
    )
    assert found.estimate.low > 0.4 and bounds(found)[0] == 0 and bounds(found)[1] > 200 and found.p is None
    assert (
        "searches found nothing and proved nothing; over all that may be true of them the interval goes from 0 % to"
        in found.reason
    )
    assert measures(found, "exact") == pytest.approx([0.2, 1.0], abs=0.05)
    cost = judge(world)["fairness/sex/recourse-cost"]
    assert (
        cost.verdict == "inconclusive"
        and cost.estimate is not None
        and cost.estimate.low > 1.25
        and bounds(cost)[0] == 1
    )
    few = judge(World(reached=(0.1, 0.9), open=(0.1, 0.1)))["fairness/sex/reachability-gap"]
    assert (
        few.verdict == "fail"
        and bounds(few)[1] > 20
        and few.reason.endswith("the verdict holds whatever is true of them")
    )


@pytest.mark.slow
def test_a_fair_twin_is_not_accused(table_facts: Callable[..., Facts], observe: Callable[..., Observations]) -> None:
    rng, groups = np.random.default_rng(3), ("f", "m") * 150
    facts = table_facts(300, groups={"sex": groups}, mask_share=(0.5,) * 300, regions={})
    check = make_check("fairness", "table", {})
    for _ in range(6):
        chosen, reached, moved = rng.random(300) < 0.4, rng.random(300) < 0.5, rng.random(300) < 0.02
        found = [float(flag) for flag in reached]
        rows: dict[str, Any] = {"clean": {}, "flip": {}, "invariance": {}}
        for place, name in enumerate(facts.ids):
            k, before = 1 - place % 2, float(chosen[place])
            rows["clean"][name] = {
                "predicted": before,
                "correct": float(rng.random() < 0.8),
                "confidence": 0.8,
                "score": float(rng.normal()),
            }
            rows["flip"][name] = {
                "searched": 1,
                "before": 0,
                "flipped": found[place],
                "outcome": 3 - found[place],
                "cost": 1.0 + float(rng.random()),
            }
            after = (before + moved[place]) % 2
            rows["invariance"][name] = {
                "before": before,
                "own": float(1 - k),
                **{f"{kind}/{k}": after for kind in ("naive", "repaired", "worst")},
            }
            rows["invariance"][name][f"possible/{k}"] = 1.0
        verdicts = [
            finding.verdict
            for finding in check.judge(facts, observe({trial: rows[trial.probe] for trial in check.trials(facts)}))
        ]
        assert len(verdicts) == 9 and "fail" not in verdicts
