"""auditor judge."""

from __future__ import annotations

from pathlib import Path

import click

from auditor.cli.options import exit_code, fail_on, out_folder


@click.command("judge", short_help="Judge a run again and render its reports, without the model.")
@out_folder
@click.option(
    "--audit",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Take tolerances from this audit file instead of the locked ones.",
)
@click.option("--pdf/--no-pdf", default=True, show_default=True, help="Whether to write the PDF too.")
@fail_on
def command(out: Path, audit: Path | None, pdf: bool, fail_on: str) -> int:
    """Judge the observations in OUT again and render the reports; with --audit under its tolerances, which are then
    locked.

    Where AUDIT asks for something that was not measured, nothing is overwritten. Tolerances belong before the run: the
    report names the
    lock's digest, so that a later change shows.

    \b
    Example:
      auditor judge audit-out
      auditor judge audit-out --audit stricter.yaml
    """
    from auditor.cli.show import show_findings
    from auditor.core.errors import PdfError
    from auditor.engine.judge import judge
    from auditor.report.render import render

    findings = judge(out, audit)
    try:
        render(out, pdf=pdf)
    except PdfError as error:
        click.echo(f"No PDF: {error}", err=True)
    show_findings(findings, out)
    return exit_code(findings, fail_on)
