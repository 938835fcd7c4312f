"""The shortcut search of the reliance check: which place of the surroundings the classifier reads, with intervals for
all places at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats as sps

from auditor.checks.common import why_not
from auditor.checks.reliance.ways import FILL
from auditor.core.displays import Values
from auditor.core.facts import Facts
from auditor.core.records import Estimate, Evidence, Finding, Observation, Observations, Trial, Verdict
from auditor.core.seeds import generator
from auditor.modalities.images.checks.clusters import clusters
from auditor.modalities.images.checks.places import FEWEST, MAX_T, NEGLIGIBLE, Place, Search
from auditor.stats.means import RESAMPLES
from auditor.stats.shares import Array

_UNIT = "change of the margin (logits)"


@dataclass(frozen=True)
class Cells:
    """Every draw as a row: effects (t, cells * cells + 1), NaN where a cell did not count, and whose units it
    involves.
    """

    effects: Array
    """The last column is the sample's own place (see `_own_place`)."""
    units: NDArray[np.int64]
    """(t, 2) unit of the recipient and of the donor."""
    recipients: NDArray[np.int64]
    """(t,) position of the recipient."""
    side: int
    """Number of cells along each side."""


def where_trial(facts: Facts, samples: int, *, cells: int = 6, draws: int = 2) -> Trial:
    """Return the trial that searches the surroundings of this many samples, cell by cell."""
    return Trial(
        "where",
        settings={"cells": cells, "draws": draws, "guard": facts.guard, "fill": FILL},
        zone="outside",
        seed=facts.seed,
        samples=samples,
    )


def judge_where(
    facts: Facts, observations: Observations, trial: Trial, *, evidence: float, outside: Verdict, tolerance: float
) -> Finding:
    """Return the finding 'reliance/where'.

    Parameters
    ----------
    evidence
        The class evidence that shares refer to: |inside effect| + |outside effect|, in logits.
    outside
        Verdict of the outside share; where it is 'fail' no place being found is no pass.
    tolerance
        Share of the class evidence that a single place may carry.
    """
    rows, key = observations.of(trial), observations.key(trial)
    drawn = _cells(facts, rows, int(trial.settings["cells"]))
    judged = _places(facts, drawn)
    places = [one for one in judged if one.row >= 0]
    if not places or evidence <= NEGLIGIBLE:
        return _unmeasured(rows, drawn, key=key, seen=bool(places))
    own = next((one for one in judged if one.row < 0), None)
    search = Search(places, own, drawn.side, evidence, tolerance, outside)
    found, unclustered = clusters(
        _maps(facts, drawn), dict(zip(facts.ids, facts.y, strict=True)), facts.classes, least=tolerance * evidence
    )
    return Finding(
        "reliance/where",
        "reliance",
        search.verdict,
        search.claim(found),
        estimate=search.share(search.decisive),
        tolerance=tolerance,
        two_sided=True,
        reason=search.reason(),
        advice=search.advice(),
        evidence=Evidence(tuple(case for one in found for case in one.cases), (key,)),
        question=1,
        displays=(*search.displays(found, unclustered), _extent(drawn, trial, evidence)),
    )


def _extent(drawn: Cells, trial: Trial, evidence: float) -> Values:
    """Return how many samples were searched, with how many donors, and what shares refer to."""
    searched, donors = len(set(drawn.recipients.tolist())), int(trial.settings["draws"])
    return Values(values={"searched": searched, "donors": donors, "class evidence": evidence}, role="search")


def _unmeasured(rows: Mapping[str, Observation], drawn: Cells, *, key: str, seen: bool) -> Finding:
    """Return the finding where no place was judged, or where there is nothing to share out (`seen`)."""
    if seen:
        why = "too little to share out: neither the inside nor the outside surely moves the model's margin"
    elif len(drawn.effects):
        why = f"no place was exchanged between at least {FEWEST} units"
    else:
        why = why_not(rows.values())
    return Finding(
        "reliance/where",
        "reliance",
        "inconclusive" if seen else "not_measured",
        "Which place outside the mask the model reads was not measured.",
        reason=why,
        question=1,
        evidence=Evidence(trials=(key,)),
    )


def _cells(facts: Facts, rows: Mapping[str, Observation], side: int) -> Cells:
    effects, involved = [], []
    for name in sorted(rows):
        values = rows[name].values if rows[name].missing is None else {}
        for draw in range(sum(key.startswith("k/") for key in values)):
            donor = int(values[f"k/{draw}"])
            effects.append([values.get(f"cell/{cell // side}/{cell % side}/{draw}", np.nan) for cell in range(side**2)])
            involved.append([facts.position_of[name], donor])
    cells, who = np.array(effects).reshape(-1, side**2), np.array(involved, dtype=np.int64).reshape(-1, 2)
    own = _own_place(cells, who[:, 0], np.array(facts.y)[who[:, 0]])
    return Cells(np.column_stack([cells, own]), facts.unit_numbers[who], who[:, 0], side)


