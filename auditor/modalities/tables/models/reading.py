"""From a table classifier's own answers (probabilities, margins) to scores whose differences are log odds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from auditor.core.errors import ClassifierError
from auditor.modalities.tables.classifier import Scores

if TYPE_CHECKING:
    import pandas as pd

Reading = Callable[["pd.DataFrame"], tuple[Scores, Scores | None]]
"""function (frame with n rows) -> scores (n, classes), and the probabilities (n, classes) behind them where there are
any
"""
Decide = Callable[["pd.DataFrame"], NDArray[np.int64]]
FLOOR = 1e-6
"""Added to every probability before its logarithm is taken, so that 0 stays finite; order and largest class stay what
they are.
"""
_TIE = 1e-12
"""Lead of a class that a declared threshold gives a tie to."""


def logs(probabilities: Scores, floor: float) -> Scores:
    """Return log((p + floor) / (1 + classes * floor)) (n, classes): finite, in the same order as p."""
    smooth = probabilities + floor
    return np.asarray(np.log(smooth / smooth.sum(1, keepdims=True)), dtype=np.float64)


def scores_of_odds(odds: NDArray[np.float64]) -> Scores:
    """Return scores (n, 2) whose difference are log odds (n,)."""
    return np.stack([-odds / 2, odds / 2], 1)


def thresholded(
    reading: Reading, threshold: float, names: Sequence[str], *, where: str
) -> tuple[Callable[[pd.DataFrame], Scores], Decide]:
    """Return scores shifted so that the largest agrees with a threshold on the last class's share, and the decisions by
    it (ClassifierError).
    """
    if len(names) != 2 or not 0 < threshold < 1:
        raise ClassifierError(
            f"{where}: 'threshold': expected two classes and a share between 0 and 1, got {len(names)} classes and"
            f" {threshold:g}."
        )

    def parted(frame: pd.DataFrame) -> tuple[Scores, NDArray[np.bool_]]:
        both, shares = reading(frame)
        if shares is None:
            raise ClassifierError(
                f"{where}: 'threshold': expected a classifier that gives probabilities, got one that gives none."
            )
        return both, shares[:, -1] >= threshold

    def shifted(frame: pd.DataFrame) -> Scores:
        both, positive = parted(frame)
        odds = both[:, 1] - both[:, 0] - logit(threshold)
        # smoothed odds, or a tie, may lie on the other side of the threshold than the share itself
        return scores_of_odds(np.where(positive, np.maximum(odds, _TIE), np.minimum(odds, -_TIE)))

    return shifted, lambda frame: parted(frame)[1].astype(np.int64)
