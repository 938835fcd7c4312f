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
    from auditor.engine.expect import Expected, Forecast
    from auditor.engine.plan import Planned
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
    """Show what AUDIT would measure: trials, samples, passes of the classifier, and how long it will take.

    An attack stops as soon as a sample is fooled, so that most trials use far less than the most they may. What is
    expected here are the passes
    that such trials have used in earlier audits, times what a pass takes on this machine, measured now; the range is
    that of most classifiers.

    \b
    Example:
      auditor plan audit.yaml
    """
    from auditor.engine.expect import forecast, measure_speed
    from auditor.engine.plan import plan
    from auditor.engine.prepare import prepare

    started = time.process_time()
    prepared = prepare(
        audit, device=device, trust_code=trust_code, limit=limit, only=only, precision=precision, compile=compile
    )
    loading = time.process_time() - started
    planned = plan(prepared.checks, prepared.facts, prepared.samples, binding=prepared.binding)
    whole = forecast(planned, measure_speed(prepared), loading)
    if as_json:
        times = {name: round(getattr(whole, name), 1) for name in ("seconds", "seconds_low", "seconds_high")}
        click.echo(json.dumps({"trials": [_row(one, whole.trials[one.key]) for one in planned], **times}, indent=1))
    else:
        _table(planned, whole)
    return 0


def _row(planned: Planned, use: Expected) -> dict[str, Any]:
    reasons = sorted({why.text for why in planned.excluded.values()})
    return {
        "key": planned.key,
        **{name: value for name, value in planned.trial.as_dict().items() if name != "source"},
        "samples": planned.samples,
        "excluded": len(planned.excluded),
        "reasons": reasons,
        "forwards": planned.forwards,
        "backwards": planned.backwards,
        "expected_forwards": use.forwards,
        "expected_backwards": use.backwards,
        "seconds": round(use.seconds, 1),
        "seconds_low": round(use.seconds_low, 1),
        "seconds_high": round(use.seconds_high, 1),
    }


def _table(planned: Sequence[Planned], whole: Forecast) -> None:
    from auditor.cli.progress import words
    from auditor.engine.expect import in_words

    click.echo(f"{'trial':<46}{'samples':>8}{'passes':>10}{'at most':>10}{'seconds':>9}  not measured")
    for one in planned:
        reasons, use = "; ".join(sorted({why.text for why in one.excluded.values()})), whole.trials[one.key]
        excluded = f"  {len(one.excluded)}: {reasons}" if one.excluded else ""
        passes, most = use.forwards + use.backwards, one.forwards + one.backwards
        click.echo(f"{words(one):<46}{one.samples:>8}{passes:>10}{most:>10}{use.seconds:>9.1f}{excluded}")
    forwards, backwards = sum(one.forwards for one in planned), sum(one.backwards for one in planned)
    passes = sum(one.forwards + one.backwards for one in whole.trials.values())
    click.echo(
        f"{len(planned)} trials, about {passes} passes of one sample, at most {forwards} forward and {backwards}"
        " backward ones"
    )
    click.echo(
        f"{in_words(whole.seconds, whole.seconds_low, whole.seconds_high)} on this machine, {whole.after:.0f} s of it"
        " for judging and rendering"
    )
    if whole.unknown:
        click.echo(
            "Nothing is known of what these usually use, so that similar ones stand for them:"
            f" {', '.join(whole.unknown)}"
        )
