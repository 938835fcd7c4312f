"""auditor validate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from auditor.cli.options import audit_file, loading

if TYPE_CHECKING:
    from auditor.modalities.tables.table import Table
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
    from auditor.core.zones import coverage
    from auditor.engine.prepare import prepare

    prepared = prepare(
        audit, device=device, trust_code=trust_code, limit=limit, only=only, precision=precision, compile=compile
    )
    facts, samples = prepared.facts, prepared.samples
    table = samples.schema
    size = (f"{len(table)} columns" if table else prepared.classifier.input_shape) or "of any size"
    click.echo(
        f"model    {prepared.classifier.name}: classes {', '.join(facts.classes)}; offers {', '.join(facts.offers)};"
        f" input {size}"
    )
    marked = f"columns {_columns(table)}" if table else f"{sum(1 for share in facts.mask_share if share)} with a mask"
    click.echo(f"data     {len(samples)} samples of {len(set(facts.units))} units; {marked}")
    for name, shares in ({} if table else facts.regions).items():
        found = coverage(shares)
        size = f", median share of the area {found['median_share']:.1%}" if found["present"] else ""
        click.echo(
            f"zone     {name}: {found['present']} samples{size}; {found['empty']} empty, {found['full']} full,"
            f" {found['missing']} without a mask"
        )
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


def _columns(table: Table) -> str:
    """Return how many columns have each role."""
    from auditor.modalities.tables.table import ROLES

    counts = ((role, sum(column.role == role for column in table.columns)) for role in ROLES)
    return ", ".join(f"{count} {role}" for role, count in counts if count)
