"""Auditor: does a trained classifier look where the expert says it should?

The public names are loaded when first used, so that `import auditor` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditor.attacks.attack import Adversarials, attack, attack_names
    from auditor.classifier import Classifier, wrap
    from auditor.classifiers.load import load_classifier
    from auditor.config import Audit, load_audit
    from auditor.errors import AuditorError
    from auditor.pipeline import audit
    from auditor.records import Estimate, Finding, Observation, Trial
    from auditor.samples import Samples
    from auditor.threats.threat import Threat

_HOMES = {
    "Adversarials": "auditor.attacks.attack",
    "Audit": "auditor.config",
    "AuditorError": "auditor.errors",
    "Classifier": "auditor.classifier",
    "Estimate": "auditor.records",
    "Finding": "auditor.records",
    "Observation": "auditor.records",
    "Samples": "auditor.samples",
    "Threat": "auditor.threats.threat",
    "Trial": "auditor.records",
    "attack": "auditor.attacks.attack",
    "attack_names": "auditor.attacks.attack",
    "audit": "auditor.pipeline",
    "load_audit": "auditor.config",
    "load_classifier": "auditor.classifiers.load",
    "wrap": "auditor.classifier",
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
