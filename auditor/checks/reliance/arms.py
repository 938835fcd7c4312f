"""Reliance: how much of the class evidence comes from outside the expert's mask?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field
from scipy import stats as sps

from auditor.checks import checks
from auditor.checks.common import MOST_PAIRS, clean_trial, most_pairs, percent, reason, span, why_not
from auditor.checks.reliance.factor import factor_trial, judge_factor
from auditor.checks.reliance.left_over import judge_left_over, left_over_trial
from auditor.core.displays import Display, Named, Rows, Table, Values, of_kind
from auditor.core.facts import Facts
from auditor.core.records import Card, Estimate, Evidence, Finding, Observations, Trial, Verdict
from auditor.modalities.images.checks.where import judge_where, where_trial
from auditor.stats.crossed import METHOD, Crossed, Part, bounds, share_of
from auditor.stats.decisions import decide
from auditor.stats.means import bootstrap_p, mean
from auditor.stats.shares import Array


@dataclass(frozen=True)
class Words:
    """How findings speak of what is exchanged: of an image its surroundings, of a table's row its columns."""

    source: str = "of the class evidence comes from outside the expert's mask"
    outside: str = "the outside"
    inside: str = "the inside"
    others: str = "Surroundings of another class"
    same: str = "those of the same class"
    takes: str = "take the decision in"
    kind: str = "class"
    transplants: str = "transplants"
    advice: str = (
        "Do not rely on this model where the surroundings may differ: find what it reads, remove or balance it in"
        " training, and audit again. Audit once more with a wider threat.guard: what then goes away was the region's"
        " own fringe."
    )
    flip_advice: str = (
        "Expect wrong decisions where a finding appears in surroundings that usually go with another class."
    )
    more: str = "Audit more patients with masks before relying on the model's focus."
    arms: str = "Arms of the transplant experiment: mean margin for the class of the recipient"
    arm_columns: tuple[str, ...] = ("Arm", "Inside comes from", "Outside comes from", "Margin and interval")


IMAGE = Words()
ARMS = {
    "A": ("own", "same class"),
    "B": ("own", "another class"),
    "C": ("another class", "same class"),
    "D": ("another class", "another class"),
}
EFFECTS = ("inside effect", "outside effect", "interaction")


