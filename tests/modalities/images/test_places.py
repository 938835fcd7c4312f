"""The shortcut search's cases: written, shown, verified; and which samples are searched."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from auditor.core.displays import Map, of_kind
from auditor.core.outcomes import Missing
from auditor.core.records import Finding
from auditor.engine.plan import plan
from auditor.engine.prepare import prepare
from auditor.engine.prepared import Prepared
from auditor.engine.verify import verify
from auditor.modalities.images.places import heat_map
from auditor.pipeline import finish
from auditor.report.render import render

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(study: Path) -> Prepared:
    return prepare(study / "marker.yaml", limit=60, only=("reliance",))


@pytest.fixture(scope="module")
def finished(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finding]:
    out = tmp_path_factory.mktemp("places")
    findings = finish(prepared, out, pdf=False)
    return out, next(finding for finding in findings if finding.id == "reliance/where")


def test_centre_cases_are_written_and_hold(finished: tuple[Path, Finding]) -> None:
    out, finding = finished
    cases = json.loads((out / "evidence" / "index.json").read_text())["cases"]
    around = {f"reliance/{part}" for part in ("fringe", "near", "far")}
    assert {case["finding"] for case in cases} <= {"reliance/where", *around}
    cases = [case for case in cases if case["finding"] == "reliance/where"]
    assert finding.verdict != "pass" and 2 <= len(cases) <= 6
    assert {case["sample"] for case in cases} <= set(finding.evidence.samples)
    (frame,) = of_kind(finding.displays, Map)
    assert {case["rule"] for case in cases} == {f"group {number + 1}" for number in range(len(frame.clusters))}
    assert len({case["scale"] for case in cases}) == 1
    for case in cases:
        effects = np.load(out / "evidence" / case["files"]["effects"])
        peak = frame.clusters[int(case["rule"].split()[1]) - 1].peak
        place = (slice(peak.row * 64 // 6 + 1, peak.row * 64 // 6 + 9), slice(peak.column * 64 // 6 + 1, None))
        assert effects.shape == (64, 64) and np.abs(effects[place]).max() > 0.5
    assert [one for one in verify(out) if not one.holds] == []


@pytest.mark.parametrize(
    ("name", "what"), [("effects.npy", "map of effects"), ("original.png", "every file"), ("mask.png", "every file")]
)
def test_a_changed_case_is_noticed(finished: tuple[Path, Finding], tmp_path: Path, name: str, what: str) -> None:
    copy = Path(shutil.copytree(finished[0], tmp_path / "copy"))
    path = sorted((copy / "evidence").glob(f"*/{name}"))[0]
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    broken = [one.what for one in verify(copy) if not one.holds]
    assert any(what in one for one in broken) and any("every file" in one for one in broken)


def test_the_report_shows_map_groups_and_cases(finished: tuple[Path, Finding], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished[0], tmp_path / "copy"))
    page = (copy / "report.html").read_text()
    assert (
        "Map of 6 x 6 places over the image frame" in page
        and "Groups of samples whose surroundings are read alike" in page
    )
    assert page.count("Effect of each place of sample") >= 2
    content = json.loads((copy / "findings.json").read_text())
    content["audit"]["report"]["privacy"] = "none"
    (copy / "findings.json").write_text(json.dumps(content))
    render(copy, pdf=False)
    assert "Effect of each place of sample" not in (copy / "report.html").read_text()


def test_an_honest_twin_shows_no_case(study: Path, tmp_path: Path) -> None:
    findings = finish(prepare(study / "honest.yaml", limit=60, only=("reliance",)), tmp_path, pdf=False)
    found = next(finding for finding in findings if finding.id == "reliance/where")
    cases = json.loads((tmp_path / "evidence" / "index.json").read_text())["cases"]
    assert found.verdict in ("pass", "inconclusive") and (not cases or found.verdict == "inconclusive")


def test_the_heat_map_repeats_the_ledgers_numbers() -> None:
    found = heat_map({"cell/0/1/0": 1.0, "cell/0/1/1": 3.0, "cell/1/0/1": -1.0, "k/0": 7.0}, (4, 6), 2)
    assert np.array_equal(found, np.kron([[0, 2], [-1, 0]], np.ones((2, 3))))


def test_as_many_as_wanted_are_drawn_among_those_with_the_zone(prepared: Prepared) -> None:
    """Where few samples have masks the draw is among those, and the others are listed with their reason."""
    share = tuple(0.0 if row % 4 else 0.2 for row in range(len(prepared.samples)))
    samples, facts = replace(prepared.samples, mask_share=share), replace(prepared.facts, mask_share=share)
    check = replace(prepared.checks["reliance"], where=10)  # type: ignore[type-var]
    (searched,) = (one for one in plan({"reliance": check}, facts, samples, binding="b") if one.trial.probe == "where")
    assert searched.samples == 10 and all(position % 4 == 0 for chunk in searched.chunks for position in chunk)
    assert (
        set(searched.excluded.values()) == {Missing.not_applicable("empty mask", "outside")}
        and len(searched.excluded) == 45
    )
    few = replace(check, where=5)
    (fewer,) = (one for one in plan({"reliance": few}, facts, samples, binding="b") if one.trial.probe == "where")
    assert set(fewer.chunks[0]) < set(searched.chunks[0])


def test_the_search_can_be_left_out(prepared: Prepared) -> None:
    check = replace(prepared.checks["reliance"], where=0)  # type: ignore[type-var]
    assert "where" not in [trial.probe for trial in check.trials(prepared.facts)]
