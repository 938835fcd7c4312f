"""Targeted harm: how much more one perturbation, fitted on one group, harms that group than everyone else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from auditor.checks.common import few_text, grey, label, listed, percent, reason, span, why_not
from auditor.checks.fairness.held_out import Held, excess_p, largest_excess, null
from auditor.core.displays import Budget, Display, Matrix, MatrixCell, Named, Partition, Rows
from auditor.core.facts import Facts
from auditor.core.records import Estimate, Evidence, Finding, Observations, Trial, Verdict
from auditor.stats.grouping import Attribute, dealt
from auditor.stats.shares import decide, proportion

FIT: Mapping[str, Any] = {"steps": 20, "batch": 32, "starts": 2, "most": 512}
"""How hard each perturbation is fitted: at most steps x batch x starts gradients, after which more of them change
little.
"""


def harm_trials(
    facts: Facts, attribute: Attribute, *, zone: str, minimum_group: int, refits: int = 0
) -> tuple[Trial, ...]:
    """Return what fits one perturbation per large group and what judges them on held-out halves, then the same on
    exchanged labels.

    None where fewer than two groups have `minimum_group` samples with the zone: nobody could be told apart.
    """
    counts = _counts(facts, attribute, zone)
    names = [name for name, n in counts.items() if n >= minimum_group]
    found: list[Trial] = []
    for exchange in range(refits + 1) if len(names) > 1 else ():
        settings = {"attribute": attribute.as_dict(), "names": names, **FIT, "exchange": exchange}
        threat = {"norm": facts.norm, "epsilon": facts.primary, "guard": facts.guard}
        fit = Trial("universal", "", settings, zone, threat, facts.seed, samples=1, keep=True)
        found += [fit, Trial("aimed", "", settings, zone, threat, facts.seed, source=fit)]
    return tuple(found)


def judge_harm(
    facts: Facts,
    observations: Observations,
    attribute: Attribute,
    *,
    zone: str,
    tolerance: float,
    minimum_group: int,
    refits: int = 0,
) -> Finding:
    """Return the finding on the largest excess: success on a group's held-out correct predictions less that on everyone
    else's.
    """
    trials = harm_trials(facts, attribute, zone=zone, minimum_group=minimum_group, refits=refits)
    counts, seen = _counts(facts, attribute, zone), _seen(observations, trials)
    held = [Held.of(facts, observations, attribute, trial, minimum_group) for trial in trials[1::2]]
    found = held[0] if held else Held.empty(minimum_group)
    excess = {name: one for name in found.names if (one := found.excess(name)) is not None}
    large = {name: one for name, one in excess.items() if found.n(name) >= minimum_group}
    when, where = (
        f"at {grey(facts, facts.primary)} {label(zone)}",
        Evidence(trials=tuple(observations.key(trial) for trial in trials[:2])),
    )
    base: dict[str, Any] = {
        "id": f"fairness/{attribute.name}/targeted-harm",
        "check": "fairness",
        "evidence": where,
        "question": 2,
    }
    shown: tuple[Display, ...] = (
        _partition(facts, attribute),
        Budget(zone=zone, size=facts.primary),
        _matrix(found, counts),
        *_excesses(found, counts, excess, seen),
    )
    if len(large) < 2:
        claim, why = (
            f"Whether harm can be aimed at groups by {attribute.name} {when} was not measured.",
            _why_not(found, counts, observations, trials),
        )
        return Finding(
            verdict="not_measured",
            claim=claim,
            reason=why,
            advice="Audit more samples of each group.",
            displays=shown,
            **base,
        )
    estimate, name = largest_excess(found, large), max(large, key=lambda one: (large[one].value, one))
    loose, small = _loose(found, large, seen, tolerance), sorted(set(counts) - set(large))
    verdict, chance = decide(estimate, tolerance), null(facts, attribute, held, trials[1])
    why = (
        f"{reason(verdict, estimate, tolerance)}{loose if verdict == 'pass' else ''}; p = {chance.p:.3f}"
        f" ({chance.method})"
    )
    verdict = "inconclusive" if verdict == "pass" and loose else verdict
    return Finding(
        verdict=verdict,
        claim=_claim(found, attribute, name, when, estimate),
        estimate=estimate,
        tolerance=tolerance,
        reason=why + (f"; too few to say for {', '.join(small)} (fewer than {minimum_group})" if small else ""),
        p=excess_p(found, large, tolerance),
        advice=_advice(verdict, name),
        displays=(*shown, chance),
        rests_on=("attack_quality",),
        **base,
    )


def _claim(held: Held, attribute: Attribute, name: str, when: str, estimate: Estimate) -> str:
    """Return the sentence with the largest excess, and one that tells aimed harm from a group that anything breaks."""
    aimed = held.aimed(name)
    said = (
        f"By {attribute.name}, one perturbation fitted on half of a group and tried {when} flips more of the group's"
        " other half than of everyone else by at "
    )
    said += f"most {span(estimate)} of correct predictions: {name}, of which it flips {percent(held.success(name))}."
    return said + (
        f" On {name} alone it is ahead of the other groups' perturbations by {span(aimed)}." if aimed else ""
    )


def _loose(held: Held, large: Iterable[str], seen: Mapping[str, float], tolerance: float) -> str:
    """Return why a pass cannot be believed: a perturbation flips far more of what it was fitted on, so with more to fit
    on it may flip more of the rest.
    """
    gaps = {name: seen[name] - held.success(name) for name in large if name in seen}
    worst = max(gaps, key=lambda name: (gaps[name], name), default="")
    if not worst or gaps[worst] <= tolerance:
        return ""
    return (
        f"; but too few to fit on: the perturbations of {worst} flip {percent(seen[worst])} of the samples that they"
        f" were fitted on and {percent(held.success(worst))} of the others, so harm may be aimed better than was found"
    )


def _seen(observations: Observations, trials: Sequence[Trial]) -> dict[str, float]:
    """Return the share of the samples that each group's perturbations were fitted on and flip."""
    rows = [row.values for trial in trials[:1] for row in observations.of(trial).values() if row.missing is None]
    found = {}
    for place, name in enumerate(trials[0].settings["names"] if rows else ()):
        sizes = [
            (rows[0].get(f"samples/{place}/{side}", 0), rows[0].get(f"success/{place}/{side}", 0)) for side in (0, 1)
        ]
        if sum(n for n, _ in sizes):
            found[name] = sum(n * share for n, share in sizes) / sum(n for n, _ in sizes)
    return found


