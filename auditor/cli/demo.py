"""auditor demo."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from auditor.core.modality import modalities

DEMONSTRATIONS = {
    name: f"{modality.home}.{place}"
    for modality in modalities().values()
    for name, place in modality.demonstrations.items()
}
"""Demonstration -> 'module:function' that writes it."""


@click.command("demo", short_help="Audit the embedded demonstration and show where the reports are.")
@click.argument("which", type=click.Choice(list(DEMONSTRATIONS)), default=next(iter(DEMONSTRATIONS)))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for images, audit files and reports.",
)
@click.option("--fresh", is_flag=True, help="Drop what an earlier run wrote in --out instead of going on from there.")
def command(which: str, out: Path, fresh: bool) -> int:
    """Write made-up data and classifiers to a folder, audit each, and lay their answers side by side.

    image: one classifier learned the lesion's outline, the other a marker in the corner; both can be tricked through
    the background, only one
    relies on it. hiring: three models of one table of applicants; one is fair, one reads sex from the club, one can be
    flipped by the channel of
    the application. The exit code is 0 when the audits ran, whatever they found.

    \b
    Example:
      auditor demo image --out demo-out
      auditor demo hiring --out demo-hiring
    """
    from auditor.batch import run_batch
    from auditor.cli.show import show_side_by_side
    from auditor.engine.judge import read_findings

    module, _, function = DEMONSTRATIONS[which].partition(":")
    audits: dict[str, Path] = getattr(import_module(module), function)(out)
    click.echo(f"auditing {len(audits)} classifiers; this takes a minute or two", err=True)
    options = ("--fresh",) if fresh else ()
    outcomes = run_batch(
        list(audits.values()),
        out / "reports",
        jobs=len(audits),
        options=options,
        done=lambda one: click.echo(one.line(), err=True),
    )
    broken = [one for one in outcomes if one.message]
    if broken:
        click.echo(f"{broken[0].name}: {broken[0].message}", err=True)
        return broken[0].code
    results = {name: read_findings(one.folder)[1] for name, one in zip(audits, outcomes, strict=True)}
    show_side_by_side(results)
    click.echo(f"side by side: {out / 'reports' / 'index.html'}")
    for one in outcomes:
        click.echo(f"report:       {one.folder / 'report.html'} (and report.pdf)")
    return 0
