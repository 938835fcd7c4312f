"""Whether explanations can be believed: the same questions for maps of images and shares of a table's columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from auditor.checks.common import reason, span, why_not
from auditor.core.displays import Named, Rows
from auditor.core.facts import Facts
from auditor.core.records import Evidence, Finding, Observation, Observations, Trial
from auditor.stats.decisions import decide
from auditor.stats.means import mean, ratio, ratio_p
from auditor.stats.shares import proportion, proportion_p

Observed = Mapping[str, Observation]
Methods = tuple[str, ...] | dict[str, dict[str, Any] | None]
"""Explanations by name, or name -> its settings; those not given are the check's own."""


def settings_of(methods: Methods, method: str, defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings of one of a check's methods: what its audit file gives over the check's own defaults."""
    given = methods.get(method) if isinstance(methods, dict) else None
    return {**defaults.get(method, {}), **(given or {})}


@dataclass(frozen=True)
class Words:
    """How findings speak of what is explained."""

    map: str = "map"
    maps: str = "maps"
    image: str = "image"
    images: str = "images"
    mask: str = "the mask"
    inside: str = "inside the mask"
    outside: str = "outside the mask"
    noise: str = "harmless noise"
    disturbed: str = "noise"
    area: str = "the mask's share of the area"
    area_unit: str = "share of area"
    marked: str = "the marked region"
    strongest: str = "strongest pixel inside (pointing game)"
    likeness: tuple[tuple[str, str], ...] = (
        ("top", "overlap of the top tenth"),
        ("structure", "structural similarity"),
    )
    no_mask: str = "no correct sample has a mask"


@dataclass(frozen=True)
class Judge:
    """Agreement, stability and blindness of one method."""

    facts: Facts
    tolerance: float
    blind_tolerance: float
    words: Words = Words()
    blindness_decides: bool = True
    """Whether blindness decides the question."""

    def findings(self, observations: Observations, trial: Trial) -> tuple[Finding, ...]:
        """Return the three findings on what a trial measured."""
        rows, method = observations.of(trial), trial.method
        base: dict[str, Any] = {"check": "attribution", "evidence": Evidence(trials=(observations.key(trial),))}
        known, missing = {one: row for one, row in rows.items() if row.missing is None}, why_not(rows.values(), "")
        judged = {"agreement": self._agreement, "stability": self._stability, "blindness": self._blindness}
        return tuple(
            judge(known, method, {**base, "id": f"attribution/{method}/{name}"}, missing)
            for name, judge in judged.items()
        )

    def _agreement(self, rows: Observed, method: str, base: dict[str, Any], missing: str) -> Finding:
        base, w = {**base, "question": 1, "primary": False}, self.words
        used = {name: row for name, row in rows.items() if "area" in row.values and row.values["correct"] == 1}
        units = [self.facts.unit_of[name] for name in used]
        inside, area = _column(used, "inside"), _column(used, "area")
        estimate = ratio(inside, area, units, seed=self.facts.seed, unit=f"times the mass of a random {w.map}")
        if estimate is None:
            return Finding(
                verdict="not_measured",
                claim=f"Agreement of {method} with {w.mask} was not measured.",
                reason=missing or w.no_mask,
                **base,
            )
        verdict = decide(estimate, 1.0, worse="below")
        pointing, random_hit = (
            mean(_column(used, "pointing"), units, seed=self.facts.seed, unit="share of samples", share=True),
            mean(area, units, seed=self.facts.seed, unit=w.area_unit, share=True),
        )
        shares = (
            Named(
                name=f"mass {w.inside}",
                estimate=mean(inside, units, seed=self.facts.seed, unit="share of mass", share=True),
            ),
            Named(name=f"mass inside, random {w.map}", estimate=random_hit, note=w.area, control=True),
            Named(name=w.strongest, estimate=pointing),
        )
        claim = (
            f"{method} puts {span(estimate, share=False)} times as much of its mass {w.inside} as a random {w.map}"
            f" would ({estimate.n} samples)."
        )
        p = ratio_p(inside, area, units, 1.0)
        advice = f"The {w.map} does not point at {w.marked} more than chance." if verdict == "fail" else ""
        return Finding(
            verdict=verdict,
            claim=claim,
            estimate=estimate,
            tolerance=1.0,
            reason=reason(verdict, estimate, 1.0, share=False),
            p=p,
            advice=advice,
            displays=(Rows(rows=shares, role="values"),),
            **base,
        )

    def _stability(self, rows: Observed, method: str, base: dict[str, Any], missing: str) -> Finding:
        base, w = {**base, "question": 3, "primary": True}, self.words
        used = {name: row for name, row in rows.items() if "noise/rank" in row.values and "null/rank" in row.values}
        units = [self.facts.unit_of[name] for name in used]
        noise, null = _column(used, "noise/rank"), _column(used, "null/rank")
        above, room = [a - b for a, b in zip(noise, null, strict=True)], [1 - b for b in null]
        constant = bool(room) and max(room) < 1e-6
        estimate = (
            None
            if constant
            else ratio(
                above, room, units, seed=self.facts.seed, unit=f"stability (0 = unrelated {w.maps}, 1 = unmoved)"
            )
        )
        if estimate is None:
            why = (
                f"{w.maps} of unrelated {w.images} are equal: the {w.map} does not depend on the {w.image}"
                if constant
                else f"too few predictions stayed the same under {w.disturbed}"
            )
            return Finding(
                verdict="not_measured",
                claim=f"Stability of {method} was not measured.",
                reason=missing or why,
                **base,
            )
        verdict = decide(estimate, self.tolerance, worse="below")
        table = [
            _row(f"under {w.noise}", noise, units, self.facts),
            replace(_row(f"unrelated {w.image} of the same class (null)", null, units, self.facts), control=True),
        ]
        table += [
            _row(f"under {w.disturbed}, {label}", _column(used, f"noise/{key}"), units, self.facts)
            for key, label in w.likeness
        ]
        claim = (
            f"Under {w.noise} {method} {w.maps} keep {span(estimate, share=False)} of the likeness that they have"
            f" beyond unrelated {w.images} (rank correlation {np.mean(noise):.2f}, unrelated {np.mean(null):.2f};"
            f" {estimate.n} samples)."
        )
        advice = (
            f"Do not show {method} {w.maps} to users as they are: they move when nothing changes. Smooth or average"
            " them, and audit again."
            if verdict == "fail"
            else ""
        )
        p = ratio_p(above, room, units, self.tolerance)
        why = reason(verdict, estimate, self.tolerance, share=False)
        return Finding(
            verdict=verdict,
            claim=claim,
            estimate=estimate,
            tolerance=self.tolerance,
            reason=why,
            p=p,
            advice=advice,
            displays=(Rows(rows=tuple(table), role="values"),),
            **base,
        )

    def _blindness(self, rows: Observed, method: str, base: dict[str, Any], missing: str) -> Finding:
        base, w = {**base, "question": 3, "primary": self.blindness_decides}, self.words
        used = {name: row for name, row in rows.items() if "attack/rank" in row.values}
        null = [row.values["null/rank"] for row in rows.values() if "null/rank" in row.values]
        if not used or len(null) < 20:
            short = (
                "exposure found no flip to explain"
                if not used
                else f"only {len(null)} pairs of unrelated {w.images}, 20 are needed for the null"
            )
            return Finding(
                verdict="not_measured",
                claim=f"Blindness of {method} was not measured.",
                reason=missing or short,
                **base,
            )
        bar = float(np.quantile(null, 0.95))
        units = [self.facts.unit_of[name] for name in used]
        of_null = [self.facts.unit_of[name] for name, row in rows.items() if "null/rank" in row.values]
        attacked = _column(used, "attack/rank")
        flags = [float(value > bar) for value in attacked]
        estimate = proportion(flags, units, unit=f"share of flips that the {w.map} did not notice")
        assert estimate is not None
        verdict = decide(estimate, self.blind_tolerance)
        table = [
            _row("before and after a flip", attacked, units, self.facts),
            replace(_row(f"unrelated {w.image} of the same class (null)", null, of_null, self.facts), control=True),
        ]
        table += [
            _row(
                f"mass {w.outside}, {when} the flip",
                _column(used, f"outside_{when}"),
                units,
                self.facts,
                shares=True,
            )
            for when in ("before", "after")
        ]
        claim = (
            f"After {span(estimate)} of {estimate.n} flips the {method} {w.map} still looks like the old one "
            f"(rank correlation above {bar:.2f}, which 95 % of unrelated {w.images} do not reach)."
        )
        advice = (
            f"Do not use {method} {w.maps} as an alarm: a decision can flip while the {w.map} stays."
            if verdict == "fail"
            else ""
        )
        p = proportion_p(flags, units, self.blind_tolerance)
        why = reason(verdict, estimate, self.blind_tolerance)
        return Finding(
            verdict=verdict,
            claim=claim,
            estimate=estimate,
            tolerance=self.blind_tolerance,
            reason=why,
            p=p,
            advice=advice,
            displays=(Rows(rows=tuple(table), role="values"),),
            **base,
        )


def _column(rows: Observed, key: str) -> list[float]:
    return [row.values[key] for row in rows.values()]


def _row(name: str, values: list[float], units: list[str], facts: Facts, *, shares: bool = False) -> Named:
    """Return a row of means: of similarities, or of shares of the mass."""
    found = mean(values, units, seed=facts.seed, unit="share of mass" if shares else "similarity", share=shares)
    short = f"an interval needs at least two units, there are {len(set(units))}"
    return Named(name=name, estimate=found, note="" if found else short)
