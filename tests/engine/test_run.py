"""Measuring: resume after any kill, whatever the batch size, and nothing that cannot be measured lost."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from auditor import pipeline
from auditor.checks.common import clean_trial
from auditor.cli.main import cli
from auditor.core.errors import BrokenOff, StoreError
from auditor.engine.executors import Task, local
from auditor.engine.judge import judge, read_findings
from auditor.engine.measure import measure
from auditor.engine.plan import plan
from auditor.engine.prepare import prepare
from auditor.engine.prepared import Prepared
from auditor.engine.run import Execution, bench_of, run
from auditor.engine.store import Store
from auditor.modalities.images import MODALITY
from auditor.pipeline import finish

LIMIT = 40
"""That of the audit whose undisturbed run is `audited`."""
PART = ("reliance", "attribution")
"""Checks of the audit that is broken off."""


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the reports out of runs whose findings are compared; the shared run has all three."""
    monkeypatch.setattr(pipeline, "render", lambda out, *, pdf: [])


@pytest.fixture(scope="module")
def prepared(study: Path) -> Prepared:
    return prepare(study / "marker.yaml", limit=LIMIT)


def test_every_output_is_there(audited: Path) -> None:
    names = {path.name for path in audited.iterdir()}
    assert {
        "audit.lock.yaml",
        "observations.sqlite",
        "findings.json",
        "samples.csv",
        "samples.parquet",
        "report.html",
        "junit.xml",
        "evidence",
    } <= names


def test_every_sample_has_a_row_in_every_trial(prepared: Prepared, audited: Path) -> None:
    planned = plan(prepared.checks, prepared.facts, prepared.samples, binding=prepared.binding)
    with Store.open(audited) as store:
        for one in planned:
            expected = {prepared.samples.ids[position] for chunk in one.chunks for position in chunk} | {
                prepared.samples.ids[position] for position in one.excluded
            }
            assert set(store.read(one.key)) == expected
            assert one.trial.samples or len(expected) == LIMIT


@pytest.fixture(scope="module")
def part(study: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, bytes]:
    """Return a part of the audit, and the findings of its undisturbed run."""
    prepared, out = prepare(study / "marker.yaml", limit=LIMIT, only=PART), tmp_path_factory.mktemp("part")
    run(prepared, out).close()
    judge(out)
    return prepared, (out / "findings.json").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", [1, 5, 9])
