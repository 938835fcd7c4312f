"""Facts and observations made by hand, so that checks are judged without any model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from auditor.records import Facts, Observation, Observations, Trial

Rows = Mapping[str, Mapping[str, float] | str]
"""sample id -> values, or the reason why there are none"""


@pytest.fixture(scope="session")
def facts() -> Callable[..., Facts]:
    """Return function (n) -> Facts of n samples of two classes in turn."""

    def make(n: int = 100, **changes: Any) -> Facts:
        ids = tuple(f"s{row:03d}" for row in range(n))
        known: dict[str, Any] = {
            "classes": ("benign", "malignant"),
            "offers": ("gradient", "labels", "scores"),
            "modality": "image",
            "ids": ids,
            "y": tuple(row % 2 for row in range(n)),
            "units": ids,
            "groups": {},
            "mask_share": (0.2,) * n,
            "low": 0.0,
            "high": 1.0,
            "levels": 255,
            "norm": "linf",
            "epsilons": (2 / 255, 8 / 255),
            "primary": 2 / 255,
            "guard": 0.02,
            "attack": "pgd",
            "attack_settings": {"steps": 20},
        }
        return Facts(**{**known, **changes})

    return make


@pytest.fixture(scope="session")
def observe() -> Callable[[Mapping[Trial, Rows]], Observations]:
    """Return function ({trial: rows}) -> Observations; a trial that is not named has no rows."""

    def make(measured: Mapping[Trial, Rows]) -> Observations:
        table: dict[str, dict[str, Observation]] = {}
        for trial, rows in measured.items():
            key = trial.key("binding")
            table[key] = {name: Observation(key, name, error=row) if isinstance(row, str) else Observation(key, name, dict(row)) for name, row in rows.items()}
        return Observations("binding", lambda key: table.get(key, {}))

    return make


@pytest.fixture(scope="session")
def attacked() -> Callable[[Sequence[str], Sequence[float]], Rows]:
    """Return function (ids, fooled flags) -> rows of an evasion trial on correctly classified samples."""
    return lambda ids, fooled: {name: {"correct": 1, "fooled": flag} for name, flag in zip(ids, fooled, strict=True)}
