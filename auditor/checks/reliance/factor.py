"""A declared factor: do surroundings of another site, scanner or marker move the decision? A part of the check
reliance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from auditor.checks.common import reason, span, why_not
from auditor.checks.reliance.ways import FILL
from auditor.core.displays import Named, Rows
from auditor.core.facts import Facts
from auditor.core.records import Estimate, Evidence, Finding, Observations, Trial, Verdict, worst
from auditor.stats.crossed import METHOD, Crossed, Part, bounds, share_of
from auditor.stats.decisions import decide
from auditor.stats.means import bootstrap_p
from auditor.stats.shares import Array
from auditor.stats.simultaneous import bonferroni_level


def factor_trial(facts: Facts, column: str, *, donors: int, blend: float) -> Trial:
    """Return the trial of one factor: half as many pairs as there are draws, since each has two arms."""
    settings = {"column": column, "pairs": max(1, donors // 2), "guard": facts.guard, "blend": blend, "fill": FILL}
    return Trial("factor", settings=settings, zone="outside", seed=facts.seed)


@dataclass(frozen=True)
class _Contrast:
    """One value of the factor against the others: how far it moves the decision towards a class."""

    value: str
    towards: str
    effect: Array
    """Point, then its resampled values (1 + b,), in logits."""
    share: Array
    pairs: int

    def interval(self, level: float) -> tuple[float, float]:
        """Return the share's interval."""
        return bounds(self.share[1:], level)


def judge_factor(facts: Facts, observations: Observations, trial: Trial, *, inside: Part, tolerance: float) -> Finding:
    """Return how much of the evidence goes with the factor at most, over its values; the intervals hold for all at
    once.
    """
    column, rows = str(trial.settings["column"]), observations.of(trial)
    base: dict[str, Any] = {
        "id": f"reliance/factor/{column}",
        "check": "reliance",
        "question": 1,
        "primary": True,
        "evidence": Evidence(trials=(observations.key(trial),)),
    }
    contrasts = _contrasts(facts, observations, trial, inside=inside)
    if not contrasts:
        why = (
            why_not(rows.values())
            if len(inside.values) or not any(row.missing is None for row in rows.values())
            else "the inside effect was not measured"
        )
        claim = f"Whether '{column}' moves the decision was not measured."
        return Finding(verdict="not_measured", claim=claim, reason=why, **base)
    level = bonferroni_level(len(contrasts))
    n = sum(row.missing is None for row in rows.values())
    verdict, top = _decisive(contrasts, level, tolerance)
    estimate = _oriented(top, level, n)
    return Finding(
        verdict=verdict,
        claim=_claim(facts, column, top, estimate=estimate),
        estimate=estimate,
        tolerance=tolerance,
        two_sided=True,
        reason=reason(verdict, estimate, tolerance, either=True),
        advice=_advice(verdict, column),
        p=min(1.0, len(contrasts) * _p(contrasts, tolerance, failed=verdict == "fail")),
        displays=_displays(contrasts, level, n),
        **base,
    )


def _decisive(contrasts: list[_Contrast], level: float, tolerance: float) -> tuple[Verdict, _Contrast]:
    """Return the verdict of all contrasts together, and the largest of those that it rests on."""
    said = [(decide(_share(one, level, 1), tolerance, worse="either"), one) for one in contrasts]
    verdict = worst([one for one, _ in said])
    return verdict, max((one for found, one in said if found == verdict), key=lambda one: abs(one.share[0]))


def _oriented(one: _Contrast, level: float, n: int) -> Estimate:
    """Return the share of a contrast, its sign such that the value is not negative: the claim says towards what."""
    found = replace(_share(one, level, n), method=f"{METHOD}, simultaneous over values", level=0.95)
    return found if found.value >= 0 else replace(found, value=-found.value, low=-found.high, high=-found.low)


