"""Images and their masks from a manifest or from folders, read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from auditor.core.errors import DataError
from auditor.core.records import digest
from auditor.modalities.images.data.copies import copies_notes, units_of, with_patients
from auditor.modalities.images.data.decoded import HowRead
from auditor.modalities.images.data.listing import listing
from auditor.modalities.images.data.mask_files import with_readings
from auditor.modalities.images.data.pixels import AS_STORED, read_bytes, resized
from auditor.modalities.images.data.reading import MaskSource
from auditor.modalities.images.data.regions import MAIN, Regions
from auditor.modalities.images.data.scan import Seen, read_masks, read_picture, scan_notes, see
from auditor.modalities.images.masks.boxes import is_box
from auditor.samples import data
from auditor.samples.manifest import ManifestRow, label_index, label_notes
from auditor.samples.samples import Loaded, Samples

DECODERS = 2

_T = TypeVar("_T")
R = TypeVar("R")


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
    mask: str | MaskSource | None = None,
    masks: dict[str, str | MaskSource] = {},  # noqa: B006
    zones: dict[str, str] = {},  # noqa: B006
    inside: str | None = None,
    id: str | None = None,
    unit: str | None = None,
    groups: list[str] = [],  # noqa: B006
    factors: list[str] = [],  # noqa: B006
    where: dict[str, list[Any] | str | int | float] = {},  # noqa: B006
    range: tuple[float, float] | None = None,
    window: tuple[float, float] | None = None,
    frame: int | str | None = None,
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
        under the same relative paths as the images. Or, as {column, folder or file; value or threshold; slice}, where
        they lie and which labels, colours or structures in them mark what should matter.
    masks
        Further masks of each sample: name -> like `mask`. Each is a named zone, where an attack may
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
    range
        Values of the files that become 0 and 1, such as [0, 4095]; those that the file format can hold when not given.
    window
        Centre and width of the window in which DICOM images are read; the file's own when not given.
    frame
        Frame or page of the image file, counted from 0; or the column that has its number.
    """
    found = listing(
        base,
        {
            "manifest": manifest,
            "folder": folder,
            "image": image,
            "label": label,
            "mask": mask,
            "masks": masks,
            "zones": zones,
            "inside": inside,
            "id": id,
            "unit": unit,
            "groups": groups,
            "factors": factors,
            "where": where,
            "range": range,
            "window": window,
            "frame": frame,
        },
    )
    rows, listed = found.rows, found.listed
    regions, said = with_readings(rows, found.regions, listed)
    y = label_index(rows, classes, listed)
    target = _shape(shape, rows[0], found.how)
    how = found.how if shape is None else replace(found.how, target=target[1:])
    scan = _scanned(rows, target, regions, how=how)
    _refuse_empty(listed, regions, scan)
    levels = max(seen.levels for seen in scan)
    files = [seen.image for seen in scan]
    rows, patients = with_patients(rows, [seen.patient for seen in scan], declared=unit is not None)
    units = units_of(rows, files)
    notes = (*found.notes, *label_notes(rows, classes), *patients, *copies_notes(rows, files))
    further: list[Any] = [] if regions.plain else [regions.texts(), [dict(seen.masks) for seen in scan]]
    further += [asdict(found.how)] if found.how != AS_STORED else []
    further += [{name: asdict(one) for name, one in sorted(regions.readings.items())}] if said else []
    return Samples(
        ids=tuple(row.id for row in rows),
        y=y,
        units=units,
        groups={name: tuple(row.columns[name] for row in rows) for name in groups},
        factors={name: tuple(row.columns[name] for row in rows) for name in factors},
        shape=target,
        low=0.0,
        high=1.0,
        levels=levels,
        mask_share=tuple(seen.shares["inside"] for seen in scan),
        digest=digest([_content(rows, y, units, scan=scan), list(target), levels, *further]),
        loader=_Loader(rows, target, levels, regions, how),
        notes=(*notes, *said, *scan_notes(scan, target, levels)),
        regions={name: tuple(seen.shares[name] for seen in scan) for name in regions.named},
    )


@dataclass(frozen=True)
class _Loader:
    """Reads a sample again when it is asked for."""

    rows: tuple[ManifestRow, ...]
    target: tuple[int, int, int]
    levels: int
    regions: Regions
    how: HowRead

    def __call__(self, position: int) -> Loaded:
        """Return the image, its mask and its named zones at a position."""
        picture, _ = read_picture(self.rows[position], self.how)
        found = self.regions.of(read_masks(self.rows[position], picture, self.regions, target=self.target)[0])
        marked = found.pop("inside")
        whole = np.broadcast_to(np.zeros(self.target[1:], dtype=np.bool_) if marked is None else marked, self.target)
        return Loaded(
            resized(picture, self.target, self.levels),
            np.ascontiguousarray(whole),
            {name: zone for name, zone in found.items() if zone is not None},
        )


def _scanned(
    rows: Sequence[ManifestRow], target: tuple[int, int, int], regions: Regions, *, how: HowRead
) -> list[Seen]:
    """Return what is seen of every sample."""
    # one file may hold the masks of many samples, and a box stands in the manifest itself
    hashed = cache(lambda path: digest(path.name if is_box(path) else read_bytes(path)))
    return _in_order(lambda row: see(row, target, regions, how=how, hashed=hashed), rows)


def _content(
    rows: Sequence[ManifestRow], y: Sequence[int], units: Sequence[str], *, scan: Sequence[Seen]
) -> list[list[Any]]:
    """Return what the digest of the data holds of every sample."""
    return [
        [row.id, label, unit, dict(row.columns), seen.image, seen.masks.get(MAIN)]
        for row, label, unit, seen in zip(rows, y, units, scan, strict=True)
    ]


def _refuse_empty(listed: Path, regions: Regions, scan: Sequence[Seen]) -> None:
    """Refuse a mask or zone that has no pixel in the whole data set (DataError)."""
    for name, source in regions.files.items():
        if not any(seen.shares[name] for seen in scan):
            files = sum(seen.masks[name] is not None for seen in scan)
            raise DataError(
                f"{listed}: expected some pixel inside a mask ('{source.place}'), got none in all {files} mask files of"
                f" {len(scan)} samples."
            )
    for name, text in regions.texts().items():
        if not any(seen.shares[name] for seen in scan):
            there = sum(seen.shares[name] is not None for seen in scan)
            raise DataError(
                f"{listed}: expected some pixel in '{name}' ({text}), got none in the {there} of {len(scan)} samples"
                " that have its masks."
            )


def _shape(shape: tuple[int, ...] | None, first: ManifestRow, how: HowRead) -> tuple[int, int, int]:
    if shape is None:
        return read_picture(first, how)[0].values.shape
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
