"""An audit file as plain values: nothing in it is run, and nothing is declared twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError

from auditor.core.errors import ConfigError

_MOST_VALUES = 100_000


def read_yaml(path: Path) -> Any:
    """Return a YAML file's content with line numbers, without running anything in it (ConfigError: unreadable,
    duplicate key).
    """
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_tags(path, text)
        loaded = YAML(typ="rt").load(text)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{path}: expected a readable audit file, but {str(why)[0].lower()}{str(why)[1:]}.") from None
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(
            f"{path}:{line}: {str(error.problem).split(' with value')[0]}; keep one of the two."
        ) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}.") from None
    if not isinstance(loaded, Mapping):
        raise ConfigError(
            f"{path}: expected keys such as 'model' and 'data', got"
            f" {'nothing' if loaded is None else type(loaded).__name__}."
        )
    return loaded


def _refuse_tags(path: Path, text: str) -> None:
    for event in YAML(typ="rt").parse(text):
        tag = str(getattr(event, "tag", None) or "")
        if tag.startswith("tag:yaml.org,2002:python/"):
            name = tag.removeprefix("tag:yaml.org,2002:")
            raise ConfigError(
                f"{path}:{event.start_mark.line + 1}: expected plain values, got the tag '!!{name}'; an audit file does"
                " not run code."
            )


def plain_value(value: Any, room: list[int] | None = None) -> Any:
    """Return YAML content as plain dicts, lists, strings and numbers (ConfigError: aliases that unfold without end)."""
    room = [_MOST_VALUES] if room is None else room
    room[0] -= 1
    if room[0] < 0:
        raise ConfigError(
            f"audit file: expected at most {_MOST_VALUES} values, got more; are there aliases of aliases?"
        )
    if isinstance(value, Mapping):
        return {str(key): plain_value(item, room) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_value(item, room) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value if value is None else str(value)
