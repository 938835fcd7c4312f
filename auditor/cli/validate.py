"""auditor validate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from auditor.cli.options import audit_file, loading

if TYPE_CHECKING:
    from auditor.precision import Precision


@click.command("validate", short_help="Check an audit file, its model, images and masks, without measuring.")
@audit_file
@loading
def command(audit: Path, device: str, precision: Precision, compile: bool, trust_code: bool, limit: int | None, only: tuple[str, ...]) -> int:
    """Load everything that AUDIT names, read every image and mask once, and say what was found.

    \b
    Example:
      auditor validate audit.yaml
    """
    from auditor.engine.prepare import prepare
    from auditor.zones import coverage

    prepared = prepare(audit, device=device, trust_code=trust_code, limit=limit, only=only, precision=precision, compile=compile)
    facts, samples = prepared.facts, prepared.samples
    size = prepared.classifier.input_shape or "of any size"
    click.echo(f"model    {prepared.classifier.name}: classes {', '.join(facts.classes)}; offers {', '.join(facts.offers)}; input {size}")
    click.echo(f"data     {len(samples)} samples of {len(set(facts.units))} units; {sum(1 for share in facts.mask_share if share)} with a mask")
    for name, shares in facts.regions.items():
        found = coverage(shares)
        size = f", median share of the area {found['median_share']:.1%}" if found["present"] else ""
        click.echo(f"zone     {name}: {found['present']} samples{size}; {found['empty']} empty, {found['full']} full, {found['missing']} without a mask")
    for name, values in facts.groups.items():
        known = sorted({value for value in values if value})
        click.echo(f"group    {name}: {', '.join(f'{value} {values.count(value)}' for value in known)}; unknown {values.count('')}")
    for note in (*prepared.classifier.notes, *samples.notes):
        click.echo(f"note     {note}")
    click.echo(f"checks   {', '.join(prepared.checks)}")
    return 0