def _own_place(cells: Array, recipients: NDArray[np.int64], label: NDArray[np.int64]) -> Array:
    """Return what the strongest place of each sample is worth (t,): found in the sample's other draws, measured in this
    one.

    The place that speaks most for the class and the one that speaks most against it, added up: what a classifier reads
    in one
    sample or another without any link to the class speaks for one class and against the other, and cancels where every
    class
    weighs alike (draws are scaled to that). NaN where there is no other draw, and everywhere where all samples are of
    one
    class: there a rare detail without any link to the class would look like a shortcut.
    """
    found = np.full(len(cells), np.nan)
    for row, one in enumerate(recipients.tolist()):
        others = cells[(recipients == one) & (np.arange(len(cells)) != row)]
        usable = np.flatnonzero(~np.isnan(cells[row]) & ~np.isnan(others).any(0)) if len(others) else ()
        if len(usable) > 1:
            known = others[:, usable].mean(0)
            found[row] = cells[row, usable[known.argmax()]] + cells[row, usable[known.argmin()]]
    classes, times = np.unique(label[~np.isnan(found)], return_counts=True)
    if len(classes) < 2:
        return np.full(len(cells), np.nan)
    weight = dict(zip(classes.tolist(), times.sum() / (len(times) * times), strict=True))
    return np.asarray(found * np.array([weight.get(one, 1.0) for one in label.tolist()]))


def _places(facts: Facts, drawn: Cells) -> list[Place]:
    """Return every cell that was exchanged between enough units, and the own place, with intervals that hold for all of
    them at once.

    Each unit pulls at a cell's mean with all draws in which it takes part, in either role (two-way bootstrap to first
    order,
    Owen and Eckles 2012, arXiv:1106.2125); the largest of all cells' t values under Gaussian multipliers gives the
    quantile
    (Chernozhukov, Chetverikov and Kato 2013, arXiv:1212.6906), carried over to Student's t of the fewer units of the
    two roles.
    The own place has half of the error for itself: it is one number, not one of many.
    """
    seen = ~np.isnan(drawn.effects)
    fewest = np.array(
        [min(len(np.unique(drawn.units[seen[:, cell], role])) for role in (0, 1)) for cell in range(seen.shape[1])]
    )
    judged = np.flatnonzero(fewest >= FEWEST)
    if not len(judged):
        return []
    effects, counted = drawn.effects[:, judged], seen[:, judged].sum(0)
    means = np.nansum(effects, 0) / counted
    pull = np.zeros((int(drawn.units.max()) + 1, len(judged)))
    for role in (0, 1):
        np.add.at(pull, drawn.units[:, role], np.where(seen[:, judged], effects - means, 0.0) / counted)
    error = np.sqrt((pull**2).sum(0))
    scaled = np.divide(pull, error, out=np.zeros_like(pull), where=error > NEGLIGIBLE)
    is_cell = judged < drawn.side**2
    miss = 0.05 if is_cell.all() else 0.025  # cells and own place share the 5 % alike
    largest = np.abs(generator(facts.seed, "where").normal(size=(RESAMPLES, len(pull))) @ scaled[:, is_cell]).max(
        1, initial=0.0
    )
    among_cells = float(sps.norm.sf(max(float(np.quantile(largest, 1 - miss)), float(sps.norm.isf(miss / 2)))))
    tail = np.where(is_cell, among_cells, miss / 2)
    m = fewest[judged]
    half = sps.t.isf(tail, m - 1) * np.sqrt(m / (m - 1)) * error
    return [
        _place(facts, drawn, int(cell), mean=float(mean), half=float(reach))
        for cell, mean, reach in zip(judged, means, half, strict=True)
    ]


def _place(facts: Facts, drawn: Cells, cell: int, *, mean: float, half: float) -> Place:
    members = set(drawn.recipients[~np.isnan(drawn.effects[:, cell])].tolist())
    n, units = len(members), len({facts.units[one] for one in members})
    estimate = Estimate(
        mean, mean - half, mean + half, n, _UNIT, MAX_T, 0.95, units if units < n else None, share=False
    )
    return Place(cell // drawn.side, cell % drawn.side, estimate) if cell < drawn.side**2 else Place(-1, -1, estimate)


def _maps(facts: Facts, drawn: Cells) -> dict[str, Array]:
    """Return each recipient's map (side, side): the mean over its draws, NaN where a cell never counted."""
    found = {}
    for one in np.unique(drawn.recipients).tolist():
        own = drawn.effects[drawn.recipients == one, :-1]
        times = (~np.isnan(own)).sum(0)
        found[facts.ids[one]] = np.where(times > 0, np.nansum(own, 0) / np.maximum(times, 1), np.nan).reshape(
            drawn.side, drawn.side
        )
    return found
