"""How alike two attribution maps are, and where their mass lies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from skimage.metrics import structural_similarity

_Map = NDArray[np.float64]


def strength(signed: NDArray[np.floating]) -> _Map:
    """Return a map's absolute mass per pixel (height, width) or (features,), summed over channels."""
    mass = np.abs(np.asarray(signed, dtype=float))
    return np.asarray(mass.sum(0) if mass.ndim == 3 else mass)


def rank_correlation(a: _Map, b: _Map) -> float:
    """Return Spearman's correlation of two maps; 0 where one of them is flat."""
    ranks_a, ranks_b = rankdata(a) - (a.size + 1) / 2, rankdata(b) - (b.size + 1) / 2
    spread = float(np.sqrt((ranks_a**2).sum() * (ranks_b**2).sum()))
    return float((ranks_a * ranks_b).sum() / spread) if spread > 0 else 0.0


def top_overlap(a: _Map, b: _Map, share: float = 0.1) -> float:
    """Return which part of the strongest `share` of one map's pixels is among the other's."""
    k = max(1, round(share * a.size))
    strongest = [set(np.argsort(-flat.ravel(), kind="stable")[:k].tolist()) for flat in (a, b)]
    return len(strongest[0] & strongest[1]) / k


def structure(a: _Map, b: _Map) -> float:
    """Return the structural similarity (Wang et al. 2004) of two maps (height, width), each scaled to its own
    maximum.
    """
    if a.ndim != 2 or min(a.shape) < 7:
        return rank_correlation(a, b)
    scaled = [flat / flat.max() if flat.max() > 0 else flat for flat in (a, b)]
    return float(structural_similarity(scaled[0], scaled[1], data_range=1.0))  # type: ignore[no-untyped-call]


def mass_share(mass: _Map, region: NDArray[np.bool_]) -> float:
    """Return the share of a map's mass that lies in a region; the region's share of the area where the map is flat."""
    total = float(mass.sum())
    return float(mass[region].sum() / total) if total > 0 else float(region.mean())
