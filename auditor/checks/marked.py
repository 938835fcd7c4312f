"""Whether the masks leave an inside and an outside to audit."""

from __future__ import annotations

from collections import Counter
from typing import Any

from auditor.checks.common import percent
from auditor.core.displays import TableDisplay
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing
from auditor.core.records import Finding
from auditor.core.zones import coverage, not_applicable


def judge_masks(facts: Facts, base: dict[str, Any]) -> Finding:
    """Return the finding on the masks: how many samples have one, and how much of the image it covers."""
    excluded: list[tuple[str, Missing, int]] = []
    for zone, shares in (("inside", facts.mask_share), ("outside", facts.mask_share), *sorted(facts.regions.items())):
        for missing, n in Counter(filter(None, (not_applicable(zone, share) for share in shares))).items():
            excluded.append((zone, missing, n))
    found, displays = coverage(facts.mask_share), _not_applicable(excluded)
    reasons = "; ".join(sorted({why.text for zone, why, _ in excluded if zone in ("inside", "outside")}))
    known = [share for share in facts.mask_share if share is not None]
    if known and found["full"] == len(known):
        claim = f"The masks of all {len(known)} samples that have one cover the whole image."
        why, advice = "no outside is left to audit", "Give masks of what should matter, not of the whole picture."
        return Finding(id="preflight/masks", verdict="fail", claim=claim, reason=why, advice=advice, **base)
    if not found["present"]:
        why = reasons if found["empty"] or found["full"] else "masks were not given"
        return Finding(
            id="preflight/masks",
            verdict="not_measured",
            claim="No sample has a mask.",
            reason=why,
            displays=displays,
            **base,
        )
    claim = (
        f"{found['present']} of {len(facts.ids)} samples have a mask, which covers {percent(found['median_share'])} of"
        " the image in the median case."
    )
    without = len(facts.ids) - found["present"]
    why = f"{without} samples have no zone inside or outside: {reasons}" if without else "every sample has a mask"
    return Finding(id="preflight/masks", verdict="pass", claim=claim, reason=why, displays=displays, **base)


def _not_applicable(excluded: list[tuple[str, Missing, int]]) -> tuple[TableDisplay, ...]:
    """Return the samples to which a zone does not apply: its name, the reason and their number."""
    title, columns = "Samples to which a zone does not apply", ("Zone", "Reason", "Samples")
    rows = tuple((zone, missing.reason, n) for zone, missing, n in excluded)
    return (TableDisplay(title=title, columns=columns, rows=rows, role="not applicable"),) if rows else ()
