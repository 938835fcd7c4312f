"""Any program that reads rows and answers scores: whatever its language, whoever made it."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
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
from auditor.core.records import digest
from auditor.modalities.tables.classifier import Scores, TableClassifier
from auditor.modalities.tables.models.reading import FLOOR, logs, scores_of_odds, thresholded
from auditor.models import classifiers
from auditor.models.weights import class_names, file_digest

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["csv", "jsonl"]
_Kind = Literal["scores", "probabilities", "labels"]


@classifiers.register("command", modality="table")
def command_model(
    path: str,
    *,
    classes: list[str],
    arguments: list[str] = [],  # noqa: B006
    format: Format = "csv",
    answers: _Kind = "probabilities",
    columns: list[str] = [],  # noqa: B006
    threshold: float | None = None,
    timeout_s: float = 600.0,
    _base: Path = Path("."),
    _trust_code: bool = False,
    _device: str = "cpu",
) -> TableClassifier:
    """Program that reads rows on stdin (CSV or JSON lines) and answers one line per row; only with --trust-code.

    Parameters
    ----------
    path
        The program: a file relative to the audit file, or a name that the shell would find. It runs in the audit file's
        folder, once per batch.
    arguments
        What follows it, such as [score.R].
    format
        How rows are written to it: 'csv' with a header, or one JSON object a line.
    answers
        What a line holds: scores or probabilities, one per class or one of the last of two, parted by commas or as a
        JSON list; or a class by name.
    columns
        The columns that it reads, in their order; all that the data declare when not given.
    threshold
        Probability of the last of two classes from which it is the answer.
    timeout_s
        Seconds that one batch may take.
    """
    if not _trust_code:
        raise ClassifierError(f"source command runs a program: '{path}' is only started with --trust-code.")
    names = class_names(classes, len(classes), where=path)
    if len(names) < 2:
        raise ClassifierError(f"{path}: expected at least two `classes`, got {list(names)}.")
    program = Program((_program(path, _base), *arguments), _base.resolve(), format, timeout_s, path)
    reader = _Reader(program, names, answers)
    scores, decide = (
        (reader.scores, None) if threshold is None else thresholded(reader.read, threshold, names, where=path)
    )
    return TableClassifier(
        scores=scores,
        name=Path(path).name,
        digest=_digest(program, format, answers),
        classes=names,
        offers=frozenset({"labels"} if answers == "labels" else {"labels", "scores"}),
        decide=decide,
        columns=tuple(columns) or None,
        notes=(f"a program answers: {' '.join([path, *arguments])}",),
    )


@dataclass(frozen=True)
class Program:
    """A program that is started anew for every batch."""

    call: tuple[str, ...]
    folder: Path
    format: Format
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
class _Reader:
    """What the lines of a program mean."""

    program: Program
    classes: tuple[str, ...]
    answers: _Kind

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


def written(frame: pd.DataFrame, format: Format) -> str:
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


def _program(path: str, base: Path) -> str:
    """Return the program that a path names (ClassifierError: there is none that can be started)."""
    file = (base / path).resolve()
    if file.is_file():
        if not os.access(file, os.X_OK):
            raise ClassifierError(
                f"{file}: expected a program that may be started, got a file without that right; name its interpreter"
                " and put it in `arguments`."
            )
        return str(file)
    found = shutil.which(path)
    if found is None:
        raise ClassifierError(
            f"{path}: expected a program, got nothing there; it is a file relative to the audit file, or a name that"
            " the shell would find."
        )
    return found


def _digest(program: Program, format: Format, answers: _Kind) -> str:
    """Return the SHA-256 of the program, the files among its arguments, and how it is asked."""
    files = [Path(program.call[0]), *(program.folder / argument for argument in program.call[1:])]
    return digest([[file_digest(file) for file in files if file.is_file()], list(program.call[1:]), format, answers])