@dataclass(frozen=True)
class Draws:
    """Every draw of every recipient as rows: margins (t, 4) of the arms, positions (t, 4) of recipient and donors."""

    facts: Facts
    margins: Array
    who: Any

    @classmethod
    def of(cls, facts: Facts, observations: Observations, trial: Trial) -> Draws:
        """Return the draws that a trial measured."""
        margins, who = [], []
        for name, row in observations.of(trial).items():
            for draw in range(0 if row.missing else sum(key.startswith("A/") for key in row.values)):
                margins.append([row.values[f"{arm}/{draw}"] for arm in "ABCD"])
                who.append([facts.position_of[name], *(int(row.values[f"{donor}/{draw}"]) for donor in "jkl")])
        return cls(facts, np.array(margins, dtype=float).reshape(-1, 4), np.array(who, dtype=np.int64).reshape(-1, 4))

    def __len__(self) -> int:
        return len(self.margins)

    @cached_property
    def part(self) -> Part:
        """Return the arms' margins with the units behind them."""
        return Part(self.margins, self.facts.unit_numbers[self.who])

    @property
    def moved(self) -> bool:
        """Return whether any arm ever differs from another."""
        return bool(np.abs(self.margins[:, :1] - self.margins).max() >= 1e-9)

    def where(self, rows: Any) -> Draws:
        """Return some of the draws."""
        return Draws(self.facts, self.margins[rows], self.who[rows])

    def estimate(self, value: float, draws: Array, unit: str, *, share: bool = False, level: float = 0.95) -> Estimate:
        """Return an estimate on these draws' recipients from a resampled distribution."""
        recipients = np.unique(self.who[:, 0])
        units = len(np.unique(self.facts.unit_numbers[recipients]))
        return Estimate(
            value,
            *bounds(draws, level),
            len(recipients),
            unit,
            METHOD,
            level,
            units if units < len(recipients) else None,
            share=share,
        )


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
            " Left-over: one region, the union of two samples' masks, is blanked in both, and the model has to tell"
            " them apart. A declared factor (site, scanner) is tested with surroundings of one class that differ in the"
            " factor alone."
        ),
        reading=(
            "Outside share = outside effect / (|outside effect| + |inside effect|). Near 0: the marked region decides."
            " Near 1: the surroundings decide. The intervals resample recipients' and donors' units together. Left-over"
            " is 50 % where nothing is left; ranks notice a trace, and with nothing inside to see a model may turn to"
            " what it otherwise ignores, so it fails only together with the outside share."
        ),
        limits=(
            "Only outside information that goes with the class in these data can show, or with a declared factor: a"
            " shortcut that is absent here stays unseen. Outside is whatever the mask leaves out: also legitimate"
            " context such as mass effect or slice level, and the fringe of a region whose outline is drawn too tight."
            " A wider guard band tells how much of the share is fringe."
        ),
        reference=(
            "Factorial design; two-way bootstrap over units after Owen and Eckles 2012 (arXiv:1106.2125), to first"
            " order; McNemar 1947."
        ),
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return the transplants, the blanked pairs, the factors, and the plain answers that the surgery is compared
        with.
        """
        return (
            self._transplant(facts),
            left_over_trial(facts),
            *self._factors(facts),
            *self._search(facts),
            clean_trial(),
        )

    def _factors(self, facts: Facts) -> tuple[Trial, ...]:
        return tuple(factor_trial(facts, column, donors=self.donors, blend=self.blend) for column in facts.factors)

    def _search(self, facts: Facts) -> tuple[Trial, ...]:
        return (where_trial(facts, self.where),) if self.where else ()

    def _transplant(self, facts: Facts) -> Trial:
        return Trial(
            "transplant",
            settings={"draws": self.donors, "guard": facts.guard, "blend": self.blend},
            zone="outside",
            seed=facts.seed,
        )

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return the outside share, the flip gap, the left-over, one finding per factor and the place that matters
        most.
        """
        trial = self._transplant(facts)
        draws, why = Draws.of(facts, observations, trial), why_not(observations.of(trial).values())
        evidence, inside = Evidence(trials=(observations.key(trial),)), _inside(draws)
        share = judge_share(
            draws,
            self.tolerance,
            why=why,
            evidence=evidence,
            displays=(
                Values(values={"draws": self.donors, "blend": self.blend}, role="draws"),
                Rows(rows=(self._surgery(facts, observations, trial),), role="surgery"),
                *_pairs(draws),
            ),
        )
        effects = [row for rows in of_kind(share.displays, Rows, "effects") for row in rows.rows[:2]]
        moved = sum(abs(row.estimate.value) for row in effects if row.estimate)
        return (
            share,
            judge_flips(draws, self.flips, why=why, evidence=evidence),
            judge_left_over(
                facts,
                observations,
                inside=inside,
                outside=share.verdict,
                tolerance=self.left_over,
                trace=self.tolerance,
            ),
            *(
                judge_factor(facts, observations, one, inside=inside, tolerance=self.tolerance)
                for one in self._factors(facts)
            ),
            *(
                judge_where(facts, observations, one, evidence=moved, outside=share.verdict, tolerance=self.tolerance)
                for one in self._search(facts)
            ),
        )

    def _surgery(self, facts: Facts, observations: Observations, trial: Trial) -> Named:
        """Return how far cutting and pasting alone moves the margin: the control of the seams."""
        clean = observations.of(clean_trial())
        moved = {
            name: row.values["sham"] - clean[name].values["margin"]
            for name, row in observations.of(trial).items()
            if row.missing is None and "sham" in row.values and name in clean and clean[name].missing is None
        }
        found = (
            mean(
                list(moved.values()),
                [facts.unit_of[name] for name in moved],
                seed=facts.seed,
                unit="change of the margin (logits)",
            )
            if moved
            else None
        )
        missing = "" if found else "the plain answers were not measured"
        return Named(name="cutting and pasting alone", estimate=found, note=missing)


