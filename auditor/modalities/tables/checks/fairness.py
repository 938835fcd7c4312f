"""Fairness of decisions on tables: outcomes, errors, recourse and invariance, for every group of people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from auditor.checks import checks
from auditor.checks.common import clean_trial, why_not
from auditor.checks.fairness.compared import Bands, Compared, Intersections, compared, no_groups, small_cells
from auditor.checks.fairness.gaps import GapRule, Question, judge_gap
from auditor.checks.fairness.group_rows import as_it_is
from auditor.checks.fairness.measured import Flags, Measured
from auditor.checks.fairness.ratio import Limits, Rates, judge_ratio
from auditor.core.facts import Facts
from auditor.core.records import Card, Evidence, Finding, Observations, Trial
from auditor.modalities.tables.checks.common import SEARCHED, favourable, flip_trial
from auditor.modalities.tables.checks.invariance import judge_invariance
from auditor.modalities.tables.checks.protected import invariance_trials
from auditor.modalities.tables.checks.recourse import judge_cost, judge_exposure, judge_reach
from auditor.modalities.tables.checks.searches import Searches

Share = Annotated[float, Field(gt=0, lt=1)]


@checks.register("fairness", modality="table")
@dataclass(frozen=True, kw_only=True)
class TableFairness:
    """Favourable decisions, errors, and what a change can reach, by group; and whether a protected column decides."""

    tolerance: Share = 0.10
    """Largest gap in accuracy, in true and false positives, and in exposure."""
    reach_tolerance: Share = 0.10
    """Largest gap in who can reach the favourable decision."""
    impact_ratio: Share = 0.8
    """Smallest ratio of a group's rate to that of the most favoured one."""
    cost_ratio: Annotated[float, Field(gt=1)] = 1.25
    """Largest ratio of what the favourable decision costs two groups."""
    invariance: Share = 0.02
    """Largest share of decisions that may change with a protected column."""
    minimum_group: Annotated[int, Field(ge=2)] = 30
    """Groups with fewer rows are listed, but compared in no verdict."""
    minimum_reference: Annotated[int, Field(ge=2)] = 100
    """Rows of a group that others are compared with in a ratio."""
    exclude_share: Annotated[float, Field(ge=0, lt=1)] = 0.02
    """A group with a smaller share of the rows is listed with its rate, but compared in no ratio."""
    bands: Bands = None
    """Column of numbers -> edges of its bands, or into how many bands of equal size it is cut; four where none are
    declared."""
    intersections: Intersections = "pairs"
    """Columns whose combinations are compared too. Those named here decide like single columns; 'pairs' tries every
    pair and decides nothing."""
    samples: Annotated[int, Field(ge=0)] = 1000
    """Rows of which at most the favourable decision is searched for; 0: all."""
    exposure_samples: Annotated[int, Field(ge=0)] = SEARCHED
    """Rows whose decision is attacked by what should not matter, as the check of exposure does; 0: all."""

    card: ClassVar[Card] = Card(
        title="Fairness: as favourable, as reliable, as changeable for everyone?",
        purpose=(
            "Whether groups of people get the favourable decision as often, by answers that are right as often, can"
            " reach it at the same cost, and whether decisions change with who someone is."
        ),
        mechanism=(
            "Impact ratio: a group's rate over the highest rate of a group that is large enough to compare with."
            " Scoring rate: the same of scores above the median. Gaps in accuracy and in true and false positives by"
            " class of the label. For rows decided unfavourably the cheapest permitted change to the favourable"
            " decision is searched; what cannot be reached is censored at the largest cost, never left out. Invariance:"
            " each protected column is set to its other values alone, with coupled columns repaired, and at the worst"
            " of the possible values of what rules tie to it."
        ),
        reading=(
            "All verdicts are on intervals that hold for all pairs of groups at once. A ratio wholly below the"
            " tolerance fails, wholly above passes. Searches that found nothing and proved nothing may be either: a"
            " verdict on them holds whatever they are. Invariance fails where the repaired share lies wholly beyond the"
            " tolerance and passes where all three do within; their signs may differ."
        ),
        limits=(
            "The pass mark of an impact ratio is this audit's own: New York City's Local Law 144 asks for the ratios"
            " and fixes no mark, and the four fifths of 29 CFR 1607.4(D) are a rule of thumb beside tests of"
            " significance. Equal rates are no proof that the decision is right, nor is invariance: a model that never"
            " sees a column may still treat its groups differently. Small groups are listed, never judged. Costs are"
            " those that the audit file declares. An unequal search imitates unfairness: how many searches are exact or"
            " proven stands beside each group."
        ),
        reference=(
            "29 CFR 1607.4(D) and 1607.16(R); 6 RCNY 5-300 to 5-304; Zou and Donner 2008 for ratios; Fisher 1935; Hardt"
            " et al. 2016 (arXiv:1610.02413) for equalised odds; Ustun et al. 2019 (arXiv:1809.06514) for recourse;"
            " Kusner et al. 2017 (arXiv:1703.06856) on why changing the column alone misleads; Royston and Parmar 2013"
            " for restricted means; Tukey and Kramer, Hayter 1984 for all pairs."
        ),
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return the plain answers, the searches and the changes of protected columns; none without groups or such
        columns (ConfigError: wrong columns).
        """
        asked: list[Trial] = list(invariance_trials(facts))
        if compared(facts, self.bands, self.intersections):
            asked = [clean_trial(), self._reach(facts), self._exposure(facts), *asked]
        return tuple(dict.fromkeys(asked))

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return the findings of every attribute, then those on protected columns."""
        found: list[Finding] = []
        if not facts.groups:
            found.append(no_groups())
        else:
            asked = Asked(self, Measured(facts, observations))
            found += [
                finding for one in compared(facts, self.bands, self.intersections) for finding in asked.attribute(one)
            ]
        return (*found, *judge_invariance(facts, observations, self.invariance))

    def _reach(self, facts: Facts) -> Trial:
        return flip_trial(facts, "everywhere", towards=facts.classes[favourable(facts)], samples=self.samples)

    def _exposure(self, facts: Facts) -> Trial:
        return flip_trial(facts, "outside", samples=self.exposure_samples)

    def searches(self, facts: Facts, observations: Observations) -> tuple[Searches, Searches]:
        """Return what the searches for the favourable decision and those by what should not matter found."""
        reach = Searches(facts, self._reach(facts), observations, max(facts.epsilons))
        return reach, Searches(facts, self._exposure(facts), observations, facts.primary)


@dataclass(frozen=True)
class Asked:
    """The check's questions, with what was measured for all attributes alike."""

    check: TableFairness
    measured: Measured

    @cached_property
    def searches(self) -> tuple[Searches, Searches]:
        """Return both kinds of searches."""
        return self.check.searches(self.measured.facts, self.measured.observations)

    @cached_property
    def wanted(self) -> int:
        """Return the index of the favourable class."""
        return favourable(self.measured.facts)

    @property
    def name(self) -> str:
        """Return the favourable class."""
        return self.measured.facts.classes[self.wanted]

    @cached_property
    def chosen(self) -> Flags:
        """Return whether each row is decided favourably."""
        return {name: float(row.values["predicted"] == self.wanted) for name, row in self.measured.answers.items()}

    @property
    def missing(self) -> str:
        """Return why there are no plain answers."""
        return why_not(self.measured.observations.of(clean_trial()).values())

    @cached_property
    def scores(self) -> dict[str, float]:
        """Return each row's score for the favourable class."""
        given = "scores" in self.measured.facts.offers
        return {
            name: row.values["score"] for name, row in self.measured.answers.items() if given and "score" in row.values
        }

    def attribute(self, one: Compared) -> Iterable[Finding]:
        """Return all findings of one attribute; of an intersection that nobody declared and that is too small, the
        ratios alone.
        """
        yield self._selection(one)
        yield self._scoring(one)
        small = None if one.declared else small_cells(one.partition, one.groups, self.check.minimum_group)
        if small:
            yield small
            return
        yield from self._errors(one)
        reach, exposed = self.searches
        yield judge_reach(
            reach,
            one,
            self._rule(one, self.check.reach_tolerance),
            favourable=self.name,
            id=f"fairness/{one.name}/reachability-gap",
        )
        minimum, most = self.check.minimum_group, self.check.cost_ratio
        yield judge_cost(reach, one, minimum, tolerance=most, id=f"fairness/{one.name}/recourse-cost")
        rule = self._rule(one, self.check.tolerance)
        yield judge_exposure(exposed, one, rule, id=f"fairness/{one.name}/exposure-gap")

    def _rule(self, one: Compared, tolerance: float) -> GapRule:
        return GapRule(tolerance, self.check.minimum_group, one.level)

    @property
    def _limits(self) -> Limits:
        check = self.check
        return Limits(check.impact_ratio, check.minimum_group, check.exclude_share, check.minimum_reference)

    def _base(self, one: Compared, kind: str, *, primary: bool = False) -> dict[str, Any]:
        shown = Evidence(trials=(self.measured.observations.key(clean_trial()),))
        return {
            "id": f"fairness/{one.name}/{kind}",
            "check": "fairness",
            "question": 2,
            "evidence": shown,
            "primary": primary and one.declared,
        }

    def _selection(self, one: Compared) -> Finding:
        asked = Rates(self.chosen, "selection", f"decided '{self.name}'", self.missing, self.name)
        return judge_ratio(
            self.measured.facts, one, asked, limits=self._limits, **self._base(one, "impact-ratio", primary=True)
        )

    def _scoring(self, one: Compared) -> Finding:
        middle = float(np.median(list(self.scores.values()))) if self.scores else None
        above = {name: float(score > middle) for name, score in self.scores.items()} if middle is not None else {}
        missing = (
            self.missing if "scores" in self.measured.facts.offers else "the classifier gives no scores, only decisions"
        )
        asked = Rates(above, "scoring", "scored above the median", missing, self.name, middle)
        return judge_ratio(self.measured.facts, one, asked, limits=self._limits, **self._base(one, "scoring-rate"))

    def _errors(self, one: Compared) -> Iterable[Finding]:
        """Return the gaps in accuracy, and in true and false positives: both together are equalised odds."""
        facts = self.measured.facts
        label = dict(zip(facts.ids, facts.y, strict=True))
        rows = as_it_is(self.measured, one.groups, positive=self.name, minimum=self.check.minimum_group)
        own = {name: flag for name, flag in self.chosen.items() if label[name] == self.wanted}
        others = {name: flag for name, flag in self.chosen.items() if label[name] != self.wanted}
        decided = f"the share decided '{self.name}'"
        shares = [
            ("accuracy-gap", self.measured.correct, "accuracy", (rows,)),
            ("true-positive-gap", own, f"{decided} among those who are '{self.name}'", ()),
            ("false-positive-gap", others, f"{decided} among those who are not '{self.name}'", ()),
        ]
        for kind, flags, what, more in shares:
            missing = self.missing if not self.measured.answers else "no row has such a label"
            asked = Question(flags, what, "without any attack", missing)
            base = self._base(one, kind, primary=kind == "accuracy-gap") | {"displays": (one.partition, *more)}
            rule = self._rule(one, self.check.tolerance)
            yield judge_gap(facts, one.name, one.groups, asked=asked, rule=rule, **base)
