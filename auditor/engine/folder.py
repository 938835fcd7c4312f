"""An output folder: what in it Auditor wrote. Nothing else is deleted or overwritten, with or without --fresh."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from auditor.core.errors import StoreError
from auditor.core.records import digest

LEDGER = "observations.sqlite"
OUTPUTS = (
    "audit.lock.yaml",
    "findings.json",
    "samples.csv",
    "samples.parquet",
    "report.html",
    "report.pdf",
    "junit.xml",
)
FOLDERS = ("artefacts", "evidence", "annex")
INDEX = "evidence/index.json"
EVIDENCE_FILES = "evidence files"
"""Under this name the ledger remembers the evidence files that were written, as a JSON list of paths in the output
folder.
"""
ARTEFACT = re.compile(r"\.?[0-9a-f]{64}\.npz(\.partial)?")


def remembered(folder: Path) -> dict[str, str] | None:
    """Return what the ledger in a folder remembers by name; None where there is no ledger that Auditor made."""
    if not (folder / LEDGER).is_file():
        return None
    try:
        with closing(sqlite3.connect(folder / LEDGER)) as ledger:
            ledger.execute("SELECT trial, digest FROM chunks LIMIT 1")
            return dict(ledger.execute("SELECT name, value FROM meta"))
    except sqlite3.DatabaseError:
        return None


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder in which files that Auditor did not write lie where a run would write (StoreError).

    A folder is Auditor's own once its ledger is bound to an audit; a ledger without a binding is a run that stopped at
    once.
    """
    memory = remembered(folder)
    if memory and "binding" in memory:
        taken = [name for name in FOLDERS if (folder / name).exists() and not (folder / name).is_dir()]
        taken += [INDEX] if (folder / INDEX).exists() and INDEX not in evidence_files(folder) else []
    else:
        taken = [name for name in (*OUTPUTS, *FOLDERS) if _holds_something(folder / name)]
        taken += [LEDGER] if memory is None and (folder / LEDGER).exists() else []
    if taken:
        raise StoreError(
            f"{folder}: expected an empty folder or the output folder of a run, but it holds '{taken[0]}', which"
            " Auditor did not write and will not overwrite; choose another --out, or move it away."
        )


def _holds_something(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.exists()


def evidence_files(folder: Path) -> list[str]:
    """Return the evidence files that Auditor wrote, as paths in the folder: as the ledger remembers them, or as its own
    index names them.
    """
    memory = remembered(folder) or {}
    if EVIDENCE_FILES in memory:
        return list(json.loads(memory[EVIDENCE_FILES]))
    index = folder / INDEX  # runs of earlier versions remember the digest of the index alone
    if not index.is_file() or digest(index.read_bytes()) != memory.get("evidence"):
        return []
    cases = json.loads(index.read_text(encoding="utf-8"))["cases"]
    return [INDEX, *(f"evidence/{path}" for case in cases for path in case["files"].values())]


def drop_evidence(folder: Path) -> None:
    """Delete the evidence files that Auditor wrote, and the folders that are empty then."""
    _drop(folder, (folder / path for path in evidence_files(folder)))


def clear(folder: Path) -> None:
    """Drop what an earlier run wrote in a folder, and nothing else; a folder that is not Auditor's is left as it is."""
    if "binding" not in (remembered(folder) or {}):
        return
    drop_evidence(folder)
    _drop(folder, (path for path in (folder / "artefacts").glob("??/*") if ARTEFACT.fullmatch(path.name)))
    _drop(folder, (folder / "annex").glob("hiring-*.csv"))
    # the ledger last: until then it says whose the folder is
    for name in (*OUTPUTS, LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm"):
        (folder / name).unlink(missing_ok=True)


def _drop(folder: Path, paths: Iterator[Path]) -> None:
    for path in list(paths):
        path.unlink(missing_ok=True)
        for parent in path.relative_to(folder).parents[:-1]:
            with suppress(OSError):  # it still holds something, or it is gone already
                (folder / parent).rmdir()
