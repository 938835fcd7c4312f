"""An audit's classifiers and samples, loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from auditor.config.config import Audit
from auditor.core.errors import ConfigError
from auditor.core.modality import assumed_source
from auditor.core.records import digest
from auditor.engine.stages import measuring
from auditor.models.classifier import Classifier
from auditor.models.precision import Precision
from auditor.probes import SURROGATE
from auditor.samples.samples import Samples


@dataclass(frozen=True, kw_only=True)
class Running:
    """How a run uses classifiers: what the command line says, and no property of a model."""

    device: str = "cpu"
    trust_code: bool = False
    """Whether the user's own code may run."""
    precision: Precision = "float32"
    """How attacks search on a GPU; what fools is decided in float32."""
    compile: bool = False


def load_model(model: Mapping[str, Any], base: Path, running: Running) -> Classifier:
    """Return the classifier that an audit's `model` declares (AuditorError)."""
    from auditor.models.load import load_classifier

    settings = dict(model)
    source = settings.pop("source", None)
    paths = [settings.pop(name) for name in ("path", "weights") if name in settings]
    if len(paths) != 1:
        raise ConfigError(f"'model': expected one of 'weights' and 'path', got {'both' if paths else 'neither'}.")
    run_only = sorted({*asdict(running), "base"} & set(settings))
    if run_only:
        raise ConfigError(
            f"'model.{run_only[0]}': expected a property of the model, got a setting of the run; leave it to the"
            " command line."
        )
    return load_classifier(
        str(paths[0]),
        source,
        base=base,
        **asdict(running),
        **settings,
    )


def load_others(audit: Audit, base: Path, classifier: Classifier, *, running: Running) -> dict[str, Classifier]:
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
    other = load_model(declared, base, replace(running, precision="float32", compile=False))
    for what in ("classes", "input_shape"):
        mine, its = getattr(classifier, what), getattr(other, what)
        if mine != its:
            raise ConfigError(f"'attack.settings.surrogate': expected {what} {mine} as the model has, got {its}.")
    return {SURROGATE: other}


def load_samples(audit: Audit, base: Path, classifier: Classifier) -> Samples:
    """Return the samples that an audit's `data` declares (AuditorError: they do not fit the classifier)."""
    from auditor.samples import data

    settings = dict(audit.data)
    source = settings.pop("source", assumed_source())
    bound = data.bind(source, settings)
    if classifier.modality not in ("", audit.modality.name):
        raise ConfigError(
            f"'data.source': expected data that fit a classifier of modality '{classifier.modality}', got '{source}'."
        )
    return measuring(audit.modality.name).read_samples(base, classifier, source, settings=bound)


def limited(samples: Samples, limit: int | None, seed: int) -> Samples:
    """Return at most `limit` of the samples, drawn by seed and id."""
    if limit is None or limit >= len(samples):
        return samples
    chosen = samples.draw(limit, seed)
    return samples.select(chosen, digest([samples.digest, list(chosen)]))
