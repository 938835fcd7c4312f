"""The errors that a user of Auditor can meet; every other exception is a defect of Auditor itself (exit code 70)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AuditorError(Exception):
    """An input that cannot be used: one sentence with where, expected, got and the nearest valid choice (exit code
    2).
    """


class ConfigError(AuditorError):
    """The audit file is wrong; the sentence starts with file, line and key."""


class DataError(AuditorError):
    """A manifest, image, table or mask cannot be used."""


class ClassifierError(AuditorError):
    """A classifier cannot be loaded, or does not do what it declares."""


class StoreError(AuditorError):
    """The output folder cannot be used."""


class PdfError(AuditorError):
    """The PDF cannot be made here; everything else was written."""


class BrokenOff(AuditorError):
    """A run stopped before its end for an outside reason and can be resumed (exit code 4)."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return the clause that ends an error sentence: the closest valid name, or all of them.

    >>> nearest("exposre", ["exposure", "fairness"])
    "did you mean 'exposure'?"
    """
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"valid: {', '.join(names) or 'none'}"
