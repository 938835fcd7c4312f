"""What an audit comes to once its classifiers and samples are loaded: its facts, its lock and what binds its
observations.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from auditor.checks import Check
from auditor.config.config import Audit
from auditor.core.errors import ConfigError
from auditor.core.facts import Facts
from auditor.core.records import digest
from auditor.engine.lock import lock_checks
from auditor.models.classifier import Classifier
from auditor.samples.samples import Samples


def known_facts(audit: Audit, subjects: Mapping[str, Classifier], samples: Samples) -> Facts:
    """Return what checks may know of an audit; `subjects[""]` is the audited classifier (ConfigError: its attack or
    its norm does not fit).
    """
    classifier = subjects[""]
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
        attack_settings=_attack_settings(audit, len(classifier.classes)),
        seed=audit.seed,
        regions=dict(samples.regions),
        schema=samples.schema.as_dict() if samples.schema else None,
        max_changes=audit.threat.max_changes,
        subjects={name: tuple(sorted(one.offers)) for name, one in subjects.items() if name},
    )


def _attack_settings(audit: Audit, classes: int) -> dict[str, Any]:
    """Return the complete settings of the attack (ConfigError: it, its loss or the norm does not fit the audit)."""
    from auditor.attacks import attacks
    from auditor.attacks.attack import norm_refused
    from auditor.attacks.losses import loss_named

    settings = attacks.bind(audit.attack.name, audit.attack.settings)
    if "loss" in settings:
        loss_named(settings["loss"], classes, targeted=False)
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
    return settings


def resolved_lock(
    audit: Audit, classifier: Classifier, samples: Samples, *, chosen: Mapping[str, Check], limit: int | None
) -> dict[str, Any]:
    """Return the lock of an audit with the checks that were chosen, but for how attacks search."""
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


def bound(audit: Audit, subjects: Mapping[str, Classifier], samples: Samples, *, search: Mapping[str, Any]) -> str:
    """Return the digest of everything that an observation depends on but its trial."""
    declared = {name: value for name, value in audit.model.items() if name not in ("path", "weights")}
    # another search finds other points; the usual one keeps the binding of runs made before there was a choice
    unusual: list[dict[str, Any]] = [dict(search)] if search != {"precision": "float32", "compile": False} else []
    unusual += [{name: other.digest} for name, other in sorted(subjects.items()) if name]
    return digest([subjects[""].digest, declared, samples.digest, _version(), *unusual])


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
