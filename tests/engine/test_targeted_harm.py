"""A perturbation travels from the trial that fits it to the one that judges it: resumed, planned and verified like
everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from auditor.checks.fairness import targeted_harm
from auditor.checks.fairness.held_out import REFITTED
from auditor.checks.fairness.targeted_harm import HarmAim, harm_trials, judge_harm
from auditor.core.displays import Null, of_kind
from auditor.core.errors import BrokenOff
from auditor.core.facts import Facts
from auditor.core.records import Finding, Observations, Trial
from auditor.engine.executors import local
from auditor.engine.judge import read_findings
from auditor.engine.measure import measure
from auditor.engine.plan import plan
from auditor.engine.prepare import prepare
from auditor.engine.prepared import Prepared
from auditor.engine.run import run
from auditor.engine.store import Store
from auditor.engine.verify import verify
from auditor.modalities.images.checks.fairness import Fairness
from auditor.pipeline import finish
from auditor.stats.grouping import Attribute

pytestmark = pytest.mark.slow

SEX, LIMIT = Attribute(("sex",)), 80


@pytest.fixture(scope="module")
def prepared(study: Path) -> Iterator[Prepared]:
    """Return an audit of nothing but targeted harm, outside the masks."""

    def trials(check: Fairness, facts: Facts) -> tuple[Trial, ...]:
        return harm_trials(facts, SEX, HarmAim("outside", check.minimum_group, 1))

    def judge(check: Fairness, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        return (
            judge_harm(
                facts, observations, SEX, aim=HarmAim("outside", check.minimum_group, 1), tolerance=check.tolerance
            ),
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fairness, "trials", trials)
        patch.setattr(Fairness, "judge", judge)
        patch.setattr(targeted_harm, "FIT", {"steps": 4, "batch": 8, "starts": 2, "most": 32})
        yield prepare(study / "marker.yaml", limit=LIMIT, only=["fairness"])


@pytest.fixture(scope="module")
def reference(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("harm")
    finish(prepared, out, pdf=False)
    return out


def test_the_plan_says_what_fitting_costs(prepared: Prepared) -> None:
    fit, aimed, *_ = plan(prepared.checks, prepared.facts, prepared.samples, binding=prepared.binding)
    assert fit.samples == 1 and fit.backwards == 2 * 2 * 2 * 4 * 8 and fit.forwards == fit.backwards + 2 * 2 * 3 * 32
    assert aimed.samples == LIMIT and (aimed.forwards, aimed.backwards) == (3 * LIMIT, 0)


def test_what_was_fitted_is_what_was_judged(prepared: Prepared, reference: Path) -> None:
    fit, aimed, *_ = plan(prepared.checks, prepared.facts, prepared.samples, binding=prepared.binding)
    with Store.open(reference) as store:
        (row,) = [one for one in store.read(fit.key).values() if one.artefact]
        arrays = store.get(row.artefact or "")
        rows = store.read(aimed.key)
    assert arrays is not None and sorted(arrays) == ["0/0", "0/1", "1/0", "1/1", "half"]
    assert max(np.abs(arrays[name]).max() for name in arrays if name != "half") == pytest.approx(4 / 255)
    assert set(rows) == set(prepared.samples.ids) and all(one.missing is None for one in rows.values())
    assert {one.allowed for one in rows.values() if one.values["correct"]} == {True}
    assert row.values["forwards"] <= fit.forwards and row.values["backwards"] <= fit.backwards
    (finding,) = read_findings(reference)[1]
    assert finding.verdict != "not_measured" and of_kind(finding.displays, Null)[0].method == REFITTED
    assert [one for one in verify(reference) if not one.holds] == []


@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_broken_run_fits_no_second_time(
    prepared: Prepared, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    measured: list[str] = []

    def failing(*arguments: object) -> object:
        if len(measured) == stop_after:
            raise BrokenOff("stopped by the test")
        measured.append(arguments[0].trial.probe)  # type: ignore[attr-defined]
        return measure(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(local, "measure", failing)
        with pytest.raises(BrokenOff):
            run(prepared, tmp_path)
        assert measured[0] == "universal"
        stop_after = -1
        finish(prepared, tmp_path, pdf=False)
    assert measured.count("universal") == 2, "each fit is made once, the one on exchanged labels too"
    assert (tmp_path / "findings.json").read_bytes() == (reference / "findings.json").read_bytes()


def test_without_a_gradient_it_is_said_so(prepared: Prepared, tmp_path: Path) -> None:
    from dataclasses import replace

    blind = replace(prepared, facts=replace(prepared.facts, offers=("labels", "scores")))
    finish(blind, tmp_path, pdf=False)
    (finding,) = read_findings(tmp_path)[1]
    assert finding.verdict == "not_measured" and "needs 'gradient'" in finding.reason
