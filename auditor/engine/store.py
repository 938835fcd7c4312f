"""The ledger: one SQLite file that holds every observation, each chunk written whole or not at all."""

from __future__ import annotations

import io
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import BrokenOff, StoreError
from auditor.core.records import Observation, canonical, digest
from auditor.engine.folder import EVIDENCE_FILES, LEDGER, clear, evidence_files, refuse_foreign
from auditor.engine.ledger_rows import read_row, row_content

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trials (key TEXT PRIMARY KEY, trial TEXT NOT NULL, chunks INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS chunks (
    trial TEXT, chunk INTEGER, digest TEXT NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (trial, chunk)
);
CREATE TABLE IF NOT EXISTS observations (
    trial TEXT, chunk INTEGER, sample TEXT, row TEXT NOT NULL, PRIMARY KEY (trial, sample)
) WITHOUT ROWID;
"""
EXCLUDED = -1
"""Number of the chunk that holds the rows excluded by plan."""


class Store:
    """An open output folder; only the driver writes to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / LEDGER
        self._db = sqlite3.connect(self.path)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{self.path}: expected a ledger of Auditor, but it cannot be read ({error}); choose another folder"
                " with --out."
            ) from None

    @classmethod
    def create(cls, folder: Path, binding: str, *, fresh: bool = False) -> Store:
        """Return the store of one audit in a folder, new or to be resumed (StoreError: it holds another audit's
        observations, or files of others).
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{folder}: expected a folder that can be written, but {str(error.strerror).lower()}."
            ) from None
        refuse_foreign(folder)
        if fresh:
            clear(folder)
        store = cls(folder)
        known = store.meta("binding")
        if known is not None and known != binding:
            store.close()
            raise StoreError(
                f"{folder}: holds the observations of another audit (other model, data, limit or version); choose"
                " another --out, or drop them with --fresh."
            )
        if known is None:
            store.set_meta("binding", binding)
        return store

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Return the store of a finished or broken-off run (StoreError: there is none)."""
        if not (folder / LEDGER).is_file():
            raise StoreError(f"{folder}: expected the output folder of a run, but it has no observations.sqlite.")
        store = cls(folder)
        if store.meta("binding") is None:
            raise StoreError(f"{folder}: expected the output folder of a run, but its ledger is empty.")
        return store

    def close(self) -> None:
        """Close the ledger, its journal folded in."""
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._db:
                yield self._db
        except sqlite3.IntegrityError:
            raise BrokenOff(
                f"{self.path}: another run writes to the same folder; wait for it, or choose another --out."
            ) from None
        except sqlite3.OperationalError as error:
            raise BrokenOff(
                f"{self.path}: cannot be written ({error}); free some space and run the same command again to resume."
            ) from None

    def meta(self, name: str) -> str | None:
        """Return a remembered text."""
        found = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def set_meta(self, name: str, value: str) -> None:
        """Remember a text."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def indexed(self, files: Mapping[str, Path]) -> dict[str, dict[str, str]]:
        """Return what the index of the evidence says of a case's files (what they show -> path): their places below
        `evidence/`, and their digests.
        """
        return {
            "files": {kind: str(path.relative_to(self.folder / "evidence")) for kind, path in files.items()},
            "digests": {kind: digest(path.read_bytes()) for kind, path in files.items()},
        }

    def evidence_file(self, *names: str) -> Path:
        """Return where a file of the evidence folder may be written, under the first of the names that it may get
        (StoreError: a file of others).

        The ledger remembers the names first: what is deleted later is only what stands there.
        """
        paths, known = [f"evidence/{name}" for name in names], evidence_files(self.folder)
        for path in paths:
            if path not in known and (self.folder / path).exists():
                raise StoreError(
                    f"{self.folder / path}: this file is in the way and Auditor did not write it; move it away and run"
                    " the same command again."
                )
        self.set_meta(EVIDENCE_FILES, json.dumps(sorted({*known, *paths})))
        (self.folder / paths[0]).parent.mkdir(parents=True, exist_ok=True)
        return self.folder / paths[0]

    def plan_trial(self, key: str, trial: Mapping[str, Any], chunks: int) -> None:
        """Enter a trial and how many chunks it has."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO trials VALUES (?, ?, ?)", (key, canonical(trial), chunks))

    def done(self, key: str) -> set[int]:
        """Return the chunks of a trial that were written."""
        return {int(row[0]) for row in self._db.execute("SELECT chunk FROM chunks WHERE trial = ?", (key,))}

    def complete(self, key: str) -> bool:
        """Return whether every chunk of a trial was written."""
        planned = self._db.execute("SELECT chunks FROM trials WHERE key = ?", (key,)).fetchone()
        return planned is not None and len(self.done(key) - {EXCLUDED}) >= int(planned[0])

    def write(self, key: str, chunk: int, rows: Sequence[Observation], seconds: float = 0.0) -> None:
        """Write one chunk whole, with the digest of its rows."""
        texts = sorted([row.sample, canonical(row_content(row))] for row in rows)
        with self._transaction() as db:
            db.executemany(
                "INSERT INTO observations VALUES (?, ?, ?, ?)", [(key, chunk, sample, text) for sample, text in texts]
            )
            db.execute("INSERT INTO chunks VALUES (?, ?, ?, ?)", (key, chunk, digest(texts), seconds))

    def read(self, key: str) -> dict[str, Observation]:
        """Return the rows of one trial by sample id, in the order of ids."""
        found = self._db.execute("SELECT sample, row FROM observations WHERE trial = ? ORDER BY sample", (key,))
        return {sample: read_row(key, sample, json.loads(row)) for sample, row in found}

    def forget(self, key: str) -> None:
        """Drop a trial's rows, so that it is measured again."""
        with self._transaction() as db:
            db.execute("DELETE FROM observations WHERE trial = ?", (key,))
            db.execute("DELETE FROM chunks WHERE trial = ?", (key,))

    def broken(self) -> list[str]:
        """Return which chunks do not hold what was written, as 'trial/chunk'."""
        wrong = []
        for key, chunk, written in self._db.execute("SELECT trial, chunk, digest FROM chunks ORDER BY trial, chunk"):
            rows = self._db.execute("SELECT sample, row FROM observations WHERE trial = ? AND chunk = ?", (key, chunk))
            if digest(sorted([sample, text] for sample, text in rows)) != written:
                wrong.append(f"{key}/{chunk}")
        loose = self._db.execute(
            "SELECT COUNT(*) FROM observations o LEFT JOIN chunks c ON o.trial = c.trial AND o.chunk = c.chunk WHERE"
            " c.trial IS NULL"
        ).fetchone()[0]
        return wrong + ([f"{loose} rows of no chunk"] if loose else [])

    def ledger_digest(self, keys: Sequence[str]) -> str:
        """Return the SHA-256 over the digests of every chunk of some trials."""
        chunks = {
            key: sorted(self._db.execute("SELECT chunk, digest FROM chunks WHERE trial = ?", (key,)).fetchall())
            for key in keys
        }
        return digest({key: [[int(chunk), str(text)] for chunk, text in rows] for key, rows in chunks.items()})

    def seconds(self) -> float:
        """Return how long measuring took, over all chunks."""
        return float(self._db.execute("SELECT COALESCE(SUM(seconds), 0) FROM chunks").fetchone()[0])

    def put(self, arrays: Mapping[str, NDArray[Any]]) -> str:
        """Keep arrays as an artefact and return its SHA-256; the same arrays are kept once."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **{name: arrays[name] for name in sorted(arrays)})
        name = digest(
            {
                key: [str(value.dtype), list(value.shape), digest(np.ascontiguousarray(value).tobytes())]
                for key, value in arrays.items()
            }
        )
        path = self._artefact(name)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, buffer.getvalue())
        return name

    def get(self, name: str) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of an artefact; None when it is no longer kept."""
        path = self._artefact(name)
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as loaded:
            return {key: loaded[key] for key in loaded.files}

    def _artefact(self, name: str) -> Path:
        return self.folder / "artefacts" / name[:2] / f"{name}.npz"


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file whole or not at all (BrokenOff: no space)."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise BrokenOff(
            f"{path}: cannot be written ({str(error.strerror).lower()}); run the same command again to resume."
        ) from None
