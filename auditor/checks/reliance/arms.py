"""Reliance by exchange: how much of the class evidence comes from outside what the expert marked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import stats as sps

from auditor.checks.common import percent, reason, span
from auditor.checks.reliance.words import IMAGE_WORDS, ExchangeWords
from auditor.core.displays import Display, Named, Rows, TableDisplay, Values
from auditor.core.facts import Facts
from auditor.core.records import Estimate, Evidence, Finding, Observations, Trial, Verdict
from auditor.stats.crossed import METHOD, Crossed, Part, bounds, share_of
from auditor.stats.decisions import decide
from auditor.stats.means import bootstrap_p
from auditor.stats.shares import Array

_ARMS = {
    "A": ("own", "same class"),
    "B": ("own", "another class"),
    "C": ("another class", "same class"),
    "D": ("another class", "another class"),
}
EFFECTS = ("inside effect", "outside effect", "interaction")


@dataclass(frozen=True)
class Draws:
    """Every draw of every recipient as rows: margins (t, 4) of the arms, positions (t, 4) of recipient and donors."""

    facts: Facts
    margins: Array
    who: Any

    @classmethod
    def of(cls, facts: Facts, observations: Observations, trial: Trial) -> Draws:
        """Return the draws that a trial measured."""
        margins, who = [], []
        for name, row in observations.of(trial).items():
            for draw in range(0 if row.missing else sum(key.startswith("A/") for key in row.values)):
                margins.append([row.values[f"{arm}/{draw}"] for arm in "ABCD"])
                who.append([facts.position_of[name], *(int(row.values[f"{donor}/{draw}"]) for donor in "jkl")])
        return cls(facts, np.array(margins, dtype=float).reshape(-1, 4), np.array(who, dtype=np.int64).reshape(-1, 4))

    def __len__(self) -> int:
        return len(self.margins)

    @cached_property
    def part(self) -> Part:
        """Return the arms' margins with the units behind them."""
        return Part(self.margins, self.facts.unit_numbers[self.who])

    @property
    def moved(self) -> bool:
        """Return whether any arm ever differs from another."""
        return bool(np.abs(self.margins[:, :1] - self.margins).max() >= 1e-9)

    def where(self, rows: Any) -> Draws:
        """Return some of the draws."""
        return Draws(self.facts, self.margins[rows], self.who[rows])

    def estimate(self, value: float, draws: Array, unit: str, *, share: bool = False, level: float = 0.95) -> Estimate:
        """Return an estimate on these draws' recipients from a resampled distribution."""
        recipients = np.unique(self.who[:, 0])
        units = len(np.unique(self.facts.unit_numbers[recipients]))
        return Estimate(
            value,
            *bounds(draws, level),
            len(recipients),
            unit,
            METHOD,
            level,
            units if units < len(recipients) else None,
            share=share,
        )


def judge_share(
    draws: Draws,
    tolerance: float,
    *,
    why: str,
    evidence: Evidence,
    displays: tuple[Display, ...],
    words: ExchangeWords = IMAGE_WORDS,
) -> Finding:
    """Return the finding on the outside share of some draws; it shows `displays` after its own."""
    base: dict[str, Any] = {
        "id": "reliance/outside-share",
        "check": "reliance",
        "question": 1,
        "primary": True,
        "evidence": evidence,
    }
    if not len(draws):
        return Finding(verdict="not_measured", claim="The outside share was not measured.", reason=why, **base)
    share, effects, arms, p = estimates(draws, tolerance)
    verdict = decide(share, tolerance)
    claim = (
        f"{span(share)} {words.source} (margin moves by {effects[1].value:.2f} with {words.outside} and by"
        f" {effects[0].value:.2f} with {words.inside}, {share.n} recipients)."
    )
    said = reason(verdict, share, tolerance)
    if not draws.moved:
        said = f"too few to tell: neither {words.inside} nor {words.outside} moves the model's margin"
    return Finding(
        verdict=verdict,
        claim=claim,
        estimate=share,
        tolerance=tolerance,
        reason=said,
        advice=_advice(verdict, words),
        p=p,
        displays=(*_displays(draws, effects, arms, words=words), *displays),
        **base,
    )


