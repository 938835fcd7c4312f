"""What judging adds to the checks' own findings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from auditor.core.facts import Facts
from auditor.core.records import Finding
from auditor.engine.judge import adjusted, banded, doubted

SIGN = Finding("attack_quality/gradient", "attack_quality", "fail", "There is no gradient.", advice="Use square.")


def finding(verdict: Any, *rests_on: str) -> Finding:
    return Finding(
        "exposure/outside", "exposure", verdict, "Nothing flips.", reason="within the tolerance", rests_on=rests_on
    )


def claim(z: float) -> Finding:
    """Return the claim that a standardised distance from the tolerance makes by itself."""
    p = float(2 * norm.sf(abs(z)))
    return Finding(
        "x",
        "x",
        "inconclusive" if p >= 0.05 else "fail" if z > 0 else "pass",
        "Some claim.",
        reason="so it is",
        primary=True,
        p=p,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("m", "clear"), [(1, 0), (3, 0), (3, 2), (12, 0), (12, 6)])
def test_hardly_any_audit_holds_a_wrong_verdict(m: int, clear: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims that all lie on the tolerance, some of them far below: no more than 5 % of audits accuse anyone."""
    monkeypatch.setattr("gc.collect", lambda: 0)  # statsmodels collects garbage at every correction
    z = np.random.default_rng(m).normal(size=(4000, m))
    z[:, :clear] -= 8
    wrong = [any(finding.verdict == "fail" for finding in adjusted([claim(one) for one in row])) for row in z.tolist()]
    assert np.mean(wrong) <= 0.058


def test_a_claim_among_many_must_be_surer() -> None:
    alone, among = adjusted([claim(-2.5)])[0], adjusted([claim(-2.5), *[claim(0.1)] * 11])[0]
    assert alone.verdict == "pass" and among.verdict == "inconclusive"
    assert (
        among.reason == "so it is; but after Holm's correction over 12 primary claims it is too few to tell (p = 0.006)"
    )
    assert adjusted([claim(-2.7), *[claim(0.1)] * 11])[0].verdict == "pass"


def test_a_pass_that_rests_on_a_failed_check_is_open() -> None:
    found = doubted([SIGN, finding("pass", "attack_quality")])[1]
    assert found.verdict == "inconclusive" and found.advice == "Use square."
    assert (
        found.reason
        == "within the tolerance; but that cannot be believed (attack_quality/gradient): There is no gradient."
    )


def test_nothing_else_changes() -> None:
    kept = [
        finding("fail", "attack_quality"),
        finding("inconclusive", "attack_quality"),
        finding("pass"),
        finding("pass", "preflight"),
    ]
    assert doubted([SIGN, *kept]) == [SIGN, *kept]
    believed = Finding("attack_quality/gradient", "attack_quality", "inconclusive", "Too few.")
    assert doubted([believed, finding("pass", "attack_quality")])[1].verdict == "pass"


def test_groups_are_counted_as_fairness_compares_them() -> None:
    ages, sexes = tuple(str(20 + row) for row in range(40)), ("f", "Unknown") * 20
    text, number = ("benign",), (0.0,) * 40
    facts = Facts(
        text,
        text,
        "image",
        ages,
        (0,) * 40,
        ages,
        {"age": ages, "sex": sexes},
        number,
        0.0,
        1.0,
        None,
        "linf",
        (0.1,),
        0.1,
        0.0,
        "pgd",
        {},
    )
    assert banded(facts, {"checks": {"fairness": {"bands": {"age": [30]}}}}) == {
        "age": ("under 30",) * 10 + ("30 and over",) * 30,
        "sex": ("f", "") * 20,
    }
    assert len(set(banded(facts, {"checks": {}})["age"])) == 4
