"""auditor init."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("init", short_help="Look at a folder and write a commented audit.yaml.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True), default=".")
@click.option("--force", is_flag=True, help="Overwrite an audit.yaml that is already there.")
def command(folder: Path, force: bool) -> int:
    """Look at FOLDER (weights, a manifest or one folder per class, masks) and write FOLDER/audit.yaml with what was found and what to fill in.

    \b
    Example:
      auditor init my-study
      auditor validate my-study/audit.yaml
    """
    from auditor.draft import write_draft

    path, open_questions = write_draft(folder, force=force)
    click.echo(path)
    for question in open_questions:
        click.echo(f"fill in: {question}", err=True)
    return 0
