"""The demonstration's planted shortcut is named, its honest twin is cleared, and both flip through the background."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.config.config import load_audit
from auditor.core.displays import Curve, Map, of_kind
from auditor.core.records import Finding
from auditor.engine.judge import judge
from auditor.engine.prepare import prepare
from auditor.engine.run import run

pytestmark = pytest.mark.slow

LIMIT = 100
EXPECTED = {"honest": "pass", "marker": "fail"}


@pytest.fixture(scope="module", params=sorted(EXPECTED))
def judged(
    request: pytest.FixtureRequest, study: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Finding]]:
    name = str(request.param)
    out = tmp_path_factory.mktemp(name)
    run(prepare(study / f"audit-{name}.yaml", limit=LIMIT, only=("reliance",)), out).close()
    return name, {finding.id: finding for finding in judge(out)}


def test_the_verdict_follows_the_planted_truth(judged: tuple[str, dict[str, Finding]]) -> None:
    name, findings = judged
    assert findings["reliance/outside-share"].verdict == EXPECTED[name]


def test_the_honest_share_covers_nothing_and_the_shortcut_is_large(judged: tuple[str, dict[str, Finding]]) -> None:
    name, findings = judged
    estimate = findings["reliance/outside-share"].estimate
    assert estimate is not None
    if name == "honest":
        assert estimate.low <= 0.01 and estimate.high < 0.05
    else:
        assert estimate.low > 0.25


def test_the_search_names_the_marker(judged: tuple[str, dict[str, Finding]]) -> None:
    """The marker lies in one corner or another: the strongest place and the groups are corners, and the honest twin has
    none.
    """
    name, findings = judged
    found = findings["reliance/where"]
    if name == "honest":
        assert found.verdict == "pass"
        return
    corners = {(row, column) for row in (0, 5) for column in (0, 5)}
    (frame,) = of_kind(found.displays, Map)
    assert found.verdict == "fail" and (frame.peak.row, frame.peak.column) in corners
    assert {(group.peak.row, group.peak.column) for group in frame.clusters} == corners


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_both_flip_through_the_background(name: str, study: Path, tmp_path: Path) -> None:
    declared = load_audit(study / f"{name}.yaml")
    exposure = {**declared.checks["exposure"], "zones": ["outside"]}
    one_zone = declared.model_copy(update={"checks": {**declared.checks, "exposure": exposure}})
    run(prepare(one_zone, base=study, limit=40, only=("exposure",)), tmp_path).close()
    found = next(finding for finding in judge(tmp_path) if finding.id == "exposure/outside")
    assert found.verdict == "fail" and found.estimate is not None and found.estimate.low > 0.10
    attack, noise = of_kind(found.displays, Curve)
    rate = next(point.estimate for point in noise.points if point.size == attack.points[0].size)
    assert rate is not None and rate.value < 0.1
