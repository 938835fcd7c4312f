"""auditor init."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("init", short_help="Look at a folder or a table and write a commented audit.yaml.")
@click.argument("place", type=click.Path(path_type=Path, exists=True), default=".")
@click.option("--force", is_flag=True, help="Overwrite an audit.yaml that is already there.")
def command(place: Path, force: bool) -> int:
    """Look at PLACE and write an audit.yaml there with what was found and what to fill in.

    PLACE is a folder (weights, a manifest or one folder of images per class, masks) or a table (CSV, TSV, Parquet),
    whose column types are inferred
    and whose rules between columns are looked for; the audit.yaml is then written beside it.

    \b
    Example:
      auditor init my-study
      auditor init applicants.csv
      auditor validate my-study/audit.yaml
    """
    from auditor.config.draft import write_draft

    path, open_questions = write_draft(place, force=force)
    click.echo(path)
    for question in open_questions:
        click.echo(f"fill in: {question}", err=True)
    return 0
