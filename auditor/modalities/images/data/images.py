"""Images and their masks from a manifest or from folders, read when asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from auditor.core.errors import DataError
from auditor.core.records import digest
from auditor.modalities.images.data.pixels import Picture, decode, fitted, fitted_mask, read_bytes, turned
from auditor.modalities.images.data.regions import MAIN, Regions, declare
from auditor.modalities.images.masks import Mask, endings
from auditor.modalities.images.masks import read as read_mask
from auditor.samples import data
from auditor.samples.manifest import Columns, ManifestRow, check_ids, from_folder, from_manifest, label_index
from auditor.samples.samples import Loaded, Samples

ASPECT = 0.01
"""Largest relative difference of two aspects that count as the same."""
DECODERS = 2

_T = TypeVar("_T")
R = TypeVar("R")


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


@data.register("images")
def images(
    base: Path,
    classes: tuple[str, ...],
    shape: tuple[int, ...] | None,
    *,
    manifest: str | None = None,
    folder: str | None = None,
    image: str = "path",
    label: str = "label",
    mask: str | None = None,
    masks: dict[str, str] = {},  # noqa: B006
    zones: dict[str, str] = {},  # noqa: B006
    inside: str | None = None,
    id: str | None = None,
    unit: str | None = None,
    groups: list[str] = [],  # noqa: B006
    factors: list[str] = [],  # noqa: B006
    where: dict[str, list[Any] | str | int | float] = {},  # noqa: B006
) -> Samples:
    """Images (PNG, JPEG, TIFF, BMP; 8 or 16 bit) with masks, from a manifest or from one folder per class.

    Every file is read once here: decoded, hashed, its mask measured; later each is read again when it is asked for.
    Values
    are k / 255, or k / 65535 for the whole data set as soon as one image has 16 bits. An image is turned upright by its
    EXIF
    orientation; a mask is taken as upright, unless it has the size that the image has before turning and not the one
    after.

    Parameters
    ----------
    base
        Folder that `manifest`, `folder` and a folder of masks are relative to.
    classes
        Names of the classifier's classes.
    shape
        (channels, height, width) of the classifier's input; None takes the first image's, which all others must share.
    manifest
        CSV, TSV or Parquet file with one row per image; paths in it are relative to its own folder.
    folder
        Folder with one folder of images per class.
    image
        Column with the path of the image file.
    label
        Column with the class, by name or by its number from 0.
    id
        Column with a name for each sample; the image's path without its ending when not given.
    unit
        Column that says which samples belong together, such as those of one patient.
    mask
        Column with the path of the mask file, empty where there is none; with `folder`, the folder that holds the masks
        under the same relative paths as the images.
    masks
        Further masks of each sample: name -> column, or folder, like `mask`. Each is a named zone, where an attack may
        be asked to write;
        a sample without a file has no such zone.
    zones
        Further named zones: name -> expression over the names of masks, in which `mask` is the main one, such as `not
        organ` or `organ - mask`.
        They are taken as they are, without a guard band, and are missing where one of their masks is.
    inside
        Expression that takes the main mask's place: all that may rightly matter, such as `mask | organ`.
    groups
        Columns by which samples are compared.
    factors
        Columns that say how a sample was acquired (site, scanner, marker): what reliance tests beside the class.
    where
        Column -> values to keep, compared as text.
    """
    regions = declare(mask, masks, zones, inside=inside)
    rows, listed = _rows(
        base,
        manifest,
        folder,
        columns=Columns(image, label, regions.files, id, unit, tuple(groups), tuple(factors)),
        where=where,
    )
    check_ids(rows, listed)
    y = label_index(rows, classes, listed)
    target = _shape(shape, rows[0])
    hashed = cache(lambda path: digest(read_bytes(path)))  # one file may hold the masks of many samples
    scan = _in_order(lambda row: _see(row, target, regions, hashed=hashed, free=shape is None), rows)
    _refuse_empty(listed, regions, scan)
    levels = max(seen.levels for seen in scan)
    known = [
        [row.id, label, row.unit, dict(row.columns), seen.image, seen.masks.get(MAIN)]
        for row, label, seen in zip(rows, y, scan, strict=True)
    ]
    further = [] if regions.plain else [regions.texts(), [dict(seen.masks) for seen in scan]]

    def load(position: int) -> Loaded:
        picture, _ = _picture(rows[position])
        found = regions.of(_masks(rows[position], picture, target)[0])
        marked = found.pop("inside")
        whole = np.broadcast_to(np.zeros(target[1:], dtype=np.bool_) if marked is None else marked, target)
        return Loaded(
            fitted(picture, target, levels),
            np.ascontiguousarray(whole),
            {name: zone for name, zone in found.items() if zone is not None},
        )

    return Samples(
        ids=tuple(row.id for row in rows),
        y=y,
        units=tuple(row.unit for row in rows),
        groups={name: tuple(row.columns[name] for row in rows) for name in groups},
        factors={name: tuple(row.columns[name] for row in rows) for name in factors},
        shape=target,
        low=0.0,
        high=1.0,
        levels=levels,
        mask_share=tuple(seen.shares["inside"] for seen in scan),
        digest=digest([known, list(target), levels, *further]),
        loader=load,
        notes=_notes(scan, target, levels),
        regions={name: tuple(seen.shares[name] for seen in scan) for name in regions.named},
    )


def _rows(
    base: Path, manifest: str | None, folder: str | None, *, columns: Columns, where: dict[str, Any]
) -> tuple[list[ManifestRow], Path]:
    """Return the rows and what lists them."""
    if (manifest is None) == (folder is None):
        raise DataError(f"data: expected either `manifest` or `folder`, got {'both' if manifest else 'neither'}.")
    if manifest is not None:
        return from_manifest(base / manifest, columns, where), base / manifest
    for key, value in (
        ("where", where),
        ("groups", columns.groups),
        ("factors", columns.factors),
        ("unit", columns.unit),
        ("id", columns.id),
    ):
        if value:
            raise DataError(f"data: `{key}` needs the columns of a `manifest`, got `folder`.")
    places = {name: base / place for name, place in columns.masks.items()}
    return from_folder(base / str(folder), places, endings()), base / str(folder)


def _refuse_empty(listed: Path, regions: Regions, scan: Sequence[Seen]) -> None:
    """Refuse a mask or zone that has no pixel in the whole data set (DataError)."""
    for name, column in regions.files.items():
        if not any(seen.shares[name] for seen in scan):
            files = sum(seen.masks[name] is not None for seen in scan)
            raise DataError(
                f"{listed}: expected some pixel inside a mask ('{column}'), got none in all {files} mask files of"
                f" {len(scan)} samples."
            )
    for name, text in regions.texts().items():
        if not any(seen.shares[name] for seen in scan):
            there = sum(seen.shares[name] is not None for seen in scan)
            raise DataError(
                f"{listed}: expected some pixel in '{name}' ({text}), got none in the {there} of {len(scan)} samples"
                " that have its masks."
            )


def _shape(shape: tuple[int, ...] | None, first: ManifestRow) -> tuple[int, int, int]:
    if shape is None:
        return _picture(first)[0].values.shape
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise DataError(f"data: images fit a classifier whose input is (1 or 3 channels, height, width), got {shape}.")
    return (shape[0], shape[1], shape[2])


def _in_order(function: Callable[[_T], R], items: Iterable[_T]) -> list[R]:
    """Return the function of every item, two at a time; after an error no further item is begun."""
    with ThreadPoolExecutor(DECODERS) as pool:
        try:
            return list(pool.map(function, items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _picture(row: ManifestRow) -> tuple[Picture, str]:
    """Return a sample's image and its file's SHA-256."""
    content = read_bytes(row.image)
    return decode(content, row.image), digest(content)


def _masks(
    row: ManifestRow, picture: Picture, target: tuple[int, int, int]
) -> tuple[dict[str, Mask | None], tuple[str, ...]]:
    """Return a sample's masks by name at the classifier's size, None where it has no file, and notes."""
    found: dict[str, Mask | None] = {}
    notes: tuple[str, ...] = ()
    for name, path in row.masks.items():
        if path is None:
            found[name] = None
        else:
            mask, moved = _upright(read_mask(path, sample=row.id, size=picture.size), picture)
            if not _same_aspect(mask.shape, picture.size):
                raise DataError(
                    f"{path}: expected a mask of its image's size ({_size(picture.size)}, height x width) or aspect,"
                    f" got {_size(mask.shape)}."
                )
            found[name] = small = fitted_mask(mask, target[1:])
            called = "the mask" if name == MAIN else f"the mask '{name}'"
            gone = mask.any() and not small.any()
            notes += (f"{called} was turned as the image was",) if moved else ()
            notes += (f"{called} has no pixel left at the classifier's size and counts as empty",) if gone else ()
    return found, notes


def _upright(mask: Mask, picture: Picture) -> tuple[Mask, bool]:
    """Return a mask turned as its image was, and whether that was needed: it has the size from before and not the one
    after.
    """
    before = picture.size[::-1] if picture.turned_sideways else picture.size
    needed = mask.shape != picture.size and mask.shape == before
    return (turned(mask, picture.orientation) if needed else mask), needed


def _see(
    row: ManifestRow, target: tuple[int, int, int], regions: Regions, *, hashed: Callable[[Path], str], free: bool
) -> Seen:
    picture, image = _picture(row)
    if free and picture.size != target[1:]:
        raise DataError(
            f"{row.image}: expected {_size(target[1:])} as the first image has, got {_size(picture.size)} (height x"
            " width); set the model's input.size."
        )
    masks, notes = _masks(row, picture, target)
    if not _same_aspect(picture.size, target[1:]):
        notes += (f"the image is stretched to the classifier's aspect, {_size(target[1:])}",)
    files = {name: hashed(path) if path is not None else None for name, path in row.masks.items()}
    shares = {
        name: float(area.mean()) if area is not None else None for name, area in {**masks, **regions.of(masks)}.items()
    }
    return Seen(picture.size, picture.levels, image, files, shares, (*picture.notes, *notes))


def _same_aspect(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= ASPECT


def _size(size: tuple[int, ...]) -> str:
    return f"{size[0]} x {size[1]}"


def _notes(scan: Sequence[Seen], target: tuple[int, int, int], levels: int) -> tuple[str, ...]:
    """Return what happened to how many images."""
    counts = Counter(note for seen in scan for note in seen.notes)
    resized = sum(seen.size != target[1:] for seen in scan)
    if resized:
        counts[
            f"the image was resized to {_size(target[1:])} (bilinear with antialiasing; the mask by nearest neighbour)"
        ] = resized
    coarse = sum(seen.levels != levels for seen in scan)
    if coarse:
        counts["an 8-bit image is treated as 16-bit, as others of the data set are"] = coarse
    return tuple(f"{note}: {count} of {len(scan)} images" for note, count in sorted(counts.items()))
