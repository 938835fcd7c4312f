"""Where around the mask the evidence lies: at its edge, near it, far from it; by exchange without filling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from auditor.checks.common import percent, reason, span
from auditor.checks.reliance.arms import SHARE_UNIT, Draws
from auditor.checks.reliance.ways import ShareWay
from auditor.core.displays import Named, Rows, Values
from auditor.core.facts import Facts
from auditor.core.records import Estimate, Evidence, Finding, Trial, Verdict
from auditor.modalities.images.checks.exchanged import AROUND, Exchanged
from auditor.stats.crossed import Crossed, share_of
from auditor.stats.decisions import decide
from auditor.stats.shares import Array

NEAR, FAR = 0.20, 0.09
"""How far the near surroundings reach, and where the far ones begin, as shares of the diagonal. Between the two both
look, so that a mark that one of them cuts is whole in the other.
"""
WAYS = {
    "outside": ("exchange", "what lies where a donor has its own marked region"),
    "near": ("exchange near the mask", "what has its place in the picture and not beside the marked region"),
    "far": ("exchange far from the mask", "what lies within {far} of the diagonal of the marked region"),
}
"""Part -> the name of the way that rests on it, and what that way cannot see."""
_ENOUGH = 0.5
"""Where less of a part than this could be exchanged, its exchange does not acquit."""
_SHOWN = 6
"""Most samples that are named as cases of the fringe."""


def surroundings_trial(facts: Facts, draws: int) -> Trial:
    """Return the trial that exchanges the surroundings without filling."""
    settings = {"draws": draws, "guard": facts.guard, "near": NEAR, "far": max(FAR, facts.guard)}
    return Trial("surroundings", settings=settings, zone="outside", seed=facts.seed)


@dataclass(frozen=True)
class Located:
    """The evidence of inside, fringe, near, far and outside together, resampled jointly: effects (1 + b, ...) in
    logits, the point first.
    """

    exchanged: Exchanged
    inside: Array
    """The inside effect of the transplant; the inside travels with its fringe. Where only one class has masks, what
    healthy tissue in place of the marked region costs: nothing is filled then.
    """
    parts: Mapping[str, Array]

    @classmethod
    def of(cls, draws: Draws, exchanged: Exchanged) -> Located | None:
        """Return where the evidence lies; None where either experiment measured nothing."""
        if not len(draws) or not len(exchanged):
            return None
        found = Crossed.of([exchanged.inside or draws.inside, exchanged.part])
        every = np.concatenate([found.point[None], found.draws(draws.facts.seed)])
        return cls(exchanged, every[:, 0], {part: every[:, 1 + place] for place, part in enumerate(AROUND)})

    def share(self, values: Array, level: float = 0.95) -> Estimate:
        """Return a share of the class evidence (1 + b,) as an estimate on the recipients."""
        return self.exchanged.estimate(float(values[0]), values[1:], SHARE_UNIT, share=True, level=level)

    def ways(self, tolerance: float, level: float) -> list[ShareWay]:
        """Return what the exchanges say of the outside share: of all of it, its near and its far part, if any."""
        found = []
        for part, (name, misses) in ((part, way) for part, way in WAYS.items() if self.covered(part)):
            values = share_of(self.parts[part], self.inside)
            share = self.share(values, level)
            verdict, doubt = self.verdict(part, share, tolerance)
            far = percent(self.exchanged.widths.far)
            found.append(ShareWay(name, share, values[1:], verdict, misses.format(far=far), doubt))
        return found

    def verdict(self, part: str, share: Estimate, tolerance: float) -> tuple[Verdict, str]:
        """Return the verdict on a part's share, and what keeps it from a pass: where little could be exchanged, much
        may have been missed.
        """
        verdict = decide(share, tolerance, worse="either")
        if verdict == "pass" and self.covered(part) < _ENOUGH:
            return "inconclusive", f"only {percent(self.covered(part))} of that part could be exchanged"
        return verdict, ""

    @property
    def picture(self) -> dict[str, Array]:
        """Return the share (1 + b,) of inside, fringe, near and far in the evidence of all four."""
        whole = {"inside": self.inside - self.parts["fringe"]} | {part: self.parts[part] for part in AROUND[:3]}
        total = sum(np.abs(one) for one in whole.values())
        return {name: np.divide(one, total, out=np.zeros_like(one), where=total > 1e-9) for name, one in whole.items()}

    def covered(self, part: str) -> float:
        """Return which share of a part could be exchanged, on average."""
        return float(self.exchanged.covered[:, AROUND.index(part)].mean())


def judge_places(
    located: Located | None, tolerance: float, *, why: str, trials: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Return the findings on the edge of the mask, on what lies near it and on what lies far from it."""
    if located is None:
        return tuple(_unmeasured(part, why, trials, primary=part == "fringe") for part in AROUND[:3])
    edge = (
        _fringe(located, tolerance, trials)
        if located.exchanged.widths.guard
        else _unmeasured("fringe", "the audit file gives the masks no edge (guard: 0)", trials, primary=False)
    )
    return (
        edge,
        _beyond(located, "near", tolerance, trials=trials),
        _beyond(located, "far", tolerance, trials=trials),
    )


