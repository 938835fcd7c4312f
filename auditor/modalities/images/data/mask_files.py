"""Where the mask of each sample lies, and how what the files say becomes masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from auditor.core.errors import DataError
from auditor.core.zones import Mask
from auditor.modalities.images.data.inventory import Inventory
from auditor.modalities.images.data.reading import MaskReading, MaskSource, decided
from auditor.modalities.images.data.regions import MAIN, Regions
from auditor.modalities.images.data.scan import wanted_of
from auditor.modalities.images.masks import endings, open_mask
from auditor.modalities.images.masks.content import Wanted
from auditor.samples.manifest import ManifestRow

Given = str | MaskSource | None


def sources_of(
    mask: Given, masks: Mapping[str, str | MaskSource], *, listed: bool
) -> tuple[MaskSource | None, dict[str, MaskSource]]:
    """Return where the main mask and the further ones lie: plain text names a column of the manifest, or a folder where
    there is none.
    """

    def source(given: str | MaskSource) -> MaskSource:
        if not isinstance(given, str):
            return given
        return MaskSource(column=given) if listed else MaskSource(folder=given)

    return source(mask) if mask else None, {name: source(given) for name, given in masks.items()}


def mask_columns(regions: Regions, *, listed: bool) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return name of a mask -> its column, or its folder where there is no manifest, and the columns of slices
    (DataError: a column without a manifest).
    """
    sources = regions.files
    slices = {source.slice for source in sources.values() if isinstance(source.slice, str)}
    if not listed:
        column = next((source.column for source in sources.values() if source.column), next(iter(slices), None))
        if column:
            raise DataError(f"data: the column '{column}' of masks needs a `manifest`, got `folder`.")
        return {name: source.folder for name, source in sources.items() if source.folder}, ()
    return {name: source.column for name, source in sources.items() if source.column}, tuple(sorted(slices))


def file_names(ids: Sequence[str]) -> dict[str, str]:
    """Return id -> how its files are called: the same, below the folder that is written (DataError: two would be called
    alike).
    """
    found = {id: "/".join(part for part in PurePosixPath(id).parts if part not in ("..", "/")) for id in ids}
    name, count = Counter(found.values()).most_common(1)[0]
    if count > 1:
        raise DataError(f"expected ids that can be file names, got {count} that would be '{name}'.")
    return found


def placed(rows: Sequence[ManifestRow], sources: Mapping[str, MaskSource], base: Path) -> list[ManifestRow]:
    """Return the rows with the masks that lie in a folder, or in one file for all samples."""
    stems = Counter(row.image.stem for row in rows)
    called = file_names([row.id for row in rows]) if any(one.folder is not None for one in sources.values()) else {}
    found = [dict(row.masks) for row in rows]
    for name, source in sources.items():
        place = base / str(source.folder or source.file or "")
        if source.folder is not None and not place.is_dir():
            raise DataError(f"{place}: expected the folder of the masks, got nothing there.")
        for row, masks in zip(rows, found, strict=True):
            if source.file is not None:
                masks[name] = place
            elif source.folder is not None and name not in masks:
                names = (called[row.id], row.image.stem) if stems[row.image.stem] == 1 else (called[row.id],)
                masks[name] = _in_folder(place, names)
    return [replace(row, masks=masks) for row, masks in zip(rows, found, strict=True)]


def _in_folder(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the mask file of one of the names in a folder; None where there is none (DataError: several)."""
    files = {folder / f"{name}{ending}": None for name in names for ending in endings()}
    found = [file for file in files if file.is_file()]
    if len(found) > 1:
        raise DataError(f"{folder}: expected one mask for each sample, got {found[0].name} and {found[1].name}.")
    return found[0] if found else None


def with_readings(rows: Sequence[ManifestRow], regions: Regions, listed: Path) -> tuple[Regions, tuple[str, ...]]:
    """Return the regions with how each mask is read, and notes on it (DataError: the mask files leave it open)."""
    readings: dict[str, MaskReading] = {}
    notes: list[str] = []
    for name, source in regions.files.items():
        found = Inventory()
        for row in rows:
            path = row.masks[name]
            if path is not None:
                found.add(open_mask(path, wanted_of(row, (1, 1), source)))
        readings[name], said = decided(name, source, found, listed=listed)
        notes += [*said, *(f"{note}: {count} of {len(rows)} samples" for note, count in sorted(found.notes.items()))]
    return replace(regions, readings=readings), tuple(notes)


def mask_in_file(file: Path, wanted: Wanted, source: MaskSource | None = None) -> Mask:
    """Return the mask (height, width) of one file by the rules of a whole data set (DataError: it cannot be read, or
    leaves open what of it is meant).
    """
    source = source or MaskSource(column=MAIN)
    content, found = open_mask(file, wanted), Inventory()
    found.add(content)
    return decided(MAIN, source, found, listed=file)[0].mask(content, wanted, file)
