"""Any program that reads rows and answers scores: whatever its language, whoever made it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from auditor.core.errors import ClassifierError
from auditor.core.records import digest
from auditor.modalities.tables.classifier import TableClassifier
from auditor.modalities.tables.models.reading import thresholded
from auditor.models import classifiers
from auditor.models.weights import class_names, file_digest

if TYPE_CHECKING:
    pass
from auditor.modalities.tables.models.program import AnswerKind, Program, ProgramReader, RowFormat


@classifiers.register("command", modality="table")
def command_model(
    path: str,
    *,
    classes: list[str],
    arguments: list[str] = [],  # noqa: B006
    format: RowFormat = "csv",
    answers: AnswerKind = "probabilities",
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
    reader = ProgramReader(program, names, answers)
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


def _digest(program: Program, format: RowFormat, answers: AnswerKind) -> str:
    """Return the SHA-256 of the program, the files among its arguments, and how it is asked."""
    files = [Path(program.call[0]), *(program.folder / argument for argument in program.call[1:])]
    return digest([[file_digest(file) for file in files if file.is_file()], list(program.call[1:]), format, answers])