def _claim(facts: Facts, column: str, top: _Contrast, *, estimate: Estimate) -> str:
    return (
        f"Surroundings of '{column}' {top.value} instead of others of the same class move the decision by"
        f" {abs(float(top.effect[0])):.2f} towards '{_direction(facts, top)}': {span(estimate)} of the class evidence."
    )


def _contrasts(facts: Facts, observations: Observations, trial: Trial, *, inside: Part) -> list[_Contrast]:
    """Return one contrast per value of the factor; per class too where there are more than two, since a margin then has
    no one direction.
    """
    column = facts.factors[str(trial.settings["column"])]
    gaps, who = [], []
    for name, row in observations.of(trial).items():
        for pair in range(0 if row.missing else sum(key.startswith("P/") for key in row.values)):
            gaps.append(row.values[f"P/{pair}"] - row.values[f"Q/{pair}"])
            who.append([facts.position_of[name], int(row.values[f"p/{pair}"]), int(row.values[f"q/{pair}"])])
    if not gaps or not len(inside.values):
        return []
    places = np.array(who)
    labels, values = np.array(facts.y)[places[:, 0]], np.array(column)[places[:, 1:]]
    known, binary = sorted(set(values.ravel().tolist())), len(facts.classes) == 2
    result = []
    for value in known[:1] if len(known) == 2 else known:
        for label in [1] if binary else sorted(set(labels.tolist())):
            sign = (values[:, 0] == value).astype(float) - (values[:, 1] == value)
            sign = sign * np.where(labels == label, 1.0, -1.0 if binary else 0.0)
            used = sign != 0
            if used.any():
                part = Part((np.array(gaps) * sign)[used][:, None], facts.unit_numbers[places[used]])
                result.append(_contrast(value, facts.classes[label], part, inside=inside, seed=facts.seed))
    return result


def _contrast(value: str, towards: str, part: Part, *, inside: Part, seed: int) -> _Contrast:
    found = Crossed.of([part, inside])
    both = np.concatenate([found.point[None], found.draws(seed)])
    return _Contrast(value, towards, both[:, 0], share_of(both[:, 0], both[:, 1]), len(part.values))


def _direction(facts: Facts, one: _Contrast) -> str:
    if one.effect[0] >= 0:
        return one.towards
    return (
        next(name for name in facts.classes if name != one.towards) if len(facts.classes) == 2 else f"not {one.towards}"
    )


def _p(contrasts: list[_Contrast], tolerance: float, *, failed: bool) -> float:
    """Return the p-value of the contrast that decides: the clearest one beyond the tolerance, or the least clear one
    within it.
    """
    found = [bootstrap_p(np.abs(one.share[1:]), tolerance) for one in contrasts]
    return min(found) if failed else max(found)


def _displays(contrasts: list[_Contrast], level: float, n: int) -> tuple[Rows, Rows]:
    """Return how far each value moves the decision, and what that is of the class evidence, from how many pairs."""
    names = [f"{one.value}, towards {one.towards}" for one in contrasts]
    both = list(zip(names, contrasts, strict=True))
    effects = (Named(name=name, estimate=_effect(one, level, n)) for name, one in both)
    shares = (Named(name=name, estimate=_share(one, level, n), note=f"{one.pairs} pairs") for name, one in both)
    return Rows(rows=tuple(effects), role="contrasts"), Rows(rows=tuple(shares), role="shares")


def _effect(one: _Contrast, level: float, n: int) -> Estimate:
    return Estimate(
        float(one.effect[0]),
        *bounds(one.effect[1:], level),
        n,
        "change of the log odds (logits)",
        METHOD,
        level,
        share=False,
    )


def _share(one: _Contrast, level: float, n: int) -> Estimate:
    return Estimate(
        float(one.share[0]), *one.interval(level), n, "share of the class evidence", METHOD, level, share=True
    )


def _advice(verdict: Verdict, column: str) -> str:
    if verdict == "fail":
        return (
            f"The model reads '{column}': expect other answers where it differs; balance or remove it in training, and"
            " audit again."
        )
    return "No action." if verdict == "pass" else f"Audit more samples of every value of '{column}'."
