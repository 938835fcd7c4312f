"""Left-over: does the model still tell the classes apart when the inside is gone? A part of the check reliance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from auditor.checks.common import MOST_PAIRS, clean_trial, most_pairs, percent, span, why_not
from auditor.checks.reliance.left_over_verdict import CHANCE, nearest_to_chance, verdict_of
from auditor.checks.reliance.ways import FILL_WORDS
from auditor.core.displays import Display, Named, Rows, TableDisplay
from auditor.core.facts import Facts
from auditor.core.records import Estimate, Evidence, Finding, Observation, Observations, Trial, Verdict
from auditor.core.seeds import generator
from auditor.stats.crossed import METHOD, Crossed, Part, bounds, crossed_proportion, share_of
from auditor.stats.means import RESAMPLES
from auditor.stats.shares import Array, proportion

UNSHARED = (
    "something is left, but the outside share does not say that it counts while the inside is visible: with nothing"
    " inside to see, the model may turn to what it otherwise ignores"
)
_UNIT = "share of pairs told apart (AUC)"


def left_over_trial(facts: Facts) -> Trial:
    """Return the trial of blanked pairs."""
    return Trial("left_over", settings={"guard": facts.guard, "fills": list(FILL_WORDS)}, seed=facts.seed)


def judge_left_over(
    facts: Facts, observations: Observations, *, inside: Part, outside: Verdict, tolerance: float, trace: float
) -> Finding:
    """Return the share of pairs told apart without the inside, against chance.

    A fail needs both fills beyond chance by more than `tolerance`, in the same direction: pairs told apart the wrong
    way round show an association that is reversed in these data. It also needs leads that are more than a `trace` of
    the class evidence, and an outside share that fails too (`outside`). Ranks alone would accuse a model of any
    sensitivity, however small; and with nothing inside to see, an honest network turns to whatever is left, a thing it
    ignores as long as the inside speaks.
    """
    trial = left_over_trial(facts)
    rows = observations.of(trial)
    evidence = Evidence(trials=(observations.key(trial),))
    base: dict[str, Any] = {"id": "reliance/left-over", "check": "reliance", "question": 1, "evidence": evidence}
    measured = {name: row for name, row in rows.items() if row.missing is None and "partner" in row.values}
    if not measured:
        claim = "What is left without the inside was not measured."
        return Finding(verdict="not_measured", claim=claim, reason=why_not(rows.values()), **base)
    pairs = _Blanked.of(facts, measured)
    found, shares = pairs.told_apart(), pairs.shares(inside)
    verdict, why = verdict_of(found, shares, tolerance, trace=trace)
    least = nearest_to_chance(found)
    if verdict == "fail" and outside != "fail":
        verdict, why = "inconclusive", UNSHARED
    displays: tuple[Display, ...] = (
        *_fills(found, shares, pairs.chance()),
        _kept(facts, observations, measured),
        *_pairs(facts, pairs.who, pairs.wins["smooth"]),
    )
    return Finding(
        verdict=verdict,
        claim=_claim(found, shares["smooth"]),
        estimate=least,
        tolerance=CHANCE + (tolerance if least.value >= CHANCE else -tolerance),
        reason=why,
        advice=_advice(verdict),
        displays=displays,
        **base,
    )


@dataclass(frozen=True)
class _Blanked:
    """What was measured of pairs (t) whose marked region was blanked in both, with each fill."""

    facts: Facts
    who: NDArray[np.int64]
    """(t, 2) positions of the two samples."""
    leads: Mapping[str, Array]
    """Fill -> by how much the model tells them apart (t,), in logits."""

    @staticmethod
    def of(facts: Facts, measured: Mapping[str, Observation]) -> _Blanked:
        leads = {fill: np.array([row.values[f"lead/{fill}"] for row in measured.values()]) for fill in FILL_WORDS}
        return _Blanked(facts, _who(facts, measured), leads)

    @property
    def units(self) -> NDArray[np.int64]:
        """Return the units (t, 2) of the two samples."""
        numbers: NDArray[np.int64] = self.facts.unit_numbers[self.who]
        return numbers

    @property
    def wins(self) -> dict[str, Array]:
        """Return by fill which pairs (t,) are told apart; half of one where neither leads."""
        return {fill: np.where(lead == 0, CHANCE, lead > 0) for fill, lead in self.leads.items()}

    def told_apart(self) -> dict[str, Estimate]:
        """Return by fill the share of pairs told apart."""
        return {fill: crossed_proportion(flags.tolist(), self.units, unit=_UNIT) for fill, flags in self.wins.items()}

    def shares(self, inside: Part) -> dict[str, Estimate | None]:
        """Return by fill the mean lead as a share of the class evidence."""
        return {
            fill: _share(Part(lead[:, None], self.units), inside, self.facts.seed) for fill, lead in self.leads.items()
        }

    def chance(self) -> dict[str, float]:
        """Return by fill the p-value against chance."""
        return {fill: _permutation_p(flags, self.units[:, 0], self.facts.seed) for fill, flags in self.wins.items()}


def _claim(found: Mapping[str, Estimate], share: Estimate | None) -> str:
    return (
        "With the marked region blanked in both, the model still tells a sample from one of another class in"
        f" {span(found['smooth'])} of {found['smooth'].n} pairs ({percent(found['flat'].value)} with the other fill;"
        f" chance is 50 %){_trace_clause(share)}."
    )


def _share(lead: Part, inside: Part, seed: int) -> Estimate | None:
    """Return the mean lead as a share of the class evidence: what the outside adds when the inside says nothing."""
    if not len(inside.values):
        return None
    found = Crossed.of([lead, inside])
    resampled = found.draws(seed)
    value = float(share_of(found.point[0], found.point[1]))
    return Estimate(
        value,
        *bounds(share_of(resampled[:, 0], resampled[:, 1])),
        len(lead.values),
        "share of the class evidence",
        METHOD,
        share=True,
    )


def _trace_clause(share: Estimate | None) -> str:
    return f", by leads that are {span(share)} of the class evidence" if share else ""


def _who(facts: Facts, rows: Mapping[str, Observation]) -> Any:
    return np.array(
        [[facts.position_of[name], int(row.values["partner"])] for name, row in rows.items()], dtype=np.int64
    )


def _permutation_p(wins: Any, units: Any, seed: int) -> float:
    """Return the two-sided p-value that the pairs of a unit are as likely told apart the wrong way round: its labels
    are exchanged as a whole.
    """
    sums = np.bincount(units, weights=wins - CHANCE)
    signs = generator(seed, "left-over").choice([-1.0, 1.0], (RESAMPLES, len(sums)))
    return float((1 + (abs(signs @ sums) >= abs(sums.sum()) - 1e-9).sum()) / (1 + RESAMPLES))


def _fills(
    found: Mapping[str, Estimate], shares: Mapping[str, Estimate | None], chance: Mapping[str, float]
) -> tuple[Rows, Rows]:
    """Return the pairs told apart with each fill, with the permutation's p-values, and the leads as shares of the class
    evidence.
    """
    said = {fill: f"leads are {span(share)} of the class evidence" if share else "" for fill, share in shares.items()}
    fills = (Named(name=FILL_WORDS[fill], estimate=one, note=said[fill], p=chance[fill]) for fill, one in found.items())
    missing = "the inside effect was not measured"
    leads = (
        Named(name=FILL_WORDS[fill], estimate=share, note="" if share else missing) for fill, share in shares.items()
    )
    return Rows(rows=tuple(fills), role="fills"), Rows(rows=tuple(leads), role="leads")


def _kept(facts: Facts, observations: Observations, rows: Mapping[str, Observation]) -> Rows:
    """Return how many samples the mask alone, and the whole sample, give to their class: the counterpart of the
    left-over.
    """
    label = dict(zip(facts.ids, facts.y, strict=True))
    shown = {name: float(row.values["kept"] == label[name]) for name, row in rows.items() if "kept" in row.values}
    clean = observations.of(clean_trial())
    whole = {name: clean[name].values["correct"] for name in shown if name in clean and clean[name].missing is None}

    def accuracy(flags: Mapping[str, float]) -> Estimate | None:
        return proportion(list(flags.values()), [facts.unit_of[name] for name in flags], unit="accuracy")

    missing = "no sample with a mask was measured" if not shown else "the plain answers were not measured"
    named = (("only the inside visible", shown), ("everything visible, the same samples", whole))
    kept = (Named(name=name, estimate=accuracy(flags), note="" if flags else missing) for name, flags in named)
    return Rows(rows=tuple(kept), role="kept")


def _pairs(facts: Facts, who: Any, wins: Any) -> tuple[TableDisplay, ...]:
    if len(facts.classes) < 3:
        return ()
    y = np.array(facts.y)[who]
    found = []
    for one, two in combinations(range(len(facts.classes)), 2):
        mine = (y.min(1) == one) & (y.max(1) == two)
        if mine.any():
            apart = crossed_proportion(wins[mine].tolist(), facts.unit_numbers[who[mine]], unit=_UNIT)
            found.append((f"{facts.classes[one]} and {facts.classes[two]}", apart))
    found.sort(key=lambda row: -row[1].low)
    title = f"Pairs told apart without the inside, by classes{most_pairs(len(found))}"
    return (TableDisplay(title=title, columns=("Classes", "Told apart"), rows=tuple(found[:MOST_PAIRS])),)


def _advice(verdict: Verdict) -> str:
    if verdict == "fail":
        return (
            "Something outside the marked region tells the classes apart in these data, and the model reads it: see"
            " where."
        )
    return "Audit more samples." if verdict == "inconclusive" else ""
