"""Facts and observations made by hand, so that checks are judged without any model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from auditor.checks import make_check
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing
from auditor.core.records import Finding, Observation, Observations, Trial
from auditor.modalities.tables.table import Column, Rule, Table

Rows = Mapping[str, Mapping[str, float] | str]
"""sample id -> values, or the reason why there are none"""
TABLE = Table(
    (
        Column("skill", "real"),
        Column("years", "integer", low=0, high=40),
        Column("shoe", "integer", role="irrelevant"),
        Column("sex", "categorical", role="protected", levels=("f", "m"), dtype="str", mutable=False),
    ),
    (Rule("grown", then="years >= 0"), Rule("pair", when="sex == 'm'", then="shoe > 0")),
    "malignant",
)


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
            table[key] = {
                name: Observation(key, name, missing=row)
                if isinstance(row, Missing)
                else Observation(key, name, dict(row))
                for name, row in rows.items()
            }
        return Observations("binding", lambda key: table.get(key, {}))

    return make


@pytest.fixture(scope="session")
def attacked() -> Callable[[Sequence[str], Sequence[float]], Rows]:
    """Return function (ids, fooled flags) -> rows of an evasion trial on correctly classified samples."""
    return lambda ids, fooled: {name: {"correct": 1, "fooled": flag} for name, flag in zip(ids, fooled, strict=True)}


@pytest.fixture(scope="session")
def table_facts(facts: Callable[..., Facts]) -> Callable[..., Facts]:
    """Return function (n) -> Facts of n rows of a small table, classes in turn."""

    def make(n: int = 100, **changes: Any) -> Facts:
        known: dict[str, Any] = {
            "offers": ("labels", "scores"),
            "modality": "table",
            "mask_share": (0.5,) * n,
            "regions": {"irrelevant": (0.25,) * n, "protected": (0.25,) * n},
            "levels": None,
            "norm": "cost",
            "epsilons": (1.0, 2.0, 4.0),
            "primary": 2.0,
            "attack": "table_search",
            "attack_settings": {},
            "schema": TABLE.as_dict(),
            "max_changes": 3,
        }
        return facts(n, **{**known, **changes})

    return make


@pytest.fixture(scope="session")
def judge_as(
    facts: Callable[..., Facts],
    table_facts: Callable[..., Facts],
    observe: Callable[[Mapping[Trial, Rows]], Observations],
) -> Callable[..., dict[str, Finding]]:
    """Return function (modality, check as audit files call it, its settings, changes of the facts, rows) -> findings by
    id.
    """

    def run(
        modality: str,
        name: str,
        settings: Mapping[str, Any],
        changes: Mapping[str, Any],
        rows: Callable[[Facts, Trial], Rows] | None,
    ) -> dict[str, Finding]:
        check, known = (
            make_check(name, modality, settings),
            (facts if modality == "image" else table_facts)(100, **changes),
        )
        measured = {trial: rows(known, trial) for trial in check.trials(known)} if rows else {}
        findings = check.judge(known, observe(measured))
        assert len({finding.id for finding in findings}) == len(findings)
        return {finding.id: finding for finding in findings}

    return run


@pytest.fixture(scope="session")
def measured(
    facts: Callable[..., Facts], observe: Callable[[Mapping[Trial, Rows]], Observations]
) -> Callable[..., dict[str, Finding]]:
    """Return function (n, changes of the facts, probe -> function (row) -> values) -> findings of the reliance of
    images by id; probes that are not named wrote nothing.
    """

    def run(
        n: int = 200, changes: Mapping[str, Any] | None = None, **probes: Callable[[int], Any]
    ) -> dict[str, Finding]:
        check, known = make_check("reliance", "image", {}), facts(n, **(changes or {}))
        rows = {
            trial: {name: probes[trial.probe](row) for row, name in enumerate(known.ids)}
            for trial in check.trials(known)
            if trial.probe in probes
        }
        findings = check.judge(known, observe(rows))
        assert len({finding.id for finding in findings}) == len(findings)
        return {finding.id: finding for finding in findings}

    return run


@pytest.fixture(scope="session")
def one_draw() -> Callable[..., Callable[[int], dict[str, float]]]:
    """Return function (margins of the four arms, n) -> function (row) -> the values of one draw."""

    def arms(a: float, b: float, c: float, d: float, n: int = 200) -> Callable[[int], dict[str, float]]:
        edges = dict(zip("ABCD", (a, b, c, d), strict=True))
        return lambda row: {
            "sham/smooth": a,
            **{f"{arm}/0": edge for arm, edge in edges.items()},
            **{f"{donor}/0": float((row + step) % n) for donor, step in zip("jkl", (2, 1, 3), strict=True)},
        }

    return arms
