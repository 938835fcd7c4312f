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
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from auditor.core.errors import ConfigError, StoreError
from auditor.core.records import QUESTIONS, Finding, Verdict
from auditor.engine.judge import read_findings
from auditor.engine.store import write_whole
from auditor.report.answers import answers
from auditor.report.render import environment_of
from auditor.report.templates import templates_dir

COLUMNS = ("audit", "exit code", "fail", "inconclusive or not measured", "pass", "message")
KNOWN = (0, 1, 2, 3, 4, 70, 130)


@dataclass(frozen=True)
class AuditResult:
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
    found: dict[Path, Path] = {}
    for pattern in patterns:
        matches = sorted(glob.glob(pattern, recursive=True))
        if not matches:
            raise ConfigError(f"batch: expected an audit file, but nothing matches '{pattern}'.")
        for match in matches:
            found.setdefault(Path(match).resolve(), Path(match))
    return list(found.values())


def run_batch(
    audits: Sequence[Path],
    out: Path,
    *,
    jobs: int = 1,
    options: Sequence[str] = (),
    done: Callable[[AuditResult], None] = lambda _: None,
) -> list[AuditResult]:
    """Return how each audit ended, in the order given; summary.csv and index.html are written to `out`, also where
    audits crash or the batch is interrupted.

    StoreError: `out` holds a summary that no batch wrote.
    """
    _refuse_foreign(out)
    names = folder_names(audits)
    out.mkdir(parents=True, exist_ok=True)
    ended = {
        name: AuditResult(
            name, out / name, 130, _counts([]), (), "interrupted before its end; run the same command again to resume"
        )
        for name in names
    }

    def one(audit: Path, name: str) -> None:
        try:
            ended[name] = _run(audit, name, out, options=options, jobs=jobs)
        except Exception as error:  # whatever goes wrong with one audit, the others go on
            what = " ".join(f"{type(error).__name__}: {error}".split())
            ended[name] = replace(ended[name], code=70, message=f"Auditor itself failed ({what})")
        done(ended[name])

    try:
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(one, audits, names))
    finally:
        results = list(ended.values())
        write_whole(out / "summary.csv", _csv(results))
        write_whole(out / "index.html", _html(results))
    return results


def _refuse_foreign(out: Path) -> None:
    summary = out / "summary.csv"
    ours = summary.is_file() and summary.read_bytes().startswith(",".join(COLUMNS).encode())
    taken = [name for name in ("summary.csv", "index.html") if (out / name).exists() and not ours]
    if taken:
        raise StoreError(f"{out}: holds a '{taken[0]}' that no batch wrote; choose another --out, or move it away.")


def folder_names(audits: Sequence[Path]) -> list[str]:
    """Return a folder name for each audit file, no two alike on any file system.

    It is the file's stem; where several share one, the names of as many folders above as tell them apart stand before
    it; where nothing does, a number
    stands after it.

    >>> folder_names([Path("/x/s/audit.yaml"), Path("/y/s/audit.yaml"), Path("/y/s/audit.yml"), Path("/y/quick.yaml")])
    ['x-s-audit', 'y-s-audit', 'y-s-audit-2', 'quick']
    """
    parts = [audit.resolve().with_suffix("").parts[1:] for audit in audits]
    names: list[str] = []
    for mine in parts:
        alike = {other for other in parts if other[-1].casefold() == mine[-1].casefold()}
        depth = next(
            k
            for k in range(1, len(mine) + 1)
            if k == len(mine) or len({_folded(other[-k:]) for other in alike}) == len(alike)
        )
        names.append(_unlike("-".join(mine[-depth:]), names))
    return names


def _folded(parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.casefold() for part in parts)


def _unlike(name: str, taken: Sequence[str]) -> str:
    """Return a name that none of the others equals, numbered where it must be."""
    known = _folded(taken)
    numbered = (name, *(f"{name}-{number}" for number in range(2, len(known) + 2)))
    return next(one for one in numbered if one.casefold() not in known)


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    verdicts = Counter(finding.verdict if finding.verdict in ("pass", "fail") else "open" for finding in findings)
    return {kind: verdicts[kind] for kind in ("fail", "open", "pass")}


def _run(audit: Path, name: str, out: Path, *, options: Sequence[str], jobs: int) -> AuditResult:
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
    answered = tuple((one.question, one.verdict) for one in answers(findings)) if findings else ()
    return AuditResult(name, folder, code, _counts(findings), answered, message)


def _csv(results: Sequence[AuditResult]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(
        [one.name, one.code, one.counts["fail"], one.counts["open"], one.counts["pass"], one.message] for one in results
    )
    return text.getvalue()


def _html(results: Sequence[AuditResult]) -> str:
    folder = templates_dir()
    rows = [
        {"outcome": one, "report": (one.folder / "report.html").exists(), "pdf": (one.folder / "report.pdf").exists()}
        for one in results
    ]
    style = Markup((folder / "style.css").read_text(encoding="utf-8"))
    return environment_of(folder).get_template("batch.html").render(rows=rows, questions=QUESTIONS, style=style)
