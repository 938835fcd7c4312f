"""Names of plug-ins: name -> function, its settings checked before any work, found by file or entry point."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import threading
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from auditor.core.errors import AuditorError, nearest
from auditor.core.modality import folders

_T = TypeVar("_T", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry(Generic[_T]):
    """One plug-in."""

    name: str
    make: _T
    summary: str
    """First paragraph of its docstring, as one line."""
    facts: Mapping[str, Any]
    """What the plug-in declares of itself, such as needs='gradient'."""

    @property
    def modality(self) -> str:
        """Return the modality whose data it serves; empty where it serves every one."""
        return str(self.facts.get("modality", ""))


class Registry(Generic[_T]):
    """The plug-ins of one kind: every module of its folders is imported when a name is first asked for.

    They lie in the folder of the kind itself and, where only one modality has them, in the folder of that name inside
    the modality. Another package
    adds one through the entry-point group `auditor.<folder>`, such as `auditor.attacks`.

    Parameters
    ----------
    kind
        What error messages call a plug-in.
    package
        The folder of the kind, as a dotted name.
    folder
        How the kind is called inside a modality and as an entry-point group; the last part of the package where not
        given.
    """

    def __init__(self, kind: str, package: str, *, folder: str = "") -> None:
        self.kind, self._package = kind, package
        self._folder = folder or package.rpartition(".")[2]
        self._entries: dict[tuple[str, str], Entry[_T]] = {}
        """(name, modality) -> plug-in; the modality is empty where a plug-in serves every one."""
        self._loaded = False
        self._lock = threading.RLock()

    def register(self, name: str, **facts: Any) -> Callable[[_T], _T]:
        """Return a decorator that enters a function or class under a name.

        One that serves the data of a single modality names it: several may share a name, one per modality, and it
        stands in the place of one of that name that serves every modality.
        """

        def enter(make: _T) -> _T:
            entry = Entry(name, make, _summary(make), facts)
            taken = next((one for one in self._entries.values() if _clash(one, entry)), None)
            if taken is not None:
                raise AuditorError(
                    f"{self.kind} '{name}' is registered twice: by {taken.make.__module__} and {make.__module__}."
                )
            self._entries[name, entry.modality] = entry
            return make

        return enter

    def _load(self) -> None:
        with self._lock:  # a second thread waits until every plug-in is known
            if self._loaded:
                return
            self._loaded = True
            for package in dict.fromkeys((self._package, *folders(self._folder))):
                for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
                    importlib.import_module(module.name)
            for point in entry_points(group=f"auditor.{self._folder}"):
                made = point.load()
                # its module may have registered it itself, with its facts
                if all(one.make is not made for one in self._entries.values() if one.name == point.name):
                    self.register(point.name)(made)

    def __getitem__(self, name: str) -> Entry[_T]:
        return self.serving(name)

    def serving(self, name: str, modality: str = "") -> Entry[_T]:
        """Return the plug-in of a name that serves data of `modality`: its own before the one that serves all of them
        (AuditorError: there is none, or no modality is named and several have one of their own alone).
        """
        known = [entry for entry in self if not modality or entry.modality in ("", modality)]
        found = [entry for entry in known if entry.name == name]
        if not found:
            names = dict.fromkeys(entry.name for entry in known)
            raise AuditorError(f"{self.kind}: expected a known name, got '{name}'; {nearest(name, names)}")
        own = [entry for entry in found if entry.modality == modality]
        if len(own or found) > 1:
            kinds = ", ".join(entry.modality for entry in found)
            raise AuditorError(
                f"{self.kind} '{name}': expected the kind of data too, one of {kinds}, got the name alone."
            )
        return (own or found)[0]

    def __iter__(self) -> Iterator[Entry[_T]]:
        self._load()
        return iter(self._entries[key] for key in sorted(self._entries))

    def names(self, modality: str = "") -> tuple[str, ...]:
        """Return every name, sorted; of one modality those that serve it."""
        served = (entry for entry in self if not modality or entry.modality in ("", modality))
        return tuple(dict.fromkeys(entry.name for entry in served))

    def settings_model(self, name: str, modality: str = "") -> type[BaseModel]:
        """Return the pydantic model of a plug-in's keyword-only settings."""
        return settings_model(self.serving(name, modality).make, f"{name} settings")

    def bind(self, name: str, settings: Mapping[str, Any], modality: str = "") -> dict[str, Any]:
        """Return the complete, checked settings of a plug-in: defaults filled in, unknown ones refused
        (AuditorError).
        """
        model = self.settings_model(name, modality)
        unknown = [key for key in settings if key not in model.model_fields]
        if unknown:
            raise AuditorError(
                f"{self.kind} '{name}': unknown setting '{unknown[0]}'; {nearest(unknown[0], model.model_fields)}"
            )
        try:
            bound = model(**settings)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            got = "" if first["type"] == "unknown_key" else f", got {first.get('input')!r}"
            raise AuditorError(
                f"{self.kind} '{name}', setting '{where}': {first['msg'].removeprefix('Value error, ')}{got}"
            ) from None
        return {key: getattr(bound, key) for key in model.model_fields}


def _summary(make: Callable[..., Any]) -> str:
    return " ".join((inspect.getdoc(make) or "").partition("\n\n")[0].split())


def _clash(one: Entry[Any], other: Entry[Any]) -> bool:
    """Return whether two different plug-ins of one name are meant for the same data."""
    return (one.name, one.modality) == (other.name, other.modality) and one.make is not other.make


@functools.cache
def settings_model(make: Callable[..., Any], title: str) -> type[BaseModel]:
    """Return the pydantic model of a function's keyword-only parameters; those that start with '_' are the caller's
    own.
    """
    target = make.__init__ if inspect.isclass(make) else make
    # what a dataclass inherits is named in the module of its base
    hints = typing.get_type_hints(make if is_dataclass(make) else target, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(target).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not parameter.name.startswith("_"):
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (hints.get(parameter.name, Any), default)
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, validate_default=False, protected_namespaces=())
    return create_model(title, __config__=config, **fields)
