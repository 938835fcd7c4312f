"""auditor list."""

from __future__ import annotations

from importlib import import_module

import click

from auditor.core.errors import AuditorError, nearest
from auditor.core.modality import modalities

_OWN = {
    kind: (f"{modality.home}.{place.partition(':')[0]}", place.partition(":")[2])
    for modality in modalities().values()
    for kind, place in modality.registries.items()
}
KINDS = {
    "checks": ("auditor.checks", "checks"),
    "attacks": ("auditor.attacks", "attacks"),
    "explanations": ("auditor.explanations", "explanations"),
    "probes": ("auditor.probes", "probes"),
    "models": ("auditor.models", "classifiers"),
    "data": ("auditor.samples", "data"),
    **_OWN,
    "engines": ("auditor.engine.executors", "executors"),
}


@click.command("list", short_help="List checks, attacks, explanations, model and mask formats.")
@click.argument("kind", required=False)
def command(kind: str | None) -> int:
    """List the names that an audit file or a command may use, of one KIND (checks, attacks, explanations, probes,
    models, data, masks, engines) or of all.

    \b
    Example:
      auditor list
      auditor list attacks
    """
    if kind is not None and kind not in KINDS:
        raise AuditorError(f"list: expected a known kind, got '{kind}'; {nearest(kind, KINDS)}")
    for name, (module, attribute) in KINDS.items():
        if kind in (None, name):
            click.echo(click.style(name, bold=True))
            for entry in getattr(import_module(module), attribute):
                click.echo(f"  {entry.name:<22}{entry.summary}")
    return 0
