"""Everything an audit needs, loaded and checked before any work: classifier, samples, facts, checks, lock."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from auditor.checks import Check, checks, make_check
from auditor.config.config import SOURCE, Audit, load_audit
from auditor.core.errors import AuditorError, ConfigError, nearest
from auditor.core.facts import Facts
from auditor.core.records import digest
from auditor.core.zones import check_zone
from auditor.engine.lock import lock_checks
from auditor.engine.plan import offers_of
from auditor.engine.prepared import Prepared
from auditor.engine.stages import measuring
from auditor.models.classifier import Classifier
from auditor.models.precision import Precision
from auditor.probes import SURROGATE
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
    again = partial(
        prepare,
        source.absolute() if isinstance(source, Path) else source,
        base=base.absolute(),
        device=device,
        trust_code=trust_code,
        limit=limit,
        only=tuple(only),
        precision=precision,
        compile=compile,
    )
    audit, base = (load_audit(source), source.parent) if isinstance(source, Path) else (source, base)
    where = f"{source}: " if isinstance(source, Path) else ""
    chosen = select_checks(audit, only)
    try:
        audited = load_model(
            audit.model, base, device=device, trust_code=trust_code, precision=precision, compile=compile
        )
        others = _others(audit, base, audited, device=device, trust_code=trust_code)
        samples = _samples(audit, base, audited)
        fitted = measuring(audit.modality.name).fitted
        subjects = {name: fitted(one, samples) for name, one in {"": audited, **others}.items()}
    except AuditorError as error:
        prefix = where if str(error).startswith(("model source", "data source", "'model'", "'data")) else ""
        raise type(error)(f"{prefix}{error}") from None
    classifier = subjects[""]
    samples = _limited(samples, limit, audit.seed)
    offered = {name: tuple(sorted(subjects[name].offers)) for name in others}
    facts = replace(_facts(audit, classifier, samples), subjects=offered)
    _check_trials(chosen, facts, where)
    declared = {name: value for name, value in audit.model.items() if name not in ("path", "weights")}
    search = {"precision": precision, "compile": compile}
    # another search finds other points; the usual one keeps the binding of runs made before there was a choice
    unusual: list[dict[str, Any]] = [dict(search)] if search != {"precision": "float32", "compile": False} else []
    unusual += [{name: other.digest} for name, other in sorted(others.items())]
    binding = digest([classifier.digest, declared, samples.digest, _version(), *unusual])
    lock = {**_lock(audit, classifier, samples, chosen, limit), "search": search}
    return Prepared(audit, subjects, samples, facts, chosen, lock, base, binding, again)


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


def load_model(
    model: Mapping[str, Any],
    base: Path,
    *,
    device: str = "cpu",
    trust_code: bool = False,
    precision: Precision = "float32",
    compile: bool = False,
) -> Classifier:
    """Return the classifier that an audit's `model` declares (AuditorError)."""
    from auditor.models.load import load_classifier

    settings = dict(model)
    source = settings.pop("source", None)
    paths = [settings.pop(name) for name in ("path", "weights") if name in settings]
    if len(paths) != 1:
        raise ConfigError(f"'model': expected one of 'weights' and 'path', got {'both' if paths else 'neither'}.")
    run_only = sorted({"device", "trust_code", "precision", "compile", "base"} & set(settings))
    if run_only:
        raise ConfigError(
            f"'model.{run_only[0]}': expected a property of the model, got a setting of the run; leave it to the"
            " command line."
        )
    return load_classifier(
        str(paths[0]),
        source,
        base=base,
        trust_code=trust_code,
        device=device,
        precision=precision,
        compile=compile,
        **settings,
    )


