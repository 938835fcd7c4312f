"""Attribution of a table: can the shares that an explanation gives to columns be believed?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from auditor.checks import checks
from auditor.checks.attribution.explained import Judge, Methods, method_settings
from auditor.checks.attribution.words import ExplainedWords
from auditor.core.facts import Facts
from auditor.core.records import Card, Finding, Observations, Trial
from auditor.modalities.tables.checks.common import SEARCHED, flip_trial

_DEFAULTS: dict[str, dict[str, Any]] = {
    "kernel_shap": {"coalitions": 256, "background": 16},
    "permutation": {"background": 16},
}
_WORDS = ExplainedWords(
    map="attribution",
    maps="attributions",
    image="row",
    images="rows",
    mask="the columns that should matter",
    inside="on columns that should matter",
    outside="on columns that should not matter",
    noise="a small allowed change",
    disturbed="a small change",
    area="the share of columns that should matter",
    area_unit="share of columns",
    marked="the columns that should matter",
    strongest="strongest column is one that should matter",
    likeness=(("top", "same strongest column"),),
    no_mask="no column is set apart",
)


@checks.register("attribution", modality="table")
@dataclass(frozen=True, kw_only=True)
class AttributionTable:
    """Whether attributions agree with the columns that should matter, stay under small changes, and notice a flip."""

    methods: Methods = ("kernel_shap", "permutation")
    """Explanations that are judged: names, or names with settings such as `{permutation: {background: 64}}`."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Least stability: 1 where a small change of the input leaves the explanation as it is, 0 where it becomes as
    unlike as that of another input."""
    blind_tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Largest share of flips after which the explanation may still look like the old one."""
    samples: Annotated[int, Field(ge=1)] = 64
    """Samples that are explained."""
    searched: Annotated[int, Field(ge=1)] = SEARCHED
    """Rows in which flips were looked for: exposure's `samples`, so that its searches are used."""

    card: ClassVar[Card] = Card(
        title="Attribution of a table: can the explanation be believed?",
        purpose=(
            "Whether an attribution names the columns that decide, stays put when next to nothing changes, and moves"
            " when the decision does."
        ),
        mechanism=(
            "Each method explains the model's own decision on the same row as it is, after a small random change that"
            " the audit file allows and that keeps the decision, and after the cheapest flip that exposure found, in"
            " whichever columns may change. Kernel SHAP gives Shapley values of the margin, exact where a table has few"
            " columns; permutation gives the mean fall of the margin when one column comes from background rows."
            " Attributions are compared by rank correlation; the similarity of attributions of two unrelated rows of"
            " one class is the null, since unrelated ones are alike too."
        ),
        reading=(
            "Agreement: how many times more of the attribution lies on columns that should matter than their number"
            " would give. Stability: 1 = it does not move under a small change, 0 = as unlike as those of unrelated"
            " rows. Blindness: share of flips after which it still looks like the old one, that is above 95 % of the"
            " similarities of unrelated rows."
        ),
        limits=(
            "Cells from background rows make rows that may break rules and that the model never saw; attributions speak"
            " of such rows too. With few columns ranks are coarse. An attribution on the right columns does not show"
            " that the model relies on them (reliance does). Blindness is judged on the flips that exposure found; it"
            " decides nothing, since the cheapest flip may change one cell in twenty and then an honest attribution"
            " hardly moves."
        ),
        reference=(
            "Lundberg and Lee 2017 (arXiv:1705.07874); Breiman 2001 (Machine Learning 45) for permutation; Ghorbani et"
            " al. 2019 (arXiv:1710.10547)."
        ),
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return one trial per method; each reads the flips of exposure's search in every column that may change: an
        honest model has few others.
        """
        return tuple(self._trial(facts, method) for method in self.methods)

    def _trial(self, facts: Facts, method: str) -> Trial:
        source = flip_trial(facts, "everywhere", samples=self.searched)
        threat = {"norm": facts.norm, "epsilon": min(facts.epsilons), "max_changes": facts.max_changes}
        return Trial(
            "attribution_table",
            method,
            method_settings(self.methods, method, _DEFAULTS),
            "",
            threat,
            facts.seed,
            source=source,
            samples=self.samples,
        )

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return agreement, stability and blindness of every method."""
        judge = Judge(facts, self.tolerance, self.blind_tolerance, _WORDS, blindness_decides=False)
        return tuple(
            finding for method in self.methods for finding in judge.findings(observations, self._trial(facts, method))
        )
