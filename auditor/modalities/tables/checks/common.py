"""What checks of tables ask for and say alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auditor.core.facts import Facts
from auditor.core.records import Observation, Trial
from auditor.core.zones import control_number
from auditor.modalities.tables.table import Table

ZONE_LABELS = {
    "outside": "in columns that should not matter",
    "inside": "in columns that should matter",
    "everywhere": "in any column that may change",
    "control/0": "in as many columns drawn at random",
    "irrelevant": "in columns marked irrelevant",
    "protected": "in protected columns",
    "proxy": "in columns marked proxy",
}
SEARCHED = 500
"""Rows in which a check looks for the cheapest flip, where it is not told otherwise: checks that ask alike share the
searches.
"""


def zone_label(zone: str) -> str:
    """Return a zone in words that follow 'a change'."""
    number = control_number(zone)
    if number is not None:
        return ZONE_LABELS["control/0"] if number == 0 else f"{ZONE_LABELS['control/0']} (draw {number})"
    return ZONE_LABELS[zone]


def table_of(facts: Facts) -> Table:
    """Return what the data's columns and rules are."""
    assert facts.schema is not None, "a check of tables is given a table"
    return Table.from_dict(facts.schema)


def favourable(facts: Facts) -> int:
    """Return the index of the class that people want to get."""
    return facts.classes.index(table_of(facts).favourable)


def flip_trial(facts: Facts, zone: str, *, towards: str = "", samples: int = 0, method: str = "") -> Trial:
    """Return the trial that looks for the cheapest change of a row's decision, in the columns of a zone, up to the
    largest declared cost.

    Parameters
    ----------
    towards
        The class to reach, as recourse asks for; rows that are decided so already are not searched. Empty: any other
        decision.
    method
        An attack without settings in the place of the audit's own, such as 'random_change'.
    """
    threat: dict[str, Any] = {
        "norm": facts.norm,
        "epsilon": max(facts.epsilons),
        "max_changes": facts.max_changes,
        "towards": towards,
    }
    settings = {} if method else facts.attack_settings
    return Trial("flip", method or facts.attack, settings, zone, threat, facts.seed, samples=samples, keep=not method)


def searched(rows: Mapping[str, Observation]) -> dict[str, Observation]:
    """Return the rows on which a search was made."""
    return {name: row for name, row in rows.items() if row.missing is None and row.values["searched"] == 1}
