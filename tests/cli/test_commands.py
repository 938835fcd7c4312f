"""The commands as a user calls them, and their exit codes."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.cli.main import COMMANDS
from auditor.cli.options import exit_code
from auditor.core.errors import PdfError
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
    lines = [line for line in ended.stderr.splitlines() if line.startswith("[")]
    assert lines and len({line.split("]")[0] for line in lines}) == len(lines), "one line per trial"
    assert all(re.search(r"about \d+ (s|min) \(\d+ to \d+ \1\) left$", line) for line in lines)
    assert "[1/" in ended.stderr and "4. Can it be tricked" in ended.stdout


def test_run_writes_a_pdf(audited: Path) -> None:
    assert (audited / "report.pdf").read_bytes().startswith(b"%PDF")


def test_verify(audited: Path, call: Callable[..., object]) -> None:
    ended = call("verify", audited, "--json")
    assert ended.code == 0 and all(one["holds"] for one in json.loads(ended.out))


def held(folder: Path) -> dict[str, bytes]:
    """Return the files that judging and rendering write."""
    names = ("audit.lock.yaml", "findings.json", "samples.csv", "report.html", "report.pdf", "junit.xml")
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}


def stand_in(html: str) -> bytes:
    """Return bytes that stand for the PDF of a page where it is not what is tested: a real one takes ten seconds."""
    return b"%PDF of " + hashlib.sha256(html.encode()).digest()


def test_judge_with_other_tolerances_leaves_no_old_report(
    copy: Path, study: Path, call: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(held(copy)) == {
        "audit.lock.yaml",
        "findings.json",
        "samples.csv",
        "report.html",
        "report.pdf",
        "junit.xml",
    }
    monkeypatch.setattr("auditor.report.render.to_pdf", stand_in)
    (copy / "report.pdf").write_bytes(stand_in((copy / "report.html").read_text()))
    before = held(copy)
    lenient = study / "lenient.yaml"
    lenient.write_text((study / "marker.yaml").read_text().replace("exposure: {", "exposure: {tolerance: 0.97, "))
    ended = call("judge", copy, "--audit", lenient, "--fail-on", "never")
    assert ended.code == 0, ended
    content, after = json.loads((copy / "findings.json").read_text()), held(copy)
    exposure = next(one for one in content["findings"] if one["id"] == "exposure/outside")
    said = "the whole 95 % interval lies within the tolerance 97 %"
    assert exposure["tolerance"] == 0.97 and exposure["reason"].startswith(said)
    assert said.encode() in after["report.html"] and said.encode() not in before["report.html"]
    assert (
        content["audit"]["digests"]["lock"].encode() in after["report.html"]
        and exposure["claim"].encode() in after["junit.xml"]
    )
    assert after["report.pdf"] != before["report.pdf"] and after["junit.xml"] != before["junit.xml"]
    call("judge", copy, "--audit", study / "marker.yaml", "--fail-on", "never")
    assert held(copy) == before
    assert call("render", copy).code == 0 and held(copy) == before


def test_judging_and_rendering_need_no_model(
    copy: Path, study: Path, tmp_path: Path, call_without_models: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    assert call_without_models("verify", copy).returncode == 70, "what needs torch cannot get it"
    before = held(copy)
    reliance = json.loads(before["findings.json"])["findings"]
    maps = [shown for one in reliance for shown in one["displays"] if shown["kind"] == "map"]
    assert any(len(one["clusters"]) > 1 for one in maps), "the case must find clusters, or it shows nothing"
    without_pdf = {name: content for name, content in before.items() if name != "report.pdf"}
    for arguments, expected in (
        (("judge", "--audit", study / "marker.yaml", "--fail-on", "never", "--no-pdf"), without_pdf),
        (("render",), before),
    ):
        ended = call_without_models(arguments[0], copy, *arguments[1:])
        assert ended.returncode == 0 and ended.stderr == "", ended.stderr
        assert held(copy) == expected


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("exposure: {zones: [outside, inside], ", "trials that .* has not measured, such as 'evasion pgd inside'"),
        ("exposure: {tolerance: 7, ", "tolerance"),
        ("exposed: {", "did you mean 'exposure'"),
    ],
)
def test_judge_overwrites_nothing_that_it_cannot_judge(
    copy: Path, study: Path, call: Callable[..., object], wanted: str, words: str
) -> None:
    before = held(copy)
    (study / "other.yaml").write_text(
        (study / "marker.yaml").read_text().replace("exposure: {zones: [outside, everywhere, control/0], ", wanted)
    )
    ended = call("judge", copy, "--audit", study / "other.yaml")
    assert ended.code == 2 and ended.err.count("\n") == 1 and re.search(words, ended.err), ended
    assert held(copy) == before


def test_judge_without_pango_leaves_no_old_pdf(
    audited: Path, tmp_path: Path, call: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(audited, out)

    def no_pango(_: str) -> bytes:
        raise PdfError("report.pdf was not written because Pango could not be loaded")

    monkeypatch.setattr("auditor.report.render.to_pdf", no_pango)
    ended = call("judge", out, "--fail-on", "never")
    assert ended.code == 0 and "No PDF: report.pdf was not written because Pango" in ended.err
    assert not (out / "report.pdf").exists() and held(out) == {
        name: content for name, content in held(audited).items() if name != "report.pdf"
    }


def test_a_report_that_cannot_be_rendered_leaves_no_old_one(
    audited: Path, study: Path, tmp_path: Path, call: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(audited, out)
    strict = study / "strict.yaml"
    strict.write_text((study / "marker.yaml").read_text().replace("exposure: {", "exposure: {tolerance: 0.01, "))
    monkeypatch.setattr("auditor.report.render.page", lambda *_: {}["broken"])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert call("judge", out, "--audit", strict).code == 70
    assert set(held(out)) == {"audit.lock.yaml", "findings.json", "samples.csv"}


@pytest.mark.slow
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
    assert all(
        0 < one["expected_forwards"] <= one["forwards"] and 0 < one["expected_backwards"] <= one["backwards"]
        for one in outside
    )
    assert all(one["seconds_low"] <= one["seconds"] <= one["seconds_high"] for one in (content, *content["trials"]))
    assert content["seconds"] > sum(one["seconds"] for one in content["trials"]), (
        "loading, judging and rendering take time too"
    )


@pytest.mark.slow
def test_plan_as_table_and_validate(study: Path, call: Callable[..., object]) -> None:
    printed = call("plan", study / "honest.yaml", "--limit", 8).out
    assert "evasion pgd outside" in printed and "at most" in printed
    assert re.search(r"^about \d+ s \(\d+ to \d+ s\) on this machine", printed, re.MULTILINE)
    ended = call("validate", study / "honest.yaml")
    assert ended.code == 0 and "200 samples" in ended.out and "sex" in ended.out


@pytest.mark.slow
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


@pytest.mark.slow
def test_interrupted_it_says_how_to_resume(study: Path, tmp_path: Path) -> None:
    call = [sys.executable, "-m", "auditor", "run", str(study / "honest.yaml"), "--out", str(tmp_path / "out")]
    with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 300
        while not (tmp_path / "out" / "observations.sqlite").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130 and "resume" in err and "Traceback" not in err


@pytest.mark.parametrize("error", [KeyError("background"), RuntimeError("two\nlines"), SystemExit(1)])
def test_a_defect_is_no_failed_finding(
    error: BaseException, tmp_path: Path, call: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("auditor.engine.verify.verify", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = call("verify", tmp_path)
    (log,) = tmp_path.glob("auditor-*.log")
    assert (
        ended.code == 70 and ended.err.count("\n") == 1 and type(error).__name__ in ended.err and str(log) in ended.err
    )
    assert "Traceback" in log.read_text() and "in broken" in log.read_text() and "verify" in log.read_text()


def test_a_defect_without_room_for_a_log(
    tmp_path: Path, call: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.engine.verify.verify", lambda *_, **__: {}["missing"])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    ended = call("verify", tmp_path)
    assert ended.code == 70 and "log could not be written" in ended.err and "Traceback" in ended.err


@pytest.mark.slow
def test_a_closed_pipe_is_no_failure(tmp_path: Path) -> None:
    show = f"{sys.executable} -m auditor schema | true; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", show], capture_output=True, text=True, check=False)
    assert ended.returncode == 0 and ended.stderr == ""


def test_every_command_has_help_with_an_example(call: Callable[..., object]) -> None:
    for name in COMMANDS:
        ended = call(name, "--help")
        assert ended.code == 0 and "Example:" in ended.out and f"auditor {name}" in ended.out
