"""Several ways to measure one share, each of which can lose evidence that another one sees: they must agree."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.checks.common import percent, span
from auditor.checks.reliance.arms import ArmsMeasured, Draws, estimates
from auditor.core.displays import Named, Rows
from auditor.core.records import Estimate, Verdict
from auditor.stats.decisions import decide
from auditor.stats.means import bootstrap_p
from auditor.stats.shares import Array

FILL_WORDS = {"smooth": "filled smoothly from the rim", "flat": "filled evenly"}
"""Name of a fill -> how it is told of."""
FILL = "smooth"
"""The fill of the trials that use one only."""


@dataclass(frozen=True)
class ShareWay:
    """One way in which the share of the evidence from outside was measured."""

    name: str
    share: Estimate
    resampled: Array
    """The share's resampled values (b,)."""
    verdict: Verdict
    misses: str
    """What it cannot see."""
    doubt: str = ""
    """Why its verdict is not what its interval says; empty where it is."""

    def p(self, tolerance: float) -> float:
        """Return the p-value of the share's size against a tolerance, for as many ways as its level is made for."""
        several = max(1, round(0.05 / (1 - self.share.level)))
        return min(1.0, several * bootstrap_p(abs(self.resampled), tolerance))


def transplanted(
    draws: Draws, measured: ArmsMeasured, tolerance: float, *, misses: str, surgery: Estimate | None = None
) -> ShareWay:
    """Return what the transplant says.

    Its interval alone does not acquit where the fills disagree, or where cutting and pasting by itself (`surgery`,
    change of the margin) takes as much as may not come from outside: what it took may have been evidence.
    """
    verdict = decide(measured.share, tolerance, worse="either")
    doubt = _fills_disagree(draws, verdict, tolerance)
    if doubt:
        verdict = "inconclusive"
    elif surgery is not None:
        doubt = _costly_surgery(surgery, measured, tolerance)
        verdict = "inconclusive" if doubt and verdict == "pass" else verdict
    return ShareWay("transplant", measured.share, measured.shares, verdict, misses, doubt)


def _fills_disagree(draws: Draws, verdict: Verdict, tolerance: float) -> str:
    """Return in words that the fills disagree; empty where they do not."""
    found = {fill: estimates(mine) for fill, mine in draws.by_fill().items()}
    said = {fill: decide(one.share, tolerance, worse="either") for fill, one in found.items()}
    against = {"pass": "fail", "fail": "pass"}.get(verdict)
    if against not in said.values():
        return ""
    shares = " and ".join(f"{span(one.share)} {FILL_WORDS[fill]}" for fill, one in found.items())
    return f"the two fills disagree ({shares}), so the filling itself may speak"


def _costly_surgery(surgery: Estimate, measured: ArmsMeasured, tolerance: float) -> str:
    """Return in words that the surgery takes more of the evidence than may come from outside; empty where it does
    not.
    """
    evidence = measured.evidence
    if evidence <= 0 or surgery.least <= tolerance * evidence:
        return ""
    return (
        f"cutting and pasting alone moves the margin by {span(surgery, share=False)}, which is"
        f" {percent(abs(surgery.value) / evidence)} of the evidence: what it takes away may have been evidence"
    )


@dataclass(frozen=True)
class Ways:
    """Every way in which one share was measured, the transplant first, and what it is held against."""

    found: tuple[ShareWay, ...]
    tolerance: float
    trials: tuple[str, ...]
    """Keys of the trials that they rest on."""
    confirmed: str = ""
    """What else says that the outside does not count, in words; it stands for the second way where there is one only.
    """

    @property
    def verdict(self) -> Verdict:
        """Return the verdict: one way that fails is enough to fail, and a pass needs all of at least two."""
        verdicts = {way.verdict for way in self.found}
        if "fail" in verdicts:
            return "fail"
        enough = len(self.found) > 1 or self.confirmed
        return "pass" if verdicts == {"pass"} and enough else "inconclusive"

    @property
    def decisive(self) -> ShareWay:
        """Return the way that a finding reports: the one that finds most, among those with the verdict, and among these
        rather one without a doubt.
        """
        mine = [way for way in self.found if way.verdict == self.verdict]
        mine = [way for way in mine if not way.doubt] or mine
        return max(mine, key=lambda way: abs(way.share.value), default=self.found[0])

    @property
    def doubts(self) -> str:
        """Return why verdicts are not what the intervals say."""
        return "; ".join(way.doubt for way in self.found if way.doubt)

    def shown(self) -> tuple[Rows, ...]:
        """Return what each way found and what it would have missed; nothing of a single way."""
        rows = tuple(
            Named(name=way.name, estimate=way.share, note="; ".join(filter(None, (way.doubt, f"misses {way.misses}"))))
            for way in self.found
        )
        title = "Each way to measure the share, and what it cannot see"
        return (Rows(rows=rows, title=title, heading="Way", role="ways"),) if len(rows) > 1 else ()
