"""auditor masks: drawing masks, looking at them, and writing them for other tools."""

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


@click.group("masks", short_help="Draw masks, look at them, and write them for other tools.")
def masks_command() -> None:
    """Draw the masks of an audit file, look at them, or write them in another format; the model is not needed.

    \b
    Example:
      auditor masks draw audit.yaml
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
def show_masks(audit: Path, out: Path, limit: int) -> int:
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
def convert_command(audit: Path, format: str, out: Path) -> int:
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


@masks_command.command("draw", short_help="Open a page on which masks are drawn.")
@_audit
@click.option(
    "--mask",
    "names",
    multiple=True,
    default=("lesion",),
    show_default=True,
    help="Name of a mask to draw; may be repeated, the main one first.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page; any free one by default.")
@click.option("--no-browser", is_flag=True, help="Print the address only.")
def draw_masks(audit: Path, names: tuple[str, ...], port: int, *, no_browser: bool) -> int:
    """Open a page on this machine on which the masks of AUDIT are drawn; every stroke is saved at once, as PNG files in
    the folder masks/NAME beside AUDIT.

    The page is for this machine alone and needs no network. Ctrl-C ends it.

    \b
    Example:
      auditor masks draw audit.yaml
      auditor masks draw audit.yaml --mask lesion --mask organ
    """
    import webbrowser

    from auditor.modalities.images.drawing.server import DrawingServer
    from auditor.modalities.images.drawing.study import DrawingStudy

    study = DrawingStudy(_listed(audit), audit.parent, tuple(dict.fromkeys(names)))
    try:
        server = DrawingServer(study, port)
    except OSError as error:
        raise click.ClickException(
            f"port {port}: expected a free port, got: {error.strerror}; leave --port out."
        ) from None
    click.echo(f"open     {server.link}")
    click.echo("Ctrl-C ends; every stroke is saved at once")
    if not no_browser:
        webbrowser.open(server.link)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    click.echo(f"saved    {server.saved} times, below {audit.parent / 'masks'}; write into the audit file:")
    click.echo(study.advice())
    return 0
