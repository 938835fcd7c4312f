"""auditor demo."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("demo", short_help="Audit the embedded demonstration and show where the reports are.")
@click.argument("which", type=click.Choice(["image"]), default="image")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("demo-out"), show_default=True, help="Folder for images, audit files and reports."
)
@click.option("--fresh", is_flag=True, help="Drop what --out already holds instead of going on from there.")
def command(which: str, out: Path, fresh: bool) -> int:
    """Write phantom images and two classifiers to a folder, audit both, and lay their answers side by side.

    One classifier learned the lesion's outline, the other learned a marker in the corner. Both can be tricked through the
    background; only one relies on it. The exit code is 0 when the audits ran, whatever they found.

    \b
    Example:
      auditor demo image --out demo-out
    """
    from auditor.cli.progress import progress_bar
    from auditor.cli.show import show_side_by_side
    from auditor.demo.image import write_image_demo
    from auditor.engine.plan import plan
    from auditor.engine.prepare import prepare
    from auditor.pipeline import finish

    results = {}
    for name, audit in write_image_demo(out).items():
        click.echo(f"auditing the classifier '{name}'", err=True)
        prepared = prepare(audit)
        with progress_bar(plan(prepared.checks, prepared.facts, prepared.samples, prepared.binding)) as progress:
            results[name] = finish(prepared, out / f"report-{name}", fresh=fresh, progress=progress)
    show_side_by_side(results, out)
    return 0
