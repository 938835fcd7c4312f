"""A program that reads rows on standard input and answers scores."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import softmax

from auditor.core.errors import ClassifierError, nearest
from auditor.modalities.tables.classifier import Scores
from auditor.modalities.tables.models.reading import FLOOR, logs, scores_of_odds

if TYPE_CHECKING:
    import pandas as pd


RowFormat = Literal["csv", "jsonl"]
AnswerKind = Literal["scores", "probabilities", "labels"]


@dataclass(frozen=True)
class Program:
    """A program that is started anew for every batch."""

    call: tuple[str, ...]
    folder: Path
    format: RowFormat
    timeout_s: float
    where: str

    def lines(self, frame: pd.DataFrame) -> list[str]:
        """Return its answer to rows (n), one line each (ClassifierError: it fails, is too slow, or answers another
        number of lines).
        """
        lines = [line.strip() for line in self._run(written(frame, self.format)).splitlines() if line.strip()]
        if len(lines) != len(frame):
            raise ClassifierError(
                f"{self.where}: expected one line of answer for each of {len(frame)} rows, got {len(lines)}."
            )
        return lines

    def _run(self, rows: str) -> str:
        try:
            # a session of its own, so that what it started ends with it
            process = subprocess.Popen(
                self.call,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise ClassifierError(f"{self.where}: the program cannot be started: {error.strerror}.") from None
        try:
            out, said = process.communicate(rows.encode(), timeout=self.timeout_s)
        except BaseException as error:
            _end(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise ClassifierError(
                f"{self.where}: expected an answer within {self.timeout_s:g} s (`timeout_s`), got none."
            ) from None
        if process.returncode:
            last = (said.decode(errors="replace").strip().splitlines() or ["nothing on stderr"])[-1].strip()
            raise ClassifierError(f"{self.where}: the program ended with code {process.returncode}: {last}")
        return out.decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program that is waited for no longer, and everything that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@dataclass(frozen=True)
class ProgramReader:
    """What the lines of a program mean."""

    program: Program
    classes: tuple[str, ...]
    answers: AnswerKind

    def scores(self, frame: pd.DataFrame) -> Scores:
        """Return the scores (n, classes) of rows."""
        return self.read(frame)[0]

    def read(self, frame: pd.DataFrame) -> tuple[Scores, Scores | None]:
        """Return the scores (n, classes) of rows, and the probabilities behind them where there are any."""
        lines = self.program.lines(frame) if len(frame) else []
        if self.answers == "labels":
            return np.eye(len(self.classes))[[self._class(line) for line in lines]], None
        found = self._numbers(lines)
        if self.answers == "scores":
            scores = scores_of_odds(found[:, 0]) if found.shape[1] == 1 else found
            return scores, softmax(scores, axis=1)
        shares = np.concatenate([1 - found, found], 1) if found.shape[1] == 1 else found
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ClassifierError(
                f"{self.program.where}: expected probabilities between 0 and 1, got"
                f" {found[((shares < 0) | (shares > 1)).any(1)][0, 0]:g}."
            )
        return logs(shares, FLOOR), shares

    def _class(self, line: str) -> int:
        name = str(_json(line)) if line.startswith('"') else line
        if name not in self.classes:
            raise ClassifierError(
                f"{self.program.where}: expected the name of a class, got '{name[:80]}'; {nearest(name, self.classes)}"
            )
        return self.classes.index(name)

    def _numbers(self, lines: Sequence[str]) -> Scores:
        """Return the numbers of each line (n, 1 or classes)."""
        widths = {len(self.classes)} | ({1} if len(self.classes) == 2 else set())
        rows = [self._row(line) for line in lines]
        strange = next(
            (place for place, row in enumerate(rows) if len(row) not in widths or len(row) != len(rows[0])), None
        )
        if strange is not None:
            wanted = " or ".join(map(str, sorted(widths)))
            raise ClassifierError(
                f"{self.program.where}: expected {wanted} numbers in each line of answer, got '{lines[strange][:80]}'"
                f" in line {strange + 1}."
            )
        return np.array(rows, dtype=np.float64).reshape(len(rows), -1 if rows else len(self.classes))

    def _row(self, line: str) -> list[float]:
        cells = _json(line) if line.startswith("[") else line.split(",")
        try:
            numbers = [float(cell) for cell in cells]
        except (TypeError, ValueError):
            numbers = [float("nan")]
        if not np.isfinite(numbers).all():
            raise ClassifierError(
                f"{self.program.where}: expected finite numbers in each line of answer, got '{line[:80]}'."
            )
        return numbers


def written(frame: pd.DataFrame, format: RowFormat) -> str:
    """Return rows as CSV with a header, or one JSON object per line; a missing cell is empty, or null."""
    cells = frame.astype(object).where(frame.notna(), None)
    rows = zip(*(cells[name].tolist() for name in cells), strict=True)
    names = [str(name) for name in frame]
    if format == "jsonl":
        return "".join(
            json.dumps(dict(zip(names, map(_plain, row), strict=True)), ensure_ascii=False) + "\n" for row in rows
        )
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return stream.getvalue()


def _plain(cell: Any) -> Any:
    return cell.item() if isinstance(cell, np.generic) else cell


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return []
