"""How much of its upper bound a trial usually uses, learned from finished audits by benchmarks/learn_costs.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auditor.core.records import Trial


@dataclass(frozen=True)
class Use:
    """What trials of one kind have used."""

    low: float
    """Share of the passes of the upper bound that the thriftiest tenth of the trials stayed below."""
    typical: float
    """Passes of all trials together, as a share of their upper bounds."""
    high: float
    """Share that nine tenths of the trials stayed below."""
    fill: float
    """Mean number of inputs in one call of the classifier, as a share of the samples in a chunk."""
    beside: float
    """Seconds of one pass beside the classifier, per value of a sample: random numbers, projections, search."""


TrialKind = tuple[str, str, str]
"""Probe, method and effort; '' stands for any."""


def trial_kind(trial: Trial) -> TrialKind:
    """Return the kind that a trial belongs to."""
    return trial.probe, trial.method, str(trial.settings.get("effort", ""))


def use_of(trial: Trial, table: Mapping[TrialKind, Use]) -> tuple[Use, bool]:
    """Return what such trials have used, and whether the trial's own kind is known.

    An unknown kind takes the row of its probe, and an unknown probe the row of all trials, both with their wide ranges.
    """
    kind = trial_kind(trial)
    if kind in table:
        return table[kind], True
    return table.get((kind[0], "", ""), table["", "", ""]), False


BEFORE = 5.0
"""Seconds of starting Python and its libraries."""
AFTER = 36.0
"""Seconds of evidence, judging and rendering, most of them for the PDF; they hardly depend on what was measured."""

USES: Mapping[TrialKind, Use] = {
    ("", "", ""): Use(0.218, 0.401, 1, 23, 2.8e-07),  # 183 trials of 8 audits
    ("aimed", "", ""): Use(0.98, 0.983, 0.985, 0.59, 1.1e-07),  # 2 trials of 2 audits
    ("attribution", "", ""): Use(1, 1, 1, 1.7, 7.4e-08),  # 4 trials of 2 audits
    ("attribution", "integrated_gradients", ""): Use(1, 1, 1, 1.9, 6.0e-08),  # 2 trials of 2 audits
    ("attribution", "saliency", ""): Use(1, 1, 1, 1, 2.3e-07),  # 2 trials of 2 audits
    ("attribution_table", "", ""): Use(0.53, 0.968, 1, 45, 7.2e-07),  # 6 trials of 4 audits
    ("attribution_table", "kernel_shap", ""): Use(0.53, 1, 1, 70, 7.3e-07),  # 4 trials of 4 audits
    ("attribution_table", "permutation", ""): Use(0.43, 0.53, 1, 4.2, 6.4e-07),  # 2 trials of 2 audits
    ("clean", "", ""): Use(1, 1, 1, 0.68, 3.4e-07),  # 6 trials of 6 audits
    ("evasion", "", ""): Use(0.18, 0.474, 1, 0.37, 3.5e-07),  # 87 trials of 4 audits
    ("evasion", "evade", "default"): Use(0.0867, 0.197, 1, 0.097, 2.0e-07),  # 3 trials of 3 audits
    ("evasion", "evade", "fast"): Use(0.0569, 0.425, 1, 0.94, 8.3e-09),  # 22 trials of 2 audits
    ("evasion", "pgd", ""): Use(0.18, 0.463, 1, 0.59, 1.8e-07),  # 20 trials of 2 audits
    ("evasion", "random_noise", ""): Use(0.18, 0.982, 1, 0.98, 6.8e-08),  # 36 trials of 4 audits
    ("evasion", "square", ""): Use(0.125, 0.271, 1, 0.17, 4.0e-07),  # 3 trials of 3 audits
    ("evasion", "transfer", ""): Use(0.155, 0.28, 1, 0.18, 7.4e-06),  # 3 trials of 3 audits
    ("exchange", "", ""): Use(0.673, 0.673, 0.673, 5.5, 5.4e-06),  # 4 trials of 4 audits
    ("flip", "", ""): Use(0.0153, 0.171, 0.967, 10, 4.1e-06),  # 44 trials of 4 audits
    ("flip", "random_change", ""): Use(0.0153, 0.913, 0.983, 0.96, 8.1e-06),  # 30 trials of 4 audits
    ("flip", "table_search", ""): Use(0.00715, 0.166, 0.967, 14, 3.9e-06),  # 14 trials of 4 audits
    ("gradient", "", ""): Use(1, 1, 1, 1, 2.1e-07),  # 2 trials of 2 audits
    ("invariance", "", ""): Use(0.3, 0.32, 0.34, 3.9, 2.7e-06),  # 4 trials of 4 audits
    ("left_over", "", ""): Use(0.916, 0.953, 0.991, 0.15, 7.8e-08),  # 2 trials of 2 audits
    ("permuted", "", ""): Use(0.5, 0.5, 0.5, 0.5, 3.5e-06),  # 4 trials of 4 audits
    ("smallest", "", ""): Use(0.573, 0.678, 0.785, 0.8, 7.6e-08),  # 12 trials of 3 audits
    ("smallest", "minimum_norm", ""): Use(0.573, 0.678, 0.785, 0.8, 7.6e-08),  # 12 trials of 3 audits
    ("surroundings", "", ""): Use(0.9, 0.944, 0.989, 1.1, 5.1e-08),  # 2 trials of 2 audits
    ("transplant", "", ""): Use(1, 1, 1, 1.1, 7.7e-08),  # 2 trials of 2 audits
    ("universal", "", ""): Use(0.625, 0.625, 0.625, 29, 5.6e-08),  # 2 trials of 2 audits
    ("where", "", ""): Use(0.888, 0.888, 0.888, 1, 4.2e-08),  # 2 trials of 2 audits
}
"""Kind of trial -> what it has used."""
