"""Which files belong to the data set: from a manifest, or from folders named after the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.core.errors import DataError, nearest

if TYPE_CHECKING:
    from pandas import DataFrame

_IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


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


def read_table(file: Path, what: str = "a manifest") -> DataFrame:
    """Return a CSV, TSV (both also packed, as .csv.gz) or Parquet file as text; an empty or missing cell is ''."""
    import pandas

    try:
        if file.suffix.lower() == ".parquet":
            frame = pandas.read_parquet(file)
            return frame.astype(object).where(frame.notna(), "").map(str)
        separator = "\t" if ".tsv" in [ending.lower() for ending in file.suffixes[-2:]] else ","
        return pandas.read_csv(
            file, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False
        ).fillna("")
    except FileNotFoundError:
        raise DataError(f"{file}: expected {what} (.csv, .tsv or .parquet), got: no such file.") from None
    except (OSError, ValueError, pandas.errors.ParserError, pandas.errors.EmptyDataError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(f"{file}: expected {what} (.csv, .tsv or .parquet), got: {reason}.") from None


def from_manifest(file: Path, columns: Columns, where: Mapping[str, Any]) -> list[ManifestRow]:
    """Return the rows of a manifest that `where` keeps; paths are relative to the manifest's folder."""
    frame = read_table(file)
    for use, name in [*columns.all(), *(("where", name) for name in where)]:
        if name not in frame.columns:
            raise DataError(
                f"{file}: expected a column '{name}' ({use}), got none; {nearest(name, map(str, frame.columns))}"
            )
    kept = _kept(file, frame, where)
    return [
        _row(file, number, cells, columns=columns)
        for number, cells in zip(kept.index, kept.to_dict("records"), strict=True)
    ]


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
        image=file.parent / path,
        masks={mask: file.parent / cells[column] if cells[column] else None for mask, column in columns.masks.items()},
        label=cells[columns.label],
        unit=(cells[columns.unit] if columns.unit else "") or name,
        columns={name: cells[name] for name in (*columns.groups, *columns.factors, *columns.further)},
    )


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
        for image in sorted(file for file in place.rglob("*") if file.suffix.lower() in _IMAGES):
            relative = image.relative_to(folder).with_suffix("")
            found = {
                name: next((file for ending in endings if (file := where / f"{relative}{ending}").is_file()), None)
                for name, where in masks.items()
            }
            rows.append(ManifestRow(relative.as_posix(), image, found, place.name, relative.as_posix(), {}))
    if not rows:
        raise DataError(f"{folder}: expected images ({', '.join(_IMAGES)}) in one folder per class, got none.")
    return rows


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
    if not all(label in known for label in labels) and all(label.isdecimal() for label in labels):
        known = {str(position): position for position in range(len(classes))}
        labels = [str(int(label)) for label in labels]
    for row, label in zip(rows, labels, strict=True):
        if label not in known:
            raise DataError(
                f"{where}: sample '{row.id}': expected a label among the classifier's classes, got '{label}';"
                f" {nearest(label, known)}"
            )
    return tuple(known[label] for label in labels)
