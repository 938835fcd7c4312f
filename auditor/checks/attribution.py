"""Attribution: can the explanation be believed?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import checks
from auditor.checks.common import evasion_trial, plain, reason, shown_zone, span, why_not
from auditor.records import Card, Estimate, Evidence, Facts, Finding, Observation, Observations, Trial
from auditor.stats import decide, mean, proportion, proportion_p, ratio, ratio_p

Rows = Mapping[str, Observation]
DEFAULTS: dict[str, dict[str, Any]] = {"integrated_gradients": {"steps": 16}, "saliency": {}}


@checks.register("attribution", modality="image")
@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Agreement of maps with the mask, stability under harmless noise, blindness to flips."""

    methods: tuple[str, ...] = ("integrated_gradients", "saliency")
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.5
    blind_tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.5
    samples: Annotated[int, Field(ge=1)] = 64

    card: ClassVar[Card] = Card(
        title="Attribution: can the explanation be believed?",
        purpose="Whether a heat map shows where the model looks, stays put when nothing changes, and moves when the decision does.",
        mechanism="Each method explains the predicted class of the same image clean, with harmless random noise, and as the adversarial that exposure found. "
        "Maps are compared by rank correlation; the similarity of maps of two unrelated images of one class is the null, since unrelated maps are alike too.",
        reading="Agreement: how many times more of the map's mass lies inside the mask than its area would give (1 = a random map). "
        "Stability: 1 = the map does not move under noise, 0 = as unlike as maps of unrelated images. "
        "Blindness: share of flips after which the map still looks like the old one, that is above 95 % of the similarities of unrelated images.",
        limits="A map that agrees with the mask does not show that the model relies on it (reliance does). Blindness is judged on the flips that "
        "exposure found.",
        reference="Sundararajan et al. 2017 (arXiv:1703.01365); Simonyan et al. 2014 (arXiv:1312.6034); Ghorbani et al. 2019 (arXiv:1710.10547).",
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return one trial per method; each reads the adversarials of exposure's primary trial."""
        return tuple(self._trial(facts, method) for method in self.methods)

    def _trial(self, facts: Facts, method: str) -> Trial:
        source = evasion_trial(facts, shown_zone(facts), facts.primary)
        threat = {"norm": facts.norm, "epsilon": facts.primary, "guard": facts.guard}
        return Trial("attribution", method, DEFAULTS.get(method, {}), "", threat, facts.seed, source=source, samples=self.samples, keep=True)

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return agreement, stability and blindness of every method."""
        result: list[Finding] = []
        for method in self.methods:
            trial = self._trial(facts, method)
            rows = observations.of(trial)
            base: dict[str, Any] = {"check": "attribution", "evidence": Evidence(trials=(observations.key(trial),))}
            for name, judged in (("agreement", self._agreement), ("stability", self._stability), ("blindness", self._blindness)):
                result.append(
                    judged(
                        facts,
                        {one: row for one, row in rows.items() if row.error is None},
                        method,
                        {**base, "id": f"attribution/{method}/{name}"},
                        why_not(rows.values()),
                    )
                )
        return tuple(result)

    def _agreement(self, facts: Facts, rows: Rows, method: str, base: dict[str, Any], missing: str) -> Finding:
        base = {**base, "question": 1, "primary": False}
        used = {name: row for name, row in rows.items() if "area" in row.values and row.values["correct"] == 1}
        units = [facts.unit_of[name] for name in used]
        inside, area = _column(used, "inside"), _column(used, "area")
        estimate = ratio(inside, area, units, seed=facts.seed, unit="times the mass of a random map")
        if estimate is None:
            return Finding(
                verdict="not_measured",
                claim=f"Agreement of {method} with the mask was not measured.",
                reason=_why(missing, "no correct sample has a mask"),
                **base,
            )
        verdict = decide(estimate, 1.0, worse="below")
        pointing, random_hit = (
            mean(_column(used, "pointing"), units, seed=facts.seed, unit="share of samples"),
            mean(area, units, seed=facts.seed, unit="share of area"),
        )
        shares = [
            {"name": "mass inside the mask", "estimate": plain(mean(inside, units, seed=facts.seed, unit="share of mass")), "note": ""},
            {"name": "mass inside, random map", "estimate": plain(random_hit), "note": "the mask's share of the area"},
            {"name": "strongest pixel inside (pointing game)", "estimate": plain(pointing), "note": ""},
        ]
        claim = f"{method} puts {span(estimate, share=False)} times as much of its mass inside the mask as a random map would ({estimate.n} samples)."
        p = ratio_p(inside, area, units, 1.0)
        advice = "The map does not point at the marked region more than chance." if verdict == "fail" else ""
        return Finding(
            verdict=verdict,
            claim=claim,
            estimate=estimate,
            tolerance=1.0,
            reason=reason(verdict, estimate, 1.0, share=False),
            p=p,
            advice=advice,
            details={"rows": shares},
            **base,
        )

    def _stability(self, facts: Facts, rows: Rows, method: str, base: dict[str, Any], missing: str) -> Finding:
        base = {**base, "question": 3, "primary": True}
        used = {name: row for name, row in rows.items() if "noise/rank" in row.values and "null/rank" in row.values}
        units = [facts.unit_of[name] for name in used]
        noise, null = _column(used, "noise/rank"), _column(used, "null/rank")
        above, room = [a - b for a, b in zip(noise, null, strict=True)], [1 - b for b in null]
        constant = bool(room) and max(room) < 1e-6
        estimate = None if constant else ratio(above, room, units, seed=facts.seed, unit="stability (0 = unrelated maps, 1 = unmoved)")
        if estimate is None:
            why = "maps of unrelated images are equal: the map does not depend on the image" if constant else "too few predictions stayed the same under noise"
            return Finding(verdict="not_measured", claim=f"Stability of {method} was not measured.", reason=_why(missing, why), **base)
        verdict = decide(estimate, self.tolerance, worse="below")
        table = [_row("under harmless noise", noise, units, facts), _row("unrelated image of the same class (null)", null, units, facts)]
        table += [
            _row(f"under noise, {label}", _column(used, f"noise/{key}"), units, facts)
            for key, label in (("top", "overlap of the top tenth"), ("structure", "structural similarity"))
        ]
        claim = (
            f"Under harmless noise {method} maps keep {span(estimate, share=False)} of the likeness that they have beyond unrelated images "
            f"(rank correlation {np.mean(noise):.2f}, unrelated {np.mean(null):.2f}; {estimate.n} samples)."
        )
        advice = (
            f"Do not show {method} maps to users as they are: they move when nothing changes. Smooth or average them, and audit again."
            if verdict == "fail"
            else ""
        )
        p = ratio_p(above, room, units, self.tolerance)
        why = reason(verdict, estimate, self.tolerance, share=False)
        return Finding(
            verdict=verdict, claim=claim, estimate=estimate, tolerance=self.tolerance, reason=why, p=p, advice=advice, details={"rows": table}, **base
        )

    def _blindness(self, facts: Facts, rows: Rows, method: str, base: dict[str, Any], missing: str) -> Finding:
        base = {**base, "question": 3, "primary": True}
        used = {name: row for name, row in rows.items() if "attack/rank" in row.values}
        null = [row.values["null/rank"] for row in rows.values() if "null/rank" in row.values]
        if not used or len(null) < 20:
            short = "exposure found no flip to explain" if not used else f"only {len(null)} pairs of unrelated images, 20 are needed for the null"
            return Finding(verdict="not_measured", claim=f"Blindness of {method} was not measured.", reason=_why(missing, short), **base)
        bar = float(np.quantile(null, 0.95))
        units = [facts.unit_of[name] for name in used]
        attacked = _column(used, "attack/rank")
        flags = [float(value > bar) for value in attacked]
        estimate = proportion(flags, units, unit="share of flips that the map did not notice")
        assert estimate is not None
        verdict = decide(estimate, self.blind_tolerance)
        table = [
            _row("before and after a flip", attacked, units, facts),
            _row("unrelated image of the same class (null)", null, [facts.unit_of[name] for name, row in rows.items() if "null/rank" in row.values], facts),
        ]
        table += [
            _row(f"mass outside the mask, {when} the flip", _column(used, f"outside_{when}"), units, facts, "share of mass") for when in ("before", "after")
        ]
        claim = (
            f"After {span(estimate)} of {estimate.n} flips the {method} map still looks like the old one "
            f"(rank correlation above {bar:.2f}, which 95 % of unrelated images do not reach)."
        )
        advice = f"Do not use {method} maps as an alarm: a decision can flip while the map stays." if verdict == "fail" else ""
        p = proportion_p(flags, units, self.blind_tolerance)
        why = reason(verdict, estimate, self.blind_tolerance)
        return Finding(
            verdict=verdict, claim=claim, estimate=estimate, tolerance=self.blind_tolerance, reason=why, p=p, advice=advice, details={"rows": table}, **base
        )


def _column(rows: Rows, key: str) -> list[float]:
    return [row.values[key] for row in rows.values()]


def _why(missing: str, otherwise: str) -> str:
    return otherwise if missing == "nothing was measured" else missing


def _row(name: str, values: list[float], units: list[str], facts: Facts, unit: str = "similarity") -> dict[str, Any]:
    found: Estimate | None = mean(values, units, seed=facts.seed, unit=unit)
    return {"name": name, "estimate": plain(found), "note": "" if found else f"an interval needs at least two units, there are {len(set(units))}"}
