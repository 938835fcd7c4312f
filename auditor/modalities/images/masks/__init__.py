"""File -> what it says of a sample's mask, chosen by the file's ending and, where formats share one, by its head.

A format is a function (file, wanted) -> Painted pixels or Outlined structures; which values or structures are the mask
is decided later, for all samples at once. It is registered with the endings it reads:
`@masks.register("picture", endings=(".png", ".tif"))`. Where another format reads the same ending, `recognises`, a
function (head: bytes) -> bool of the file's first bytes, tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from auditor.core.errors import DataError
from auditor.core.registry import Entry, Registry
from auditor.modalities.images.masks.boxes import boxes, is_box
from auditor.modalities.images.masks.content import Content, Painted, Wanted

MaskFormat = Callable[[Path, Wanted], Content]
"""function (file, which of its masks) -> its content (DataError: the file cannot be used)"""

HEAD = 2**16
"""Most bytes that a format is shown of a file's beginning, to recognise it."""

masks: Registry[MaskFormat] = Registry("mask format", __name__)


def endings() -> list[str]:
    """Return every ending that some format reads, sorted."""
    return sorted({ending for entry in masks for ending in entry.facts["endings"]})


def open_mask(file: Path, wanted: Wanted) -> Content:
    """Return what a file says of a sample's mask; a box that stands in the manifest is no file (DataError: no format,
    or more than one, reads it, or it cannot be read).
    """
    if is_box(file):
        return boxes(file)
    entry = _chosen(file)
    content = entry.make(file, wanted)
    if isinstance(content, Painted) and (content.values.ndim != 2 or not content.values.size):
        raise DataError(
            f"{file}: expected pixels of shape (height, width) from mask format '{entry.name}', got"
            f" {content.values.shape}."
        )
    if not isinstance(content, Content):
        raise DataError(
            f"{file}: expected Painted or Outlined from mask format '{entry.name}', got {type(content).__name__}."
        )
    return content


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
