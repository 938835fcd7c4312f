"""When what is left without the inside speaks against a model: the pairs told apart, on either side of chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from auditor.checks.common import percent, reason
from auditor.core.records import Estimate, Verdict
from auditor.stats.decisions import decide

CHANCE = 0.5


def nearest_to_chance(found: Mapping[str, Estimate]) -> Estimate:
    """Return what the fill nearest to chance says."""
    return min(found.values(), key=lambda one: abs(one.value - CHANCE))


def verdict_of(
    found: Mapping[str, Estimate], shares: Mapping[str, Estimate | None], tolerance: float, *, trace: float
) -> tuple[Verdict, str]:
    """Return the verdict and its reason, of the pairs told apart and of the leads as shares of the class evidence.

    Pairs told apart the wrong way round count as much as others: the association is then reversed in these data.
    """
    apart = {decide(_beyond_chance(one), tolerance, worse="either") for one in found.values()}
    large = {decide(one, trace, worse="either") for one in shares.values()}
    signs = {one.value > CHANCE for one in found.values()}
    least = nearest_to_chance(found)
    if apart == {"pass"}:
        return "pass", f"the whole interval lies within {percent(tolerance)} of chance with either fill"
    if large == {"pass"}:
        return (
            "pass",
            f"what is left is a trace: its whole 95 % interval lies within {percent(trace)} of the class evidence",
        )
    if apart == large == {"fail"} and len(signs) == 1:
        how = "" if signs == {True} else "; they are told apart the wrong way round, so the association is reversed"
        return (
            "fail",
            f"the whole interval lies more than {percent(tolerance)} from chance, and what is left is more than"
            f" {percent(trace)} of the class evidence{how}",
        )
    if apart == {"fail"} and len(signs) == 1:
        return (
            "inconclusive",
            f"too few to tell whether what is left is more than a trace ({percent(trace)} of the class evidence)",
        )
    if {"pass", "fail"} <= apart or len(signs) > 1:
        return "inconclusive", "the two fills disagree, so the filling itself may speak"
    return "inconclusive", reason("inconclusive", _beyond_chance(least), tolerance, either=True)


def _beyond_chance(one: Estimate) -> Estimate:
    """Return how far the pairs told apart are from chance; below 0 where they are told apart the wrong way round."""
    return replace(one, value=one.value - CHANCE, low=one.low - CHANCE, high=one.high - CHANCE)
