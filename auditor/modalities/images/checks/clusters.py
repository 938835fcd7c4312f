"""Groups of samples whose outside is read alike: spectral clustering of effect maps, after SpRAy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from auditor.core.displays import Cluster, Peak
from auditor.stats.shares import Array

_FEWEST = 10
"""Samples below which no clusters are sought."""
_MOST = 5
"""Most clusters."""
_WIDTH = 3.0
"""Affinity = exp(-WIDTH * squared distance): maps that share nothing (distance 2) have affinity 0.002."""
CASES = 3
"""Centre cases named per cluster."""


def place_words(row: int, column: int, side: int) -> str:
    """Return where a cell lies in the image frame, in thirds.

    >>> place_words(0, 0, 6), place_words(2, 5, 6), place_words(3, 2, 6), place_words(5, 3, 6)
    ('top left', 'right', 'centre', 'bottom')
    """
    down, across = (min(2, 3 * (2 * at + 1) // (2 * side)) for at in (row, column))
    return " ".join(word for word in (("top", "", "bottom")[down], ("left", "", "right")[across]) if word) or "centre"


def clusters(
    maps: Mapping[str, Array], label: Mapping[str, int], classes: Sequence[str], *, least: float
) -> tuple[tuple[Cluster, ...], str]:
    """Return the clusters of the samples' maps, largest first, and why there are none ('' where there are).

    Spectral clustering of maps scaled to unit length, their number from 1 to 5 by the largest gap between the
    eigenvalues of
    the normalised Laplacian (SpRAy: Lapuschkin et al. 2019, arXiv:1902.10178). The order of the samples does not
    matter.

    Parameters
    ----------
    maps
        Sample id -> effect of each cell (rows, columns), NaN where it was not measured.
    label
        Sample id -> index in `classes`.
    least
        A sample takes part where its largest effect is at least this.
    """
    names = sorted(name for name, one in maps.items() if np.abs(np.nan_to_num(one)).max() >= max(least, 1e-12))
    if len(names) < _FEWEST:
        return (
            (),
            f"no clusters: {len(names)} of {len(maps)} samples have a place that matters, and {_FEWEST} are needed",
        )
    flat = np.stack([np.nan_to_num(maps[name]).ravel() for name in names])
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    alike = np.exp(-_WIDTH * (2 - 2 * (flat @ flat.T).clip(-1, 1)))
    member = _labels(alike)
    found = [
        _cluster([names[row] for row in rows], maps, label, classes=classes, alike=alike[np.ix_(rows, rows)])
        for rows in map(np.flatnonzero, _each(member))
    ]
    return tuple(sorted(found, key=lambda one: (-one.size, one.cases))), ""


def _each(member: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
    return [member == number for number in np.unique(member)]


def number_of_clusters(alike: Array) -> int:
    """Return how many clusters an affinity (n, n) has: 1 to 5, by the largest gap between neighbouring eigenvalues of
    its normalised Laplacian.
    """
    from scipy.sparse.csgraph import laplacian

    values = np.linalg.eigvalsh(laplacian(alike, normed=True))[: _MOST + 1]
    return int(np.diff(values).argmax()) + 1


def spectral_labels(alike: Array, k: int) -> NDArray[np.int64]:
    """Return the cluster (n,) of each row of an affinity (n, n): spectral embedding in k dimensions, then pivoted QR.

    The labels are those of scikit-learn's SpectralClustering with assign_labels='cluster_qr', up to their order;
    nothing is drawn at random
    (Damle, Minden and Ying 2019, Information and Inference 8, 181-203).
    """
    from scipy.linalg import qr, svd
    from scipy.sparse.csgraph import laplacian

    laplace, scale = laplacian(alike, normed=True, return_diag=True)
    vectors = np.linalg.eigh(laplace)[1][:, :k] / scale[:, None]
    pivots = qr(vectors.T, pivoting=True)[2]
    left, _, right = svd(vectors[pivots[:k]].T)
    return np.asarray(np.abs(vectors @ left @ right).argmax(1), dtype=np.int64)


def _labels(alike: Array) -> NDArray[np.int64]:
    k = number_of_clusters(alike)
    return np.zeros(len(alike), dtype=np.int64) if k == 1 else spectral_labels(alike, k)


def _cluster(
    names: list[str], maps: Mapping[str, Array], label: Mapping[str, int], *, classes: Sequence[str], alike: Array
) -> Cluster:
    stack = np.stack([maps[name] for name in names])
    times = (~np.isnan(stack)).sum(0)
    mean = np.nansum(stack, 0) / np.maximum(times, 1)
    row, column = np.unravel_index(int(np.abs(mean).argmax()), mean.shape)
    central = np.lexsort((np.array(names), -alike.sum(1).round(9)))
    counts = Counter(classes[label[name]] for name in names)
    values = (
        tuple(float(value) if n else None for value, n in zip(*line, strict=True))
        for line in zip(mean, times, strict=True)
    )
    return Cluster(
        size=len(names),
        classes=dict(sorted(counts.items())),
        values=tuple(values),
        peak=Peak(
            row=int(row),
            column=int(column),
            name=place_words(int(row), int(column), len(mean)),
            value=float(mean[row, column]),
        ),
        cases=tuple(names[place] for place in central[:CASES]),
    )
