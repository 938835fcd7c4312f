"""Registries: settings bound before any work, names checked, plug-ins of other packages."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from auditor.attacks import attacks
from auditor.core.errors import AuditorError
from auditor.core.registry import Registry


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[Any]]:
    """Return the registry of an empty plug-in folder."""
    folder = tmp_path / "plugs"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield Registry("plug", "plugs")
    sys.modules.pop("plugs", None)


def tool(
    data: int, *, steps: Annotated[int, Field(ge=1)] = 5, name: str, share: float | None = None, _hidden: int = 0
) -> int:
    """Do one thing.

    And more.
    """
    return data


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A thing."""

    size: Annotated[float, Field(gt=0)] = 1.0
    names: tuple[str, ...] = ("a",)


def test_settings_are_completed(registry: Registry[Any]) -> None:
    registry.register("tool", needs="gradient")(tool)
    registry.register("thing")(Thing)
    assert registry.bind("tool", {"name": "x"}) == {"steps": 5, "name": "x", "share": None}
    assert registry.bind("thing", {"names": ["b", "c"]}) == {"size": 1.0, "names": ("b", "c")}
    assert registry["tool"].summary == "Do one thing." and registry["tool"].facts == {"needs": "gradient"}
    assert registry.names() == ("thing", "tool")


BAD = [
    ({"name": "x", "stepz": 1}, "plug 'tool': unknown setting 'stepz'; did you mean 'steps'"),
    ({"name": "x", "_hidden": 1}, "plug 'tool': unknown setting '_hidden'"),
    ({"name": "x", "data": 1}, "plug 'tool': unknown setting 'data'"),
    ({"name": "x", "steps": 0}, "plug 'tool', setting 'steps': .*greater than or equal to 1, got 0"),
    ({"name": "x", "steps": "many"}, "plug 'tool', setting 'steps': .*, got 'many'"),
    ({}, "plug 'tool', setting 'name': .*required"),
]


@pytest.mark.parametrize(("settings", "words"), BAD)
def test_bad_settings_are_refused(registry: Registry[Any], settings: dict[str, Any], words: str) -> None:
    registry.register("tool")(tool)
    with pytest.raises(AuditorError, match=words):
        registry.bind("tool", settings)


def test_unknown_names_are_refused(registry: Registry[Any]) -> None:
    with pytest.raises(AuditorError, match="plug: expected a known name, got 'tol'; valid: none"):
        registry["tol"]
    registry.register("tool")(tool)
    with pytest.raises(AuditorError, match="got 'tol'; did you mean 'tool'"):
        registry["tol"]


def test_a_name_is_registered_once(registry: Registry[Any]) -> None:
    registry.register("tool")(tool)
    registry.register("tool")(tool)
    with pytest.raises(AuditorError, match="plug 'tool' is registered twice: by .* and "):
        registry.register("tool")(Thing)


def test_every_file_of_the_folder_is_found(registry: Registry[Any], tmp_path: Path) -> None:
    (tmp_path / "plugs" / "more.py").write_text(
        "import test_plugs_registry\n@test_plugs_registry.register('more')\ndef more():\n    'More.'\n"
    )
    sys.modules["test_plugs_registry"] = registry  # type: ignore[assignment]
    try:
        assert registry.names() == ("more",) and registry["more"].summary == "More."
    finally:
        del sys.modules["test_plugs_registry"]
        sys.modules.pop("plugs.more", None)


@dataclass
class Point:
    name: str
    load: Callable[[], Any]


def other() -> None:
    """Other."""


def test_another_package_adds_a_plug_in(registry: Registry[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> Any:
        return registry.register("own", needs="labels")(other)  # importing its module registers it, with its facts

    points = {"auditor.plugs": [Point("own", load), Point("plain", lambda: tool)]}
    monkeypatch.setattr("auditor.core.registry.entry_points", lambda group: points[group])
    assert registry.names() == ("own", "plain")
    assert registry["own"].facts == {"needs": "labels"}, (
        "the entry point must not wipe out what the plug-in declares of itself"
    )
    assert registry.bind("plain", {"name": "x"})["steps"] == 5


def test_another_package_cannot_take_a_known_name(registry: Registry[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    registry.register("tool")(tool)
    monkeypatch.setattr("auditor.core.registry.entry_points", lambda group: [Point("tool", lambda: other)])
    with pytest.raises(AuditorError, match="registered twice"):
        registry.names()


def test_real_attacks_declare_what_they_need_and_cost() -> None:
    for entry in attacks:
        assert entry.facts["needs"] in ("labels", "scores", "gradient") and entry.summary.endswith(".")
        assert all(count >= 0 for count in entry.facts["cost"](**attacks.bind(entry.name, {})))