def judge_flip_gap(
    draws: Draws,
    tolerance: float,
    *,
    why: str,
    evidence: Evidence,
    words: ExchangeWords = IMAGE_WORDS,
    lost: Array | None = None,
) -> Finding:
    """Return the finding on how much more often the outside of another class takes the decision than one of the same.

    `lost` (t, 2) says in which draws arms A and B lost the decision, where their margins do not.
    """
    base: dict[str, Any] = {"id": "reliance/flip-gap", "check": "reliance", "question": 1, "evidence": evidence}
    if not len(draws):
        return Finding(verdict="not_measured", claim="The flip gap was not measured.", reason=why, **base)
    lost = (draws.margins[:, :2] <= 0).astype(float) if lost is None else lost
    found = Crossed.of([Part(lost, draws.part.units)])
    resampled = found.draws(draws.facts.seed)
    same, other = float(found.point[0]), float(found.point[1])
    gap = draws.estimate(other - same, resampled[:, 1] - resampled[:, 0], "difference of flip rates", share=True)
    verdict = decide(gap, tolerance)
    claim = (
        f"{words.others} {words.takes} {percent(other)} of the {words.transplants}, {words.same} in "
        f"{percent(same)}: a gap of {span(gap)}."
    )
    rates = {f"another {words.kind}": other, f"same {words.kind}": same}
    pairs, exact = _mcnemar(lost, draws)
    return Finding(
        verdict=verdict,
        claim=claim,
        estimate=gap,
        tolerance=tolerance,
        reason=f"{reason(verdict, gap, tolerance)}; {exact}",
        advice=words.flip_advice if verdict == "fail" else "",
        displays=(Values(values=rates, role="rates"), Values(values=pairs, role="McNemar")),
        **base,
    )


def _mcnemar(lost: Array, draws: Draws) -> tuple[dict[str, float], str]:
    """Return McNemar's exact test on one draw of each recipient, since its pairs must not share one; also in words."""
    once = lost[np.unique(draws.who[:, 0], return_index=True)[1]]
    only = [int((once[:, arm] > once[:, 1 - arm]).sum()) for arm in (1, 0)]
    p = float(sps.binomtest(only[0], sum(only)).pvalue) if sum(only) else 1.0
    pairs = {"only another class": only[0], "only same class": only[1], "recipients": len(once), "p": p}
    return pairs, f"McNemar's exact test on one draw of each recipient: {only[0]} against {only[1]}, p = {p:.2g}"


def _displays(
    draws: Draws, effects: list[Estimate], arms: list[Estimate], *, words: ExchangeWords
) -> tuple[Rows, TableDisplay, Values]:
    """Return the effects, the means of the arms and how many recipients they rest on."""
    named = (Named(name=name, estimate=one) for name, one in zip(EFFECTS, effects, strict=True))
    means = tuple((arm, *_ARMS[arm], one) for arm, one in zip("ABCD", arms, strict=True))
    units = draws.part.units[:, 0]
    return (
        Rows(rows=tuple(named), role="effects"),
        TableDisplay(title=words.arms, columns=words.arm_columns, rows=means, role="arms"),
        Values(values={"recipients": arms[0].n, "units": len(np.unique(units))}, role="recipients"),
    )


def effects_of(arms: Array) -> Array:
    """Return inside effect, outside effect and interaction (..., 3) of arm means (..., 4)."""
    a, b, c, d = (arms[..., arm] for arm in range(4))
    return np.stack([((a - c) + (b - d)) / 2, ((a - b) + (c - d)) / 2, (a - b) - (c - d)], -1)


def shares_of(arms: Array) -> Array:
    """Return the outside share (...) of arm means (..., 4)."""
    effects = effects_of(arms)
    return share_of(effects[..., 1], effects[..., 0])


def estimates(draws: Draws, tolerance: float) -> tuple[Estimate, list[Estimate], list[Estimate], float]:
    """Return the outside share, the three effects, the four arms, and the p-value of the share against a tolerance."""
    found = Crossed.of([draws.part])
    resampled = found.draws(draws.facts.seed)
    arms = [draws.estimate(float(found.point[arm]), resampled[:, arm], "mean margin (logits)") for arm in range(4)]
    value, spread = effects_of(found.point), effects_of(resampled)
    effects = [draws.estimate(float(value[k]), spread[:, k], "change of the margin (logits)") for k in range(3)]
    shares = shares_of(resampled)
    share = draws.estimate(float(shares_of(found.point)), shares, "share of the class evidence", share=True)
    if not draws.moved:
        return (
            Estimate(0.0, -1.0, 1.0, share.n, share.unit, "no effect at all", 0.95, share.units, share=True),
            effects,
            arms,
            1.0,
        )
    return share, effects, arms, bootstrap_p(shares, tolerance)


def _advice(verdict: Verdict, words: ExchangeWords) -> str:
    if verdict == "fail":
        return words.advice
    if verdict == "pass":
        return "No action; keep in mind that only shortcuts present in these data can show."
    return words.more
