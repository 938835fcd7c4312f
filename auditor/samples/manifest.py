"""Which files belong to the data set: from a manifest, or from folders named after the classes."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

from auditor.core.errors import DataError, nearest
from auditor.samples.table_reader import read_table

if TYPE_CHECKING:
    from pandas import DataFrame

_NUMBER = re.compile(r"\d+(\.0+)?")
_MISSING = ("na", "n/a", "nan", "null", "none", "unknown", "missing", "?", "-", ".")
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".jp2", ".dcm", ".dicom")


@dataclass(frozen=True)
class ManifestRow:
    """One sample as it is listed."""

    id: str
    image: Path
    masks: Mapping[str, Path | None]
    """Name of a mask -> its file; None where the sample has none."""
    label: str
    unit: str
    columns: Mapping[str, str]
    """Values of the groups, the factors and the further columns."""


@dataclass(frozen=True)
class Columns:
    """Names of a manifest's columns."""

    image: str
    label: str
    masks: Mapping[str, str]
    """Name of a mask -> column of its files."""
    id: str | None
    unit: str | None
    groups: tuple[str, ...]
    factors: tuple[str, ...] = ()
    further: tuple[str, ...] = ()
    """Columns that say which part of a file is meant, such as the number of a slice."""

    def all(self) -> list[tuple[str, str]]:
        """Return what each column is for, with its name."""
        own = [
            (use, name)
            for use, name in (("image", self.image), ("label", self.label), ("id", self.id), ("unit", self.unit))
            if name
        ]
        own += [(f"mask '{name}'", column) for name, column in self.masks.items()]
        return own + [(use, name) for use in ("groups", "factors", "further") for name in getattr(self, use)]


def from_manifest(file: Path, columns: Columns, where: Mapping[str, Any]) -> tuple[list[ManifestRow], tuple[str, ...]]:
    """Return the rows of a manifest that `where` keeps, and notes; paths are relative to the manifest's folder."""
    frame, notes = read_table(file)
    for use, name in [*columns.all(), *(("where", name) for name in where)]:
        if name not in frame.columns:
            raise DataError(
                f"{file}: expected a column '{name}' ({use}), got none; {nearest(name, map(str, frame.columns))}"
            )
    kept = _kept(file, frame, where)
    rows = [
        _row(file, number, cells, columns=columns)
        for number, cells in zip(kept.index, kept.to_dict("records"), strict=True)
    ]
    if any("\\" in cells for cells in kept[columns.image]):
        notes += ("paths with backslashes were read as paths of Windows",)
    return rows, (*notes, *spellings({name: kept[name] for name in columns.groups}))


