"""The commands as a user calls them, and their exit codes."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.cli.main import COMMANDS
from auditor.cli.options import exit_code
from auditor.core.records import Finding, Verdict


def _finding(verdict: Verdict) -> Finding:
    return Finding("a/b", "a", verdict, "claim")


@pytest.mark.parametrize(
    ("verdicts", "rule", "code"),
    [
        (["pass"], "fail", 0),
        (["pass", "fail", "inconclusive"], "fail", 1),
        (["pass", "fail", "inconclusive"], "never", 0),
        (["pass", "inconclusive"], "fail", 0),
        (["pass", "inconclusive"], "inconclusive", 3),
        (["pass", "not_measured"], "inconclusive", 3),
        (["fail", "not_measured"], "inconclusive", 1),
    ],
)
def test_exit_codes(verdicts: list[Verdict], rule: str, code: int) -> None:
    assert exit_code([_finding(verdict) for verdict in verdicts], rule) == code


def test_run_shows_its_progress_and_the_answers(ran: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, ended = ran
    assert ended.returncode in (0, 1), ended.stderr
    assert "[1/" in ended.stderr and "4. Can it be tricked" in ended.stdout


def test_run_writes_a_pdf(audited: Path) -> None:
    assert (audited / "report.pdf").read_bytes().startswith(b"%PDF")


def test_verify(audited: Path, call: Callable[..., object]) -> None:
    ended = call("verify", audited, "--json")
    assert ended.code == 0 and all(one["holds"] for one in json.loads(ended.out))


def test_judge_with_other_tolerances_and_render(copy: Path, study: Path, call: Callable[..., object]) -> None:
    before = (copy / "findings.json").read_text()
    lenient = study / "lenient.yaml"
    lenient.write_text((study / "marker.yaml").read_text().replace("exposure: {", "exposure: {tolerance: 0.97, "))
    call("judge", copy, "--audit", lenient, "--fail-on", "never")
    exposure = next(
        one for one in json.loads((copy / "findings.json").read_text())["findings"] if one["id"] == "exposure/outside"
    )
    assert exposure["tolerance"] == 0.97 and exposure["reason"].startswith(
        "the whole 95 % interval lies within the tolerance 97 %"
    )
    call("judge", copy, "--audit", study / "marker.yaml", "--fail-on", "never")
    assert (copy / "findings.json").read_text() == before
    assert call("render", copy, "--no-pdf").code == 0


def test_plan_as_json(study: Path, call: Callable[..., object]) -> None:
    ended = call("plan", study / "honest.yaml", "--json", "--limit", 20)
    content = json.loads(ended.out)
    assert ended.code == 0 and content["seconds"] >= 0
    assert {one["probe"] for one in content["trials"]} >= {
        "clean",
        "evasion",
        "transplant",
        "left_over",
        "where",
        "attribution",
        "gradient",
    }
    outside = [
        one for one in content["trials"] if one["zone"] == "outside" and one["method"] == "pgd" and one["samples"] == 20
    ]
    assert outside and all(one["forwards"] == 20 * (6 + 2) and one["backwards"] == 20 * 5 for one in outside)


def test_plan_as_table_and_validate(study: Path, call: Callable[..., object]) -> None:
    assert "evasion pgd outside" in call("plan", study / "honest.yaml", "--limit", 8).out
    ended = call("validate", study / "honest.yaml")
    assert ended.code == 0 and "200 samples" in ended.out and "sex" in ended.out


def test_batch_goes_on_past_a_failure(study: Path, tmp_path: Path, call: Callable[..., object]) -> None:
    (study / "broken.yaml").write_text(
        "model: {weights: nowhere.safetensors, source: timm, name: resnet10t, classes: [a, b]}\ndata: {manifest:"
        " manifest.csv}\n"
    )
    ended = call(
        "batch",
        study / "broken.yaml",
        str(study / "hon*.yaml"),
        "--out",
        tmp_path / "all",
        "--jobs",
        2,
        "--option=--limit=16",
        "--option=--check=preflight",
    )
    assert ended.code == 2, ended
    rows = list(csv.DictReader((tmp_path / "all" / "summary.csv").read_text().splitlines()))
    assert [(row["audit"], row["exit code"]) for row in rows] == [("broken", "2"), ("honest", "0")]
    assert "nowhere.safetensors" in rows[0]["message"]
    page = (tmp_path / "all" / "index.html").read_text()
    assert "honest/report.html" in page and "no report" in page


def test_batch_of_nothing(tmp_path: Path, call: Callable[..., object]) -> None:
    assert call("batch", str(tmp_path / "*.yaml"), "--out", tmp_path / "all").code == 2


def test_interrupted_it_says_how_to_resume(study: Path, tmp_path: Path) -> None:
    call = [sys.executable, "-m", "auditor", "run", str(study / "honest.yaml"), "--out", str(tmp_path / "out")]
    with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 300
        while not (tmp_path / "out" / "observations.sqlite").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130 and "resume" in err and "Traceback" not in err


def test_every_command_has_help_with_an_example(call: Callable[..., object]) -> None:
    for name in COMMANDS:
        ended = call(name, "--help")
        assert ended.code == 0 and "Example:" in ended.out and f"auditor {name}" in ended.out
