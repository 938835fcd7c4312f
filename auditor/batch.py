"""Many audits, each in its own process: one that fails, or is killed, takes no other with it."""

from __future__ import annotations

import csv
import glob
import io
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from auditor.core.errors import ConfigError
from auditor.core.records import QUESTIONS, Verdict
from auditor.engine.judge import read_findings
from auditor.engine.store import write_whole
from auditor.report.answers import answers
from auditor.report.render import environment_of
from auditor.report.templates import templates_dir

KNOWN = (0, 1, 2, 3, 4, 130)


@dataclass(frozen=True)
class Outcome:
    """How one audit of a batch ended."""

    name: str
    folder: Path
    code: int
    counts: dict[str, int]
    """Findings that fail, pass, and are open (inconclusive or not measured)."""
    answers: tuple[tuple[str, Verdict], ...]
    """The four questions with their verdicts; empty where it did not end with findings."""
    message: str
    """Last line of its standard error where it did not end with findings."""

    def line(self) -> str:
        """Return it in one line."""
        return f"{self.name}: exit code {self.code}{f', {self.message}' if self.message else ''}"


def found_audits(patterns: Sequence[str]) -> list[Path]:
    """Return the audit files that paths and glob patterns name, each once (ConfigError: one names nothing)."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        matches = sorted(glob.glob(pattern, recursive=True))
        if not matches:
            raise ConfigError(f"batch: expected an audit file, but nothing matches '{pattern}'.")
        found.update(dict.fromkeys(Path(match) for match in matches))
    return list(found)


def run_batch(
    audits: Sequence[Path],
    out: Path,
    *,
    jobs: int = 1,
    options: Sequence[str] = (),
    done: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Return how each audit ended, in the order given; summary.csv and index.html are written to `out`."""
    names = _names(audits)
    out.mkdir(parents=True, exist_ok=True)

    def one(audit: Path) -> Outcome:
        outcome = _run(audit, names[audit], out, options, jobs)
        done(outcome)
        return outcome

    with ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(one, audits))
    write_whole(out / "summary.csv", _csv(results))
    write_whole(out / "index.html", _html(results))
    return results


def _names(audits: Sequence[Path]) -> dict[Path, str]:
    """Return a folder name for each audit file: its stem, with the parent where that is not unique."""
    stems = Counter(audit.stem for audit in audits)
    return {
        audit: audit.stem if stems[audit.stem] == 1 else f"{audit.resolve().parent.name}-{audit.stem}"
        for audit in audits
    }


def _run(audit: Path, name: str, out: Path, options: Sequence[str], jobs: int) -> Outcome:
    folder = out / name
    call = [sys.executable, "-m", "auditor", "run", str(audit), "--out", str(folder), *options]
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    ended = subprocess.run(
        call,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": threads},
        check=False,
    )
    code = ended.returncode if ended.returncode in KNOWN else 4
    message = (
        "" if code in (0, 1, 3) else (ended.stderr.strip().splitlines() or [f"ended with code {ended.returncode}"])[-1]
    )
    findings = [] if message else read_findings(folder)[1]
    verdicts = Counter(finding.verdict if finding.verdict in ("pass", "fail") else "open" for finding in findings)
    counts = {kind: verdicts[kind] for kind in ("fail", "open", "pass")}
    answered = tuple((one.question, one.verdict) for one in answers(findings)) if findings else ()
    return Outcome(name, folder, code, counts, answered, message)


def _csv(results: Sequence[Outcome]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["audit", "exit code", "fail", "inconclusive or not measured", "pass", "message"])
    writer.writerows(
        [one.name, one.code, one.counts["fail"], one.counts["open"], one.counts["pass"], one.message] for one in results
    )
    return text.getvalue()


def _html(results: Sequence[Outcome]) -> str:
    folder = templates_dir()
    rows = [
        {"outcome": one, "report": (one.folder / "report.html").exists(), "pdf": (one.folder / "report.pdf").exists()}
        for one in results
    ]
    style = Markup((folder / "style.css").read_text(encoding="utf-8"))
    return environment_of(folder).get_template("batch.html").render(rows=rows, questions=QUESTIONS, style=style)