def spellings(groups: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return notes on values that may be the same group, or none: 'Female' and 'female ', 'n/a'."""
    notes = []
    for name, cells in groups.items():
        counts = Counter(cell for cell in cells if cell)
        alike: dict[str, list[str]] = {}
        for value in sorted(counts):
            alike.setdefault(" ".join(value.casefold().split()), []).append(value)
        for several in (values for values in alike.values() if len(values) > 1):
            told = " and ".join(f"'{value}'" for value in several)
            notes.append(f"the group {name} has {told}, which count as different groups")
        for value in (value for value in counts if value.strip().casefold() in _MISSING):
            notes.append(
                f"the group {name} has '{value}' in {counts[value]} samples, which counts as a group; leave the cell"
                " empty where it is unknown"
            )
    return tuple(notes)


def _kept(file: Path, frame: DataFrame, where: Mapping[str, Any]) -> DataFrame:
    kept = frame
    for name, values in where.items():
        wanted = [str(value) for value in (values if isinstance(values, list | tuple) else [values])]
        before, kept = kept, kept[kept[name].isin(wanted)]
        if not len(kept) and len(before):
            seen = sorted(set(before[name]))
            more = ", ..." if len(seen) > 12 else ""
            raise DataError(
                f"{file}: no sample is left by where: {name} in [{', '.join(wanted)}]; that column has"
                f" {', '.join(seen[:12])}{more}."
            )
    if not len(kept):
        raise DataError(f"{file}: expected at least one row, got none.")
    return kept


def _row(file: Path, number: Any, cells: Mapping[Any, str], *, columns: Columns) -> ManifestRow:
    path = cells[columns.image]
    if not path:
        raise DataError(
            f"{file}, row {int(number) + 1}: expected an image path in column '{columns.image}', got an empty cell."
        )
    name = cells[columns.id] if columns.id else _without_ending(path)
    return ManifestRow(
        id=name,
        image=_found(file.parent, path),
        masks={
            mask: _found(file.parent, cells[column]) if cells[column] else None
            for mask, column in columns.masks.items()
        },
        label=cells[columns.label],
        unit=(cells[columns.unit] if columns.unit else "") or name,
        columns={name: cells[name] for name in (*columns.groups, *columns.factors, *columns.further)},
    )


def _found(folder: Path, text: str) -> Path:
    """Return a path as it is written, or, where nothing is there, as Windows or another file system writes it."""
    plain = PureWindowsPath(text).as_posix() if "\\" in text else text
    for written in (text, plain, *(unicodedata.normalize(form, plain) for form in ("NFC", "NFD"))):
        with suppress(OSError):  # what is too long for a path is none, but may be a list of boxes
            if (folder / written).exists():
                return folder / written
    return folder / text


def _without_ending(path: str) -> str:
    plain = path.replace("\\", "/")
    return plain.removesuffix(Path(plain).suffix)


def from_folder(folder: Path, masks: Mapping[str, Path], endings: Sequence[str]) -> list[ManifestRow]:
    """Return one row per image in the folders named after the classes; a mask has the image's relative path, in its own
    folder, with any mask ending.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: expected a folder with one folder of images per class, got"
            f" {'a file' if folder.exists() else 'nothing there'}."
        )
    for place in masks.values():
        if not place.is_dir():
            raise DataError(f"{place}: expected the folder of the masks, got nothing there.")
    others = {place.resolve() for place in masks.values()}
    rows = []
    for place in sorted(part for part in folder.iterdir() if part.is_dir() and part.resolve() not in others):
        if hidden(place.relative_to(folder)):
            continue
        for image in sorted(file for file in place.rglob("*") if file.suffix.lower() in IMAGE_ENDINGS):
            if hidden(image.relative_to(folder)):
                continue
            relative = image.relative_to(folder).with_suffix("")
            found = {
                name: next((file for ending in endings if (file := where / f"{relative}{ending}").is_file()), None)
                for name, where in masks.items()
            }
            rows.append(ManifestRow(relative.as_posix(), image, found, place.name, relative.as_posix(), {}))
    if not rows:
        raise DataError(f"{folder}: expected images ({', '.join(IMAGE_ENDINGS)}) in one folder per class, got none.")
    return rows


def hidden(path: Path) -> bool:
    """Return whether a path leads through what a system or program keeps for itself: names that begin with a dot."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def check_ids(rows: Sequence[ManifestRow], where: Path) -> None:
    """Refuse an empty id and one that two samples share (DataError)."""
    name, count = Counter(row.id for row in rows).most_common(1)[0]
    if count > 1:
        raise DataError(f"{where}: expected every sample to have an id of its own, got '{name}' {count} times.")
    if any(not row.id for row in rows):
        raise DataError(f"{where}: expected every sample to have an id, got an empty one.")


def label_index(rows: Sequence[ManifestRow], classes: Sequence[str], where: Path) -> tuple[int, ...]:
    """Return each label's index in the classes: by name, or by number where every label is a whole number and they are
    not all names.
    """
    known = {name: position for position, name in enumerate(classes)}
    labels = [row.label for row in rows]
    if not all(label in known for label in labels) and all(_NUMBER.fullmatch(label) for label in labels):
        known = {str(position): position for position in range(len(classes))}
        labels = [str(int(float(label))) for label in labels]
    for row, label in zip(rows, labels, strict=True):
        if label not in known:
            counted = f"; as numbers they count from 0, which stands for '{classes[0]}'" if label.isdecimal() else ""
            raise DataError(
                f"{where}: sample '{row.id}': expected a label among the classifier's classes, got '{label}'{counted};"
                f" {nearest(label, known)}"
            )
    return tuple(known[label] for label in labels)


def label_notes(rows: Sequence[ManifestRow], classes: Sequence[str]) -> tuple[str, ...]:
    """Return which class each number stands for, where the labels are numbers and the classes are not."""
    used = sorted({row.label for row in rows} - set(classes))
    if not used or not all(_NUMBER.fullmatch(label) for label in used):
        return ()
    told = ", ".join(f"{label} for {classes[int(float(label))]}" for label in used)
    return (f"the labels are numbers: {told}",)
