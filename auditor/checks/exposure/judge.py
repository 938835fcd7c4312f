"""The verdict on flips, whatever is searched: what was found can accuse, and only what was found or proven acquits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from auditor.checks.common import percent, reason, span, why_not
from auditor.checks.exposure.search import FlipSearch
from auditor.core.displays import Display
from auditor.core.estimates import Estimate
from auditor.core.records import Evidence, Finding, Verdict
from auditor.stats.decisions import decide
from auditor.stats.shares import proportion_p

_MOST_SHOWN = 20
"""A finding names at most this many of the samples that flip."""


@dataclass(frozen=True, kw_only=True)
class FlipClaim:
    """What a finding on flips says beside its numbers."""

    id: str
    counted: str
    """What is counted, such as 'decisions'."""
    samples: str
    """What one of them belongs to, such as 'rows'."""
    claim: str
    """What becomes of them: the rest of the sentence that begins with the share and the number."""
    missing: str
    """The sentence where nothing was measured."""
    trials: tuple[str, ...]
    """Keys of the trials behind it."""
    displays: tuple[Display, ...] = ()
    primary: bool = False
    advice: Mapping[Verdict, str] = field(default_factory=dict)
    rests_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class FlipShares:
    """The share that flips at a budget: what is known, and what may be besides."""

    search: FlipSearch
    budget: float
    tolerance: float
    known: Estimate
    most: Estimate
    """Every sample that is open counted as flipped."""
    elsewhere: Estimate
    """Every sample counted that another search flips at this budget."""

    @property
    def verdict(self) -> Verdict:
        """Return the verdict: a pass holds whatever is true of what is open, and with what another search found."""
        first = decide(self.known, self.tolerance)
        if first != "pass":
            return first
        agreed = all(decide(one, self.tolerance) == "pass" for one in (self.most, self.elsewhere))
        return "pass" if agreed else "inconclusive"

    @property
    def p(self) -> float:
        """Return the p-value; in a pass every open sample counts as flipped."""
        flags = self.search.possible(self.budget) if self.verdict == "pass" else self.search.flags(self.budget)
        return proportion_p(list(flags.values()), self.search.units, self.tolerance)

    def reason(self, samples: str) -> str:
        """Return why the verdict is what it is; `samples` is what they are called."""
        if self.verdict != "inconclusive" or decide(self.known, self.tolerance) != "pass":
            return reason(self.verdict, self.most if self.verdict == "pass" else self.known, self.tolerance)
        if decide(self.most, self.tolerance) != "pass":
            unsettled = int(sum(self.search.open(self.budget).values()))
            return (
                f"not proven: {unsettled} of {self.known.n} {samples} were neither flipped nor proven impossible to"
                f" flip; with them the share would be {span(self.most)}, against a tolerance of"
                f" {percent(self.tolerance)}"
            )
        return (
            f"{reason('pass', self.known, self.tolerance)}; but with what the search for the smallest change flips at"
            f" this budget it is {span(self.elsewhere)}"
        )


def judge_flips(
    search: FlipSearch,
    said: FlipClaim,
    *,
    budget: float,
    tolerance: float,
    elsewhere: Mapping[str, float] | None = None,
) -> Finding:
    """Return the finding on the share that flips at a budget, with its evidence.

    `elsewhere` says which samples another search flips at this budget; they accuse nobody, but stand against a pass.
    """
    flags = search.flags(budget)
    hits = tuple(name for name, flag in flags.items() if flag)[:_MOST_SHOWN]
    base: dict[str, Any] = {
        "id": said.id,
        "check": "exposure",
        "question": 4,
        "primary": said.primary,
        "evidence": Evidence(hits, said.trials),
        "displays": said.displays,
        "rests_on": said.rests_on,
    }
    known, most = search.share(budget), search.at_most(budget)
    both = search.of_all({name: max(flag, (elsewhere or {}).get(name, 0.0)) for name, flag in flags.items()})
    if known is None or most is None or both is None:
        return Finding(verdict="not_measured", claim=said.missing, reason=why_not(search.rows.values()), **base)
    found = FlipShares(search, budget, tolerance, known, most, both)
    return Finding(
        verdict=found.verdict,
        claim=f"{span(known)} of {known.n} {said.counted} {said.claim}",
        estimate=known,
        tolerance=tolerance,
        reason=found.reason(said.samples),
        p=found.p,
        advice=said.advice.get(found.verdict, ""),
        **base,
    )
