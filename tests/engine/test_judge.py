"""What judging adds to the checks' own findings."""

from __future__ import annotations

from typing import Any

from auditor.engine.judge import doubted
from auditor.records import Finding

SIGN = Finding("attack_quality/gradient", "attack_quality", "fail", "There is no gradient.", advice="Use square.")


def finding(verdict: Any, *rests_on: str) -> Finding:
    return Finding("exposure/outside", "exposure", verdict, "Nothing flips.", reason="within the tolerance", rests_on=rests_on)


def test_a_pass_that_rests_on_a_failed_check_is_open() -> None:
    found = doubted([SIGN, finding("pass", "attack_quality")])[1]
    assert found.verdict == "inconclusive" and found.advice == "Use square."
    assert found.reason == "within the tolerance; but that cannot be believed (attack_quality/gradient): There is no gradient."


def test_nothing_else_changes() -> None:
    kept = [finding("fail", "attack_quality"), finding("inconclusive", "attack_quality"), finding("pass"), finding("pass", "preflight")]
    assert doubted([SIGN, *kept]) == [SIGN, *kept]
    believed = Finding("attack_quality/gradient", "attack_quality", "inconclusive", "Too few.")
    assert doubted([believed, finding("pass", "attack_quality")])[1].verdict == "pass"
