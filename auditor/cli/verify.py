"""auditor verify."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from auditor.cli.options import as_json, out_folder


@click.command("verify", short_help="Check every claim of a run from its files.")
@out_folder
@click.option(
    "--audit",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Load the model that this audit file names, if it has moved since the run.",
)
@click.option("--trust-code", is_flag=True, help="Allow models that run code when loaded.")
@as_json
def command(out: Path, audit: Path | None, trust_code: bool, as_json: bool) -> int:
    """Read ledger, findings and evidence in OUT back from disk and check them; exit code 1 if anything does not hold.

    Checked are digests, that judging again gives the same findings, and for each case shown: outside its zone bit for
    bit
    equal to the original, within epsilon, and that it still flips the model.

    \b
    Example:
      auditor verify audit-out
    """
    from auditor.engine.verify import verify

    results = verify(out, audit=audit, trust_code=trust_code)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in results], indent=1))
    else:
        for one in results:
            sign = click.style("holds   ", fg="green") if one.holds else click.style("BROKEN  ", fg="red", bold=True)
            click.echo(f"{sign}{one.what}{f' ({one.why})' if one.why else ''}")
    return 0 if all(one.holds for one in results) else 1