def _others(
    audit: Audit, base: Path, classifier: Classifier, *, device: str, trust_code: bool
) -> dict[str, Classifier]:
    """Return the subjects beside the audited classifier that the audit file declares, by name (ConfigError: one does
    not fit): the surrogate that an attack climbs in its place.
    """
    declared = audit.attack.settings.get(SURROGATE)
    if declared is None:
        return {}
    if not isinstance(declared, Mapping):
        raise ConfigError(
            f"'attack.settings.surrogate': expected what 'model' takes (source, weights, ...), got {declared!r}."
        )
    other = load_model(declared, base, device=device, trust_code=trust_code)
    for what in ("classes", "input_shape"):
        mine, its = getattr(classifier, what), getattr(other, what)
        if mine != its:
            raise ConfigError(f"'attack.settings.surrogate': expected {what} {mine} as the model has, got {its}.")
    return {SURROGATE: other}


def _samples(audit: Audit, base: Path, classifier: Classifier) -> Samples:
    from auditor.samples import data

    settings = dict(audit.data)
    source = settings.pop("source", SOURCE)
    bound = data.bind(source, settings)
    if classifier.modality not in ("", audit.modality.name):
        raise ConfigError(
            f"'data.source': expected data that fit a classifier of modality '{classifier.modality}', got '{source}'."
        )
    return measuring(audit.modality.name).read_samples(base, classifier, source, bound)


def _limited(samples: Samples, limit: int | None, seed: int) -> Samples:
    if limit is None or limit >= len(samples):
        return samples
    chosen = samples.draw(limit, seed)
    return samples.select(chosen, digest([samples.digest, list(chosen)]))


def _facts(audit: Audit, classifier: Classifier, samples: Samples) -> Facts:
    from auditor.attacks import attacks
    from auditor.attacks.attack import norm_refused
    from auditor.attacks.losses import loss_named

    settings = attacks.bind(audit.attack.name, audit.attack.settings)
    if "loss" in settings:
        loss_named(settings["loss"], len(classifier.classes), targeted=False)
    if attacks[audit.attack.name].facts.get("budget", True) is False:
        raise ConfigError(
            f"'attack.name': expected an attack at a fixed epsilon, got '{audit.attack.name}', which searches for the"
            " smallest itself."
        )
    if audit.threat.norm not in audit.modality.norms:
        wanted = ", ".join(f"'{name}'" for name in audit.modality.norms)
        raise ConfigError(
            f"'threat.norm': expected {wanted}, as changes of a {audit.modality.words.sample} are measured, got"
            f" '{audit.threat.norm}'."
        )
    refusal = norm_refused(audit.attack.name, audit.threat.norm)
    if refusal:
        raise ConfigError(f"'threat.norm': {refusal}")
    return Facts(
        classes=classifier.classes,
        offers=tuple(sorted(classifier.offers)),
        modality=samples.modality,
        ids=samples.ids,
        y=samples.y,
        units=samples.units,
        groups=dict(samples.groups),
        factors=dict(samples.factors),
        mask_share=samples.mask_share,
        low=samples.low,
        high=samples.high,
        levels=samples.levels,
        norm=audit.threat.norm,
        epsilons=tuple(sorted(audit.threat.epsilon)),
        primary=audit.primary,
        guard=audit.threat.guard,
        attack=audit.attack.name,
        attack_settings=settings,
        seed=audit.seed,
        regions=dict(samples.regions),
        schema=samples.schema.as_dict() if samples.schema else None,
        max_changes=audit.threat.max_changes,
    )


def _lock(
    audit: Audit, classifier: Classifier, samples: Samples, chosen: Mapping[str, Check], limit: int | None
) -> dict[str, Any]:
    model = {
        "name": classifier.name,
        "source": str(audit.model.get("source") or "by file ending"),
        "digest": classifier.digest,
        "classes": list(classifier.classes),
        "offers": sorted(classifier.offers),
        "input_shape": list(classifier.input_shape) if classifier.input_shape else None,
        "notes": list(classifier.notes),
    }
    data = {"digest": samples.digest, "n": len(samples), "notes": list(samples.notes)}
    return {
        "auditor": _version(),
        "audit": audit.model_dump(mode="json"),
        "checks": lock_checks(chosen),
        "model": model,
        "data": data,
        "limit": limit,
        "environment": environment(audit.modality.packages),
    }


def environment(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions that a result depends on."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "system": platform.system()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _version() -> str:
    return version("auditor")
