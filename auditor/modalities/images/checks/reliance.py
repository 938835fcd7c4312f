"""Reliance of images: how much of the class evidence comes from outside the expert's mask?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import Field

from auditor.checks import checks
from auditor.checks.common import clean_trial
from auditor.checks.reliance.factor import factor_trial, judge_factor
from auditor.checks.reliance.flips import judge_disturbed, judge_flip_gap
from auditor.checks.reliance.left_over import judge_left_over, left_over_trial
from auditor.checks.reliance.ways import FILL_WORDS
from auditor.core.facts import Facts
from auditor.core.records import Card, Finding, Observations, Trial
from auditor.modalities.images.checks.experiments import Experiments
from auditor.modalities.images.checks.pairs import judge_pairs
from auditor.modalities.images.checks.surroundings import judge_places, surroundings_trial
from auditor.modalities.images.checks.where import judge_where, where_trial


@checks.register("reliance", modality="image")
@dataclass(frozen=True, kw_only=True)
class Reliance:
    """How much of the class evidence comes from outside the mask, by exchanging insides and outsides."""

    donors: Annotated[int, Field(ge=1)] = 8
    """How often each sample is exchanged with others."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Largest share of the class evidence that may come from outside the mask."""
    flips: Annotated[float, Field(gt=0, lt=1)] = 0.10
    """Largest share of decisions that surroundings of another class may cost, beyond those of the same class."""
    left_over: Annotated[float, Field(gt=0, lt=0.5)] = 0.10
    """How far beyond one half the model may tell two samples apart whose marked region is blanked."""
    blend: Annotated[float, Field(ge=0, lt=0.5)] = 0.01
    """Width of the rim over which a pasted inside fades out, as a share of the diagonal; at most the guard band's."""
    where: Annotated[int, Field(ge=0)] = 48
    """Samples whose surroundings are searched cell by cell for the place that matters; 0: no search."""

    card: ClassVar[Card] = Card(
        title="Reliance: where the evidence comes from",
        purpose=(
            "Whether the model decides by what the expert marked, or by what surrounds it. This is the finding that may"
            " say 'shortcut'."
        ),
        mechanism=(
            "For each sample with a mask, insides and outsides are exchanged between samples of the same and of another"
            " class, never within one unit (patient). Four arms: own inside with an outside of the same class (A) and"
            " of another class (B); inside of another class with an outside of the same (C) and of another class (D)."
            " Whatever lies under any mask of a draw is in-painted first and the pasted inside fades out over the same"
            " rim, in every arm alike, so that seams, fills and the model's own bias cancel in the differences."
            " Half of the draws fill smoothly from the rim, the others evenly: where the two disagree, nothing is said."
            " A second experiment exchanges surroundings without filling anything: the ring around the mask in the"
            " mask's own frame, by direction and distance from the edge, and what lies far away at the same place of"
            " the picture. Left-over: one region, the union of two samples' masks, is blanked in both, and the model"
            " has to tell them apart. A declared factor (site, scanner) is tested with surroundings of one class that"
            " differ in the factor alone."
        ),
        reading=(
            "Outside share = outside effect / (|outside effect| + |inside effect|). Near 0: the marked region decides."
            " Near 1: the surroundings decide. Below 0: the surroundings speak against the class, since the association"
            " in these data is the reverse of the learned one; that counts as much. The share is measured in several"
            " ways, each of which loses some evidence: one way beyond the tolerance is enough to fail, and a pass needs"
            " all of them within it. 'Disturbed' counts the decisions that foreign surroundings of either class take."
            " The edge of the region is shown on its own: only the expert can say whether it may count. The intervals"
            " resample recipients' and donors' units together. Left-over is 50 % where nothing is left; ranks notice a"
            " trace, and with nothing inside to see a model may turn to what it otherwise ignores, so it fails only"
            " together with the outside share."
        ),
        limits=(
            "Only outside information that goes with the class in these data can show, or with a declared factor: a"
            " shortcut that is absent here stays unseen. Outside is whatever the mask leaves out: also legitimate"
            " context such as mass effect or slice level, and the fringe of a region whose outline is drawn too tight."
            " Marks inside the mask are never seen. Where a donor's marked region lies, the recipient keeps its own"
            " pixels, so that what is far counts a little less than it should."
        ),
        reference=(
            "Factorial design; two-way bootstrap over units after Owen and Eckles 2012 (arXiv:1106.2125), to first"
            " order; McNemar 1947."
        ),
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return the transplants, the exchanged surroundings, the blanked pairs, the factors, and the plain answers
        that the surgery is compared with.
        """
        return (
            self._transplant(facts),
            self._surroundings(facts),
            left_over_trial(facts),
            *self._factors(facts),
            *self._search(facts),
            clean_trial(),
        )

    def _factors(self, facts: Facts) -> tuple[Trial, ...]:
        return tuple(factor_trial(facts, column, donors=self.donors, blend=self.blend) for column in facts.factors)

    def _search(self, facts: Facts) -> tuple[Trial, ...]:
        return (where_trial(facts, self.where),) if self.where else ()

    def _surroundings(self, facts: Facts) -> Trial:
        return surroundings_trial(facts, max(1, self.donors // 2))

    def _transplant(self, facts: Facts) -> Trial:
        return Trial(
            "transplant",
            settings={"draws": self.donors, "guard": facts.guard, "blend": self.blend, "fills": list(FILL_WORDS)},
            zone="outside",
            seed=facts.seed,
        )

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return the outside share, where around the mask it lies, the pair of classes it counts most for, the
        decisions that surroundings take, the left-over, one finding per factor and the place that matters most.
        """
        found = Experiments(facts, observations, self._transplant(facts), self._surroundings(facts))
        share = found.share(self.tolerance)
        left_over = judge_left_over(
            facts,
            observations,
            inside=found.draws.inside,
            outside=share.verdict,
            tolerance=self.left_over,
            trace=self.tolerance,
        )
        places = [
            judge_where(
                facts, observations, one, evidence=found.evidence, outside=share.verdict, tolerance=self.tolerance
            )
            for one in self._search(facts)
        ]
        return (
            _unless_contradicted(share, places),
            *judge_places(found.located, self.tolerance, why=found.exchanged.why, trials=found.trials),
            *judge_pairs(found.draws, found.exchanged, self.tolerance, trials=found.trials),
            judge_disturbed(found.draws, found.own, self.flips),
            judge_flip_gap(found.draws, self.flips),
            left_over,
            *(
                judge_factor(facts, observations, one, inside=found.draws.inside, tolerance=self.tolerance)
                for one in self._factors(facts)
            ),
            *places,
        )


def _unless_contradicted(share: Finding, places: list[Finding]) -> Finding:
    """Return the outside share, open where it passes although single places count: two that oppose each other cancel
    in the sum.
    """
    if share.verdict != "pass" or not any(one.verdict == "fail" for one in places):
        return share
    why = (
        "all of the outside together lies within the tolerance, but a single place of it counts more (reliance/where):"
        " what several places say may cancel"
    )
    return replace(share, verdict="inconclusive", reason=why, advice="Look at the places in reliance/where.")
