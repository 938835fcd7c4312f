"""auditor run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from auditor.cli.options import as_json, audit_file, exit_code, fail_on, loading

if TYPE_CHECKING:
    from auditor.models.precision import Precision


@click.command("run", short_help="Audit: measure, judge, and write both reports.")
@audit_file
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for observations, evidence, findings and reports.",
)
@loading
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Samples per forward pass; halved by itself where memory is short.",
)
@click.option(
    "--engine",
    metavar="NAME",
    default="local",
    show_default=True,
    help="Where chunks are measured: one of `auditor list engines`.",
)
@click.option("--fresh", is_flag=True, help="Drop what an earlier run wrote in --out instead of going on from there.")
@fail_on
@as_json
def command(
    audit: Path,
    out: Path,
    device: str,
    precision: Precision,
    compile: bool,
    trust_code: bool,
    limit: int | None,
    only: tuple[str, ...],
    batch_size: int,
    engine: str,
    fresh: bool,
    fail_on: str,
    as_json: bool,
) -> int:
    """Audit a classifier as AUDIT (an audit.yaml) declares it; stopped at any point, the same command goes on from
    there.

    \b
    Example:
      auditor run audit.yaml --out audit-out
      auditor run audit.yaml --out quick --limit 40 --check exposure --check reliance
    """
    from auditor.cli.progress import progress_bar
    from auditor.cli.show import show_findings
    from auditor.engine.executors import executors
    from auditor.engine.folder import refuse_foreign
    from auditor.engine.prepare import prepare
    from auditor.engine.run import Execution
    from auditor.pipeline import finish

    refuse_foreign(out)
    prepared = prepare(
        audit, device=device, trust_code=trust_code, limit=limit, only=only, precision=precision, compile=compile
    )
    with progress_bar(prepared) as progress:
        execution = Execution(executors[engine].make, batch_size)
        findings = finish(prepared, out, execution=execution, fresh=fresh, progress=progress)
    show_findings(findings, out, as_json=as_json)
    return exit_code(findings, fail_on)
