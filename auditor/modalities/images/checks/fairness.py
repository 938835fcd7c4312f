"""Fairness: is the model as accurate, and as hard to break, for everyone?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from auditor.checks import checks
from auditor.checks.common import clean_trial, evasion_trial, grey, label, why_not
from auditor.checks.fairness.compared import Bands, Compared, Intersections, compared, no_groups, small_cells
from auditor.checks.fairness.gaps import GapRule, Question, judge_gap
from auditor.checks.fairness.group_rows import as_it_is, group_steps, robust_curves, same_sizes, under_attack
from auditor.checks.fairness.measured import Measured
from auditor.checks.fairness.reliance_groups import judge_reliance
from auditor.checks.fairness.targeted_harm import HarmAim, harm_trials, judge_harm
from auditor.core.displays import AttackBudget, Display
from auditor.core.errors import ConfigError, nearest
from auditor.core.facts import Facts
from auditor.core.records import Card, Evidence, Finding, Observations, Trial
from auditor.core.zones import single_zone


@checks.register("fairness", modality="image")
@dataclass(frozen=True, kw_only=True)
class Fairness:
    """Accuracy, robustness, exposure and reliance of each group, compared among equals; harm aimed at one group."""

    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.10
    """Largest gap between two groups, in accuracy, robustness, exposure and reliance; largest excess of targeted
    harm."""
    minimum_group: Annotated[int, Field(ge=2)] = 30
    """Groups with fewer samples are listed, but compared in no verdict."""
    zone: Annotated[str, AfterValidator(single_zone)] = "everywhere"
    """Where the attack behind the gap in robustness may write."""
    bands: Bands = None
    """Column of numbers -> edges of its bands, or into how many bands of equal size it is cut; four where none are
    declared."""
    intersections: Intersections = "pairs"
    """Columns whose combinations are compared too. Those named here decide like single columns; 'pairs' tries every
    pair and decides nothing."""
    positive: str = ""
    """The class that sensitivity, specificity and selection rate speak of; of two classes the last one where none is
    named.
    """
    targeted_harm: bool | tuple[str, ...] = True
    """Whether harm is aimed at groups; or at those of which columns."""
    harm_zone: Annotated[str, AfterValidator(single_zone)] = "outside"
    """Where the perturbation that is aimed at a group may be written; `zone` in data without any mask."""
    refits: Annotated[int, Field(ge=0)] = 0
    """How often the universal perturbations are fitted again on exchanged groups; 0: only the judged half is exchanged.
    """

    card: ClassVar[Card] = Card(
        title="Fairness: as reliable for everyone?",
        purpose="Whether the model errs more often, or is easier to break, for some groups of people than for others.",
        mechanism=(
            "Per group: answers as they are, and answers under the same attacks as in exposure. A gap in robustness is"
            " taken among correct predictions. Gaps are standardised to one mix of classes, with intervals that hold"
            " for all pairs of groups at once and count units (patients), not samples. Targeted harm: one perturbation"
            " for all is fitted on half of a group's units and tried on the other half of every group."
        ),
        reading=(
            "A gap whose whole interval lies beyond the tolerance fails; wholly within passes; anything else is too few"
            " to tell. Groups are ranked by the lower end of how much worse they fare than everyone else, never by the"
            " point."
        ),
        limits=(
            "Groups below the declared minimum are listed but not compared. A gap may come from the data (how they were"
            " taken, how severe the cases are) and not from the group itself. Where an attack flips nearly everyone, no"
            " gap in robustness can show. Intersections that nobody declared are an exploration: they are held to a"
            " stricter level and decide no question."
        ),
        reference=(
            "Newcombe 1998 (method 10); Zou and Donner 2008 for the combination over classes; Tukey and Kramer, Hayter"
            " 1984 for all pairs; Cochran 1954, Mantel and Haenszel 1959; Breslow and Day 1980; Kaplan and Meier 1958;"
            " Benjamini and Hochberg 1995; Shafahi et al. 2020 (arXiv:1811.11304) for the universal perturbation."
        ),
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return the plain answers, attacks that exposure asks for too, and the universal perturbations; none without
        groups (ConfigError: wrong columns).
        """
        if not facts.groups:
            return ()
        every = self._compared(facts)
        attacks = [evasion_trial(facts, zone, facts.primary) for zone in self._zones]
        aimed = [
            trial for one in every if self._aimed(one) for trial in harm_trials(facts, one.attribute, self._aim(facts))
        ]
        return tuple(dict.fromkeys([clean_trial(), *attacks, *aimed]))

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return the gaps in accuracy, robustness and exposure, targeted harm and reliance, for every attribute."""
        if not facts.groups:
            return (no_groups(),)
        measured = Measured(facts, observations)
        return tuple(finding for one in self._compared(facts) for finding in self._attribute(measured, one))

    @property
    def _zones(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.zone, "outside")))

    def _compared(self, facts: Facts) -> tuple[Compared, ...]:
        if self.positive and self.positive not in facts.classes:
            raise ConfigError(
                f"positive: expected a class, got '{self.positive}'; {nearest(self.positive, facts.classes)}"
            )
        aimed = self.targeted_harm if isinstance(self.targeted_harm, tuple) else ()
        if strange := next((column for column in aimed if column not in facts.groups), ""):
            raise ConfigError(
                f"targeted_harm: expected a column of data.groups, got '{strange}'; {nearest(strange, facts.groups)}"
            )
        return compared(facts, self.bands, self.intersections)

    def _aimed(self, one: Compared) -> bool:
        chosen = (
            self.targeted_harm
            if isinstance(self.targeted_harm, tuple)
            else one.attribute.columns
            if self.targeted_harm
            else ()
        )
        return len(one.attribute.columns) == 1 and one.name in chosen

    def _aim(self, facts: Facts) -> HarmAim:
        zone = self.zone if self.harm_zone == "outside" and not any(facts.mask_share) else self.harm_zone
        return HarmAim(zone, self.minimum_group, self.refits)

    def _attribute(self, measured: Measured, one: Compared) -> Iterable[Finding]:
        facts = measured.facts
        small = None if one.declared else small_cells(one.partition, one.groups, self.minimum_group)
        if small:
            yield small
            return
        yield self._accuracy(measured, one)
        yield self._robustness(measured, one, self.zone, kind="robustness-gap")
        yield self._robustness(measured, one, "outside", kind="exposure-gap")
        if self._aimed(one):
            yield judge_harm(
                facts, measured.observations, one.attribute, tolerance=self.tolerance, aim=self._aim(facts)
            )
        if measured.transplant is not None:
            yield judge_reliance(measured, measured.transplant, one.partition, groups=one.groups, rule=self._rule(one))

    def _rule(self, one: Compared) -> GapRule:
        return GapRule(self.tolerance, self.minimum_group, one.level)

    def _accuracy(self, measured: Measured, one: Compared) -> Finding:
        facts, trial = measured.facts, clean_trial()
        positive = self.positive or (facts.classes[-1] if len(facts.classes) == 2 else "")
        rows = as_it_is(measured, one.groups, positive=positive, minimum=self.minimum_group)
        asked = Question(
            measured.correct, "accuracy", "without any attack", why_not(measured.observations.of(trial).values())
        )
        return self._gap(
            measured, one, asked, kind="accuracy-gap", displays=(rows,), trials=(trial,), primary=one.declared
        )

    def _robustness(self, measured: Measured, one: Compared, zone: str, *, kind: str) -> Finding:
        facts, trial = measured.facts, measured.attack(zone, measured.facts.primary)
        what = "the share of correct predictions that withstand an attack"
        when = f"{label(zone)} at {grey(facts, facts.primary)}"
        missing = why_not(measured.observations.of(trial).values())
        alike = same_sizes(measured, one.groups, zone, minimum=self.minimum_group)
        asked = Question(measured.withstood(zone, facts.primary), what, when, missing, (alike,))
        shown: tuple[Display, ...] = (
            AttackBudget(zone=zone, size=facts.primary),
            under_attack(measured, one.groups, zone, minimum=self.minimum_group),
            *robust_curves(measured, one.groups, zone),
            *group_steps(measured, one.groups, zone),
        )
        primary = one.declared and (zone != "outside" or any(facts.mask_share))
        return self._gap(
            measured,
            one,
            asked,
            kind=kind,
            displays=shown,
            trials=(clean_trial(), trial),
            primary=primary,
            rests_on=("attack_quality",),
        )

    def _gap(
        self,
        measured: Measured,
        one: Compared,
        asked: Question,
        *,
        kind: str,
        displays: Sequence[Display],
        trials: Sequence[Trial],
        **base: Any,
    ) -> Finding:
        name = one.name
        base |= {
            "id": f"fairness/{name}/{kind}",
            "check": "fairness",
            "question": 2,
            "evidence": Evidence(trials=tuple(map(measured.observations.key, trials))),
            "displays": (one.partition, *displays),
        }
        return judge_gap(measured.facts, name, one.groups, asked=asked, rule=self._rule(one), **base)
