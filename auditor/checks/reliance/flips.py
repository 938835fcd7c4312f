"""Decisions that foreign surroundings take: those of another class against those of the same, and those of any class
against the sample's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats as sps

from auditor.checks.common import percent, reason, span
from auditor.checks.reliance.arms import Draws
from auditor.checks.reliance.words import IMAGE_WORDS, ExchangeWords
from auditor.core.displays import Values
from auditor.core.records import Estimate, Evidence, Finding
from auditor.stats.crossed import Crossed, Part
from auditor.stats.decisions import decide
from auditor.stats.shares import Array

UNIT = "difference of flip rates"


def judge_flip_gap(
    draws: Draws,
    tolerance: float,
    *,
    words: ExchangeWords = IMAGE_WORDS,
    lost: Array | None = None,
) -> Finding:
    """Return the finding on how much more often the outside of another class takes the decision than one of the same,
    or how much less often, where the association is reversed.

    `lost` (t, 2) says in which draws arms A and B lost the decision, where their margins do not.
    """
    name, evidence = "reliance/flip-gap", Evidence(trials=draws.trials)
    if not len(draws):
        claim = "The flip gap was not measured."
        return Finding(name, "reliance", "not_measured", claim, reason=draws.why, evidence=evidence, question=1)
    lost = (draws.margins[:, :2] <= 0).astype(float) if lost is None else lost
    found = Crossed.of([Part(lost, draws.part.units)])
    resampled = found.draws(draws.facts.seed)
    same, other = float(found.point[0]), float(found.point[1])
    gap = draws.estimate(other - same, resampled[:, 1] - resampled[:, 0], UNIT, share=True)
    verdict = decide(gap, tolerance, worse="either")
    rates = {f"another {words.kind}": other, f"same {words.kind}": same}
    pairs, exact = _mcnemar(lost, draws)
    return Finding(
        name,
        "reliance",
        verdict,
        f"{words.others} {words.takes} {percent(other)} of the {words.transplants}, {words.same} in {percent(same)}: a"
        f" gap of {span(gap)}.",
        estimate=gap,
        tolerance=tolerance,
        two_sided=True,
        reason=f"{reason(verdict, gap, tolerance, either=True)}; {exact}",
        evidence=evidence,
        question=1,
        advice=words.flip_advice if verdict == "fail" else "",
        displays=(Values(values=rates, role="rates"), Values(values=pairs, role="McNemar")),
    )


def _mcnemar(lost: Array, draws: Draws) -> tuple[dict[str, float], str]:
    """Return McNemar's exact test on one draw of each recipient, since its pairs must not share one; also in words."""
    once = lost[np.unique(draws.who[:, 0], return_index=True)[1]]
    only = [int((once[:, arm] > once[:, 1 - arm]).sum()) for arm in (1, 0)]
    p = float(sps.binomtest(only[0], sum(only)).pvalue) if sum(only) else 1.0
    pairs = {"only another class": only[0], "only same class": only[1], "recipients": len(once), "p": p}
    return pairs, f"McNemar's exact test on one draw of each recipient: {only[0]} against {only[1]}, p = {p:.2g}"


def judge_disturbed(draws: Draws, own: Mapping[tuple[int, str], float], tolerance: float) -> Finding:
    """Return the finding on how often foreign surroundings of either class take a decision that the sample's own
    surroundings, put back through the same cut and the same fill, leave.

    A model may need the inside and the surroundings together, so that each alone moves nothing on average, and a share
    of the evidence says nothing of it.

    Parameters
    ----------
    own
        (position of a recipient, fill) -> its margin with its own surroundings put back, of the recipients that are
        classified correctly; the others are left out.
    """
    base: dict[str, Any] = {
        "id": "reliance/disturbed",
        "check": "reliance",
        "evidence": Evidence(trials=draws.trials),
        "question": 1,
        "primary": True,
    }
    used = [row for row, key in enumerate(zip(draws.who[:, 0], draws.fills, strict=True)) if tuple(key) in own]
    if not used:
        claim = "Whether foreign surroundings take the decision was not measured."
        why = "no transplanted sample is known to be classified correctly" if len(draws) else draws.why
        return Finding(verdict="not_measured", claim=claim, reason=why, **base)
    more, foreign, control = _taken(draws.where(np.array(used)), own)
    verdict = decide(more, tolerance)
    return Finding(
        verdict=verdict,
        claim=f"Surroundings of another sample, of whichever class, take {percent(foreign)} of the right decisions, the"
        f" sample's own put back in the same way {percent(control)}: {span(more)} more.",
        estimate=more,
        tolerance=tolerance,
        reason=reason(verdict, more, tolerance),
        advice=_DISTURBED if verdict == "fail" else "",
        displays=(Values(values={"foreign surroundings": foreign, "own surroundings": control}, role="rates"),),
        **base,
    )


def _taken(draws: Draws, own: Mapping[tuple[int, str], float]) -> tuple[Estimate, float, float]:
    """Return how many more decisions foreign surroundings take than the own ones, and the two rates."""
    kept = np.array([own[int(who), str(fill)] for who, fill in zip(draws.who[:, 0], draws.fills, strict=True)])
    taken, control = (draws.margins[:, :2] <= 0).mean(1), (kept <= 0).astype(float)
    found = Crossed.of([Part(np.stack([taken, control], 1), draws.part.units)])
    resampled = found.draws(draws.facts.seed)
    foreign, mine = (float(one) for one in found.point)
    return draws.estimate(foreign - mine, resampled[:, 0] - resampled[:, 1], UNIT, share=True), foreign, mine


_DISTURBED = (
    "Do not rely on this model where the surroundings may differ: the same marked region is decided otherwise before"
    " another background, whichever class the background comes from."
)
