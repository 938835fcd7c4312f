"""How well a classifier tells classes apart, whatever their mix: balanced accuracy and the area under the ROC curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from auditor.core.records import Estimate
from auditor.stats.shares import Array, method_name, share_interval, worth_of


def balanced_accuracy(flags: Sequence[float], y: Sequence[int], units: Sequence[str]) -> Estimate | None:
    """Return the mean over classes of the share that is classified correctly; None of fewer than two classes.

    The variance is that of the class shares, whole units together (Rao and Scott 1992).
    """
    correct, labels = np.asarray(flags, dtype=float), np.asarray(y)
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        return None
    shares = np.array([correct[labels == one].mean() for one in classes])
    place = np.searchsorted(classes, labels)
    pulls = (correct - shares[place]) / (counts[place] * len(classes))
    return _estimate(float(shares.mean()), pulls, units, unit="balanced accuracy")


def auc(scores: Sequence[float], y: Sequence[int], units: Sequence[str]) -> Estimate | None:
    """Return the share of pairs, one sample of class 1 and one of class 0, in which the former has the larger score;
    None without both classes.

    The variance is that of the placement values (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44), whole units
    together (Obuchowski 1997, Biometrics 53).
    """
    values, positive = np.asarray(scores, dtype=float), np.asarray(y) == 1
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return None
    above, below = values[positive], values[~positive]
    ranks = rankdata(np.concatenate([above, below]))
    placed = np.empty(n + m)
    placed[positive] = (ranks[:n] - rankdata(above)) / m
    placed[~positive] = 1 - (ranks[n:] - rankdata(below)) / n
    value = float(placed[positive].mean())
    pulls = (placed - value) / np.where(positive, n, m)
    return _estimate(value, pulls, units, unit="area under the ROC curve")


def _estimate(value: float, pulls: Array, units: Sequence[str], *, unit: str) -> Estimate:
    """Return a share with the interval of as many independent samples as its variance is worth."""
    names, place = np.unique(np.asarray(units), return_inverse=True)
    sums = np.bincount(place, weights=pulls).astype(float)
    n, clusters = len(pulls), len(names)
    spread = float((sums**2).sum()) * clusters / max(1, clusters - 1)
    worth = worth_of(value, spread, n, among=clusters)
    clustered = clusters < n
    method = method_name("Wilson and mid-P", clustered)
    return Estimate(
        value, *share_interval(value, worth), n, unit, method, 0.95, clusters if clustered else None, share=True
    )
