"""auditor validate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from auditor.cli.options import audit_file, loading

if TYPE_CHECKING:
    from auditor.models.precision import Precision

MOST_VALUES = 20
"""Values of a group that are listed."""


@click.command("validate", short_help="Check an audit file, its model and data, without measuring.")
@audit_file
@loading
def command(
    audit: Path,
    device: str,
    precision: Precision,
    compile: bool,
    trust_code: bool,
    limit: int | None,
    only: tuple[str, ...],
) -> int:
    """Load everything that AUDIT names, read every image, mask or row once, and say what was found.

    \b
    Example:
      auditor validate audit.yaml
    """
    from auditor.engine.prepare import prepare
    from auditor.engine.stages import measuring

    prepared = prepare(
        audit, device=device, trust_code=trust_code, limit=limit, only=only, precision=precision, compile=compile
    )
    facts, samples = prepared.facts, prepared.samples
    said = measuring(facts.modality).summary(prepared)
    click.echo(
        f"model    {prepared.classifier.name}: classes {', '.join(facts.classes)}; offers {', '.join(facts.offers)};"
        f" input {said.size}"
    )
    click.echo(f"data     {len(samples)} samples of {len(set(facts.units))} units; {said.marked}")
    for about, line in said.lines:
        click.echo(f"{about:<9}{line}")
    for name, values in facts.groups.items():
        known = sorted({value for value in values if value})
        counts = [f"{value} {values.count(value)}" for value in known[:MOST_VALUES]] + [
            f"and {len(known) - MOST_VALUES} more"
        ] * (len(known) > MOST_VALUES)
        click.echo(f"group    {name}: {', '.join(counts)}; unknown {values.count('')}")
    for note in (*prepared.classifier.notes, *samples.notes):
        click.echo(f"note     {note}")
    click.echo(f"checks   {', '.join(prepared.checks)}")
    return 0
