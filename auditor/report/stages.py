"""What the report asks of a modality; it never asks which modality it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

from auditor.core.modality import Modality, assumed_modality, modalities, modality_named
from auditor.report.case import Case, plain_case


class Rendering(Protocol):
    """The module `rendering` of a modality; it imports no model library."""

    HELPERS: Mapping[str, ModuleType]
    """Modules that the modality's templates call, by the names that they call them."""

    def make_case(self, item: Mapping[str, Any], folder: Path, audit: Mapping[str, Any]) -> Case:
        """Return a case of the gallery from its entry in the index."""
        ...


class _Plain:
    """What a modality need not say: its templates call nothing of their own, and its cases are told in words."""

    HELPERS: Mapping[str, ModuleType] = {}

    def make_case(self, item: Mapping[str, Any], folder: Path, audit: Mapping[str, Any]) -> Case:
        return plain_case(item, folder, audit)


def modality_of_report(audit: Mapping[str, Any]) -> Modality:
    """Return the modality of an audit's findings (AuditorError: there is none of that name)."""
    said = audit.get("modality")
    return modality_named(str(said)) if said else assumed_modality()


def rendering(audit: Mapping[str, Any]) -> Rendering:
    """Return how the findings of an audit are drawn; what the modality's module leaves out is drawn plainly."""
    return _rendered(modality_of_report(audit))


def helpers() -> dict[str, ModuleType]:
    """Return what the templates of every modality may call, by name."""
    return {name: module for modality in modalities().values() for name, module in _rendered(modality).HELPERS.items()}


def _rendered(modality: Modality) -> Rendering:
    return cast(Rendering, modality.module("rendering") or _Plain())
