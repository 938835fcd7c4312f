"""A kind of data that can be audited, as one thing: its words, its defaults, and the modules that serve each stage.

Everything else asks for a modality by name and never compares names. One modality is one folder: a package with a
`MODALITY` in its `__init__`, below `auditor.modalities` or from another package by the entry-point group
`auditor.modalities`.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from auditor.core.errors import AuditorError, nearest

HOME = "auditor.modalities"
"""The folder of the modalities that the project brings, and the entry-point group of those that others bring."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """What sentences call the things of a modality."""

    sample: str = "sample"
    samples: str = "samples"
    budget: str = "epsilon"
    """The size of a change."""
    place: str = "value"
    """What an attacker writes: a value, a column, a position."""
    places: str = "values"
    shown: str = "forward passes"
    """What is counted when the classifier is shown inputs."""
    usual: str = "A model that passes 1 may still fail 4."
    """What a reader should know of questions 1 and 4 about such data."""


@dataclass(frozen=True, kw_only=True)
class Modality:
    """One kind of data. It is read by every stage, so it holds plain values only and imports no model library."""

    name: str
    home: str
    """Its package, as a dotted name; the folders inside are called as those outside (checks, probes, ...)."""
    words: Words = Words()
    sources: tuple[str, ...] = ()
    """Data sources that bring such data."""
    norms: tuple[str, ...] = ("linf", "l2", "l1", "l0")
    """How the size of a change may be measured."""
    threat: Mapping[str, Any] = field(default_factory=dict)
    """What stands in the place of keys of `threat` that an audit file leaves out."""
    attack: Mapping[str, Any] = field(default_factory=dict)
    """What stands in the place of `attack` where an audit file leaves it out."""
    zones: tuple[str, ...] = ()
    """Zones that all data of the modality may have, beside those that an audit file names."""
    chunk: int = 32
    """Samples per chunk: the atom of work, of resume and of sharding."""
    least_batch: int = 1
    """Samples per call of the classifier, at least, where a call costs far more than a sample."""
    packages: tuple[str, ...] = ()
    """Packages whose versions a result depends on."""
    exported: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Probe -> values of its rows that the table of samples shows."""
    templates: str = ""
    """Folder of templates that stand in the place of the shared ones, or beside them."""
    registries: Mapping[str, str] = field(default_factory=dict)
    """Further kinds of plug-ins -> 'module:registry' inside the modality, such as formats of masks."""
    assumed: bool = False
    """Whether data and findings that do not say their kind are of it; one modality is."""
    commands: Mapping[str, str] = field(default_factory=dict)
    """Command of `auditor` that only such data have -> 'module:command' inside the modality."""
    demonstrations: Mapping[str, str] = field(default_factory=dict)
    """Embedded demonstration -> 'module:function' inside the modality; the function (folder) -> classifier's name ->
    audit file writes all that they need."""

    def module(self, name: str) -> ModuleType | None:
        """Return a module of the modality, such as 'measuring', imported now; None where it has none."""
        path = f"{self.home}.{name}"
        return importlib.import_module(path) if _exists(path) else None


def _exists(path: str) -> bool:
    try:
        return importlib.util.find_spec(path) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False


@cache
def modalities() -> Mapping[str, Modality]:
    """Return every modality by its name, those of the project first (AuditorError: two have one name)."""
    home = importlib.import_module(HOME)
    own = [f"{HOME}.{module.name}" for module in pkgutil.iter_modules(home.__path__) if module.ispkg]
    found: dict[str, Modality] = {}
    for made in (
        *(importlib.import_module(path).MODALITY for path in own),
        *(point.load() for point in entry_points(group=HOME)),
    ):
        if made.name in found:
            raise AuditorError(
                f"modality '{made.name}': expected one package of that name, got {found[made.name].home} and"
                f" {made.home}; leave one of them out."
            )
        found[made.name] = made
    return found


def assumed_modality() -> Modality:
    """Return the modality of what does not say its own."""
    return next(one for one in modalities().values() if one.assumed)


def assumed_source() -> str:
    """Return the data source of an audit file that names none."""
    return assumed_modality().sources[0]


def modality_named(name: str) -> Modality:
    """Return a modality by its name (AuditorError: there is none)."""
    known = modalities()
    if name not in known:
        raise AuditorError(f"modality: expected a known kind of data, got '{name}'; {nearest(name, known)}")
    return known[name]


def least_batch(name: str) -> int:
    """Return the samples per call of a classifier of a modality, at least; 1 where none is named."""
    return modality_named(name).least_batch if name else 1


def data_sources() -> dict[str, Modality]:
    """Return the modality of every data source that a modality names."""
    return {name: modality for modality in modalities().values() for name in modality.sources}


def modality_of_source(source: str) -> Modality:
    """Return the modality whose data a source brings (AuditorError: no modality names such a source)."""
    known = data_sources()
    if source not in known:
        raise AuditorError(f"data source: expected a known name, got '{source}'; {nearest(source, known)}")
    return known[source]


def folders(name: str) -> list[str]:
    """Return the folders of a name inside the modalities, as dotted names."""
    inner = (f"{modality.home}.{name}" for modality in modalities().values())
    return [package for package in inner if _exists(package)]
