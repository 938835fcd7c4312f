"""What was measured of every sample, read once for all attributes of the fairness check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from auditor.checks.common import evasion_trial
from auditor.checks.exposure.smallest import Thresholds, thresholds
from auditor.checks.reliance.arms import Draws
from auditor.core.facts import Facts
from auditor.core.records import Observation, Observations, Trial

T = TypeVar("T")
Flags = Mapping[str, float]
"""sample id -> 0 or 1"""


@dataclass(frozen=True)
class Measured:
    """Plain answers and attacks, as flags by sample id; what was not measured has none."""

    facts: Facts
    observations: Observations
    _found: dict[object, object] = field(default_factory=dict, repr=False)
    """What was worked out before: every attribute asks for the same."""

    def _once(self, key: object, make: Callable[[], T]) -> T:
        if key not in self._found:
            self._found[key] = make()
        return self._found[key]  # type: ignore[return-value]

    @cached_property
    def answers(self) -> Mapping[str, Observation]:
        """Return the rows of the plain answers that were measured."""
        return _known(self.observations.of(Trial("clean")))

    @cached_property
    def correct(self) -> Flags:
        """Return whether each answer is right."""
        return {name: float(row.values["correct"]) for name, row in self.answers.items()}

    def attack(self, zone: str, epsilon: float) -> Trial:
        """Return the trial of the audit's attack."""
        return evasion_trial(self.facts, zone, epsilon)

    def withstood(self, zone: str, epsilon: float) -> Flags:
        """Return whether each correct prediction withstood the attack."""
        return self._attacked(zone, epsilon)[0]

    def robust(self, zone: str, epsilon: float) -> Flags:
        """Return whether each sample that has the zone is classified correctly and stays so."""
        return self._attacked(zone, epsilon)[1]

    def _attacked(self, zone: str, epsilon: float) -> tuple[Flags, Flags]:
        def make() -> tuple[Flags, Flags]:
            rows = _known(self.observations.of(self.attack(zone, epsilon)))
            stood = {name: float(not row.values["fooled"]) for name, row in rows.items() if row.values["correct"] == 1}
            return stood, {name: stood.get(name, 0.0) for name in rows}

        return self._once((zone, epsilon), make)

    def epsilons(self, zone: str) -> tuple[float, ...]:
        """Return the budgets at which a zone was attacked, by whichever check."""
        planned = {trial for trial in self.observations.trials if trial.probe == "evasion"}
        return tuple(
            one for one in self.facts.epsilons if one == self.facts.primary or self.attack(zone, one) in planned
        )

    def search(self, zone: str) -> Trial | None:
        """Return the trial that looked for the smallest changes in a zone, if another check asked for one."""
        return next(
            (trial for trial in self.observations.trials if trial.probe == "smallest" and trial.zone == zone), None
        )

    def smallest(self, zone: str) -> Thresholds:
        """Return the smallest change that is known to flip each correct prediction."""
        return self._once(
            ("smallest", zone), lambda: thresholds(self.facts, self.observations, zone, search=self.search(zone))
        )

    def draws(self, transplant: Trial) -> Draws:
        """Return the draws of a transplant."""
        return self._once(transplant, lambda: Draws.of(self.facts, self.observations, transplant))

    @property
    def transplant(self) -> Trial | None:
        """Return the trial of the transplant, if another check asked for one."""
        return next((trial for trial in self.observations.trials if trial.probe == "transplant"), None)


def _known(rows: Mapping[str, Observation]) -> dict[str, Observation]:
    return {name: row for name, row in rows.items() if row.missing is None}


def members(facts: Facts, values: Sequence[str]) -> dict[str, list[str]]:
    """Return the sample ids of each group, groups in sorted order; what is unknown belongs to none."""
    found: dict[str, list[str]] = {value: [] for value in sorted(set(values) - {""})}
    for name, value in zip(facts.ids, values, strict=True):
        if value:
            found[value].append(name)
    return found
