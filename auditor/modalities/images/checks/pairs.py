"""The outside share of every pair of classes, since an average over all of them can hide any one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from auditor.checks.common import MOST_PAIRS, most_pairs, percent, reason, span
from auditor.checks.reliance.arms import Draws, estimates
from auditor.checks.reliance.ways import Way, transplanted
from auditor.core.displays import TableDisplay
from auditor.core.records import Evidence, Finding, worst
from auditor.modalities.images.checks.exchanged import Exchanged
from auditor.modalities.images.checks.surroundings import WAYS, Located

TRANSPLANT_MISSES = "what lies beside the marked region, where the cut and the fill take it away"
Pair = tuple[int, int]


def judge_pairs(
    draws: Draws, exchanged: Exchanged, tolerance: float, *, trials: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Return the finding on the pair of classes with the largest outside share; none of two classes, which are one
    pair.

    The intervals hold for all pairs and all ways at once.
    """
    classes = draws.facts.classes
    if len(classes) < 3 or not len(draws):
        return ()
    pairs = list(combinations(range(len(classes)), 2))
    level = 1 - 0.05 / (len(pairs) * (1 + len(WAYS)))
    found = [
        (_name(draws, pair), way)
        for pair in pairs
        for way in _ways(draws, exchanged, pair, tolerance=tolerance, level=level)
    ]
    if not found:
        return ()
    open_pairs = [name for name in (_name(draws, pair) for pair in pairs) if name not in dict(found)]
    verdict = worst([way.verdict for _, way in found])
    verdict = "inconclusive" if verdict == "pass" and open_pairs else verdict
    name, way = max(
        [one for one in found if one[1].verdict == verdict] or found,
        key=lambda one: (one[1].least, abs(one[1].share.value)),
    )
    said = reason(way.verdict, way.share, tolerance, either=True)
    return (
        Finding(
            "reliance/pair",
            "reliance",
            verdict,
            f"Of all pairs of classes, the outside counts most for {name}: {span(way.share)} of the evidence between"
            f" them comes from outside the expert's mask ({way.name}).",
            estimate=way.share,
            tolerance=tolerance,
            reason=said + (f"; not measured: {', '.join(open_pairs)}" if open_pairs else ""),
            evidence=Evidence(trials=trials),
            question=1,
            primary=True,
            advice=_ADVICE.format(name=name) if verdict == "fail" else "",
            p=way.p(tolerance),
            displays=(_table(found),),
        ),
    )


_ADVICE = "Find what lies outside the marked region and tells {name} apart, then balance or remove it in training."


def _ways(draws: Draws, exchanged: Exchanged, pair: Pair, *, tolerance: float, level: float) -> Iterator[Way]:
    """Yield what every way says of the recipients of one class and the donors of the other."""
    y = np.array(draws.facts.y)
    mine = draws.where(_between(y[draws.who[:, 0]], y[draws.who[:, 2]], pair))
    if not len(mine) or not mine.moved:
        return
    yield transplanted(mine, estimates(mine, level), tolerance, misses=TRANSPLANT_MISSES)
    located = Located.of(mine, exchanged.where(_between(y[exchanged.who[:, 0]], y[exchanged.who[:, 2]], pair)))
    if located is not None:
        yield from located.ways(tolerance, level)


def _name(draws: Draws, pair: Pair) -> str:
    return " and ".join(draws.facts.classes[one] for one in pair)


def _between(own: np.ndarray, other: np.ndarray, pair: Pair) -> np.ndarray:
    one, two = pair
    return np.asarray(((own == one) & (other == two)) | ((own == two) & (other == one)))


def _table(found: list[tuple[str, Way]]) -> TableDisplay:
    ordered = sorted(found, key=lambda one: -one[1].least)
    title = f"Outside share by pair of classes{most_pairs(len(found))}"
    level = percent(found[0][1].share.level)
    rows = tuple((name, way.name, way.share) for name, way in ordered[:MOST_PAIRS])
    return TableDisplay(title=title, columns=("Classes", "Way", f"Outside share, {level} interval"), rows=rows)
