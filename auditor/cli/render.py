"""auditor render."""

from __future__ import annotations

from pathlib import Path

import click

from auditor.cli.options import out_folder


@click.command("render", short_help="Render the reports again from findings.json.")
@out_folder
@click.option("--pdf/--no-pdf", default=True, show_default=True, help="Whether to write the PDF too.")
def command(out: Path, pdf: bool) -> int:
    """Write report.html, report.pdf and junit.xml from the findings and the evidence in OUT, without the model.

    \b
    Example:
      auditor render audit-out
    """
    from auditor.report.render import render

    for path in render(out, pdf=pdf):
        click.echo(path)
    return 0
