"""auditor batch."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("batch", short_help="Run many audit files, past failures, with one summary.")
@click.argument("audits", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder that gets one folder per audit file, summary.csv and index.html.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Audits at a time, each in its own process.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="TEXT",
    help="Option passed on to every `auditor run`, such as --option='--limit=40'.",
)
def command(audits: tuple[str, ...], out: Path, jobs: int, options: tuple[str, ...]) -> int:
    """Run every audit file that AUDITS name (paths or glob patterns) and go on past those that fail.

    The exit code is the worst of all audits: 130, then 70, 4, 2, 1, 3, 0.

    \b
    Example:
      auditor batch 'models/*/audit.yaml' --out audits --jobs 2
      auditor batch a.yaml b.yaml --out audits --option=--limit=40
    """
    from auditor.batch import found_audits, run_batch

    results = run_batch(
        found_audits(audits), out, jobs=jobs, options=options, done=lambda one: click.echo(one.line(), err=True)
    )
    click.echo(f"{'audit':<40}{'exit':>5}  {'fail':>4} {'open':>4} {'pass':>4}  message")
    for one in results:
        click.echo(
            f"{one.name:<40}{one.code:>5}  {one.counts['fail']:>4} {one.counts['open']:>4} {one.counts['pass']:>4} "
            f" {one.message}"
        )
    click.echo(f"summary      {out / 'index.html'}")
    return max((one.code for one in results), key=(0, 3, 1, 2, 4, 70, 130).index)
