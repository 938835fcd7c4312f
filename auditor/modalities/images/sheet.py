"""The masks of a study over its images, on one page: what the expert looks at before an audit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from auditor.core.errors import DataError
from auditor.core.zones import Mask
from auditor.modalities.images.data.decoded import DecodedImage
from auditor.modalities.images.data.listing import Listing
from auditor.modalities.images.data.mask_files import with_readings
from auditor.modalities.images.data.pixels import fitted_mask
from auditor.modalities.images.data.regions import Regions
from auditor.modalities.images.data.scan import masks_of, read_picture, wanted_of
from auditor.modalities.images.masks import open_mask
from auditor.modalities.images.masks.content import Outlined, Wanted
from auditor.modalities.images.report.pictures import encode, rgb, rim
from auditor.report.render import environment_of
from auditor.report.templates import templates_dir
from auditor.samples.manifest import ManifestRow
from auditor.samples.samples import Samples

SIDE = 300
"""Longest side of a picture in pixels."""
MASK_COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167))
"""Okabe and Ito (2008), told apart by colour-blind readers too; they repeat where there are more masks."""
_VEIL = 0.35
"""How much of the colour lies over a marked region."""


@dataclass(frozen=True)
class ShownSample:
    """One sample on the page."""

    id: str
    label: str
    picture: str
    """Data address; empty where the image could not be read."""
    said: tuple[str, ...]
    """How much each mask covers, or that there is none."""
    wrong: str = ""
    """Why the sample cannot be used; empty where it can."""


@dataclass
class ContactSheet:
    """The page: what holds for all masks, and every sample."""

    listed: Path
    legend: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """What is drawn -> its colour."""
    notes: tuple[str, ...] = ()
    asked: str = ""
    """What the audit file leaves open; the files are then shown as they are."""
    shown: list[ShownSample] = field(default_factory=list)
    shares: dict[str, list[float]] = field(default_factory=dict)
    """Name of a mask -> share of the picture, of every sample that has one."""

    def colour(self, name: str) -> tuple[int, int, int]:
        """Return the colour of what has a name, the same on the whole page."""
        return self.legend.setdefault(name, MASK_COLOURS[len(self.legend) % len(MASK_COLOURS)])

    def html(self) -> str:
        """Return the page."""
        template = environment_of(templates_dir()).get_template("images/masks.html")
        return template.render(
            sheet=self, coverage=dict(self.coverage()), wrong=[one for one in self.shown if one.wrong]
        )

    def coverage(self) -> Iterator[tuple[str, str]]:
        """Yield how many samples each mask marks, and how much of them."""
        for name, shares in self.shares.items():
            yield name, covered(shares, len(self.shown))


def covered(shares: Sequence[float | None], samples: int) -> str:
    """Return in words how many samples have a mask and how much of the picture it covers."""
    known = [share for share in shares if share is not None]
    drawn = [share for share in known if share]
    if not drawn:
        return f"no sample of {samples} is marked"
    empty = f", {len(known) - len(drawn)} are empty" if len(known) > len(drawn) else ""
    least, most = min(drawn), max(drawn)
    return (
        f"{len(drawn)} of {samples} samples are marked{empty}; the mask covers {median(drawn):.1%} of the picture in"
        f" the median ({least:.1%} to {most:.1%})"
    )


def sheet(found: Listing, *, most: int) -> ContactSheet:
    """Return the page of the first `most` samples of a study; what cannot be read is named, not raised."""
    page, regions = ContactSheet(found.listed), None
    try:
        regions, page.notes = with_readings(found.rows, found.regions, found.listed)
    except DataError as error:
        page.asked = str(error)
    for row in found.rows[:most]:
        page.shown.append(_shown(page, row, regions, found=found))
    return page


def _shown(page: ContactSheet, row: ManifestRow, regions: Regions | None, *, found: Listing) -> ShownSample:
    try:
        picture, _ = read_picture(row, found.how)
    except DataError as error:
        return ShownSample(row.id, row.label, "", (), str(error))
    try:
        masks = masks_of(row, picture, regions)[0] if regions else dict(_contents(row, picture, found.regions))
    except DataError as error:
        return ShownSample(row.id, row.label, encode(overlay(picture.values / picture.levels, {})), (), str(error))
    said = []
    for name, mask in masks.items():
        share = None if mask is None else float(mask.mean())
        page.shares.setdefault(name, []).extend([] if share is None else [share])
        said.append(f"{name}: {'no mask' if share is None else 'empty' if not share else f'{share:.1%}'}")
    drawn = {page.colour(name): mask for name, mask in masks.items() if mask is not None}
    return ShownSample(row.id, row.label, encode(overlay(picture.values / picture.levels, drawn)), tuple(said))


def _contents(row: ManifestRow, picture: DecodedImage, declared: Regions) -> Iterator[tuple[str, Mask | None]]:
    """Yield everything that the mask files of a sample hold, where it is not known what of it is meant."""
    for name, path in row.masks.items():
        if path is None:
            continue
        wanted = wanted_of(row, picture.size, declared.files[name])
        for part, mask in _parts(path, wanted):
            yield f"{name} {part}", mask


def _parts(path: Path, wanted: Wanted) -> Iterator[tuple[str, Mask]]:
    content = open_mask(path, wanted)
    if isinstance(content, Outlined):
        yield from ((name or "without a name", content.mask([name], wanted, path)) for name in content.names)
        return
    values = np.unique(content.values)
    for value in values[values != 0][: len(MASK_COLOURS)]:
        yield f"#{int(value):06x}" if content.colours else f"{value:g}", np.asarray(content.values == value)


def overlay(values: NDArray[np.floating[Any]], masks: Mapping[tuple[int, int, int], Mask]) -> NDArray[np.uint8]:
    """Return an image (1 or 3, height, width) in [0, 1] as a picture (height, width, 3) of at most SIDE pixels, with
    masks over it by their colours.
    """
    size = values.shape[1:]
    scale = min(1.0, SIDE / max(size))
    height, width = (max(1, round(side * scale)) for side in size)
    picture = rgb(np.asarray(values[0] if len(values) == 1 else values.transpose(1, 2, 0), np.float64))
    drawn = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX)).astype(np.float64)
    for colour, mask in masks.items():
        inside = fitted_mask(mask, (height, width))
        drawn[inside] = (1 - _VEIL) * drawn[inside] + _VEIL * np.array(colour, float)
        drawn[rim(inside)] = colour
    return np.rint(drawn).astype(np.uint8)


def write_example(samples: Samples) -> Path | None:
    """Write the sample whose mask is of median size, as the classifier is given it, with its mask over it, into a new
    folder for temporary files and return its path; None where no sample has a mask.
    """
    drawn = sorted((share, place) for place, share in enumerate(samples.mask_share) if share)
    if not drawn:
        return None
    chunk = samples.load([drawn[len(drawn) // 2][1]])
    file = Path(tempfile.mkdtemp(prefix="auditor-")) / "mask-example.png"
    Image.fromarray(overlay(chunk.x[0].numpy(), {MASK_COLOURS[0]: chunk.inside[0, 0].numpy()})).save(file)
    return file
