"""Reliance: how much of the class evidence comes from outside the expert's mask?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import stats as sps

from auditor.checks import checks
from auditor.checks.common import plain, reason, span, why_not
from auditor.checks.where import judge_where, where_trial
from auditor.records import Card, Estimate, Evidence, Facts, Finding, Observation, Observations, Trial, Verdict
from auditor.seeds import generator
from auditor.stats import RESAMPLES, bootstrap_p, decide

Array = NDArray[np.float64]
ARMS = {"A": ("own", "same class"), "B": ("own", "another class"), "C": ("another class", "same class"), "D": ("another class", "another class")}


@dataclass(frozen=True)
class Draws:
    """Every draw of every recipient as rows: margins (t, 4) of the arms, and whose units they involve (t, 4)."""

    margins: Array
    units: NDArray[np.int64]
    recipients: NDArray[np.int64]
    """Position of each draw's recipient (t,)."""


@checks.register("reliance")
@dataclass(frozen=True, kw_only=True)
class Reliance:
    """Factorial transplant of insides and outsides between samples of the same and of another class."""

    donors: Annotated[int, Field(ge=1)] = 8
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.05
    where: Annotated[int, Field(ge=0)] = 48
    """Samples whose surroundings are searched cell by cell for the place that matters; 0: no search."""

    card: ClassVar[Card] = Card(
        title="Reliance: where the evidence comes from",
        purpose="Whether the model decides by what the expert marked, or by what surrounds it. This is the finding that may say 'shortcut'.",
        mechanism="For each sample with a mask, insides and outsides are exchanged between samples of the same and of another class, never within one "
        "unit (patient). "
        "Four arms: own inside with an outside of the same class (A) and of another class (B); inside of another class with an outside of "
        "the same (C) and of another class (D). "
        "Whatever lies under any mask of a draw is in-painted first, in every arm alike, so that seams, fills and the model's own bias "
        "cancel in the differences.",
        reading="Outside share = outside effect / (|outside effect| + |inside effect|). Near 0: the marked region decides. Near 1: the surroundings decide. "
        "The interval resamples recipients' and donors' units together.",
        limits="Only outside information that goes with the class in these data can show: a shortcut that is absent here stays unseen. "
        "Outside is whatever the mask leaves out, also legitimate context such as mass effect or slice level.",
        reference="Factorial design; two-way bootstrap over units after Owen and Eckles 2012 (arXiv:1106.2125), to first order.",
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return the trial of transplants and the search for the place."""
        return (self._transplant(facts), *self._search(facts))

    def _transplant(self, facts: Facts) -> Trial:
        return Trial("transplant", settings={"draws": self.donors, "guard": facts.guard}, zone="outside", seed=facts.seed)

    def _search(self, facts: Facts) -> tuple[Trial, ...]:
        return (where_trial(facts, self.where),) if self.where else ()

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return the outside share, and where outside the evidence lies."""
        share = self._outside_share(facts, observations)
        evidence = sum(abs(row["estimate"]["value"]) for row in share.details.get("effects", ())[:2])
        settings: dict[str, Any] = {"evidence": evidence, "outside": share.verdict, "tolerance": self.tolerance}
        return (share, *(judge_where(facts, observations, trial, **settings) for trial in self._search(facts)))

    def _outside_share(self, facts: Facts, observations: Observations) -> Finding:
        trial = self._transplant(facts)
        rows = observations.of(trial)
        base: dict[str, Any] = {
            "id": "reliance/outside-share",
            "check": "reliance",
            "question": 1,
            "primary": True,
            "evidence": Evidence(trials=(observations.key(trial),)),
        }
        draws = _draws(facts, rows)
        if not len(draws.margins):
            return Finding(verdict="not_measured", claim="The outside share was not measured.", reason=why_not(rows.values()), **base)
        share, effects, arms, p = _estimates(facts, draws, self.tolerance)
        verdict = decide(share, self.tolerance)
        inside, outside = effects[0], effects[1]
        claim = (
            f"{span(share)} of the class evidence comes from outside the expert's mask "
            f"(margin moves by {outside.value:.2f} with the outside and by {inside.value:.2f} with the inside, {share.n} recipients)."
        )
        details = {
            "arms": [{"arm": arm, "inside": ARMS[arm][0], "outside": ARMS[arm][1], "estimate": plain(found)} for arm, found in zip("ABCD", arms, strict=True)],
            "effects": [
                {"name": name, "estimate": plain(found)} for name, found in zip(("inside effect", "outside effect", "interaction"), effects, strict=True)
            ],
            "draws": self.donors,
            "recipients": share.n,
            "units": len({facts.units[row] for row in draws.recipients.tolist()}),
        }
        why = reason(verdict, share, self.tolerance)
        if share.low == -1 and share.high == 1:
            why = "too few to tell: neither the inside nor the outside moves the model's margin"
        return Finding(
            verdict=verdict, claim=claim, estimate=share, tolerance=self.tolerance, reason=why, advice=_advice(verdict), p=p, details=details, **base
        )


def _draws(facts: Facts, rows: dict[str, Observation] | Any) -> Draws:
    index = {name: position for position, name in enumerate(facts.ids)}
    unit = {name: number for number, name in enumerate(sorted(set(facts.units)))}
    margins, units, recipients = [], [], []
    for name, row in rows.items():
        if row.error is not None:
            continue
        for draw in range(sum(key.startswith("A/") for key in row.values)):
            margins.append([row.values[f"{arm}/{draw}"] for arm in "ABCD"])
            involved = [index[name], *(int(row.values[f"{donor}/{draw}"]) for donor in "jkl")]
            units.append([unit[facts.units[position]] for position in involved])
            recipients.append(index[name])
    return Draws(np.array(margins).reshape(-1, 4), np.array(units, dtype=np.int64).reshape(-1, 4), np.array(recipients, dtype=np.int64))


def _effects(arms: Array) -> Array:
    """Return inside effect, outside effect and interaction (..., 3) of arm means (..., 4)."""
    a, b, c, d = (arms[..., arm] for arm in range(4))
    return np.stack([((a - c) + (b - d)) / 2, ((a - b) + (c - d)) / 2, (a - b) - (c - d)], -1)


def _share(effects: Array) -> Array:
    inside, outside = effects[..., 0], effects[..., 1]
    total = np.abs(inside) + np.abs(outside)
    return np.asarray(np.divide(outside, total, out=np.zeros_like(total), where=total > 1e-9))


def _resampled(draws: Draws, seed: int) -> Array:
    """Return resampled arm means (b, 4) of a bootstrap over the units of recipients and donors together.

    Product weights (Owen and Eckles 2012), to first order: each unit's weight moves every draw in which it takes part, in any
    role. The full product would count the noise of single draws fifteenfold and so never decide anything; this counts it
    fourfold at most. A t quantile makes up for few units.
    """
    point, t = draws.margins.mean(0), len(draws.margins)
    m = int(draws.units.max()) + 1
    pull = np.zeros((m, 4))
    for role in range(4):
        np.add.at(pull, draws.units[:, role], (draws.margins - point) / t)
    taking_part = len(np.unique(draws.units))
    widen = float(np.sqrt(taking_part / (taking_part - 1)) * sps.t.ppf(0.975, taking_part - 1) / sps.norm.ppf(0.975))
    return np.asarray(point + widen * generator(seed, "two-way bootstrap").normal(size=(RESAMPLES, m)) @ pull)


def _estimates(facts: Facts, draws: Draws, tolerance: float) -> tuple[Estimate, list[Estimate], list[Estimate], float]:
    point = draws.margins.mean(0)
    resampled = _resampled(draws, facts.seed)
    n, units = len(np.unique(draws.recipients)), len({facts.units[row] for row in draws.recipients.tolist()})

    def estimate(value: float, spread: Array, unit: str) -> Estimate:
        low, high = np.percentile(spread, [2.5, 97.5])
        return Estimate(
            value, float(low), float(high), n, unit, "two-way bootstrap over the units of recipients and donors", 0.95, units if units < n else None
        )

    arms = [estimate(float(point[arm]), resampled[:, arm], "mean margin (logits)") for arm in range(4)]
    value, spread = _effects(point), _effects(resampled)
    effects = [estimate(float(value[k]), spread[:, k], "change of the margin (logits)") for k in range(3)]
    shares = _share(spread)
    share = estimate(float(_share(value)), shares, "share of the class evidence")
    if np.abs(draws.margins[:, :1] - draws.margins).max() < 1e-9:
        share = Estimate(0.0, -1.0, 1.0, n, share.unit, "no effect at all", 0.95, share.units)
        return share, effects, arms, 1.0
    return share, effects, arms, bootstrap_p(shares, tolerance)


def _advice(verdict: Verdict) -> str:
    if verdict == "fail":
        return "Do not rely on this model where the surroundings may differ: find what it reads, remove or balance it in training, and audit again."
    if verdict == "pass":
        return "No action; keep in mind that only shortcuts present in these data can show."
    return "Audit more patients with masks before relying on the model's focus."
