"""File -> boolean mask: one file per format, chosen by the file's ending and, where formats share one, by its head.

A format is a function (file, sample, size) -> bool array (height, width), True where the answer should be looked for.
It is registered with the endings it reads: `@masks.register("png", endings=(".png", ".tif"))`. Where another format
reads the same ending, `recognises`, a function (head: bytes) -> bool of the file's first bytes, tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from auditor.core.errors import DataError
from auditor.core.registry import Entry, Registry
from auditor.core.zones import Mask

MaskFormat = Callable[[Path, str, tuple[int, int]], Mask]
"""function (file, id of the sample, (height, width) of its image) -> mask (DataError: the file cannot be used). The id
is for files that hold the masks of many samples, the size for those that hold outlines in pixels."""

HEAD = 2**16
"""Most bytes that a format is shown of a file's beginning, to recognise it."""

masks: Registry[MaskFormat] = Registry("mask format", __name__)


def endings() -> list[str]:
    """Return every ending that some format reads, sorted."""
    return sorted({ending for entry in masks for ending in entry.facts["endings"]})


def read(file: Path, *, sample: str, size: tuple[int, int]) -> Mask:
    """Return a sample's mask (height, width) from a file (DataError: no format, or more than one, reads it, or it
    cannot be read).

    Parameters
    ----------
    sample
        Id of the sample, by which a file of many masks is asked.
    size
        (height, width) of the sample's image in pixels, upright.
    """
    entry = _chosen(file)
    mask = entry.make(file, sample, size)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.ndim != 2 or not mask.size:
        got = f"an array of {mask.dtype}, {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise DataError(
            f"{file}: expected booleans of shape (height, width) from mask format '{entry.name}', got {got}."
        )
    return mask


def _chosen(file: Path) -> Entry[MaskFormat]:
    """Return the format that reads a file: of those with the longest ending that fits the one that recognises it, or
    else the only one that does not look.
    """
    fitting = _by_ending(file.name.lower())
    if not fitting:
        raise DataError(f"{file}: expected a mask file ending in {', '.join(endings())}, got '{file.suffix}'.")
    looking = [entry for entry in fitting if "recognises" in entry.facts]
    if not looking and len(fitting) == 1:
        return fitting[0]
    head = _head(file)
    found = [entry for entry in looking if entry.facts["recognises"](head)]
    found = found or [entry for entry in fitting if entry not in looking]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(f"{file}: expected a mask that one format reads, got a file that {_named(found)} read.")
    raise DataError(f"{file}: expected a mask of {_named(fitting)}, got another kind of file.")


def _by_ending(name: str) -> list[Entry[MaskFormat]]:
    lengths = {
        entry.name: max((len(ending) for ending in entry.facts["endings"] if name.endswith(ending)), default=0)
        for entry in masks
    }
    longest = max(lengths.values(), default=0)
    return [entry for entry in masks if longest and lengths[entry.name] == longest]


def _head(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(HEAD)
    except FileNotFoundError:
        raise DataError(f"{file}: expected a mask, got: no such file.") from None
    except OSError as error:
        raise DataError(f"{file}: expected a mask, but it cannot be read ({str(error.strerror).lower()}).") from None


def _named(entries: Sequence[Entry[MaskFormat]]) -> str:
    return " and ".join(f"'{entry.name}'" for entry in entries)
