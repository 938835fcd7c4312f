"""What an attack at one epsilon says of every image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from auditor.checks.common import evasion_trial, usable
from auditor.checks.exposure.search import FlipAnswer, FlipSearch
from auditor.checks.exposure.smallest import Thresholds
from auditor.core.displays import Values
from auditor.core.facts import Facts
from auditor.core.outcomes import Outcome
from auditor.core.records import Observation, Observations, Trial


@dataclass(frozen=True)
class Attacked(FlipSearch):
    """The rows of one attack at one epsilon: it proves nothing, so what withstood it is not counted as open."""

    epsilon: float

    unit = "share of correct predictions flipped"
    proves = False

    @cached_property
    def used(self) -> dict[str, Observation]:
        """Return the rows of the samples that were attacked."""
        return usable(self.rows)

    def answer(self, row: Observation) -> FlipAnswer:
        """Return what is known of a sample: that it flips at this epsilon, or nothing."""
        outcome = Outcome.of(row.values)
        return FlipAnswer(outcome, self.epsilon if outcome.flipped else math.inf)

    def area(self) -> list[Values]:
        """Return the median number of values in the zone, and their share of all; nothing where nothing was
        attacked.
        """
        areas = [(row.values["area"], row.values["area_share"]) for row in self.used.values() if "area" in row.values]
        if not areas:
            return []
        values, shares = zip(*areas, strict=True)
        return [Values(values={"values": float(np.median(values)), "share": float(np.median(shares))}, role="area")]


def attacked(facts: Facts, observations: Observations, trial: Trial) -> Attacked:
    """Return what an attack at one epsilon found."""
    return Attacked(facts, observations.of(trial), float(trial.threat["epsilon"]))


def by_epsilon(
    facts: Facts, observations: Observations, zone: str, *, attack: str | None = None
) -> dict[float, Attacked]:
    """Return what an attack on a zone flips, by epsilon; without a name it is the audit's own."""
    trials = {epsilon: evasion_trial(facts, zone, epsilon, attack=attack) for epsilon in facts.epsilons}
    return {epsilon: attacked(facts, observations, trial) for epsilon, trial in trials.items()}


@dataclass(frozen=True)
class EveryZone:
    """What was found in every zone."""

    facts: Facts
    observations: Observations
    every: Mapping[str, Attacked]
    """Zone -> the attack at the primary epsilon."""
    found: Mapping[str, Thresholds]
    """Zone -> each sample's smallest change that is known to flip it."""
