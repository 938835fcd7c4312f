"""What several checks ask for and say alike: shared trials, usable rows, reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from auditor.core.facts import Facts
from auditor.core.outcomes import Missing
from auditor.core.records import Estimate, Observation, Trial, Verdict
from auditor.core.zones import control_number
from auditor.stats.decisions import needed_n

_LABELS = {
    "outside": "outside the expert's mask",
    "inside": "inside the expert's mask",
    "everywhere": "anywhere",
    "control/0": "in a control zone (the outside, shifted)",
    "control/1": "in a control zone (the outside, turned)",
    "control/2": "in a control zone (the outside, scattered)",
}
MOST_MORE = 20
"""More than this many times the samples are no advice."""
MOST_PAIRS = 15
"""Pairs of classes that the report lists."""


def clean_trial() -> Trial:
    """Return the trial of plain answers."""
    return Trial("clean")


def evasion_trial(facts: Facts, zone: str, epsilon: float, *, attack: str | None = None) -> Trial:
    """Return the trial of one attack on a zone; checks that ask for the same one share it.

    The adversarials at the primary epsilon in the shown zone are kept: evidence and attribution read them.
    """
    threat = {"norm": facts.norm, "epsilon": epsilon, "guard": facts.guard}
    settings = facts.attack_settings if attack is None else {"tries": 5}
    keep = attack is None and epsilon == facts.primary and zone == shown_zone(facts)
    return Trial("evasion", attack or facts.attack, settings, zone, threat, facts.seed, keep=keep)


def shown_zone(facts: Facts) -> str:
    """Return the zone whose flips are shown and explained: 'outside', or 'everywhere' where no mask leaves anything
    outside and no column is set apart.
    """
    return "outside" if any(share is not None and 0 < share < 1 for share in facts.mask_share) else "everywhere"


def usable(rows: Mapping[str, Observation]) -> dict[str, Observation]:
    """Return the rows that were measured on correctly classified samples."""
    return {name: row for name, row in rows.items() if row.missing is None and row.values.get("correct") == 1}


def why_not(rows: Iterable[Observation], otherwise: str = "nothing was measured") -> str:
    """Return why nothing was measured: the most common reasons with their counts, or `otherwise` where no row gives
    one.
    """
    reasons = Counter(row.missing.text for row in rows if row.missing)
    if not reasons:
        return otherwise
    return "; ".join(f"{reason} ({n} samples)" for reason, n in reasons.most_common(3))


def label(zone: str) -> str:
    """Return a zone in words that follow 'values'."""
    number = control_number(zone)
    if number is not None:
        return _LABELS.get(zone, f"in control zone {number}")
    return _LABELS.get(zone, f"in '{zone}'")


def percent(value: float) -> str:
    """Return a share in per cent.

    >>> percent(0.1234), percent(1.0)
    ('12.3 %', '100 %')
    """
    return f"{100 * value:.1f}".removesuffix(".0") + " %"


def span(estimate: Estimate, *, share: bool = True) -> str:
    """Return an estimate with its interval, for a sentence."""
    show = percent if share else (lambda value: f"{value:.2f}")
    return f"{show(estimate.value)} [{show(estimate.low)}, {show(estimate.high)}]"


def few(n: int, minimum: int, what: str = "samples") -> Missing | None:
    """Return that a group is too small to be compared; None where it is not."""
    return Missing.too_few(f"{n} of at least {minimum} {what}") if n < minimum else None


def few_text(n: int, minimum: int, what: str = "samples") -> str:
    """Return the note of a group that is too small to be compared; empty where it is not."""
    missing = few(n, minimum, what)
    return missing.text if missing else ""


def listed(counts: Mapping[str, int]) -> str:
    """Return groups with their counts, such as 'f 100, m 17'."""
    return ", ".join(f"{name} {n}" for name, n in counts.items()) or "none"


def grey(facts: Facts, epsilon: float) -> str:
    """Return an epsilon in words: in grey levels where it is the change of one value and the data have a value grid.

    A fraction such as 2/255 is easier to check than 0.00784.
    """
    if facts.norm != "linf":
        return f"{epsilon:g} ({facts.norm})"
    if facts.levels is None:
        return f"{epsilon:g}"
    steps = epsilon * facts.levels / (facts.high - facts.low)
    return f"{round(steps, 3):g}/{facts.levels}"


def reason(
    verdict: Verdict, estimate: Estimate | None, tolerance: float, *, share: bool = True, either: bool = False
) -> str:
    """Return why a verdict is what it is, with the number of samples that would decide where it is open.

    `either` is for an estimate with a sign, which is held against the tolerance on both sides of zero.
    """
    if estimate is None:
        return "nothing was measured"
    show = percent(tolerance) if share else f"{tolerance:g}"
    show = f"-{show}" if either and _speaks_below(estimate, tolerance) else show
    level = f"{100 * estimate.level:.3g} %"
    if verdict == "inconclusive":
        wanted = needed_n(estimate, tolerance, either=either)
        many = (
            f"about {wanted} samples like these"
            if (wanted or 0) <= MOST_MORE * estimate.n
            else f"more than {MOST_MORE} times as many samples"
        )
        hint = f"{many} would decide" if wanted else "the estimate lies on the tolerance"
        return f"too few to tell: the {level} interval holds the tolerance {show}; {hint}"
    side = "beyond" if verdict == "fail" else "within"
    show = show.removeprefix("-") if verdict == "pass" else show
    return f"the whole {level} interval lies {side} the tolerance {show}"


def _speaks_below(estimate: Estimate, tolerance: float) -> bool:
    """Return whether it is the tolerance below zero that an interval holds or lies beyond; where it holds both, the one
    nearer to the estimate.
    """
    below, above = estimate.low < -tolerance <= estimate.high, estimate.low <= tolerance < estimate.high
    return below if below != above else estimate.value < 0


def most_pairs(n: int) -> str:
    """Return what a table of pairs of classes says of the pairs that it leaves out."""
    return f" (the {MOST_PAIRS} largest of {n}, by the lower end)" if n > MOST_PAIRS else ""
