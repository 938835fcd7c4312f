"""auditor masks: looking at masks, and writing them for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from auditor.modalities.images.data.listing import Listing

_audit = click.argument("audit", type=click.Path(path_type=Path, dir_okay=False))


def _listed(audit: Path) -> Listing:
    """Return what an audit file of images lists; its model is not loaded (AuditorError: it cannot be used)."""
    from auditor.config.config import load_audit
    from auditor.core.errors import ConfigError
    from auditor.modalities.images import MODALITY
    from auditor.modalities.images.data.listing import listing
    from auditor.samples import data

    declared = dict(load_audit(audit).data)
    source = declared.pop("source", MODALITY.sources[0])
    if source not in MODALITY.sources:
        raise ConfigError(f"{audit}: expected data of images, which alone have masks, got the source '{source}'.")
    return listing(audit.parent, data.bind(source, declared))


@click.group("masks", short_help="Look at masks, and write them for other tools.")
def masks_command() -> None:
    """Look at the masks of an audit file, or write them in another format; the model is not needed.

    \b
    Example:
      auditor masks show audit.yaml
      auditor masks convert audit.yaml geojson --out for-qupath
    """


@masks_command.command("show", short_help="Write a page with every mask over its image.")
@_audit
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("masks.html"),
    show_default=True,
    help="The page to write.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=200, show_default=True, help="Show at most so many samples."
)
def show(audit: Path, out: Path, limit: int) -> int:
    """Write a page with the masks of AUDIT over their images, how much each covers, and what was not understood.

    The page holds the images themselves. The exit code is 2 if something was not understood.

    \b
    Example:
      auditor masks show audit.yaml --out masks.html
    """
    from auditor.modalities.images.sheet import sheet

    page = sheet(_listed(audit), most=limit)
    out.write_text(page.html(), encoding="utf-8")
    for name, said in page.coverage():
        click.echo(f"{name:<9}{said}")
    for note in page.notes:
        click.echo(f"note     {note}")
    wrong = [f"sample '{one.id}': {one.wrong}" for one in page.shown if one.wrong]
    for said in [page.asked] * bool(page.asked) + wrong[:10] + [f"and {len(wrong) - 10} more"] * (len(wrong) > 10):
        click.echo(f"Error: {said}", err=True)
    click.echo(f"written  {out}")
    return 2 if page.asked or wrong else 0


@masks_command.command("convert", short_help="Write the masks in another format.")
@_audit
@click.argument("format", metavar="FORMAT")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("masks-out"),
    show_default=True,
    help="Folder for the mask files; it must be empty or new.",
)
def convert(audit: Path, format: str, out: Path) -> int:
    """Write the masks of AUDIT, as the audit would read them, in FORMAT: picture, npy, geojson, labelme, coco, cvat,
    imagej, nifti, nrrd, dicom-seg or dicom-rt.

    Files are called by the ids of the samples; coco and cvat have one file for all.

    \b
    Example:
      auditor masks convert audit.yaml geojson --out for-qupath
    """
    from auditor.modalities.images.convert.study import convert_masks

    for line in convert_masks(_listed(audit), format, out):
        click.echo(line)
    return 0
