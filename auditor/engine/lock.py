"""The lock: everything resolved, as text; its digest is in every report."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from auditor.checks import Check, make_check
from auditor.config.config import load_audit, modality_of
from auditor.core.errors import StoreError
from auditor.engine.store import write_whole

LOCK_FILE = "audit.lock.yaml"


def write_lock(out: Path, lock: Mapping[str, Any]) -> None:
    """Write a folder's lock."""
    write_whole(out / LOCK_FILE, lock_text(lock))


def lock_text(lock: Mapping[str, Any]) -> str:
    """Return a lock as it is written."""
    text = io.StringIO()
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.width = 160
    yaml.dump(lock, text)
    return text.getvalue()


def read_lock(out: Path) -> dict[str, Any]:
    """Return the content of a folder's lock (StoreError: missing or broken)."""
    try:
        content = YAML(typ="safe").load((out / LOCK_FILE).read_text(encoding="utf-8"))
        return {**content, "checks": dict(content["checks"]), "audit": dict(content["audit"])}
    except Exception as error:
        raise StoreError(
            f"{out / LOCK_FILE}: expected the lock file of a run, but it cannot be read ({type(error).__name__})."
        ) from None


def lock_checks(chosen: Mapping[str, Check]) -> dict[str, Any]:
    """Return the complete settings of the checks, as plain data."""
    settings = {name: asdict(check) for name, check in chosen.items()}  # type: ignore[call-overload]
    return {
        name: {key: list(value) if isinstance(value, tuple) else value for key, value in mine.items()}
        for name, mine in settings.items()
    }


def locked_checks(lock: Mapping[str, Any]) -> dict[str, Check]:
    """Return the checks that a lock names, with their locked tolerances."""
    modality = modality_of(lock["audit"]["data"])
    return {name: make_check(name, modality.name, settings) for name, settings in lock["checks"].items()}


def relocked(lock: Mapping[str, Any], audit: Path) -> dict[str, Any]:
    """Return a lock with the checks' settings of another audit file (AuditorError); nothing is written."""
    declared = load_audit(audit)
    settings = {name: declared.checks.get(name, {}) for name in lock["checks"]}
    wanted = {name: value if isinstance(value, dict) else {} for name, value in settings.items() if value is not False}
    return {**lock, "checks": lock_checks(locked_checks({**lock, "checks": wanted}))}
