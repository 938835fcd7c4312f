"""Reliance by group: a shortcut that serves one group only is named, and its absence is not accused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from auditor.checks import checks
from auditor.core.displays import Disparity, Groups, of_kind
from auditor.core.facts import Facts
from auditor.core.records import Finding, Observations, Trial

N, DRAWS = 160, 4


@pytest.fixture
def judge(facts: Callable[..., Facts], observe: Callable[..., Observations]) -> Callable[..., Finding]:
    """Return function (outside effect of each sample, groups) -> the reliance gap; the inside effect is 2 in every
    sample.
    """

    def run(outside: list[float], groups: list[str], seed: int = 0, **changes: Any) -> Finding:
        n, rng = len(outside), np.random.default_rng(seed)
        known = facts(n, groups={"sex": tuple(groups)}, **changes)
        trial = Trial("transplant", settings={"draws": DRAWS}, zone="outside")
        rows = {}
        for place, name in enumerate(known.ids):
            values = {}
            for draw in range(DRAWS):
                noise = 0.3 * rng.normal(size=4)
                for arm, edge in zip("ABCD", (2.0, 2.0 - outside[place], -2.0 + outside[place], -2.0), strict=True):
                    values[f"{arm}/{draw}"] = edge + float(noise["ABCD".index(arm)])
                values |= {f"{donor}/{draw}": float((place + 1 + k + 3 * draw) % n) for k, donor in enumerate("jkl")}
            rows[name] = values
        check, seen = checks.serving("fairness", "image").make(targeted_harm=False), observe({trial: rows})
        found = check.judge(known, Observations(seen.binding, seen.read, (trial,)))
        return next(finding for finding in found if finding.id == "fairness/sex/reliance-gap")

    return run


def shares_of(found: Finding) -> dict[str, float]:
    """Return the outside share of every group in which it was measured."""
    rows = of_kind(found.displays, Groups)[0].rows
    return {row.name: share.value for row in rows if (share := row.measures["share"])}


def test_a_shortcut_of_one_group_is_named(judge: Callable[..., Finding]) -> None:
    """Outside effect 2 of 2 + 2 in one group (share 0.5) and none in the other."""
    groups = ["f", "m"] * (N // 2)
    y = tuple(row // 2 % 2 for row in range(N))
    found = judge([2.0 * (group == "m") for group in groups], groups, y=y)
    assert found.verdict == "fail" and of_kind(found.displays, Disparity)[0].pair == ("f", "m") and not found.primary
    assert found.estimate is not None and found.estimate.value == pytest.approx(0.5, abs=0.05)
    shares = shares_of(found)
    assert shares["m"] == pytest.approx(0.5, abs=0.05) and abs(shares["f"]) < 0.05


def test_the_same_shortcut_for_all_is_no_gap(judge: Callable[..., Finding]) -> None:
    rng = np.random.default_rng(4)
    verdicts = [judge([1.0] * N, rng.choice(["f", "m", "x"], N).tolist(), seed).verdict for seed in range(20)]
    assert verdicts.count("fail") == 0 and verdicts.count("pass") >= 15


def test_another_mix_of_classes_is_no_gap(judge: Callable[..., Finding]) -> None:
    rng = np.random.default_rng(5)
    groups = ["f"] * (N // 2) + ["m"] * (N // 2)
    y = tuple((rng.random(N) < np.repeat([0.8, 0.2], N // 2)).astype(int).tolist())
    found = judge([2.0 * label for label in y], groups, y=y)
    assert found.verdict != "fail"
    shares = shares_of(found)
    assert abs(shares["f"] - shares["m"]) > 0.15, "the raw shares differ, since one class alone has the shortcut"


def test_small_groups_are_listed_and_not_compared(judge: Callable[..., Finding]) -> None:
    found = judge([0.0] * 60, ["f"] * 43 + ["m"] * 17)
    assert (found.verdict, found.reason) == (
        "not_measured",
        "too few to say for m 17 (fewer than 30 transplanted samples)",
    )
    assert [row.few for row in of_kind(found.displays, Groups)[0].rows] == [False, True]