def _unmeasured(part: str, why: str, trials: tuple[str, ...], *, primary: bool) -> Finding:
    claim = f"How much of the evidence lies {_WORDS[part]} was not measured."
    return Finding(
        f"reliance/{part}",
        "reliance",
        "not_measured",
        claim,
        reason=why,
        evidence=Evidence(trials=trials),
        question=1,
        primary=primary,
    )


_WORDS = {
    "fringe": "at the edge of the marked region",
    "near": "beside the marked region",
    "far": "far from the marked region",
}
_REACH = {"near": "within {near} of the diagonal", "far": "more than {far} of the diagonal away"}
_ADVICE = {
    "near": "Look for marks beside the marked region, such as calipers, ink or a label that follows the finding.",
    "far": "Look for what the rest of the picture shows: a frame, a label, a device, the scanner.",
}


def _fringe(located: Located, tolerance: float, trials: tuple[str, ...]) -> Finding:
    """Return the finding on the edge: never a fail, since an edge may be evidence, nor a pass where it counts."""
    share = located.share(located.picture["fringe"])
    verdict = decide(share, tolerance, worse="either")
    width = percent(located.exchanged.widths.guard)
    claim = f"{span(share)} of the class evidence lies at the edge of the marked region, within {width} of the diagonal"
    ids = _cases(located.exchanged) if verdict != "pass" else ()
    if verdict == "fail":
        claim += ": the region's own edge or a mark that touches it, which only the expert can tell."
        said = (
            "no measurement can tell the edge of a lesion from a mark on it: look at the cases, or draw the masks as"
            " wide as the edge may count and audit again"
        )
    else:
        claim, said = claim + ".", reason(verdict, share, tolerance, either=True)
    return Finding(
        "reliance/fringe",
        "reliance",
        "inconclusive" if verdict == "fail" else verdict,
        claim,
        estimate=share,
        tolerance=tolerance,
        two_sided=True,
        reason=said,
        evidence=Evidence(ids, trials),
        question=1,
        primary=True,
        displays=_picture(located),
    )


def _picture(located: Located) -> tuple[Rows, Values, Values]:
    rows = tuple(Named(name=name, estimate=located.share(values)) for name, values in located.picture.items())
    covered = {part: located.covered(part) for part in AROUND[:3]}
    widths = {"near": located.exchanged.widths.near, "far": located.exchanged.widths.far}
    title = "Where the evidence lies, as shares of the evidence of all four"
    return (
        Rows(rows=rows, title=title, heading="Part of the picture", role="picture"),
        Values(values=covered, role="covered"),
        Values(values=widths, role="widths"),
    )


def _cases(exchanged: Exchanged) -> tuple[str, ...]:
    """Return the samples whose edge moves the margin most."""
    sums = np.bincount(exchanged.who[:, 0], weights=exchanged.effects[:, 0], minlength=len(exchanged.facts.ids))
    order = np.argsort(-np.abs(sums), kind="stable")[:_SHOWN]
    return tuple(exchanged.facts.ids[place] for place in order if sums[place])


def _beyond(located: Located, part: str, tolerance: float, *, trials: tuple[str, ...]) -> Finding:
    if not located.covered(part):
        return _unmeasured(part, "the masks leave nothing there that could be exchanged", trials, primary=False)
    share = located.share(share_of(located.parts[part], located.inside))
    verdict, doubt = located.verdict(part, share, tolerance)
    widths = located.exchanged.widths
    reach = _REACH[part].format(near=percent(widths.near), far=percent(widths.far))
    effect, inside = float(located.parts[part][0]), float(located.inside[0])
    covered = percent(located.covered(part))
    return Finding(
        f"reliance/{part}",
        "reliance",
        verdict,
        f"{span(share)} of the class evidence lies {_WORDS[part]}, {reach} (the margin moves by {effect:.2f}, with the"
        f" inside by {inside:.2f}; {covered} of that part could be exchanged).",
        estimate=share,
        tolerance=tolerance,
        two_sided=True,
        reason=doubt or reason(verdict, share, tolerance, either=True),
        evidence=Evidence(trials=trials),
        question=1,
        advice=_ADVICE[part] if verdict == "fail" else "",
    )
