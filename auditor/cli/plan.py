"""auditor plan."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from auditor.cli.options import as_json, audit_file, loading

if TYPE_CHECKING:
    from auditor.engine.plan import Planned
    from auditor.engine.prepare import Prepared
    from auditor.models.precision import Precision


@click.command("plan", short_help="Show every trial, its passes, and the expected time.")
@audit_file
@loading
@as_json
def command(
    audit: Path,
    device: str,
    precision: Precision,
    compile: bool,
    trust_code: bool,
    limit: int | None,
    only: tuple[str, ...],
    as_json: bool,
) -> int:
    """Show what AUDIT would measure: trials, samples, forward and backward passes, and how long it may take.

    Passes are upper bounds: an attack stops as soon as a sample is fooled. The time comes from a few passes made now.

    \b
    Example:
      auditor plan audit.yaml
    """
    from auditor.engine.plan import plan
    from auditor.engine.prepare import prepare

    prepared = prepare(
        audit, device=device, trust_code=trust_code, limit=limit, only=only, precision=precision, compile=compile
    )
    planned = plan(prepared.checks, prepared.facts, prepared.samples, prepared.binding)
    forward, backward = pass_seconds(prepared)
    seconds = sum(one.forwards * forward + one.backwards * backward for one in planned)
    if as_json:
        click.echo(json.dumps({"trials": [_row(one) for one in planned], "seconds": round(seconds, 1)}, indent=1))
    else:
        _table(planned, seconds)
    return 0


def _row(planned: Planned) -> dict[str, Any]:
    reasons = sorted({why.text for why in planned.excluded.values()})
    return {
        "key": planned.key, **{name: value for name, value in planned.trial.as_dict().items() if name != "source"},
        "samples": planned.samples, "excluded": len(planned.excluded), "reasons": reasons, "forwards": planned.forwards, "backwards": planned.backwards,
    }  # fmt: skip


def _table(planned: Sequence[Planned], seconds: float) -> None:
    from auditor.cli.progress import words

    click.echo(f"{'trial':<46}{'samples':>8}{'forwards':>10}{'backwards':>10}  not measured")
    for one in planned:
        reasons = "; ".join(sorted({why.text for why in one.excluded.values()}))
        excluded = f"  {len(one.excluded)}: {reasons}" if one.excluded else ""
        click.echo(f"{words(one):<46}{one.samples:>8}{one.forwards:>10}{one.backwards:>10}{excluded}")
    forwards, backwards = sum(one.forwards for one in planned), sum(one.backwards for one in planned)
    minutes = max(1, round(seconds / 60))
    click.echo(
        f"{len(planned)} trials, at most {forwards} forward and {backwards} backward passes of one sample, at most"
        f" about {minutes} min on this machine"
    )


def pass_seconds(prepared: Prepared) -> tuple[float, float]:
    """Return how long one sample's forward and its backward pass take, measured now on as many as a
    batch would hold.
    """
    import torch

    from auditor.core.modality import modality_named
    from auditor.models.meter import Meter

    chunk = prepared.samples.load(range(min(modality_named(prepared.facts.modality).timed, len(prepared.samples))))
    n, x = len(chunk.ids), chunk.x.to(prepared.classifier.device)
    rows, meter = torch.arange(n), Meter(prepared.classifier, n, n)
    meter.logits(x, rows)
    started = time.perf_counter()
    meter.logits(x, rows)
    forward = (time.perf_counter() - started) / n
    if "gradient" not in prepared.classifier.offers:
        return forward, 0.0
    started = time.perf_counter()
    meter.gradient(x, rows, lambda logits, _: torch.ones_like(logits), rows)
    return forward, max(0.0, (time.perf_counter() - started) / n - forward)
