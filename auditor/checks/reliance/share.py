"""The outside share: how much of the class evidence comes from outside what the expert marked."""

from __future__ import annotations

import numpy as np

from auditor.checks.common import percent, reason, span
from auditor.checks.reliance.arms import ARM_SOURCES, EFFECTS, ArmsMeasured, Draws
from auditor.checks.reliance.ways import ShareWay, Ways
from auditor.checks.reliance.words import IMAGE_WORDS, ExchangeWords
from auditor.core.displays import Display, Named, Rows, TableDisplay, Values
from auditor.core.records import Evidence, Finding, Verdict

AGAINST = "the minus sign says that it speaks against the class: the association in these data is reversed"
UNDECIDED = (
    "on average neither {inside} nor {outside} surely moves the margin, so a share of the evidence means nothing and"
    " more samples like these would not change that; see how often foreign surroundings take the decision"
    " (reliance/disturbed)"
)


def unmeasured_share(draws: Draws) -> Finding:
    """Return the finding where nothing was measured, and why."""
    return Finding(
        "reliance/outside-share",
        "reliance",
        "not_measured",
        "The outside share was not measured.",
        reason=draws.why,
        evidence=Evidence(trials=draws.trials),
        question=1,
        primary=True,
    )


def judge_share(
    draws: Draws,
    measured: ArmsMeasured,
    ways: Ways,
    *,
    displays: tuple[Display, ...] = (),
    words: ExchangeWords = IMAGE_WORDS,
) -> Finding:
    """Return the finding on the outside share of some draws; it shows `displays` after its own."""
    way = ways.decisive
    return Finding(
        "reliance/outside-share",
        "reliance",
        ways.verdict,
        _claim(measured, way, words, several=len(ways.found) > 1),
        estimate=way.share,
        tolerance=ways.tolerance,
        two_sided=True,
        reason=_reason(draws, measured, ways, words=words),
        evidence=Evidence(trials=ways.trials),
        question=1,
        primary=True,
        advice=_advice(ways.verdict, words),
        p=way.p(ways.tolerance) if draws.moved else 1.0,
        displays=(*_displays(draws, measured, words=words), *ways.shown(), *displays),
    )


def _claim(measured: ArmsMeasured, way: ShareWay, words: ExchangeWords, *, several: bool) -> str:
    inside, outside = (effect.value for effect in measured.effects[:2])
    found = f", measured by the {way.name}" if several else ""
    sign = f"; {AGAINST}" if way.share.high < 0 else ""
    place = "in the transplant " if several else ""
    return (
        f"{span(way.share)} {words.source}{found}{sign} ({place}the margin moves by {outside:.2f} with"
        f" {words.outside} and by {inside:.2f} with {words.inside}, {measured.share.n} recipients)."
    )


def _reason(draws: Draws, measured: ArmsMeasured, ways: Ways, *, words: ExchangeWords) -> str:
    if not draws.moved:
        return f"too few to tell: neither {words.inside} nor {words.outside} moves the model's margin"
    said = reason(ways.verdict, ways.decisive.share, ways.tolerance, either=True)
    if ways.verdict == "fail":
        missed = [way.name for way in ways.found if way.verdict == "pass"]
        return said + (f"; {' and '.join(missed)} alone would have missed it" if missed else "")
    if ways.verdict == "inconclusive":
        if measured.undecided:
            return UNDECIDED.format(inside=words.inside, outside=words.outside)
        lonely = (
            f"the {ways.found[0].name} lies within the tolerance {percent(ways.tolerance)}, but nothing else confirms"
            f" it: it misses {ways.found[0].misses}"
        )
        return ways.doubts or (lonely if {way.verdict for way in ways.found} == {"pass"} else said)
    tried = ", ".join(f"{way.name} {span(way.share)}" for way in ways.found)
    said += f"; the ways agree: {tried}" if len(ways.found) > 1 else ""
    return said + (f"; {ways.confirmed} confirms it" if ways.confirmed else "")


def _displays(draws: Draws, measured: ArmsMeasured, *, words: ExchangeWords) -> tuple[Rows, TableDisplay, Values]:
    """Return the effects, the means of the arms and how many recipients they rest on."""
    named = (Named(name=name, estimate=one) for name, one in zip(EFFECTS, measured.effects, strict=True))
    means = tuple((arm, *ARM_SOURCES[arm], one) for arm, one in zip(ARM_SOURCES, measured.arms, strict=True))
    units = draws.part.units[:, 0]
    return (
        Rows(rows=tuple(named), role="effects"),
        TableDisplay(title=words.arms, columns=words.arm_columns, rows=means, role="arms"),
        Values(values={"recipients": measured.share.n, "units": len(np.unique(units))}, role="recipients"),
    )


def _advice(verdict: Verdict, words: ExchangeWords) -> str:
    if verdict == "fail":
        return words.advice
    if verdict == "pass":
        return "No action; keep in mind that only shortcuts present in these data can show."
    return words.more
