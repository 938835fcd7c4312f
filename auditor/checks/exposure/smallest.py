"""Each sample's smallest epsilon in a zone, what it says of the zone as a whole, and of each of its values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from auditor.checks.common import evasion_trial, grey, label, usable, why_not
from auditor.checks.exposure.sizes import SmallestSizes
from auditor.core.displays import Steps
from auditor.core.facts import Facts
from auditor.core.outcomes import Outcome
from auditor.core.records import Estimate, Observation, Observations, Trial
from auditor.stats.censored import median

SEARCH = {"rounds": 7, "steps": 16, "aims": 0}
"""Settings of the search: it costs about as much as one more epsilon of the attack evade at effort fast."""
REACH = 2.0
"""How far the search goes, in largest declared epsilons."""
DUAL = {"linf": 1.0, "l2": 0.5, "l1": 0.0}
"""1 / q of each norm's dual exponent q: n values of equal slope are together n to this power as sensitive as one."""
PER = {"linf": "value", "l2": "square root of the values", "l1": "zone"}


@dataclass(frozen=True)
class Threshold:
    """The smallest change of one sample that is known to flip it; infinite where none was found."""

    size: float
    margin: float
    area: float

    def within(self, epsilon: float) -> bool:
        """Return whether an epsilon is known to be enough, up to the rounding of float32."""
        return self.size <= epsilon * (1 + 1e-6)

    def sensitivity(self, norm: str) -> float:
        """Return how fast the margin falls per unit of epsilon, per value of the zone; 0 where nothing was found.

        A two-class linear model falls by epsilon times the dual norm of its weights in the zone, which under linf is
        their mean absolute value times their number.
        """
        return self.margin / (self.size * math.pow(self.area, DUAL[norm]))


Thresholds = Mapping[str, Threshold]


def reach(facts: Facts) -> float:
    """Return the largest size that the search tries."""
    return REACH * max(facts.epsilons)


def search_trial(facts: Facts, zone: str, samples: int) -> Trial:
    """Return the trial that looks for the smallest change in a zone."""
    settings = {**SEARCH, "ceiling": reach(facts)}
    return Trial(
        "smallest",
        "minimum_norm",
        settings,
        zone,
        {"norm": facts.norm, "guard": facts.guard},
        facts.seed,
        samples=samples,
    )


def thresholds(facts: Facts, observations: Observations, zone: str, *, search: Trial | None) -> Thresholds:
    """Return the smallest change of each sample: that of the search or of the attacks at declared epsilons, whichever
    is smaller.

    Only samples that the search saw count, where it saw any; else all that were attacked.
    """
    attacked = [usable(observations.of(evasion_trial(facts, zone, epsilon))) for epsilon in facts.epsilons]
    seen = usable(observations.of(search)) if search is not None else {}
    names = seen or {name: row for rows in attacked for name, row in rows.items()}
    return {
        name: one
        for name in names
        if (one := _threshold(facts, [rows[name] for rows in (seen, *attacked) if name in rows])) is not None
    }


def _threshold(facts: Facts, rows: Sequence[Observation]) -> Threshold | None:
    sizes = [row.values["size"] for row in rows if Outcome.of(row.values).flipped and "size" in row.values]
    known = next((row.values for row in rows if "area" in row.values), None)
    return (
        None
        if known is None
        else Threshold(_whole(facts, min(sizes, default=math.inf)), known["clean_margin"], known["area"])
    )


def _whole(facts: Facts, size: float) -> float:
    """Return a size in whole steps of the value grid where the norm counts them: equal sizes differ by the rounding of
    float32 otherwise.
    """
    if facts.norm != "linf" or facts.levels is None or math.isinf(size):
        return size
    step = (facts.high - facts.low) / facts.levels
    return round(size / step) * step


def sizes_of(facts: Facts, found: Thresholds, limit: float) -> SmallestSizes:
    """Return the smallest epsilons of some samples; `limit` is the largest one that was tried."""
    return SmallestSizes(
        sizes=[one.size for one in found.values()],
        units=[facts.unit_of[name] for name in found],
        limit=limit,
        unit="epsilon",
        share="share of correct predictions flipped",
        words=lambda size: grey(facts, size) if facts.norm == "linf" else f"{size:.3g}",
    )


def zone_steps(
    facts: Facts, observations: Observations, found: Thresholds, *, search: Trial | None, zone: str
) -> Steps:
    """Return what a report shows of a zone's smallest epsilons."""
    searched = bool(search is not None and usable(observations.of(search)))
    sizes = sizes_of(facts, found, reach(facts) if searched else max(facts.epsilons))
    how = "" if searched else "only the declared epsilons were tried"
    if search is not None and not searched:
        how += f"; the search for the smallest: {why_not(observations.of(search).values())}"
    return replace(
        sizes.steps(zone, label=label(zone), short=_too_few(facts, sizes), role="zone"),
        how=how,
        sensitivity=sensitivity(facts, found),
        sensitivity_reason=(
            "under l0 a size is a count of values and has no dual norm"
            if facts.norm == "l0"
            else "too few samples were flipped"
        ),
    )


def _too_few(facts: Facts, found: SmallestSizes) -> str:
    """Return why there is no median, with its lower end where that is known."""
    if not found.beyond:
        return f"{len(found.sizes)} samples are too few"
    capped = median([min(size, 2 * found.limit) for size in found.sizes], found.units)
    least = f"at least {grey(facts, min(found.limit, capped.low))}: " if capped else ""
    return f"{least}{found.beyond} of {len(found.sizes)} samples were not flipped up to {grey(facts, found.limit)}"


def sensitivity(facts: Facts, found: Thresholds) -> Estimate | None:
    """Return the median sensitivity per value; None under l0, whose sizes are counts and have no dual norm, and of too
    few samples.
    """
    if facts.norm not in DUAL:
        return None
    units = [facts.unit_of[name] for name in found]
    return _bounded(
        [one.sensitivity(facts.norm) for one in found.values()],
        units,
        f"margin per unit of epsilon and {PER[facts.norm]}",
    )


def relative(facts: Facts, found: Thresholds, base: Thresholds) -> Estimate | None:
    """Return the median, over samples, of how much more sensitive a value of one zone is than a value of another (the
    same sample's margin cancels).
    """
    if facts.norm not in DUAL:
        return None
    pairs = {
        name: (found[name].sensitivity(facts.norm), base[name].sensitivity(facts.norm))
        for name in found
        if name in base
    }
    known = {name: one / other if other else math.inf for name, (one, other) in pairs.items() if one or other}
    return _bounded(list(known.values()), [facts.unit_of[name] for name in known], "times")


def _bounded(values: Sequence[float], units: Sequence[str], unit: str) -> Estimate | None:
    """Return the median of values of which 0 stands for what lies below a search's reach."""
    return median([one if one else -math.inf for one in values], units, unit=unit)
