"""Every verdict of every check of images can be reached, and nothing empty counts as good; a new check
adds its rows.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from auditor.checks import checks, make_check
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing
from auditor.core.records import VERDICTS, Finding, Trial, canonical
from auditor.core.registry import Entry

Rows = dict[str, Any]
N = 100


def plain(row: int, **changes: float) -> dict[str, float]:
    values = {
        "predicted": row % 2,
        "correct": 1,
        "margin": 1.0,
        "confidence": 0.8,
        "like_probabilities": 0,
        "repeat_difference": 0.0,
        "low": 0.0,
        "high": 1.0,
    }
    return {**values, **changes}


def every(make: Callable[[int], Any], n: int = N) -> Callable[[Facts, Trial], Rows]:
    """Return rows that do not depend on the trial."""
    return lambda facts, trial: {name: make(row) for row, name in enumerate(facts.ids[:n])}


ATTACKED = {
    "correct": 1,
    "survivor": 1,
    "clean_margin": 1.0,
    "size": 1 / 255,
    "area": 80,
    "area_share": 0.8,
    "channels": 1,
}


def fooled(k: int, n: int = N) -> Callable[[Facts, Trial], Rows]:
    return every(
        lambda row: (
            ATTACKED | {"fooled": float(row < k), "predicted": (row + (row < k)) % 2} if row < n else {"correct": 0}
        )
    )


def only(probe: str, k: int, *, norm: str = "linf") -> Callable[[Facts, Trial], Rows]:
    """Return attacks that flip k of 100 samples in the trials of one probe and norm, and none in the others."""
    return lambda facts, trial: fooled(k if (trial.probe, trial.threat["norm"]) == (probe, norm) else 0)(facts, trial)


def searched(n: int, k: int) -> Callable[[Facts, Trial], Rows]:
    """Return attacks that flip nothing and a search that saw only n samples, of which it flips k."""
    return lambda facts, trial: fooled(k, n)(facts, trial) if trial.probe == "smallest" else fooled(0)(facts, trial)


def by_group(gap: int) -> Callable[[Facts, Trial], Rows]:
    """Return answers and attacks where `gap` of each ten samples of one group err and are fooled."""
    worse = every(lambda row: plain(row, correct=float(not (row % 4 >= 2 and (row // 4) % 10 < gap))))
    harder = every(lambda row: {"correct": 1, "fooled": float(row % 4 >= 2 and (row // 4) % 10 < gap)})
    return lambda facts, trial: (worse if trial.probe == "clean" else harder)(facts, trial)


def aimed(share: int) -> Callable[[Facts, Trial], Rows]:
    """Return answers and attacks without any gap, and perturbations that flip `share` of each ten samples of the group
    that they were fitted on.
    """
    hit = every(lambda row: {"correct": 1, "fooled/0": float(row % 4 < 2 and row // 4 % 10 < share), "fooled/1": 0.0})
    return lambda facts, trial: (hit if trial.probe == "aimed" else by_group(0))(facts, trial)


def arms(*margins: float, spread: float = 0.1, n: int = N, draws: int = 8) -> Callable[[Facts, Trial], Rows]:
    """Return transplant rows whose arms have these mean margins, with donors of other units."""

    def make(row: int) -> dict[str, float]:
        rng = np.random.default_rng(row)
        values: dict[str, float] = {"sham/smooth": 1.0, "sham/flat": 1.0}
        for draw in range(draws):
            values |= {
                f"{arm}/{draw}": mean + spread * float(rng.normal()) for arm, mean in zip("ABCD", margins, strict=True)
            }
            values |= {
                f"{donor}/{draw}": float(place)
                for donor, place in zip(
                    "jkl", rng.choice([one for one in range(N) if one != row], 3, False), strict=True
                )
            }
        return values

    return every(make, n)


PARTS = ("beside", "near", "far", "outside")


def around(*moves: float, spread: float = 0.1, n: int = N) -> Callable[[Facts, Trial], Rows]:
    """Return rows of exchanged surroundings: by how much those of another class lower the margin, for each of PARTS."""

    def make(row: int) -> dict[str, float]:
        rng = np.random.default_rng((2, row))
        values: dict[str, float] = {}
        for draw in range(4):
            donors = [(row + step) % N for step in (2 + 2 * int(rng.integers(20)), 1 + 2 * int(rng.integers(20)))]
            values |= {f"j/{draw}": float(donors[0]), f"k/{draw}": float(donors[1])}
            for part, move in zip(PARTS, moves, strict=True):
                values |= {f"{part}/same/{draw}": 1.0, f"covered/{part}/{draw}": 0.9}
                values[f"{part}/other/{draw}"] = 1.0 - move + spread * float(rng.normal())
        return values

    return every(make, n)


def relied(
    transplant: Callable[[Facts, Trial], Rows],
    surroundings: Callable[[Facts, Trial], Rows] | None = None,
    *,
    apart: int = 50,
    lead: float = 2.0,
    factor: float = 0.0,
    n: int = N,
) -> Callable[[Facts, Trial], Rows]:
    """Return rows of every trial of reliance: of each hundred pairs so many are told apart; a factor that moves the
    margin.
    """

    def pair(row: int) -> dict[str, float]:
        size = lead if row * 37 % 100 < apart else -lead
        return {
            "partner": float((row + 1) % N),
            "hole": 0.3,
            "lead/smooth": size,
            "lead/flat": size,
            "kept": float(row % 2),
        }

    def site(row: int) -> dict[str, float]:
        noise = float(np.random.default_rng(row).normal())
        return {
            "p/0": float((row + 4) % N),
            "q/0": float((row + 6) % N),
            "P/0": (row % 2 - 0.5) * (factor if (row + 4) % 4 < 2 else -factor) + 0.2 * noise,
            "Q/0": 0.0,
        }

    probes = {
        "where": every(plain, 0),
        "left_over": every(pair, n),
        "factor": every(site, n),
        "clean": every(plain, n),
        "transplant": transplant,
        "surroundings": surroundings or around(0, 0, 0, 0, n=n),
    }
    return lambda facts, trial: probes[trial.probe](facts, trial)


def places(*margins: float, peak: float, noise: float = 0.1, spread: float = 0.1) -> Callable[[Facts, Trial], Rows]:
    """Return the arms' rows, and rows of a search whose first place has this mean effect."""

    def searched(row: int) -> dict[str, float]:
        rng = np.random.default_rng((1, row))
        values: dict[str, float] = {}
        for draw in range(2):
            values[f"k/{draw}"] = float((row + 1 + 2 * int(rng.integers(N // 2 - 1))) % N)
            values |= {
                f"cell/{cell // 6}/{cell % 6}/{draw}": noise * float(rng.normal()) + peak * (cell == 0)
                for cell in range(36)
            }
        return values

    return lambda facts, trial: (
        every(searched)(facts, trial) if trial.probe == "where" else relied(arms(*margins, spread=spread))(facts, trial)
    )


def maps(n: int = N, **changes: Callable[[float], float]) -> Callable[[Facts, Trial], Rows]:
    """Return attribution rows; each value is a function of a seeded draw in [0, 1)."""

    def make(row: int) -> dict[str, float]:
        rng = np.random.default_rng(row)
        values = {"correct": 1.0, "area": 0.2}
        usual: dict[str, Callable[[float], float]] = {
            "inside": lambda u: 0.5 + 0.2 * u,
            "pointing": lambda u: float(u < 0.6),
            "noise/rank": lambda u: 0.9 + 0.1 * u,
            "null/rank": lambda u: 0.5 * u,
            "attack/rank": lambda u: 0.3 * u,
            "outside_before": lambda u: u,
            "outside_after": lambda u: u,
        }
        for key, value in {**usual, **changes}.items():
            values[key] = value(float(rng.random()))
        return values | {"noise/top": 0.5, "noise/structure": 0.5}

    return every(make, n)


def attacks_tried(
    vanished: int = 0, missed: int = 0, reached: int = N, lost: int = 0, n: int = N, **answers: float
) -> Callable[[Facts, Trial], Rows]:
    """Return rows of attacks of which this many samples show a sign; the wide search is the one that is not kept and
    has no source.
    """

    def rows(facts: Facts, trial: Trial) -> Rows:
        def make(row: int) -> dict[str, float]:
            if trial.probe == "clean":
                return plain(row, **answers)
            if row >= n:
                return {"correct": 0}
            if trial.probe == "gradient":
                return {"correct": 1, "vanished": float(row < vanished), "zero": 0.0}
            if trial.source is not None:
                return {"correct": 1, "survivor": 1.0, "fooled": float(row < missed)}
            if trial.zone == "everywhere":
                return {"correct": 1, "fooled": float(row < reached)}
            return {"correct": 1, "fooled": float(row < lost and trial.threat["epsilon"] == min(facts.epsilons))}

        return every(make)(facts, trial)

    return rows


SEX = {"groups": {"sex": tuple("ffmm"[row % 4] for row in range(N))}}
SITE = {"factors": {"site": tuple("ns"[row % 4 > 1] for row in range(N))}}
THREE = {"classes": ("a", "b", "c"), "y": tuple(row % 3 for row in range(N))}
TINY = {"groups": {"sex": tuple("fm"[row < 17] for row in range(N))}}
NO_MASKS = {"mask_share": (None,) * N}
RARE = {"y": (1,) * 3 + (0,) * (N - 3)}
AIMED = {"directions": (("malignant", "benign"),)}
ONE: dict[str, Any] = {"methods": ("saliency",)}

CASES: list[tuple[str, str, dict[str, Any], dict[str, Any], Callable[[Facts, Trial], Rows]]] = [
    ("preflight/accuracy", "pass", {}, {}, every(plain)),
    ("preflight/accuracy", "fail", {}, {}, every(lambda row: plain(row, correct=float(row % 5 == 0)))),
    ("preflight/accuracy", "inconclusive", {}, {}, every(lambda row: plain(row, correct=float(row % 20 < 11)))),
    ("preflight/discrimination", "pass", {}, {}, every(plain)),
    ("preflight/discrimination", "fail", {}, {}, every(lambda row: plain(row, correct=float(row % 5 == 0)))),
    ("preflight/discrimination", "inconclusive", {}, {}, every(lambda row: plain(row, correct=float(row % 20 < 11)))),
    ("preflight/balance", "pass", {}, {}, every(plain)),
    ("preflight/balance", "inconclusive", {}, RARE, every(plain)),
    ("preflight/inputs", "pass", {}, {}, every(plain)),
    ("preflight/inputs", "fail", {}, {}, every(lambda row: plain(row, high=float(row > 0)))),
    ("preflight/inputs", "inconclusive", {}, {}, every(lambda row: plain(row, high=0.06))),
    ("preflight/logits", "pass", {}, {}, every(plain)),
    ("preflight/logits", "fail", {}, {}, every(lambda row: plain(row, like_probabilities=1))),
    ("preflight/determinism", "pass", {}, {}, every(plain)),
    ("preflight/determinism", "fail", {}, {}, every(lambda row: plain(row, repeat_difference=float(row == 3)))),
    ("preflight/determinism", "fail", {}, {}, every(lambda row: plain(row, batch_difference=0.2 * (row == 1)))),
    ("preflight/determinism", "pass", {}, {}, every(lambda row: plain(row, batch_difference=1e-5 * (row == 1)))),
    ("preflight/masks", "pass", {}, {}, every(plain)),
    ("preflight/masks", "not_measured", {}, NO_MASKS, every(plain)),
    ("exposure/outside", "fail", {}, {}, fooled(40)),
    ("exposure/outside", "pass", {}, {}, fooled(0)),
    ("exposure/outside", "inconclusive", {}, {}, fooled(10)),
    ("exposure/outside", "inconclusive", {}, {}, fooled(0, 20)),
    ("exposure/control/0", "fail", {}, {}, fooled(40)),
    ("exposure/outside", "not_measured", {}, {}, every(lambda row: {"correct": 0})),
    ("exposure/outside", "inconclusive", {}, {}, only("smallest", 40)),
    ("exposure/outside", "pass", {"smallest": False}, {}, only("smallest", 40)),
    ("exposure/outside", "pass", {}, {}, searched(12, 0)),
    ("exposure/outside", "inconclusive", {}, {}, searched(12, 12)),
    (
        "exposure/outside",
        "fail",
        {},
        {"norm": "l0", "epsilons": (1.0, 4.0), "primary": 1.0, "levels": None},
        fooled(40),
    ),
    ("exposure/few-pixels", "fail", {}, {}, only("evasion", 40, norm="l0")),
    ("exposure/few-pixels", "pass", {}, {}, only("evasion", 40)),
    ("exposure/few-pixels", "inconclusive", {}, {}, only("evasion", 10, norm="l0")),
    (
        "exposure/few-pixels",
        "not_measured",
        {},
        {"attack": "square", "offers": ("labels", "scores")},
        every(lambda row: Missing.not_applicable("no gradient")),
    ),
    ("exposure/benign-to-malignant", "fail", AIMED, {}, only("directed", 40)),
    ("exposure/malignant-to-benign", "pass", AIMED, {}, only("directed", 0)),
    ("exposure/malignant-to-benign", "inconclusive", AIMED, {}, only("directed", 10)),
    (
        "exposure/benign-to-malignant",
        "not_measured",
        AIMED,
        {},
        every(lambda row: Missing.not_applicable("no direction is declared for this class")),
    ),
    ("attack_quality/gradient", "pass", {}, {}, attacks_tried()),
    ("attack_quality/gradient", "fail", {}, {}, attacks_tried(vanished=60)),
    ("attack_quality/gradient", "inconclusive", {}, {}, attacks_tried(vanished=25)),
    ("attack_quality/randomness", "fail", {}, {}, attacks_tried(repeat_difference=0.1)),
    ("attack_quality/probabilities", "fail", {}, {}, attacks_tried(like_probabilities=1)),
    ("attack_quality/black-box", "pass", {}, {}, attacks_tried(missed=2)),
    ("attack_quality/black-box", "fail", {}, {}, attacks_tried(missed=3)),
    ("attack_quality/transfer", "fail", {}, {"norm": "l1"}, attacks_tried(missed=3)),
    ("attack_quality/stronger", "fail", {}, {"attack": "evade"}, attacks_tried(missed=3)),
    ("attack_quality/stronger", "inconclusive", {}, {"offers": ("labels", "scores")}, attacks_tried(n=9)),
    ("attack_quality/stronger", "not_measured", {}, {}, attacks_tried(n=0)),
    ("attack_quality/large-epsilon", "pass", {}, {}, attacks_tried()),
    ("attack_quality/large-epsilon", "fail", {}, {}, attacks_tried(reached=40)),
    ("attack_quality/large-epsilon", "inconclusive", {}, {}, attacks_tried(reached=80)),
    ("attack_quality/monotone", "pass", {}, {}, attacks_tried()),
    ("attack_quality/monotone", "fail", {}, {}, attacks_tried(lost=3)),
    ("attack_quality/monotone", "not_measured", {}, {"epsilons": (2 / 255,)}, attacks_tried()),
    ("reliance/outside-share", "pass", {}, {}, relied(arms(2, 2, -2, -2))),
    ("reliance/outside-share", "fail", {}, {}, relied(arms(2, 0, 0, -2))),
    ("reliance/outside-share", "inconclusive", {}, {}, relied(arms(2, 1.8, -1.8, -2, spread=2.0))),
    ("reliance/outside-share", "inconclusive", {}, {}, relied(arms(1, 1, 1, 1, spread=0.0))),
    ("reliance/outside-share", "fail", {}, {}, relied(arms(2, 2, -2, -2), around(2, 2, 0, 2))),
    ("reliance/fringe", "pass", {}, {}, relied(arms(2, 2, -2, -2))),
    ("reliance/fringe", "inconclusive", {}, {}, relied(arms(2, 2, -2, -2), around(2, 0, 0, 0))),
    ("reliance/fringe", "not_measured", {}, {}, relied(arms(2, 2, -2, -2), around(0, 0, 0, 0, n=0))),
    ("reliance/near", "pass", {}, {}, relied(arms(2, 2, -2, -2), around(2, 0, 2, 2))),
    ("reliance/near", "fail", {}, {}, relied(arms(2, 2, -2, -2), around(2, 2, 0, 2))),
    ("reliance/near", "inconclusive", {}, {}, relied(arms(2, 2, -2, -2), around(0.2, 0.2, 0, 0.2, spread=1.0))),
    ("reliance/near", "not_measured", {}, {}, relied(arms(2, 2, -2, -2, n=0))),
    ("reliance/far", "pass", {}, {}, relied(arms(2, 2, -2, -2), around(2, 2, 0, 2))),
    ("reliance/far", "fail", {}, {}, relied(arms(2, 2, -2, -2), around(0, 0, 2, 2))),
    ("reliance/far", "inconclusive", {}, {}, relied(arms(2, 2, -2, -2), around(0, 0, 0.2, 0.2, spread=1.0))),
    ("reliance/pair", "pass", {}, THREE, relied(arms(2, 2, -2, -2))),
    ("reliance/pair", "fail", {}, THREE, relied(arms(2, 0, 0, -2))),
    ("reliance/pair", "inconclusive", {}, THREE, relied(arms(2, 1.8, -1.8, -2, spread=2.0))),
    ("reliance/pair", "inconclusive", {}, THREE, relied(arms(2, 2, -2, -2), around(0, 0, 0, 0, n=0))),
    ("reliance/pair", "not_measured", {}, THREE, relied(arms(2, 2, -2, -2, n=0))),
    ("reliance/disturbed", "pass", {}, {}, relied(arms(2, 2, -2, -2))),
    ("reliance/disturbed", "fail", {}, {}, relied(arms(-2, 2, -2, 2))),
    ("reliance/disturbed", "inconclusive", {}, {}, relied(arms(2, 0.9, -0.9, -2, spread=1.0))),
    ("reliance/disturbed", "not_measured", {}, {}, relied(arms(2, 2, -2, -2), n=0)),
    ("reliance/flip-gap", "pass", {}, {}, relied(arms(2, 2, -2, -2))),
    ("reliance/flip-gap", "fail", {}, {}, relied(arms(2, -2, 2, -2))),
    ("reliance/flip-gap", "inconclusive", {}, {}, relied(arms(2, 1.3, -1.3, -2, spread=1.0))),
    ("reliance/left-over", "pass", {"left_over": 0.2}, {}, relied(arms(2, 2, -2, -2))),
    ("reliance/left-over", "pass", {}, {}, relied(arms(2, 2, -2, -2), apart=95, lead=0.02)),
    ("reliance/left-over", "fail", {}, {}, relied(arms(2, 0, 0, -2), apart=95)),
    ("reliance/left-over", "inconclusive", {}, {}, relied(arms(2, 2, -2, -2), apart=60)),
    ("reliance/left-over", "not_measured", {}, {}, relied(arms(2, 2, -2, -2), n=0)),
    ("reliance/factor/site", "pass", {}, SITE, relied(arms(2, 2, -2, -2))),
    ("reliance/factor/site", "fail", {}, SITE, relied(arms(2, 2, -2, -2), factor=2.0)),
    ("reliance/factor/site", "inconclusive", {}, SITE, relied(arms(2, 2, -2, -2), factor=0.4)),
    ("reliance/factor/site", "not_measured", {}, SITE, relied(arms(2, 2, -2, -2), n=0)),
    ("reliance/where", "pass", {}, {}, places(2, 2, -2, -2, peak=0.0)),
    ("reliance/where", "fail", {}, {}, places(2, 0, 0, -2, peak=0.8)),
    ("reliance/where", "inconclusive", {}, {}, places(2, 0, 0, -2, peak=0.0)),
    ("reliance/where", "inconclusive", {}, {}, places(2, 2, -2, -2, peak=0.0, noise=2.0)),
    ("reliance/where", "inconclusive", {}, {}, places(1, 1, 1, 1, peak=0.0, noise=0.0, spread=0.0)),
    ("reliance/where", "not_measured", {}, {}, relied(arms(2, 2, -2, -2))),
    *(
        (f"fairness/sex/{kind}", verdict, settings, changes, by_group(gap))
        for kind in ("robustness-gap", "exposure-gap")
        for verdict, settings, changes, gap in (
            ("pass", {"tolerance": 0.3}, SEX, 0),
            ("fail", {}, SEX, 8),
            ("inconclusive", {}, SEX, 1),
            ("not_measured", {}, TINY, 0),
        )
    ),
    ("fairness/sex/accuracy-gap", "pass", {"tolerance": 0.3}, SEX, by_group(0)),
    ("fairness/sex/accuracy-gap", "fail", {}, SEX, by_group(8)),
    ("fairness/sex/accuracy-gap", "inconclusive", {}, SEX, by_group(1)),
    ("fairness/groups", "not_measured", {}, {}, by_group(0)),
    (
        "fairness/race+sex/groups",
        "not_measured",
        {},
        {"groups": SEX["groups"] | {"race": ("b", "w") * 25 + ("",) * 50}},
        by_group(0),
    ),
    ("fairness/sex/targeted-harm", "pass", {"tolerance": 0.3}, SEX, aimed(0)),
    ("fairness/sex/targeted-harm", "fail", {}, SEX, aimed(8)),
    ("fairness/sex/targeted-harm", "inconclusive", {}, SEX, aimed(1)),
    ("fairness/sex/targeted-harm", "not_measured", {}, TINY, aimed(0)),
    ("attribution/saliency/agreement", "pass", ONE, {}, maps()),
    ("attribution/saliency/agreement", "fail", ONE, {}, maps(inside=lambda u: 0.1 * u)),
    ("attribution/saliency/agreement", "inconclusive", ONE, {}, maps(inside=lambda u: 0.4 * u)),
    ("attribution/saliency/stability", "pass", ONE, {}, maps()),
    ("attribution/saliency/stability", "fail", ONE, {}, maps(**{"noise/rank": lambda u: 0.5 * u})),
    ("attribution/saliency/stability", "inconclusive", ONE, {}, maps(4, **{"noise/rank": lambda u: 0.3 + 0.6 * u})),
    (
        "attribution/saliency/stability",
        "not_measured",
        ONE,
        {},
        maps(**{"null/rank": lambda u: 1.0, "noise/rank": lambda u: 1.0}),
    ),
    ("attribution/saliency/blindness", "pass", ONE, {}, maps()),
    ("attribution/saliency/blindness", "fail", ONE, {}, maps(**{"attack/rank": lambda u: 0.9 + 0.1 * u})),
    ("attribution/saliency/blindness", "inconclusive", ONE, {}, maps(**{"attack/rank": lambda u: float(u < 0.5)})),
    ("attribution/saliency/blindness", "not_measured", ONE, {}, maps(15)),
]
Judge = Callable[[str, dict[str, Any], dict[str, Any], Callable[[Facts, Trial], Rows] | None], dict[str, Finding]]


IMAGE = checks.names("image")


@pytest.fixture
def judge(judge_as: Callable[..., dict[str, Finding]]) -> Judge:
    """Return function (check, its settings, changes of the facts, rows) -> findings by id."""
    return lambda *rest: judge_as("image", *rest)


def test_every_check_has_rows() -> None:
    assert {name.partition("/")[0] for name, *_ in CASES} == set(IMAGE)


@pytest.mark.parametrize(
    ("name", "verdict", "settings", "changes", "rows"), CASES, ids=[f"{case[0]} {case[1]}" for case in CASES]
)
def test_every_verdict_is_reachable(
    judge: Judge,
    name: str,
    verdict: str,
    settings: dict[str, Any],
    changes: dict[str, Any],
    rows: Callable[[Facts, Trial], Rows],
) -> None:
    check = name.partition("/")[0]
    findings = judge(check, settings, changes, rows)
    found = findings[name]
    assert found.verdict == verdict, found
    assert found.check == check and found.claim.endswith(".") and found.reason
    assert found.question in (None, 1, 2, 3, 4) and (found.question is not None or not found.primary)
    if found.estimate is not None:
        assert found.estimate.low <= found.estimate.value <= found.estimate.high and found.estimate.n > 0
    if found.p is not None and verdict != "not_measured":
        assert 0 <= found.p <= 1
    for finding in findings.values():
        assert Finding.from_dict(finding.as_dict()) == finding and canonical(finding.as_dict())


def _ids() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for name in IMAGE:
        yield name, {}, SEX | SITE
        yield name, {}, THREE
        yield name, {}, {}


@pytest.mark.parametrize(("name", "settings", "changes"), list(_ids()))
@pytest.mark.parametrize(
    "rows",
    [
        None,
        every(lambda row: Missing.not_applicable("the classifier offers no gradient")),
        every(lambda row: Missing.failed("RuntimeError: boom")),
        every(plain, 0),
    ],
)
def test_nothing_measured_is_never_good(
    judge: Judge, name: str, settings: dict[str, Any], changes: dict[str, Any], rows: Any
) -> None:
    everything = judge(
        name,
        settings,
        changes,
        (
            fooled(1)
            if name == "exposure"
            else (
                by_group(1)
                if name == "fairness"
                else (
                    maps()
                    if name == "attribution"
                    else (
                        attacks_tried()
                        if name == "attack_quality"
                        else every(plain)
                        if name == "preflight"
                        else relied(arms(1, 1, 0, 0))
                    )
                )
            )
        ),
    )
    empty = judge(name, settings, changes, rows)
    assert list(empty) == list(everything), "no row goes missing, and the order stays"
    for finding in empty.values():
        if finding.id in ("preflight/masks", "preflight/balance"):
            continue  # known without the classifier
        assert finding.verdict == "not_measured" and finding.reason and finding.estimate is None


@pytest.mark.parametrize("name", IMAGE)
def test_trials_are_values(facts: Callable[..., Facts], name: str) -> None:
    check = make_check(name, "image", {})
    first, again = check.trials(facts(N, **SEX)), check.trials(facts(N, **SEX))
    assert first == again and len(set(first)) == len(first)
    for trial in first:
        assert Trial.from_dict(trial.as_dict()) == trial and canonical(trial.as_dict())


@pytest.mark.parametrize("entry", list(checks), ids=lambda entry: f"{entry.name} {entry.modality}")
def test_method_cards_are_complete(entry: Entry[Any]) -> None:
    card = entry.make.card
    assert all(len(text) > 10 for text in vars(card).values())


def test_verdicts_of_the_table_are_known() -> None:
    assert {verdict for _, verdict, *_ in CASES} == set(VERDICTS)
