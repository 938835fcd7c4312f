"""How a mask is made of what the files say: which values, colours or names mark what should matter.

It is decided once for a whole data set and never guessed: two values are a mask, a few are labels of which some must be
named, many are a soft edge whose half is the edge, and anything else is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from auditor.core.errors import DataError, nearest
from auditor.core.zones import Mask
from auditor.modalities.images.data.inventory import LABELS, Inventory, Value, listed_words
from auditor.modalities.images.masks.content import Content, Outlined, Wanted

FEW_VALUES = 8
"""Fewer different values than this are labels, not a soft edge."""
EDGED = 0.9
"""Least share of the pixels between a quarter and three quarters of the largest value that lie at an edge, where edges
are soft; elsewhere they are labels, or the file is a picture."""
Declared = str | int | float


class MaskSource(BaseModel):
    """Where the masks lie and what in them marks what should matter."""

    model_config = ConfigDict(extra="forbid")
    column: str | None = None
    """Column of the manifest with the path of each sample's mask file."""
    folder: str | None = None
    """Folder of the mask files, each called like the id of its sample."""
    file: str | None = None
    """One file that holds the masks of all samples."""
    value: list[Declared] = []
    """Labels, colours ('#ff0000') or names of structures that mark what should matter; together, if several."""
    threshold: float | None = None
    """Smallest value that marks, of masks with soft edges or probabilities."""
    slice: int | str | None = None
    """Slice, frame or page of the mask file, counted from 0; or the column that has its number."""

    @field_validator("value", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return value if isinstance(value, list) else [value]

    @model_validator(mode="after")
    def _complete(self) -> MaskSource:
        places = [name for name in ("column", "folder", "file") if getattr(self, name) is not None]
        if len(places) != 1:
            raise ValueError(f"expected one of column, folder and file, got {' and '.join(places) or 'none'}")
        if self.value and self.threshold is not None:
            raise ValueError("expected either value or threshold, got both")
        return self

    def written(self, key: str, value: str) -> str:
        """Return what the audit file would say of these masks with one more key."""
        kind = next(name for name in ("column", "folder", "file") if getattr(self, name) is not None)
        return f"{{{kind}: {self.place}, {key}: {value}}}"

    @property
    def place(self) -> str:
        """Return where the masks lie, as the audit file names it."""
        return str(self.column or self.folder or self.file)


@dataclass(frozen=True)
class MaskReading:
    """How the masks of one name are made of what their files say."""

    values: tuple[Value, ...] = ()
    threshold: float | None = None
    names: tuple[str, ...] = ()

    def mask(self, content: Content, wanted: Wanted, file: Path) -> Mask:
        """Return the mask (height, width) in a file's content (DataError: it is outlined outside the picture)."""
        if isinstance(content, Outlined):
            return content.mask(self.names, wanted, file)
        if self.threshold is not None:
            return np.asarray(content.values >= self.threshold)
        marked = [content.values == value for value in self.values]
        return np.asarray(marked[0] if len(marked) == 1 else np.logical_or.reduce(marked))


def decided(name: str, source: MaskSource, found: Inventory, *, listed: Path) -> tuple[MaskReading, tuple[str, ...]]:
    """Return how the masks of one name are read, and what a reader must know of it (DataError: the files leave it
    open, or hold nothing of what is declared).
    """
    where = f"{listed}, '{source.place}'"
    if found.names and (found.values or found.many):
        raise DataError(f"{where}: expected mask files of one kind, got outlines and pixels.")
    if found.names:
        return _by_name(name, source, found, where=where)
    if source.threshold is not None:
        return MaskReading(threshold=source.threshold), (
            f"{mask_called(name)} is what has a value from {source.threshold:g}",
        )
    if source.value:
        return _by_value(name, source, found, where=where)
    return _by_look(name, source, found, where=where)


def mask_called(name: str) -> str:
    """Return what a sentence calls a mask."""
    return "the mask" if name == "mask" else f"the mask '{name}'"


def _by_name(name: str, source: MaskSource, found: Inventory, *, where: str) -> tuple[MaskReading, tuple[str, ...]]:
    known = sorted(found.names)
    if source.threshold is not None:
        raise DataError(f"{where}: expected masks of pixels for a `threshold`, got outlines; name a `value`.")
    if not source.value:
        if len(known) == 1:
            said = f"what is called '{known[0]}'" if known[0] else "every outline, none of which has a name,"
            return MaskReading(names=tuple(known)), (f"{mask_called(name)} is {said} in the mask files",)
        raise DataError(
            f"{where}: the mask files hold {listed_words(_named(known))}; say which of them mark what should matter,"
            f" such as {source.written('value', known[-1])}."
        )
    wanted = [str(value) for value in source.value]
    for one in wanted:
        if one not in known:
            raise DataError(f"{where}: expected the name of a structure, got '{one}'; {nearest(one, known)}")
    return MaskReading(names=tuple(wanted)), (
        f"{mask_called(name)} is {listed_words(_named(wanted))} of {listed_words(_named(known))}",
    )


def _named(names: Iterable[str]) -> list[str]:
    return [f"'{name}'" if name else "structures without a name" for name in names]


def _by_value(name: str, source: MaskSource, found: Inventory, *, where: str) -> tuple[MaskReading, tuple[str, ...]]:
    values = [_number(one, found, where=where) for one in source.value]
    if not found.many and (strange := next((one for one in values if one not in found.values), None)) is not None:
        raise DataError(
            f"{where}: expected a value of the mask files, got {found.told(strange)}; they hold {found.shares}."
        )
    chosen = listed_words([found.told(one) for one in values])
    return MaskReading(values=tuple(values)), (f"{mask_called(name)} is what has the value {chosen} of {found.shares}",)


def _number(value: Declared, found: Inventory, *, where: str) -> Value:
    if isinstance(value, str):
        try:
            return int(value.removeprefix("#"), 16) if found.colours and len(value) == 7 else float(value)
        except ValueError:
            hint = "a colour such as '#ff0000'" if found.colours else "a number"
            raise DataError(f"{where}: expected {hint} as `value` of masks of pixels, got '{value}'.") from None
    return value


def _by_look(name: str, source: MaskSource, found: Inventory, *, where: str) -> tuple[MaskReading, tuple[str, ...]]:
    if found.low < 0:
        raise DataError(
            f"{where}: expected values from 0 in the mask files, got {found.low:g}, which often denotes what was not"
            f" labelled; name the values that mark what should matter, such as"
            f" {source.written('value', f'{found.high:g}')}."
        )
    marks = sorted(value for value in found.values if value)
    if not found.many and len(marks) <= 1:
        return MaskReading(values=tuple(marks) or (1,)), ()
    labels = not found.lossy and (len(marks) < FEW_VALUES or (found.whole and found.high <= LABELS))
    if found.colours or (labels and not found.many):
        raise _asked(source, found, where)
    if found.edged < EDGED:
        if not found.many and len(marks) <= LABELS:
            raise _asked(source, found, where)
        raise DataError(
            f"{where}: expected masks, got files with values from {found.low:g} to {found.high:g} of which many lie"
            f" halfway far from any edge, as in a picture; for a map of probabilities name the smallest one that marks,"
            f" such as {source.written('threshold', f'{found.high / 2:g}')}."
        )
    half = found.high / 2
    note = (
        f"{mask_called(name)} has soft edges (values from {found.low:g} to {found.high:g}); what has at least {half:g},"
        " half of the largest value, is inside"
    )
    return MaskReading(threshold=half), (note,)


def _asked(source: MaskSource, found: Inventory, where: str) -> DataError:
    if found.colours and (found.many or len(found.values) >= FEW_VALUES):
        return DataError(
            f"{where}: expected masks of few colours, got more than {FEW_VALUES} of them, as in a photograph or in a"
            " picture with its mask drawn over it."
        )
    void = ", of which 255 often denotes what was not labelled" if 255 in found.values and not found.colours else ""
    soft = f", or {source.written('threshold', f'{found.high / 2:g}')} if the values between are a soft edge"
    return DataError(
        f"{where}: the mask files hold {found.shares}{void}; name those that mark what should matter, such as"
        f" {source.written('value', _example(found))}{'' if found.colours or found.high <= LABELS else soft}."
    )


def _example(found: Inventory) -> str:
    told = found.told(max(value for value in found.values if value))
    return f"'{told}'" if found.colours else told