def judge_share(
    draws: Draws, tolerance: float, *, why: str, evidence: Evidence, displays: tuple[Display, ...], words: Words = IMAGE
) -> Finding:
    """Return the finding on the outside share of some draws; it shows `displays` after its own."""
    base: dict[str, Any] = {
        "id": "reliance/outside-share",
        "check": "reliance",
        "question": 1,
        "primary": True,
        "evidence": evidence,
    }
    if not len(draws):
        return Finding(verdict="not_measured", claim="The outside share was not measured.", reason=why, **base)
    share, effects, arms, p = estimates(draws, tolerance)
    verdict = decide(share, tolerance)
    claim = (
        f"{span(share)} {words.source} (margin moves by {effects[1].value:.2f} with {words.outside} and by"
        f" {effects[0].value:.2f} with {words.inside}, {share.n} recipients)."
    )
    said = reason(verdict, share, tolerance)
    if not draws.moved:
        said = f"too few to tell: neither {words.inside} nor {words.outside} moves the model's margin"
    return Finding(
        verdict=verdict,
        claim=claim,
        estimate=share,
        tolerance=tolerance,
        reason=said,
        advice=_advice(verdict, words),
        p=p,
        displays=(*_displays(draws, effects, arms, words=words), *displays),
        **base,
    )


def judge_flips(
    draws: Draws, tolerance: float, *, why: str, evidence: Evidence, words: Words = IMAGE, lost: Array | None = None
) -> Finding:
    """Return the finding on how much more often the outside of another class takes the decision than one of the same.

    `lost` (t, 2) says in which draws arms A and B lost the decision, where their margins do not.
    """
    base: dict[str, Any] = {"id": "reliance/flip-gap", "check": "reliance", "question": 1, "evidence": evidence}
    if not len(draws):
        return Finding(verdict="not_measured", claim="The flip gap was not measured.", reason=why, **base)
    lost = (draws.margins[:, :2] <= 0).astype(float) if lost is None else lost
    found = Crossed.of([Part(lost, draws.part.units)])
    resampled = found.draws(draws.facts.seed)
    gap = draws.estimate(
        float(found.point[1] - found.point[0]),
        resampled[:, 1] - resampled[:, 0],
        "difference of flip rates",
        share=True,
    )
    verdict = decide(gap, tolerance)
    # one draw of each recipient: McNemar's pairs must not share one
    once = lost[np.unique(draws.who[:, 0], return_index=True)[1]]
    only = [int((once[:, arm] > once[:, 1 - arm]).sum()) for arm in (1, 0)]
    mcnemar = float(sps.binomtest(only[0], sum(only)).pvalue) if sum(only) else 1.0
    claim = (
        f"{words.others} {words.takes} {percent(float(found.point[1]))} of the {words.transplants}, {words.same} in "
        f"{percent(float(found.point[0]))}: a gap of {span(gap)}."
    )
    rates = {f"another {words.kind}": float(found.point[1]), f"same {words.kind}": float(found.point[0])}
    pairs = {"only another class": only[0], "only same class": only[1], "recipients": len(once), "p": mcnemar}
    text = (
        reason(verdict, gap, tolerance)
        + f"; McNemar's exact test on one draw of each recipient: {only[0]} against {only[1]}, p = {mcnemar:.2g}"
    )
    return Finding(
        verdict=verdict,
        claim=claim,
        estimate=gap,
        tolerance=tolerance,
        reason=text,
        advice=words.flip_advice if verdict == "fail" else "",
        displays=(Values(values=rates, role="rates"), Values(values=pairs, role="McNemar")),
        **base,
    )


