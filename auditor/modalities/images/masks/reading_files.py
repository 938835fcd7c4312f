"""What the readers of mask files share: optional packages, files that change, and sentences about damaged ones."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from auditor.core.errors import DataError

_T = TypeVar("_T")
MOST_PIXELS = 1_000_000_000
"""Largest picture that is read; Pillow warns from 89 million pixels on, as if a whole slide were an attack."""


def allow_large() -> None:
    """Let Pillow open pictures of up to MOST_PIXELS without a warning."""
    from PIL import Image

    # a warning comes above this number, and an error above twice as many
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS


def needed(package: str, extra: str, path: Path) -> Any:
    """Return a package that reads a file (DataError: it is not installed; the command that installs it is named)."""
    try:
        return import_module(package)
    except ModuleNotFoundError:
        raise DataError(
            f"{path}: this format needs the package '{package.partition('.')[0]}', which is not installed; run pip"
            f" install 'auditor[{extra}]'."
        ) from None


def changed(path: Path) -> float:
    """Return when a file was last changed, so that what was kept of it in memory is never old (DataError: missing)."""
    try:
        return path.stat().st_mtime
    except OSError:
        raise DataError(f"{path}: expected a mask, got: no such file.") from None


def parsed(path: Path, what: str, make: Callable[[], _T]) -> _T:
    """Return what a function reads of a file (DataError: the file lacks what its format must have)."""
    try:
        return make()
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        missing = f"no {error}" if isinstance(error, KeyError) else first_sentence(error)
        raise DataError(f"{path}: expected {what}, got: {missing}.") from None


def unreadable(path: Path, kind: str, error: Exception) -> DataError:
    """Return the error of a file that a library cannot read."""
    return DataError(f"{path}: expected a whole {kind} file, got: {first_sentence(error)}.")


def first_sentence(error: Exception) -> str:
    """Return the first line of an exception's message, without its full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