def test_a_broken_run_resumes_to_the_same_findings(
    part: tuple[Prepared, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    prepared, findings = part
    count = 0

    def failing(*arguments: object) -> object:
        nonlocal count
        count += 1
        if count > stop_after:
            raise BrokenOff("stopped by the test")
        return measure(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(local, "measure", failing)
        with pytest.raises(BrokenOff):
            run(prepared, tmp_path)
    assert not (tmp_path / "findings.json").exists()
    with pytest.raises(StoreError, match="not complete"):
        judge(tmp_path)
    finish(prepared, tmp_path, pdf=False)
    assert (tmp_path / "findings.json").read_bytes() == findings


def test_a_second_run_measures_nothing(prepared: Prepared, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (copy / "findings.json").read_bytes()
    monkeypatch.setattr(local, "measure", lambda *_: pytest.fail("a finished chunk was measured again"))
    finish(prepared, copy, pdf=False)
    assert (copy / "findings.json").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("chunks", [6, 9])
def test_killed_at_any_point_it_resumes_to_the_same_findings(
    study: Path, part: tuple[Prepared, bytes], tmp_path: Path, chunks: int
) -> None:
    checks = [word for name in PART for word in ("--check", name)]
    call = ["run", str(study / "marker.yaml"), "--out", str(tmp_path), "--limit", str(LIMIT), *checks]
    with subprocess.Popen(
        [sys.executable, "-m", "auditor", *call], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < deadline and _chunks(tmp_path) < chunks:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert _chunks(tmp_path) > 0
    assert cli.main(call, standalone_mode=False) in (0, 1)
    assert (tmp_path / "findings.json").read_bytes() == part[1]


def _chunks(out: Path) -> int:
    try:
        with sqlite3.connect(f"file:{out / 'observations.sqlite'}?mode=ro", uri=True) as ledger:
            return int(ledger.execute("SELECT COUNT(*) FROM chunks").fetchone()[0])
    except sqlite3.Error:
        return 0
    finally:
        if "ledger" in locals():
            ledger.close()


@pytest.mark.parametrize("batch_size", [7, 64])
def test_batch_size_changes_no_verdict(prepared: Prepared, audited: Path, tmp_path: Path, batch_size: int) -> None:
    finish(prepared, tmp_path, execution=Execution(batch_size=batch_size), pdf=False)
    _, expected = read_findings(audited)
    _, found = read_findings(tmp_path)
    assert [(one.id, one.verdict) for one in found] == [(one.id, one.verdict) for one in expected]
    for one, other in zip(found, expected, strict=True):
        if one.estimate and other.estimate:
            assert one.estimate.value == pytest.approx(other.estimate.value, abs=0.01)


@pytest.mark.slow
def test_the_order_of_the_manifest_changes_nothing_that_was_measured(
    study: Path, prepared: Prepared, tmp_path: Path
) -> None:
    planned = {
        one.trial: one for one in plan(prepared.checks, prepared.facts, prepared.samples, binding=prepared.binding)
    }
    trial = next(trial for trial in planned if trial.probe == "evasion" and trial.zone == "control/0")
    bench, key = bench_of(prepared), planned[trial].key
    forward = measure(Task(trial, key, tuple(range(8))), bench)
    backward = measure(Task(trial, key, tuple(reversed(range(8)))), bench)[::-1]
    assert [row.values.get("fooled") for row in forward] == [row.values.get("fooled") for row in backward]


def test_another_audits_folder_is_refused(study: Path, audited: Path) -> None:
    other = prepare(study / "honest.yaml", limit=LIMIT)
    with pytest.raises(StoreError, match="another audit.*--fresh"):
        run(other, audited)


@pytest.mark.slow
def test_a_probe_that_fails_twice_becomes_rows_with_the_reason(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def broken(_: object) -> None:
        nonlocal calls
        calls += 1
        raise RuntimeError("the model broke")

    monkeypatch.setattr(prepared.classifier, "logits", broken)
    findings = finish(prepared, tmp_path, pdf=False)
    assert calls > 0
    assert {one.verdict for one in findings if one.estimate is None and one.id != "preflight/balance"} <= {
        "not_measured",
        "pass",
    }
    accuracy = next(one for one in findings if one.id == "preflight/accuracy")
    assert accuracy.verdict == "not_measured" and "the model broke" in accuracy.reason


def test_one_sample_that_fails_costs_one_row(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = prepared.samples.load([2]).x[0]
    answer = prepared.classifier.logits

    def refusing(x: torch.Tensor) -> torch.Tensor:
        if bool((x == bad).flatten(1).all(1).any()):
            raise RuntimeError("this one")
        return answer(x)

    monkeypatch.setattr(prepared.classifier, "logits", refusing)
    trial = clean_trial()
    rows = measure(Task(trial, "key", (0, 1, 2, 3)), bench_of(prepared))
    assert [row.missing is None for row in rows] == [True, True, False, True]
    assert rows[2].missing is not None and "this one" in rows[2].missing.text

    calls = 0

    def broken(_: object) -> None:
        nonlocal calls
        calls += 1
        raise RuntimeError("all of them")

    monkeypatch.setattr(prepared.classifier, "logits", broken)
    rows = measure(Task(trial, "key", tuple(range(12))), bench_of(prepared))
    assert len(rows) == 12 and all(row.missing for row in rows) and calls == 2 + 3 * 2


def test_chunks_are_cut_by_the_plan_alone(prepared: Prepared) -> None:
    planned = plan(prepared.checks, prepared.facts, prepared.samples, binding=prepared.binding)
    assert all(len(chunk) <= MODALITY.chunk for one in planned for chunk in one.chunks)
    assert len({one.key for one in planned}) == len(planned)
    sources = {one.trial: place for place, one in enumerate(planned)}
    assert all(sources[one.trial.source] < place for place, one in enumerate(planned) if one.trial.source)


def test_findings_follow_the_declared_form(audited: Path) -> None:
    content = json.loads((audited / "findings.json").read_text())
    assert set(content) == {"format", "audit", "findings"}
    assert {
        "reliance/outside-share",
        "exposure/outside",
        "fairness/sex/robustness-gap",
        "attribution/saliency/stability",
    } <= {one["id"] for one in content["findings"]}
    for one in content["findings"]:
        assert one["verdict"] in ("pass", "fail", "inconclusive", "not_measured") and one["claim"] and one["reason"]
