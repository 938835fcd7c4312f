"""auditor judge."""

from __future__ import annotations

from pathlib import Path

import click

from auditor.cli.options import exit_code, fail_on, out_folder


@click.command("judge", short_help="Judge a run again, without the model.")
@out_folder
@click.option(
    "--audit",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Take tolerances from this audit file instead of the locked ones.",
)
@fail_on
def command(out: Path, audit: Path | None, fail_on: str) -> int:
    """Judge the observations in OUT again; with --audit under its tolerances, which are then locked.

    Tolerances belong before the run: the report names the lock's digest, so that a later change shows.

    \b
    Example:
      auditor judge audit-out
      auditor judge audit-out --audit stricter.yaml
    """
    from auditor.cli.show import show_findings
    from auditor.engine.judge import judge
    from auditor.engine.lock import relock

    if audit is not None:
        relock(out, audit)
    findings = judge(out)
    show_findings(findings, out)
    return exit_code(findings, fail_on)
