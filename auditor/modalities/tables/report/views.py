"""What a table's report says of columns, rules and searches, read out of the audit and its findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from auditor.core.displays import Named, Outcomes, Selection, TableDisplay, first, of_kind
from auditor.core.records import Finding
from auditor.modalities.tables.checks.common import ZONE_LABELS
from auditor.modalities.tables.table import EPOCH
from auditor.report.words import is_number, number

_ROLES = {
    "relevant": "should matter",
    "irrelevant": "should not matter",
    "protected": "protected: must not matter",
    "proxy": "proxy: stands for something that must not matter",
}
_ZONES = {"": "no columns", **{zone: label.removeprefix("in ") for zone, label in ZONE_LABELS.items()}}
SHOWN_LEVELS = 8


@dataclass(frozen=True)
class ColumnRow:
    """One column of the table, in words."""

    name: str
    kind: str
    role: str
    change: str
    limits: str
    cost: str
    missing: Any
    unsupported: Any


@dataclass(frozen=True)
class RuleRow:
    """One rule between columns, in words, and how many rows of the data break it."""

    id: str
    text: str
    broken: int | None


def zone(name: Any) -> str:
    """Return a zone of columns in words."""
    return _ZONES.get(str(name or ""), f"columns marked '{name}'")


def columns(data: Mapping[str, Any]) -> list[ColumnRow]:
    """Return every column of the audited table."""
    defined = {
        str(rule.get("defines")): str(rule.get("id")) for rule in _mappings(data.get("rules")) if rule.get("defines")
    }
    return [
        ColumnRow(
            name=str(one.get("name") or ""),
            kind=str(one.get("kind") or "not recorded"),
            role=_ROLES.get(str(one.get("role")), str(one.get("role") or "not recorded")),
            change=_change(one, defined),
            limits=_limits(one) if _changes(one, defined) else "",
            cost=_cost(one) if _changes(one, defined) else "",
            missing=one.get("missing"),
            unsupported=one.get("unsupported"),
        )
        for one in _mappings(data.get("columns"))
    ]


def by_role(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return which columns have each role, those that may change first."""
    found, defined = _mappings(data.get("columns")), {rule.get("defines") for rule in _mappings(data.get("rules"))}
    result = []
    for role, said in _ROLES.items():
        mine = [one for one in found if one.get("role") == role]
        may = [str(one.get("name")) for one in mine if one.get("mutable") and one.get("name") not in defined]
        fixed = [str(one.get("name")) for one in mine if str(one.get("name")) not in may]
        parts = [f"may change: {', '.join(may)}" if may else "", f"fixed: {', '.join(fixed)}" if fixed else ""]
        if mine:
            result.append((said, "; ".join(part for part in parts if part)))
    return result


def rules(data: Mapping[str, Any], findings: Mapping[str, Finding]) -> list[RuleRow]:
    """Return every rule between columns, with its violations where preflight counted them."""
    counted = findings.get("preflight/rules")
    broken = {rule: n for one in of_kind(counted.displays, TableDisplay) for rule, n, _ in one.rows} if counted else {}
    return [
        RuleRow(str(rule.get("id") or ""), _rule(rule), n if isinstance(n := broken.get(rule.get("id")), int) else None)
        for rule in _mappings(data.get("rules"))
    ]


def outcomes(findings: Iterable[Finding]) -> list[Outcomes]:
    """Return how the searches of each zone ended, where some were made."""
    return [one for finding in findings for one in of_kind(finding.displays, Outcomes) if one.n]


def category_rows(finding: Finding | None) -> list[Named]:
    """Return the rate of every group of a finding on an impact ratio."""
    found = first(finding.displays, Selection) if finding else None
    return [Named(name=one.name, estimate=one.rate, note=one.excluded) for one in found.categories] if found else []


def distinct_tables(found: Iterable[Finding]) -> list[TableDisplay]:
    """Return the tables that several findings brought along, each once."""
    each = (table for item in found for table in of_kind(item.displays, TableDisplay, ""))
    return list({(table.title, str(table.rows)): table for table in each}.values())


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in _listed(value) if isinstance(item, Mapping)]


def _listed(value: Any) -> list[Any]:
    """Return a list; an empty one of anything else."""
    return list(value) if isinstance(value, list | tuple) else []


def _changes(one: Mapping[str, Any], defined: Mapping[str, str]) -> bool:
    return bool(one.get("mutable")) and str(one.get("name")) not in defined


def _change(one: Mapping[str, Any], defined: Mapping[str, str]) -> str:
    if str(one.get("name")) in defined:
        return f"no: computed by the rule '{defined[str(one.get('name'))]}'"
    if one.get("mutable"):
        return "yes"
    if one.get("kind") in ("text", "date"):
        return "no: carried, never changed"
    return "no: protected" if one.get("role") == "protected" else "no"


def _limits(one: Mapping[str, Any]) -> str:
    if one.get("kind") in ("integer", "real", "date"):
        parts = [
            _span(one, "low", "high", form="from {} to {}"),
            _span(one, "least", "most", form="change {} to {}"),
            _step(one),
        ]
        return "; ".join(part for part in parts if part) or "none"
    levels, many = [str(level) for level in _listed(one.get("levels"))], one.get("allowed")
    shown = ", ".join(levels[:SHOWN_LEVELS]) + (", …" if len(levels) > SHOWN_LEVELS else "")
    said = f"{number(many)} level{'s' if many != 1 else ''}: {shown}" if is_number(many) and levels else shown or "none"
    moved = _span(one, "least", "most", form="change {} to {} levels")
    return f"{said}; {moved}" if moved and one.get("kind") == "ordinal" else said


def _span(one: Mapping[str, Any], low: str, high: str, *, form: str) -> str:
    ends = [one.get(key) for key in (low, high)]
    if not any(is_number(end) for end in ends):
        return ""
    dated = one.get("kind") == "date" and low == "low"
    return form.format(*(_end(end, dated=dated, signed=low == "least") for end in ends))


def _end(end: Any, *, dated: bool, signed: bool) -> str:
    if not is_number(end):
        return "any"
    if dated:
        return (EPOCH + timedelta(days=int(end))).isoformat()
    return f"+{number(end)}" if signed and end > 0 else number(end)


def _step(one: Mapping[str, Any]) -> str:
    step = one.get("step")
    return f"in steps of {number(step)}" if is_number(step) and step != 1 else ""


def _cost(one: Mapping[str, Any]) -> str:
    per = {"integer": "unit", "real": "unit", "date": "day", "ordinal": "level"}.get(str(one.get("kind")), "change")
    return f"{number(one.get('cost'))} per {per}" if is_number(one.get("cost")) else "not recorded"


def _rule(rule: Mapping[str, Any]) -> str:
    if rule.get("defines"):
        text = f"{rule['defines']} = {rule.get('then')}"
    else:
        text = f"if {rule['when']} then {rule.get('then')}" if rule.get("when") else f"always {rule.get('then')}"
    if rule.get("tolerance"):
        text += f" (tolerance {number(rule['tolerance'])})"
    swaps = [
        f"{first} and {second} in {name}"
        for name, pairs in (rule.get("swap") or {}).items()
        for first, second in pairs.items()
    ]
    return text + (f"; repaired by exchanging {', '.join(swaps)}" if swaps else "")
