"""What will be measured, in which order, cut into chunks, and what it will cost; by the audit alone, never by the
machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auditor.attacks import attacks
from auditor.attacks.attack import norm_refused
from auditor.checks import Check
from auditor.core.errors import ConfigError, nearest
from auditor.core.facts import Facts
from auditor.core.modality import modality_named
from auditor.core.outcomes import Missing
from auditor.core.records import Trial, ordered
from auditor.core.zones import not_applicable
from auditor.explanations import explanations
from auditor.probes import probes
from auditor.samples.samples import Samples


@dataclass(frozen=True)
class Planned:
    """One trial with its share of the work."""

    trial: Trial
    key: str
    chunks: tuple[tuple[int, ...], ...]
    """Positions of the samples of each chunk."""
    excluded: Mapping[int, Missing]
    """Position -> why the sample is not measured."""
    forwards: int
    """Most forward passes, over all samples."""
    backwards: int

    @property
    def samples(self) -> int:
        """Return how many samples are measured."""
        return sum(len(chunk) for chunk in self.chunks)


def plan(chosen: Mapping[str, Check], facts: Facts, samples: Samples, *, binding: str) -> tuple[Planned, ...]:
    """Return every distinct trial, a source before what reads it."""
    wanted = [trial for check in chosen.values() for trial in check.trials(facts)]
    return tuple(_planned(trial, facts, samples, binding=binding) for trial in ordered(wanted))


def offers_of(subject: str, facts: Facts) -> tuple[str, ...]:
    """Return what a trial's subject offers (ConfigError: the audit declares none of that name)."""
    if subject and subject not in facts.subjects:
        known = ", ".join(f"'{name}'" for name in sorted(facts.subjects)) or "no other"
        raise ConfigError(
            f"trial: expected the audited classifier as subject, or one that the audit declares ({known}), got"
            f" '{subject}'; {nearest(subject, facts.subjects)}"
        )
    return facts.subjects[subject] if subject else facts.offers


def _planned(trial: Trial, facts: Facts, samples: Samples, *, binding: str) -> Planned:
    usable, excluded = _drawn(trial, facts, samples)
    size = modality_named(facts.modality).chunk
    chunks = tuple(tuple(usable[start : start + size]) for start in range(0, len(usable), size))
    forwards, backwards = probes.serving(trial.probe, facts.modality).facts["cost"](
        method=trial.method, settings=_possible(trial, len(facts.classes))
    )
    return Planned(trial, trial.key(binding), chunks, excluded, forwards * len(usable), backwards * len(usable))


def _possible(trial: Trial, classes: int) -> dict[str, Any]:
    """Return a trial's settings, an attack's aims no more than there are other classes."""
    settings = dict(trial.settings)
    aims = attacks.bind(trial.method, settings).get("aims", 0) if trial.method in attacks.names() else 0
    return {**settings, "aims": min(aims, max(1, classes - 1))} if aims else settings


def _drawn(trial: Trial, facts: Facts, samples: Samples) -> tuple[tuple[int, ...], dict[int, Missing]]:
    """Return the positions to measure, drawn among the samples that have the trial's zone, and why the others have
    none.
    """
    missing = _missing(trial, facts)
    if missing:
        return (), dict.fromkeys(samples.draw(trial.samples, facts.seed), missing)
    shares = samples.regions.get(trial.zone, samples.mask_share)
    excluded = {position: why for position, share in enumerate(shares) if (why := not_applicable(trial.zone, share))}
    return (
        samples.draw(
            trial.samples, facts.seed, among=[position for position in range(len(samples)) if position not in excluded]
        ),
        excluded,
    )


def _missing(trial: Trial, facts: Facts) -> Missing | None:
    """Return what the trial's method needs and its subject does not offer; a weaker method is never put in its
    place.
    """
    offers = offers_of(trial.subject, facts)
    who = f"'{trial.subject}'" if trial.subject else "this classifier"
    wanted = probes.serving(trial.probe, facts.modality).facts.get("needs", "labels")
    if wanted not in offers:
        return Missing.not_applicable(f"probe '{trial.probe}' needs '{wanted}', which {who} does not offer")
    norm = str(trial.threat.get("norm", facts.norm))
    refusal = norm_refused(trial.method, norm) if trial.method in attacks.names() else ""
    if refusal:
        return Missing.not_applicable(f"attack '{trial.method}': {refusal}")
    kinds = [entry.modality for entry in explanations if entry.name == trial.method]
    if kinds and trial.method not in explanations.names(facts.modality):
        return Missing.not_applicable(f"explanation '{trial.method}' explains data of modality '{kinds[0]}'")
    for kind, registry in (("attack", attacks), ("explanation", explanations)):
        if trial.method in registry.names(facts.modality):
            needs = registry.serving(trial.method, facts.modality).facts["needs"]
            if needs in offers:
                return None
            fitting = (registry.serving(name, facts.modality) for name in registry.names(facts.modality))
            served = ", ".join(entry.name for entry in fitting if entry.facts["needs"] in offers)
            hint = f"; it can serve {served}" if served else ""
            return Missing.not_applicable(f"{kind} '{trial.method}' needs '{needs}', which {who} does not offer{hint}")
    return None
