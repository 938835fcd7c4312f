"""Auditor: does a trained classifier look where the expert says it should?

The public names are loaded when first used, so that `import auditor` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditor.attacks.attack import Adversarials, attack, attack_names
    from auditor.config.config import Audit, load_audit
    from auditor.core.errors import AuditorError
    from auditor.core.records import Estimate, Finding, Observation, Trial
    from auditor.models.classifier import Classifier, wrap
    from auditor.models.load import load_classifier
    from auditor.pipeline import audit
    from auditor.samples.samples import Samples
    from auditor.threats.threat import Threat

_HOMES = {
    "Adversarials": "auditor.attacks.attack",
    "Audit": "auditor.config.config",
    "AuditorError": "auditor.core.errors",
    "Classifier": "auditor.models.classifier",
    "Estimate": "auditor.core.records",
    "Finding": "auditor.core.records",
    "Observation": "auditor.core.records",
    "Samples": "auditor.samples.samples",
    "Threat": "auditor.threats.threat",
    "Trial": "auditor.core.records",
    "attack": "auditor.attacks.attack",
    "attack_names": "auditor.attacks.attack",
    "audit": "auditor.pipeline",
    "load_audit": "auditor.config.config",
    "load_classifier": "auditor.models.load",
    "wrap": "auditor.models.classifier",
}

__all__ = [
    "Adversarials",
    "Audit",
    "AuditorError",
    "Classifier",
    "Estimate",
    "Finding",
    "Observation",
    "Samples",
    "Threat",
    "Trial",
    "attack",
    "attack_names",
    "audit",
    "load_audit",
    "load_classifier",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'auditor' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
