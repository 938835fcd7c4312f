"""Whether explanations can be believed: the same questions for maps of images and for shares of a table's columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from auditor.checks.attribution.words import ExplainedWords
from auditor.checks.common import reason, span, why_not
from auditor.core.displays import Named, Rows
from auditor.core.facts import Facts
from auditor.core.records import Estimate, Evidence, Finding, Observation, Observations, Trial
from auditor.stats.decisions import decide
from auditor.stats.means import mean, ratio, ratio_p
from auditor.stats.shares import proportion, proportion_p

_Observed = Mapping[str, Observation]
Methods = tuple[str, ...] | dict[str, dict[str, Any] | None]
"""Explanations by name, or name -> its settings; those not given are the check's own."""


def method_settings(methods: Methods, method: str, defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings of one of a check's methods: what its audit file gives over the check's own defaults."""
    given = methods.get(method) if isinstance(methods, dict) else None
    return {**defaults.get(method, {}), **(given or {})}


@dataclass(frozen=True)
class Judge:
    """Agreement, stability and blindness of one method."""

    facts: Facts
    tolerance: float
    blind_tolerance: float
    words: ExplainedWords = ExplainedWords()
    blindness_decides: bool = True
    """Whether blindness decides the question."""

    def findings(self, observations: Observations, trial: Trial) -> tuple[Finding, ...]:
        """Return the three findings on what a trial measured."""
        rows, method = observations.of(trial), trial.method
        base: dict[str, Any] = {"check": "attribution", "evidence": Evidence(trials=(observations.key(trial),))}
        known, missing = {one: row for one, row in rows.items() if row.missing is None}, why_not(rows.values(), "")
        judged = {"agreement": self._agreement, "stability": self._stability, "blindness": self._blindness}
        return tuple(
            judge(known, method, missing, base={**base, "id": f"attribution/{method}/{name}"})
            for name, judge in judged.items()
        )

    def _agreement(self, rows: _Observed, method: str, missing: str, *, base: dict[str, Any]) -> Finding:
        base, w = {**base, "question": 1, "primary": False}, self.words
        used = {name: row for name, row in rows.items() if "area" in row.values and row.values["correct"] == 1}
        units = self._units(used)
        inside, area = _column(used, "inside"), _column(used, "area")
        estimate = ratio(inside, area, units, seed=self.facts.seed, unit=f"times the mass of a random {w.map}")
        if estimate is None:
            what = f"Agreement of {method} with {w.mask}"
            return _unmeasured(what, missing or w.no_mask, base)
        verdict = decide(estimate, 1.0, worse="below")
        claim = (
            f"{method} puts {span(estimate, share=False)} times as much of its mass {w.inside} as a random {w.map}"
            f" would ({estimate.n} samples)."
        )
        return Finding(
            verdict=verdict,
            claim=claim,
            estimate=estimate,
            tolerance=1.0,
            reason=reason(verdict, estimate, 1.0, share=False),
            p=ratio_p(inside, area, units, against=1.0),
            advice=f"The {w.map} does not point at {w.marked} more than chance." if verdict == "fail" else "",
            displays=(Rows(rows=self._shares(used, units), role="values"),),
            **base,
        )

    def _shares(self, used: _Observed, units: list[str]) -> tuple[Named, ...]:
        """Return where the mass lies, beside where chance would put it."""
        w = self.words

        def share(key: str, unit: str) -> Estimate | None:
            return mean(_column(used, key), units, seed=self.facts.seed, unit=unit, share=True)

        return (
            Named(name=f"mass {w.inside}", estimate=share("inside", "share of mass")),
            Named(name=f"mass inside, random {w.map}", estimate=share("area", w.area_unit), note=w.area, control=True),
            Named(name=w.strongest, estimate=share("pointing", "share of samples")),
        )

    def _stability(self, rows: _Observed, method: str, missing: str, *, base: dict[str, Any]) -> Finding:
        base, w = {**base, "question": 3, "primary": True}, self.words
        used = {name: row for name, row in rows.items() if "noise/rank" in row.values and "null/rank" in row.values}
        units = self._units(used)
        noise, null = _column(used, "noise/rank"), _column(used, "null/rank")
        above, room = [a - b for a, b in zip(noise, null, strict=True)], [1 - b for b in null]
        constant = bool(room) and max(room) < 1e-6
        unit = f"stability (0 = unrelated {w.maps}, 1 = unmoved)"
        estimate = None if constant else ratio(above, room, units, seed=self.facts.seed, unit=unit)
        if estimate is None:
            why = (
                f"{w.maps} of unrelated {w.images} are equal: the {w.map} does not depend on the {w.image}"
                if constant
                else f"too few predictions stayed the same under {w.disturbed}"
            )
            return _unmeasured(f"Stability of {method}", missing or why, base)
        verdict = decide(estimate, self.tolerance, worse="below")
        claim = (
            f"Under {w.noise} {method} {w.maps} keep {span(estimate, share=False)} of the likeness that they have"
            f" beyond unrelated {w.images} (rank correlation {np.mean(noise):.2f}, unrelated {np.mean(null):.2f};"
            f" {estimate.n} samples)."
        )
        advice = (
            f"Do not show {method} {w.maps} to users as they are: they move when nothing changes. Smooth or average"
            " them, and audit again."
        )
        return Finding(
            verdict=verdict,
            claim=claim,
            estimate=estimate,
            tolerance=self.tolerance,
            reason=reason(verdict, estimate, self.tolerance, share=False),
            p=ratio_p(above, room, units, against=self.tolerance),
            advice=advice if verdict == "fail" else "",
            displays=(Rows(rows=self._likeness(used, units), role="values"),),
            **base,
        )

    def _likeness(self, used: _Observed, units: list[str]) -> tuple[Named, ...]:
        """Return how alike the explanations stay, beside those of unrelated samples."""
        w = self.words
        return (
            self._row(f"under {w.noise}", _column(used, "noise/rank"), units),
            self._null(_column(used, "null/rank"), units),
            *(
                self._row(f"under {w.disturbed}, {label}", _column(used, f"noise/{key}"), units)
                for key, label in w.likeness
            ),
        )

    def _blindness(self, rows: _Observed, method: str, missing: str, *, base: dict[str, Any]) -> Finding:
        base, w = {**base, "question": 3, "primary": self.blindness_decides}, self.words
        used = {name: row for name, row in rows.items() if "attack/rank" in row.values}
        null = [row.values["null/rank"] for row in rows.values() if "null/rank" in row.values]
        if not used or len(null) < 20:
            short = (
                "exposure found no flip to explain"
                if not used
                else f"only {len(null)} pairs of unrelated {w.images}, 20 are needed for the null"
            )
            return _unmeasured(f"Blindness of {method}", missing or short, base)
        bar = float(np.quantile(null, 0.95))
        units = self._units(used)
        flags = [float(value > bar) for value in _column(used, "attack/rank")]
        estimate = proportion(flags, units, unit=f"share of flips that the {w.map} did not notice")
        assert estimate is not None
        verdict = decide(estimate, self.blind_tolerance)
        claim = (
            f"After {span(estimate)} of {estimate.n} flips the {method} {w.map} still looks like the old one "
            f"(rank correlation above {bar:.2f}, which 95 % of unrelated {w.images} do not reach)."
        )
        advice = f"Do not use {method} {w.maps} as an alarm: a decision can flip while the {w.map} stays."
        return Finding(
            verdict=verdict,
            claim=claim,
            estimate=estimate,
            tolerance=self.blind_tolerance,
            reason=reason(verdict, estimate, self.blind_tolerance),
            p=proportion_p(flags, units, self.blind_tolerance),
            advice=advice if verdict == "fail" else "",
            displays=(Rows(rows=self._around(rows, used), role="values"),),
            **base,
        )

    def _around(self, rows: _Observed, used: _Observed) -> tuple[Named, ...]:
        """Return how alike the explanations are around a flip, beside those of unrelated samples."""
        units, compared = self._units(used), {name: row for name, row in rows.items() if "null/rank" in row.values}
        return (
            self._row("before and after a flip", _column(used, "attack/rank"), units),
            self._null(_column(compared, "null/rank"), self._units(compared)),
            *(
                self._row(
                    f"mass {self.words.outside}, {when} the flip", _column(used, f"outside_{when}"), units, shares=True
                )
                for when in ("before", "after")
            ),
        )

    def _units(self, rows: _Observed) -> list[str]:
        return [self.facts.unit_of[name] for name in rows]

    def _null(self, values: list[float], units: list[str]) -> Named:
        name = f"unrelated {self.words.image} of the same class (null)"
        return replace(self._row(name, values, units), control=True)

    def _row(self, name: str, values: list[float], units: list[str], *, shares: bool = False) -> Named:
        """Return a row of means: of similarities, or of shares of the mass."""
        unit = "share of mass" if shares else "similarity"
        found = mean(values, units, seed=self.facts.seed, unit=unit, share=shares)
        short = f"an interval needs at least two units, there are {len(set(units))}"
        return Named(name=name, estimate=found, note="" if found else short)


def _unmeasured(what: str, why: str, base: dict[str, Any]) -> Finding:
    return Finding(verdict="not_measured", claim=f"{what} was not measured.", reason=why, **base)


def _column(rows: _Observed, key: str) -> list[float]:
    return [row.values[key] for row in rows.values()]
