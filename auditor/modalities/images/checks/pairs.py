"""The outside share of every pair of classes, since an average over all of them can hide any one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from auditor.checks.common import MOST_PAIRS, most_pairs, percent, reason, span
from auditor.checks.reliance.arms import Draws, estimates
from auditor.checks.reliance.ways import ShareWay, transplanted
from auditor.core.displays import TableDisplay
from auditor.core.records import Evidence, Finding, worst
from auditor.modalities.images.checks.exchanged import Exchanged
from auditor.modalities.images.checks.surroundings import WAYS, Located
from auditor.stats.simultaneous import bonferroni_level

TRANSPLANT_MISSES = "what lies beside the marked region, where the cut and the fill take it away"
_Pair = tuple[int, int]


def judge_pairs(
    draws: Draws, exchanged: Exchanged, tolerance: float, *, trials: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Return the finding on the pair of classes with the largest outside share; none of two classes, which are one
    pair.

    The intervals hold for all pairs and all ways at once. A pair passes where the transplant and the exchange agree.
    """
    classes = draws.facts.classes
    if len(classes) < 3:
        return ()
    base: dict[str, Any] = {
        "id": "reliance/pair",
        "check": "reliance",
        "evidence": Evidence(trials=trials),
        "question": 1,
        "primary": True,
    }
    pairs = list(combinations(range(len(classes)), 2))
    level = bonferroni_level(len(pairs) * (1 + len(WAYS)))
    said = {_name(draws, pair): list(_ways(draws, exchanged, pair, tolerance=tolerance, level=level)) for pair in pairs}
    found = [(name, way) for name, ways in said.items() for way in ways]
    if not found:
        claim = "The outside share of single pairs of classes was not measured."
        why = "no exchange between two classes moves the margin" if len(draws) else draws.why
        return (Finding(verdict="not_measured", claim=claim, reason=why, **base),)
    return (_judged(found, [name for name, ways in said.items() if len(ways) < 2], tolerance, base=base),)


def _judged(
    found: list[tuple[str, ShareWay]], open_pairs: list[str], tolerance: float, *, base: dict[str, Any]
) -> Finding:
    """Return the finding on what was found of each pair in each way; `open_pairs` were not measured in two ways."""
    verdict = worst([way.verdict for _, way in found])
    verdict = "inconclusive" if verdict == "pass" and open_pairs else verdict
    name, way = max(
        [one for one in found if one[1].verdict == verdict] or found,
        key=lambda one: (one[1].share.least, abs(one[1].share.value)),
    )
    said = way.doubt or reason(way.verdict, way.share, tolerance, either=True)
    return Finding(
        verdict=verdict,
        claim=f"Of all pairs of classes, the outside counts most for {name}: {span(way.share)} of the evidence between"
        f" them comes from outside the expert's mask ({way.name}).",
        estimate=way.share,
        tolerance=tolerance,
        two_sided=True,
        reason=said + (f"; not measured in two ways: {', '.join(open_pairs)}" if open_pairs else ""),
        advice=_ADVICE.format(name=name) if verdict == "fail" else "",
        p=way.p(tolerance),
        displays=(_table(found),),
        **base,
    )


_ADVICE = "Find what lies outside the marked region and tells {name} apart, then balance or remove it in training."


def _ways(draws: Draws, exchanged: Exchanged, pair: _Pair, *, tolerance: float, level: float) -> Iterator[ShareWay]:
    """Yield what every way says of the recipients of one class and the donors of the other."""
    y = np.array(draws.facts.y)
    mine = draws.where(_between(y[draws.who[:, 0]], y[draws.who[:, 2]], pair))
    if not len(mine) or not mine.moved:
        return
    yield transplanted(mine, estimates(mine, level), tolerance, misses=TRANSPLANT_MISSES)
    located = Located.of(mine, exchanged.where(_between(y[exchanged.who[:, 0]], y[exchanged.who[:, 2]], pair)))
    if located is not None:
        yield from located.ways(tolerance, level)


def _name(draws: Draws, pair: _Pair) -> str:
    return " and ".join(draws.facts.classes[one] for one in pair)


def _between(own: np.ndarray, other: np.ndarray, pair: _Pair) -> np.ndarray:
    one, two = pair
    return np.asarray(((own == one) & (other == two)) | ((own == two) & (other == one)))


def _table(found: list[tuple[str, ShareWay]]) -> TableDisplay:
    ordered = sorted(found, key=lambda one: -one[1].share.least)
    title = f"Outside share by pair of classes{most_pairs(len(found))}"
    level = percent(found[0][1].share.level)
    rows = tuple((name, way.name, way.share) for name, way in ordered[:MOST_PAIRS])
    return TableDisplay(title=title, columns=("Classes", "Way", f"Outside share, {level} interval"), rows=rows)
