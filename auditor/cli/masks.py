"""auditor masks."""

from __future__ import annotations

from importlib import import_module

import click

from auditor.core.modality import modalities


def _brought(name: str) -> click.Command:
    """Return a command that a modality brings."""
    home, place = next((one.home, one.commands[name]) for one in modalities().values() if name in one.commands)
    module, _, attribute = place.partition(":")
    command: click.Command = getattr(import_module(f"{home}.{module}"), attribute)
    return command


command = _brought("masks")
