"""What an audit file lists: the images with their mask files, before any of them is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.core.errors import DataError
from auditor.modalities.images.data.decoded import HowRead
from auditor.modalities.images.data.mask_files import mask_columns, placed, sources_of
from auditor.modalities.images.data.regions import Regions, declare
from auditor.modalities.images.masks import endings
from auditor.samples.manifest import Columns, ManifestRow, check_ids, from_folder, from_manifest


@dataclass(frozen=True)
class Listing:
    """The samples of a study of images."""

    rows: tuple[ManifestRow, ...]
    regions: Regions
    """The masks and zones that are declared; how the masks are read is not known yet."""
    listed: Path
    """The manifest, or the folder of images."""
    how: HowRead
    """How the images are read."""
    notes: tuple[str, ...] = ()
    """What was taken for granted in reading it."""


def listing(base: Path, settings: Mapping[str, Any]) -> Listing:
    """Return what is listed by the complete settings of the source `images`; paths are relative to `base` (DataError:
    they cannot be used).
    """
    manifest, folder = settings["manifest"], settings["folder"]
    if (manifest is None) == (folder is None):
        raise DataError(f"data: expected either `manifest` or `folder`, got {'both' if manifest else 'neither'}.")
    listed = base / (folder if manifest is None else manifest)
    sources = sources_of(settings["mask"], settings["masks"], listed=manifest is not None)
    regions = declare(*sources, settings["zones"], inside=settings["inside"])
    files, slices = mask_columns(regions, listed=manifest is not None)
    how = _how(settings)
    notes: tuple[str, ...] = ()
    if manifest is None:
        _refuse_columns(settings)
        rows = from_folder(listed, {name: base / place for name, place in files.items()}, endings())
    else:
        image, label, id, unit = (settings[name] for name in ("image", "label", "id", "unit"))
        groups, factors = (tuple(settings[name]) for name in ("groups", "factors"))
        columns = Columns(
            image, label, files, id, unit, groups, factors, (*slices, *([how.column] if how.column else []))
        )
        rows, notes = from_manifest(listed, columns, settings["where"])
    if how.range is not None:
        notes += (f"values from {how.range[0]:g} to {how.range[1]:g} of the files become 0 to 1",)
    check_ids(rows, listed)
    return Listing(tuple(placed(rows, regions.files, base)), regions, listed, how, notes)


def _how(settings: Mapping[str, Any]) -> HowRead:
    """Return how the images are to be read (DataError: a range that does not grow, a window without width)."""
    range, window, frame = (settings.get(name) for name in ("range", "window", "frame"))
    if range is not None and not range[0] < range[1]:
        raise DataError(f"'data.range': expected the smallest and the largest value, got {list(range)}.")
    if window is not None and window[1] < 1:
        raise DataError(f"'data.window': expected a centre and a width of at least 1, got {list(window)}.")
    if isinstance(frame, str):
        return HowRead(range, window, column=frame)
    return HowRead(range, window, frame)


def _refuse_columns(settings: Mapping[str, Any]) -> None:
    """Refuse the columns of a manifest where there is none (DataError)."""
    for key in ("where", "groups", "factors", "unit", "id"):
        if settings[key]:
            raise DataError(f"data: `{key}` needs the columns of a `manifest`, got `folder`.")