def _displays(
    draws: Draws, effects: list[Estimate], arms: list[Estimate], *, words: Words
) -> tuple[Rows, Table, Values]:
    """Return the effects, the means of the arms and how many recipients they rest on."""
    named = (Named(name=name, estimate=one) for name, one in zip(EFFECTS, effects, strict=True))
    means = tuple((arm, *ARMS[arm], one) for arm, one in zip("ABCD", arms, strict=True))
    units = draws.part.units[:, 0]
    return (
        Rows(rows=tuple(named), role="effects"),
        Table(title=words.arms, columns=words.arm_columns, rows=means, role="arms"),
        Values(values={"recipients": arms[0].n, "units": len(np.unique(units))}, role="recipients"),
    )


def effects_of(arms: Array) -> Array:
    """Return inside effect, outside effect and interaction (..., 3) of arm means (..., 4)."""
    a, b, c, d = (arms[..., arm] for arm in range(4))
    return np.stack([((a - c) + (b - d)) / 2, ((a - b) + (c - d)) / 2, (a - b) - (c - d)], -1)


def shares_of(arms: Array) -> Array:
    """Return the outside share (...) of arm means (..., 4)."""
    effects = effects_of(arms)
    return share_of(effects[..., 1], effects[..., 0])


def _inside(draws: Draws) -> Part:
    """Return the inside effect of every draw, which the effect of a factor is measured against."""
    return Part(effects_of(draws.margins)[:, :1], draws.part.units)


def estimates(draws: Draws, tolerance: float) -> tuple[Estimate, list[Estimate], list[Estimate], float]:
    """Return the outside share, the three effects, the four arms, and the p-value of the share against a tolerance."""
    found = Crossed.of([draws.part])
    resampled = found.draws(draws.facts.seed)
    arms = [draws.estimate(float(found.point[arm]), resampled[:, arm], "mean margin (logits)") for arm in range(4)]
    value, spread = effects_of(found.point), effects_of(resampled)
    effects = [draws.estimate(float(value[k]), spread[:, k], "change of the margin (logits)") for k in range(3)]
    shares = shares_of(resampled)
    share = draws.estimate(float(shares_of(found.point)), shares, "share of the class evidence", share=True)
    if not draws.moved:
        return (
            Estimate(0.0, -1.0, 1.0, share.n, share.unit, "no effect at all", 0.95, share.units, share=True),
            effects,
            arms,
            1.0,
        )
    return share, effects, arms, bootstrap_p(shares, tolerance)


def _pairs(draws: Draws) -> tuple[Table, ...]:
    """Return the outside share of every pair of classes, where there are more than two."""
    facts, y = draws.facts, np.array(draws.facts.y)
    own, other = y[draws.who[:, 0]], y[draws.who[:, 2]]
    rows = []
    for one, two in combinations(range(len(facts.classes)) if len(facts.classes) > 2 else (), 2):
        mine = draws.where(((own == one) & (other == two)) | ((own == two) & (other == one)))
        if len(mine) and mine.moved:
            share, effects, *_ = estimates(mine, 0.0)
            rows.append((f"{facts.classes[one]} and {facts.classes[two]}", share, effects[1], effects[0]))
    if not rows:
        return ()
    rows.sort(key=lambda row: -row[1].low)
    title = f"Outside share by pair of classes{most_pairs(len(rows))}"
    columns = ("Classes", "Outside share", "Outside effect", "Inside effect")
    return (Table(title=title, columns=columns, rows=tuple(rows[:MOST_PAIRS])),)


def _advice(verdict: Verdict, words: Words) -> str:
    if verdict == "fail":
        return words.advice
    if verdict == "pass":
        return "No action; keep in mind that only shortcuts present in these data can show."
    return words.more
