"""All masks of a study -> the files of another tool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from auditor.core.errors import DataError, nearest
from auditor.modalities.images.convert.marked import Marked
from auditor.modalities.images.convert.writers import WRITERS
from auditor.modalities.images.data.listing import Listing
from auditor.modalities.images.data.mask_files import file_names, with_readings
from auditor.modalities.images.data.scan import masks_of, read_picture


def convert_masks(found: Listing, format: str, folder: Path) -> Iterator[str]:
    """Write the masks of a study in a format and yield what is to be said of it (DataError: an unknown format, a folder
    that holds files, masks that it cannot hold).
    """
    if format not in WRITERS:
        raise DataError(f"masks convert: expected a format, got '{format}'; {nearest(format, WRITERS)}")
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder}: expected a new or empty folder, so that nothing of yours is overwritten.")
    regions, notes = with_readings(found.rows, found.regions, found.listed)
    samples, names = [], file_names([row.id for row in found.rows])
    for row in found.rows:
        masks, _ = masks_of(row, read_picture(row, found.how)[0], regions)
        drawn = {name: mask for name, mask in masks.items() if mask is not None}
        if len({mask.shape for mask in drawn.values()}) > 1:
            raise DataError(f"sample '{row.id}': expected masks of one size to write them together, got several.")
        if drawn:
            samples.append(Marked(names[row.id], row.image, drawn))
    if not samples:
        raise DataError(f"{found.listed}: expected masks to write, got none.")
    folder.mkdir(parents=True, exist_ok=True)
    files = WRITERS[format](folder, samples)
    yield from (f"note     {note}" for note in notes)
    yield f"written  {len(files)} files of {len(samples)} samples in {folder}"
