"""Does the classifier know anything? Balanced accuracy and the area under the ROC curve; a part of the preflight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auditor.checks.common import percent, reason, span
from auditor.core.displays import Named, Rows
from auditor.core.facts import Facts
from auditor.core.records import Finding, Observation
from auditor.stats.decisions import decide
from auditor.stats.discrimination import auc, balanced_accuracy

_UNSURE = (
    "the model is not shown to know anything about the classes; what a model relies on that knows nothing means little"
)


def judge_discrimination(facts: Facts, rows: Mapping[str, Observation], base: Mapping[str, Any]) -> Finding:
    """Return whether the classifier tells the classes apart, whatever their mix: an accuracy alone may be that of the
    most common class.
    """
    y = [facts.y[facts.position_of[name]] for name in rows]
    units = [facts.unit_of[name] for name in rows]
    found = balanced_accuracy([row.values["correct"] for row in rows.values()], y, units)
    if found is None:
        return Finding(
            id="preflight/discrimination",
            verdict="not_measured",
            claim="Whether the model tells the classes apart was not measured.",
            reason="all measured samples are of one class",
            **base,
        )
    chance = 1 / len(facts.classes)
    binary = len(facts.classes) == 2
    odds = [row.values["margin"] * (1 if label else -1) for row, label in zip(rows.values(), y, strict=True)]
    area = auc(odds, y, units) if binary else None
    verdict = decide(found, chance, worse="below")
    ranked = f"; in {span(area)} of pairs the sample of '{facts.classes[1]}' has the larger score (AUC)" if area else ""
    named = [Named(name="balanced accuracy", estimate=found)]
    named += [Named(name="area under the ROC curve (AUC)", estimate=area)] if area else []
    return Finding(
        id="preflight/discrimination",
        verdict=verdict,
        claim=f"Each class counting alike, {span(found)} are right (chance is {percent(chance)}){ranked}.",
        estimate=found,
        tolerance=chance,
        reason=reason(verdict, found, chance) + (f"; {_UNSURE}" if verdict != "pass" else ""),
        displays=(Rows(rows=tuple(named), role="discrimination"),),
        **base,
    )
