"""Everything an audit needs, loaded and checked before any work: classifier, samples, facts, checks, lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from auditor.checks import Check, checks, make_check
from auditor.config.config import Audit, load_audit
from auditor.core.errors import AuditorError, ConfigError, nearest
from auditor.core.facts import Facts
from auditor.core.zones import check_zone
from auditor.engine.loading import Running, limited, load_model, load_others, load_samples
from auditor.engine.plan import offers_of
from auditor.engine.prepared import Prepared
from auditor.engine.resolved import bound, known_facts, resolved_lock
from auditor.engine.stages import measuring
from auditor.models.classifier import Classifier
from auditor.models.precision import Precision
from auditor.samples.samples import Samples


def prepare(
    source: Path | Audit,
    *,
    base: Path = Path("."),
    device: str = "cpu",
    trust_code: bool = False,
    limit: int | None = None,
    only: Sequence[str] = (),
    precision: Precision = "float32",
    compile: bool = False,
) -> Prepared:
    """Return an audit with its classifier and samples loaded (AuditorError: one sentence, before any work).

    Parameters
    ----------
    source
        The audit file, or an Audit whose paths are relative to `base`.
    limit
        Audit this many samples, drawn by seed and id.
    only
        Names of checks to run; all that the audit file asks for when empty.
    precision, compile
        How attacks search on a GPU; what fools is decided in float32.
    """
    running = Running(device=device, trust_code=trust_code, precision=precision, compile=compile)
    said = source.absolute() if isinstance(source, Path) else source
    again = partial(prepare, said, base=base.absolute(), limit=limit, only=tuple(only), **asdict(running))
    audit, base = (load_audit(source), source.parent) if isinstance(source, Path) else (source, base)
    where = f"{source}: " if isinstance(source, Path) else ""
    chosen = select_checks(audit, only)
    subjects, samples = _loaded(audit, base, running, where=where)
    samples = limited(samples, limit, audit.seed)
    facts = known_facts(audit, subjects, samples)
    _check_trials(chosen, facts, where)
    search = {"precision": precision, "compile": compile}
    lock = {**resolved_lock(audit, subjects[""], samples, chosen=chosen, limit=limit), "search": search}
    binding = bound(audit, subjects, samples, search=search)
    return Prepared(audit, subjects, samples, facts, chosen, lock, base, binding, again)


def _loaded(audit: Audit, base: Path, running: Running, *, where: str) -> tuple[dict[str, Classifier], Samples]:
    """Return every classifier that a trial may name, as it reads the samples, and the samples."""
    try:
        audited = load_model(audit.model, base, running)
        others = load_others(audit, base, audited, running=running)
        samples = load_samples(audit, base, audited)
        fitted = measuring(audit.modality.name).fitted
        return {name: fitted(one, samples) for name, one in {"": audited, **others}.items()}, samples
    except AuditorError as error:
        prefix = where if str(error).startswith(("model source", "data source", "'model'", "'data")) else ""
        raise type(error)(f"{prefix}{error}") from None


def select_checks(audit: Audit, only: Sequence[str] = ()) -> dict[str, Check]:
    """Return the checks of an audit by name, with their tolerances (ConfigError: unknown name in `only`)."""
    known = checks.names(audit.modality.name)
    for name in only:
        if name not in known:
            raise ConfigError(f"--check: expected a known check, got '{name}'; {nearest(name, known)}")
    wanted = {name: audit.checks.get(name, {}) for name in known if not only or name in only}
    return {
        name: make_check(name, audit.modality.name, settings if isinstance(settings, dict) else {})
        for name, settings in wanted.items()
        if settings is not False
    }


def _check_trials(chosen: Mapping[str, Check], facts: Facts, where: str) -> None:
    """Refuse a zone that the data do not have, and a subject, an attack, an explanation or a setting of one that is
    not known (ConfigError).
    """
    from auditor.probes import probes

    for name, check in chosen.items():
        try:
            for trial in check.trials(facts):
                check_zone(trial.zone or "everywhere", facts.regions)
                offers_of(trial.subject, facts)
                probes.serving(trial.probe, facts.modality).facts["cost"](
                    method=trial.method, settings=dict(trial.settings)
                )
        except AuditorError as error:
            raise ConfigError(f"{where}check '{name}': {error}") from None
