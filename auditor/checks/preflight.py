"""Preflight: can this classifier be audited on these data at all?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from auditor.checks import checks
from auditor.checks.common import clean_trial, percent, reason, span, why_not
from auditor.checks.discrimination import judge_discrimination
from auditor.checks.marked import judge_masks
from auditor.core.displays import Named, Rows
from auditor.core.facts import Facts
from auditor.core.records import Card, Evidence, Finding, Observation, Observations, Trial, Verdict
from auditor.stats.decisions import decide
from auditor.stats.shares import proportion

Observed = dict[str, Observation]
_DARK = 0.125
"""Where all values of all inputs lie below this share of their range, the range may be wrong."""


@checks.register("preflight")
@dataclass(frozen=True, kw_only=True)
class Preflight:
    """Whether the audit can begin: accuracy, AUC, classes, inputs, scores, repeated answers, masks."""

    repeat_tolerance: Annotated[float, Field(ge=0)] = 1e-4
    """Largest difference between two answers to the same input that counts as rounding."""
    batch_tolerance: Annotated[float, Field(ge=0)] = 1e-3
    """Largest difference between an answer alone and in a batch, as a share of the largest score, that counts as
    rounding.
    """
    minimum_class: Annotated[int, Field(ge=1)] = 10
    """Samples that every class should have."""

    card: ClassVar[Card] = Card(
        title="Preflight: can this be audited?",
        purpose="Whether the classifier works on these data as declared, before anything is said about how it works.",
        mechanism=(
            "Every sample is shown twice, unchanged, and some also alone and in a batch."
            " Accuracy is compared with always answering the most common class."
            " Balanced accuracy, and the AUC where there are two classes, say whether the model tells the classes apart"
            " whatever their mix. Scores that sum to one, answers that change and blank inputs are counted; every"
            " sample without a usable mask is listed with its reason."
        ),
        reading=(
            "A failure here weakens everything that follows: attacks on a model that guesses, or on probabilities in"
            " place of logits, say little."
        ),
        limits="It does not look at how the data were collected, nor whether test data were seen in training.",
        reference="Wilson 1927 and Lancaster 1961 (mid-P) for the intervals; DeLong et al. 1988 for the AUC.",
    )
    others: ClassVar[tuple[str, ...]] = ()
    """Further findings, which a modality makes of its own, by the last part of their ids."""

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return the one trial of plain answers."""
        return (clean_trial(),)

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return seven findings and what a modality adds; none answers one of the four questions by itself."""
        trial = clean_trial()
        rows = observations.of(trial)
        measured = {name: row for name, row in rows.items() if row.missing is None}
        asked = {name: row for name, row in rows.items() if row.missing is None or "low" in row.values}
        where = Evidence(trials=(observations.key(trial),))
        base: dict[str, Any] = {"check": "preflight", "evidence": where}
        marked = self.marked(facts, base)
        if not measured:
            claim, why = "The classifier's plain answers were not measured.", why_not(rows.values())
            names = ("accuracy", "discrimination", "inputs", "logits", "determinism", *self.others)
            accuracy, apart, *others = (
                Finding(id=f"preflight/{name}", verdict="not_measured", claim=claim, reason=why, **base)
                for name in names
            )
            return (accuracy, apart, self._balance(facts, base), *others[:3], marked, *others[3:])
        return (
            _accuracy(facts, measured, base),
            judge_discrimination(facts, measured, base),
            self._balance(facts, base),
            self.inputs(facts, asked, base),
            self.scores(facts, measured, base),
            self._determinism(measured, base),
            marked,
            *self.further(facts, measured, base),
        )

    def inputs(self, facts: Facts, rows: Observed, base: dict[str, Any]) -> Finding:
        """Return whether the inputs hold anything."""
        return _inputs(facts, rows, base)

    def scores(self, facts: Facts, rows: Observed, base: dict[str, Any]) -> Finding:
        """Return whether the scores are fit for margins."""
        return _logits(rows, base)

    def marked(self, facts: Facts, base: dict[str, Any]) -> Finding:
        """Return what the expert marked."""
        return judge_masks(facts, base)

    def further(self, facts: Facts, rows: Observed, base: dict[str, Any]) -> tuple[Finding, ...]:
        """Return what a modality adds, as `others` names it."""
        return ()

    def _balance(self, facts: Facts, base: dict[str, Any]) -> Finding:
        counts = Counter(facts.y)
        rare = [
            f"{name} ({counts[label]})"
            for label, name in enumerate(facts.classes)
            if counts[label] < self.minimum_class
        ]
        claim = (
            "The classes have "
            + ", ".join(f"{counts[label]} ({name})" for label, name in enumerate(facts.classes))
            + " samples."
        )
        why = (
            f"fewer than {self.minimum_class} samples: {', '.join(rare)}"
            if rare
            else f"every class has at least {self.minimum_class} samples"
        )
        return Finding(
            id="preflight/balance",
            verdict="inconclusive" if rare else "pass",
            claim=claim,
            reason=why,
            tolerance=float(self.minimum_class),
            **base,
        )

    def _determinism(self, rows: Observed, base: dict[str, Any]) -> Finding:
        mixed = [row.values["batch_difference"] for row in rows.values() if "batch_difference" in row.values]
        if mixed and max(mixed) > self.batch_tolerance:
            return Finding(
                id="preflight/determinism",
                verdict="fail",
                claim=(
                    f"The answer to an input depends on the other inputs in its batch: asked alone and in a batch, the"
                    f" scores of {len(mixed)} samples differ by up to {percent(max(mixed))} of the largest score."
                ),
                reason=f"the largest difference is beyond {percent(self.batch_tolerance)}",
                tolerance=self.batch_tolerance,
                advice=(
                    "Let the batch normalisation use the statistics of training (evaluation mode, with running"
                    " statistics); no result for single samples is to be believed before."
                ),
                **base,
            )
        most = max(row.values["repeat_difference"] for row in rows.values())
        same = most <= self.repeat_tolerance
        claim = f"The same input gives the same scores up to {most:.2g}, asked twice for {len(rows)} samples."
        advice = (
            ""
            if same
            else (
                "Switch off randomness (dropout, test-time augmentation) or declare it; attacks on random answers are"
                " not to be believed."
            )
        )
        why = f"the largest difference is {'within' if same else 'beyond'} {self.repeat_tolerance:g}"
        return Finding(
            id="preflight/determinism",
            verdict="pass" if same else "fail",
            claim=claim,
            reason=why,
            tolerance=self.repeat_tolerance,
            advice=advice,
            **base,
        )


def _accuracy(facts: Facts, rows: Observed, base: dict[str, Any]) -> Finding:
    label = dict(zip(facts.ids, facts.y, strict=True))
    flags = [row.values["correct"] for row in rows.values()]
    estimate = proportion(flags, [facts.unit_of[name] for name in rows], unit="share correct")
    assert estimate is not None
    chance = max(Counter(facts.y).values()) / len(facts.y)
    classes = []
    for index, name in enumerate(facts.classes):
        mine = {sample: row for sample, row in rows.items() if label[sample] == index}
        found = proportion(
            [row.values["correct"] for row in mine.values()],
            [facts.unit_of[sample] for sample in mine],
            unit="share correct",
        )
        classes.append(Named(name=name, estimate=found, note="" if found else "no sample of this class was measured"))
    verdict = decide(estimate, chance, worse="below")
    claim = (
        f"{span(estimate)} of {estimate.n} samples are classified correctly; always answering the most common class"
        f" would give {percent(chance)}."
    )
    advice = (
        "Check labels, class order and preprocessing before reading on: the model does no better than the most common"
        " class."
        if verdict == "fail"
        else ""
    )
    why = reason(verdict, estimate, chance)
    return Finding(
        id="preflight/accuracy",
        verdict=verdict,
        claim=claim,
        estimate=estimate,
        tolerance=chance,
        reason=why,
        advice=advice,
        displays=(Rows(rows=tuple(classes), role="classes"),),
        **base,
    )


def _inputs(facts: Facts, rows: Observed, base: dict[str, Any]) -> Finding:
    """Return the finding on the inputs, also on those whose answer failed."""
    low, high = min(row.values["low"] for row in rows.values()), max(row.values["high"] for row in rows.values())
    blank = sum(row.values["low"] == row.values["high"] for row in rows.values())
    failed = sum(row.missing is not None for row in rows.values())
    claim = f"Input values run from {low:.3g} to {high:.3g}; {blank} of {len(rows)} inputs are blank."
    if failed:
        claim += f" {failed} answers failed: they are not finite numbers."
    dark = high < facts.low + _DARK * (facts.high - facts.low)
    verdict: Verdict = "fail" if blank or failed else "inconclusive" if dark else "pass"
    why, advice = {
        "fail": (f"{blank} blank inputs, {failed} failed answers", ""),
        "inconclusive": (
            f"no value is above {percent(_DARK)} of the range, as when 12 bits are taken for 16",
            "Look whether the model was trained on pictures as dark as these; declare the range of the values if not.",
        ),
        "pass": ("no input is blank", ""),
    }[verdict]
    return Finding(id="preflight/inputs", verdict=verdict, claim=claim, reason=why, advice=advice, **base)


def _logits(rows: Observed, base: dict[str, Any]) -> Finding:
    like = sum(row.values["like_probabilities"] for row in rows.values())
    bad = like == len(rows)
    claim = f"For {like:g} of {len(rows)} samples the scores are non-negative and sum to one."
    why = "every answer looks like probabilities, which hide gradients from attacks" if bad else "the scores are logits"
    advice = "Give the audit the model without its softmax." if bad else ""
    return Finding(
        id="preflight/logits", verdict="fail" if bad else "pass", claim=claim, reason=why, advice=advice, **base
    )