def _counts(facts: Facts, attribute: Attribute, zone: str) -> dict[str, int]:
    """Return group -> number of its samples that have the zone, sorted by group."""
    return dict(sorted(Counter(group for group in dealt(attribute, facts, zone, facts.seed)[0] if group).items()))


def _partition(facts: Facts, attribute: Attribute) -> Partition:
    return Partition(
        attribute=attribute.name,
        columns=tuple(attribute.columns),
        bands={column: tuple(cuts) for column, cuts in attribute.edges.items()},
        unknown=sum(value == "" for value in attribute.values(facts.groups)),
    )


def _matrix(held: Held, counts: Mapping[str, int]) -> Matrix:
    """Return the success of every group's perturbation on every group, whatever its size."""
    names = tuple(counts)
    entries = tuple(tuple(_entry(held, fitted, n, judged) for judged in names) for fitted, n in counts.items())
    return Matrix(rows=names, columns=names, entries=entries, role="success")


def _entry(held: Held, fitted: str, n: int, judged: str) -> MatrixCell:
    if fitted not in held.names:
        return MatrixCell(note=_unfitted(n, held.minimum))
    flags, units = held.flipped(fitted, held.groups == judged)
    share = proportion(flags, units, unit="success among correct")
    return MatrixCell(estimate=share, note=few_text(len(flags), held.minimum, "correct predictions"))


def _excesses(
    held: Held, counts: Mapping[str, int], excess: Mapping[str, Estimate], seen: Mapping[str, float]
) -> tuple[Rows, Rows]:
    """Return each group's excess, and by how much its own perturbation is ahead of the others' on the same samples."""
    found, ahead = [], []
    for name, n in counts.items():
        if name not in held.names:
            found.append(Named(name=name, note=_unfitted(n, held.minimum)))
            continue
        note = few_text(held.n(name), held.minimum, "correct predictions")
        own = excess.get(name)
        found.append(Named(name=name, estimate=own, note=note or ("" if own else "no class in common with the others")))
        flips = f"flips {percent(seen[name])} of the samples that it was fitted on" if name in seen else ""
        ahead.append(Named(name=name, estimate=held.aimed(name), note=flips))
    return Rows(rows=tuple(found), role="excess"), Rows(rows=tuple(ahead), role="aimed")


def _unfitted(n: int, minimum: int) -> str:
    return few_text(n, minimum, "samples") or "not fitted, since no other group is large enough"


def _why_not(held: Held, counts: Mapping[str, int], observations: Observations, trials: Sequence[Trial]) -> str:
    """Return why no two groups were compared: too few samples, nothing fitted, nothing judged, or too few correct
    predictions.
    """
    small = f"too few to say: fewer than two groups have {held.minimum} samples that can be attacked ({listed(counts)})"
    if not trials:
        return small
    fits, judged = (observations.of(trial).values() for trial in trials[:2])
    if not held.flags.size:
        return why_not(judged if any(row.missing is None for row in fits) else fits)
    correct = {name: held.n(name) for name in held.names}
    if sum(n >= held.minimum for n in correct.values()) > 1:
        return "the groups have no class in common"
    return f"too few to say: fewer than two groups have {held.minimum} correct predictions ({listed(correct)})"


def _advice(verdict: Verdict, name: str) -> str:
    if verdict == "fail":
        return (
            f"Control who can alter inputs of {name}, and train against such perturbations: harm can be aimed at this"
            " group."
        )
    return "No action." if verdict == "pass" else "Audit more samples of each group."
