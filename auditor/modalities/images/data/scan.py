"""One sample of an image data set as it is seen when the set is first read: size, masks, notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from auditor.core.errors import DataError
from auditor.core.records import digest
from auditor.core.zones import Mask
from auditor.modalities.images.data.decoded import DecodedImage, HowRead
from auditor.modalities.images.data.pixels import AS_STORED, decode, fitted_mask, read_bytes, turned
from auditor.modalities.images.data.reading import MaskSource, mask_called
from auditor.modalities.images.data.regions import Regions
from auditor.modalities.images.masks import open_mask
from auditor.modalities.images.masks.content import Wanted
from auditor.samples.manifest import ManifestRow

_DARK = 0.125
"""Where no value is above this share of what the files could hold, fewer bits were used, or the range is wrong."""
ASPECT = 0.01
"""Largest relative difference of two aspects that count as the same."""


@dataclass(frozen=True)
class Seen:
    """What the first reading of one sample found."""

    size: tuple[int, int]
    levels: int
    image: str
    """SHA-256 of the image file."""
    masks: Mapping[str, str | None]
    """Name of a mask -> SHA-256 of its file."""
    shares: Mapping[str, float | None]
    """'inside' and name of a mask or zone -> share of the area inside it, at the classifier's size; None where it is
    missing.
    """
    notes: tuple[str, ...]
    top: float
    """Largest value, as a share of what the file could hold."""
    patient: str = ""
    """A number for the patient that the file names; empty where it names none."""


def read_picture(row: ManifestRow, how: HowRead = AS_STORED) -> tuple[DecodedImage, str]:
    """Return a sample's image and its file's SHA-256 (DataError: it cannot be read, or its frame is no number)."""
    content = read_bytes(row.image)
    if how.column:
        how = replace(how, frame=_number(row, how.column, "frame"))
    return decode(content, row.image, how), digest(content)


def _number(row: ManifestRow, column: str, what: str) -> int:
    text = row.columns[column].strip()
    if not text.isdecimal():
        raise DataError(f"sample '{row.id}': expected the number of a {what} in column '{column}', got '{text}'.")
    return int(text)


def wanted_of(row: ManifestRow, size: tuple[int, int], source: MaskSource) -> Wanted:
    """Return which mask of its file a sample asks for (DataError: its slice is no number)."""
    slice = _number(row, source.slice, "slice") if isinstance(source.slice, str) else source.slice
    return Wanted(row.id, row.image, size, slice)


def masks_of(
    row: ManifestRow, picture: DecodedImage, regions: Regions
) -> tuple[dict[str, Mask | None], tuple[str, ...]]:
    """Return a sample's masks by name at their own size, upright, None where it has no file, and notes."""
    found: dict[str, Mask | None] = dict.fromkeys(row.masks)
    notes: tuple[str, ...] = ()
    for name, path in row.masks.items():
        if path is None:
            continue
        wanted = wanted_of(row, picture.size, regions.files[name])
        drawn = regions.readings[name].mask(open_mask(path, wanted), wanted, path)
        mask, moved = _upright(drawn, picture)
        if not _same_aspect(mask.shape, picture.size):
            raise DataError(
                f"{path}: expected a mask of its image's size ({_size(picture.size)}, height x width) or aspect, got"
                f" {_size(mask.shape)}."
            )
        found[name] = mask
        notes += (f"{mask_called(name)} was turned as the image was",) if moved else ()
    return found, notes


def read_masks(
    row: ManifestRow, picture: DecodedImage, regions: Regions, *, target: tuple[int, int, int]
) -> tuple[dict[str, Mask | None], tuple[str, ...]]:
    """Return a sample's masks by name at the classifier's size, None where it has no file, and notes."""
    masks, notes = masks_of(row, picture, regions)
    found = {name: None if mask is None else fitted_mask(mask, target[1:]) for name, mask in masks.items()}
    gone = [name for name, mask in masks.items() if mask is not None and mask.any() and not np.any(found[name])]
    notes += tuple(
        f"{mask_called(name)} has no pixel left at the classifier's size and counts as empty" for name in gone
    )
    return found, notes


def _upright(mask: Mask, picture: DecodedImage) -> tuple[Mask, bool]:
    """Return a mask turned as its image was, and whether that was needed: it has the size from before and not the one
    after.
    """
    before = picture.size[::-1] if picture.turned_sideways else picture.size
    needed = mask.shape != picture.size and mask.shape == before
    return (turned(mask, picture.orientation) if needed else mask), needed


def see(
    row: ManifestRow, target: tuple[int, int, int], regions: Regions, *, how: HowRead, hashed: Callable[[Path], str]
) -> Seen:
    """Return what one sample shows when it is read for the first time (DataError: it cannot be used)."""
    picture, image = read_picture(row, how)
    if how.target is None and picture.size != target[1:]:
        raise DataError(
            f"{row.image}: expected {_size(target[1:])} as the first image has, got {_size(picture.size)} (height x"
            " width); set the model's input.size."
        )
    masks, notes = read_masks(row, picture, regions, target=target)
    if not _same_aspect(picture.size, target[1:]):
        notes += (f"the image is stretched to the classifier's aspect, {_size(target[1:])}",)
    if picture.orientation > 1:
        notes += ("the image was turned upright by its EXIF orientation, which not every training did",)
        square = row.masks and picture.size[0] == picture.size[1]
        notes += (
            ("of a square image that was turned, nothing tells whether its mask was drawn before",) if square else ()
        )
    files = {name: hashed(path) if path is not None else None for name, path in row.masks.items()}
    shares = {
        name: float(area.mean()) if area is not None else None for name, area in {**masks, **regions.of(masks)}.items()
    }
    cut = ("values outside the range were cut",) if picture.cut else ()
    return Seen(
        picture.size,
        picture.levels,
        image,
        files,
        shares,
        (*picture.notes, *cut, *notes),
        _top(picture),
        picture.patient,
    )


def _top(picture: DecodedImage) -> float:
    """Return the largest value as a share of the format's."""
    return float(picture.values.max()) / picture.levels


def _same_aspect(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= ASPECT


def _size(size: tuple[int, ...]) -> str:
    return f"{size[0]} x {size[1]}"


def scan_notes(scan: Sequence[Seen], target: tuple[int, int, int], levels: int) -> tuple[str, ...]:
    """Return what happened to how many images."""
    counts = Counter(note for seen in scan for note in seen.notes)
    resized = sum(seen.size != target[1:] for seen in scan)
    if resized:
        counts[
            f"the image was resized to {_size(target[1:])} (bilinear with antialiasing; the mask by nearest neighbour)"
        ] = resized
    for name in (name for name in scan[0].masks if all(seen.shares[name] in (None, 1) for seen in scan)):
        counts[f"{mask_called(name)} covers the whole picture, so that no outside is left"] = sum(
            seen.shares[name] == 1 for seen in scan
        )
    top = max(seen.top for seen in scan)
    if top < _DARK:
        counts[
            f"no value is above {round(top * levels)} of {levels}; if fewer bits were used, declare the range, such as"
            f" range: [0, {2 ** max(1, round(top * levels)).bit_length() - 1}]"
        ] = len(scan)
    coarse = sum(seen.levels != levels for seen in scan)
    if coarse:
        counts["an 8-bit image is treated as 16-bit, as others of the data set are"] = coarse
    return tuple(f"{note}: {count} of {len(scan)} images" for note, count in sorted(counts.items()))
