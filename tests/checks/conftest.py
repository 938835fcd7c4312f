"""Facts and observations made by hand, so that checks are judged without any model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
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
AROUND = ("beside", "near", "far", "outside")
Arms = Sequence[float] | Callable[[int, int, int], Sequence[float]]
"""Mean margins, the same everywhere or of the recipient's class, the donor's and the draw."""


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


def _donors(row: int, draw: int, n: int, *, classes: int) -> tuple[int, int, int]:
    """Return a donor of the same class and two of one other class, where the classes take turns with the samples."""
    block, own = divmod(row, classes)
    other = (own + 1 + (block + draw) % (classes - 1)) % classes
    places = ((block + 1 + draw, own), (block + 2 + 3 * draw, other), (block + 7 + 5 * draw, other))
    j, k, l = ((place * classes + label) % n for place, label in places)  # noqa: E741  the letters of the transplant
    return j, k, l


@pytest.fixture(scope="session")
def cut() -> Callable[..., Callable[[int], dict[str, float]]]:
    """Return function (mean margins of the four arms, those of draws that fill evenly, spread, margin with the own
    surroundings put back, by fill) -> function (row) -> the values of four transplants.
    """

    def arms(
        means: Arms,
        *,
        flat: Arms | None = None,
        spread: float = 0.05,
        shams: tuple[float, float] = (1.0, 1.0),
        n: int = 120,
        classes: int = 2,
    ) -> Callable[[int], dict[str, float]]:
        def make(row: int) -> dict[str, float]:
            shaken = spread * np.random.default_rng((1, row)).normal(size=(4, 4))
            values = dict(zip(("sham/smooth", "sham/flat"), shams, strict=True))
            for draw in range(4):
                used, who = flat if flat and draw % 2 else means, _donors(row, draw, n, classes=classes)
                edges = used(row % classes, who[1] % classes, draw) if callable(used) else used
                values |= {f"{arm}/{draw}": edges[at] + shaken[draw, at] for at, arm in enumerate("ABCD")}
                values |= {f"{name}/{draw}": float(one) for name, one in zip("jkl", who, strict=True)}
            return values

        return make

    return arms


@pytest.fixture(scope="session")
def around() -> Callable[..., Callable[[int], dict[str, float]]]:
    """Return function (by how much surroundings of another class lower the margin in each of AROUND, spread, shares of
    them that were exchanged, margin with healthy tissue in place of the marked region) -> function (row) -> the values
    of four exchanges.
    """

    def moved(
        moves: Arms,
        *,
        spread: float = 0.05,
        covered: Sequence[float] = (0.9,) * 4,
        marked: float | None = None,
        n: int = 120,
        classes: int = 2,
    ) -> Callable[[int], dict[str, float]]:
        def make(row: int) -> dict[str, float]:
            shaken = spread * np.random.default_rng((2, row)).normal(size=(4, 4))
            values: dict[str, float] = {}
            for draw in range(4):
                j, k, _ = _donors(row, draw, n, classes=classes)
                lower = moves(row % classes, k % classes, draw) if callable(moves) else moves
                values |= {f"j/{draw}": float(j), f"k/{draw}": float(k)}
                values |= {} if marked is None else {f"marked/{draw}": marked}
                for at, (part, share) in enumerate(zip(AROUND, covered, strict=True)):
                    other = 1.0 - lower[at] + (shaken[draw, at] if share else 0.0)
                    values |= {f"{part}/same/{draw}": 1.0, f"{part}/other/{draw}": other}
                    values[f"covered/{part}/{draw}"] = share
            return values

        return make

    return moved
