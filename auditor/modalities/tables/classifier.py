"""A classifier of table rows: it is shown raw columns, as a reader of the file gives them, and never an encoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.core.errors import ClassifierError
from auditor.modalities.tables.table import Codes, Table

if TYPE_CHECKING:
    import pandas as pd

Scores = NDArray[np.float64]
"""(n, classes): the larger, the more the class is believed; differences are log odds where the model gives
probabilities
"""


class Pulls(Protocol):
    """How far the scores move when single columns move: the first-order view of a model with gradients."""

    def __call__(self, table: Table, x: Codes, direction: Scores, values: Sequence[Codes]) -> list[NDArray[np.float64]]:
        """Return first-order changes of sum(direction * scores): of each column c (n, len(values[c])) when it takes
        each of its values (k,), from rows x.
        """
        ...


@dataclass(frozen=True)
class Structure:
    """What an exact solver may use; every answer that it helps to find is shown to the model again."""

    kind: str
    """'linear': the log odds of two classes are a sum of one function per column, straight in numeric columns. 'trees':
    constant between thresholds.
    """
    thresholds: Callable[[Table], dict[str, NDArray[np.float64]]] | None = None
    """function (table) -> numeric or ordinal column -> rising thresholds in its raw units; a value on one may belong to
    either side. Of an ordinal
    column they are codes. A column that is left out is one that nobody may write and of which nothing is known."""


@dataclass(frozen=True)
class TableClassifier:
    """A function from rows to scores, with what it needs to read codes.

    Parameters
    ----------
    scores
        function (frame with n rows) -> scores (n, classes)
    decide
        function (frame with n rows) -> class indices (n,), the model's own answer; None: the largest score
    """

    scores: Callable[[pd.DataFrame], Scores]
    name: str
    digest: str
    classes: tuple[str, ...]
    offers: frozenset[str]
    decide: Callable[[pd.DataFrame], NDArray[np.int64]] | None = None
    columns: tuple[str, ...] | None = None
    """The columns that it takes, in its order; None: whatever the data declare."""
    pulls: Pulls | None = None
    """Where 'gradient' is offered."""
    structure: Structure | None = None
    inspect: Callable[[TableClassifier], Structure | None] | None = None
    """function (classifier over a table) -> its structure, for classifiers whose structure shows only at rows of the
    table
    """
    notes: tuple[str, ...] = ()
    table: Table | None = None
    """What codes mean; None until `over`."""
    modality: str = "table"
    input_shape: tuple[int, ...] | None = None
    low: float = 0.0
    high: float = 1.0
    device: torch.device = torch.device("cpu")
    draws: int = 1

    def over(self, table: Table) -> TableClassifier:
        """Return the classifier for codes of a table's rows."""
        placed = replace(self, table=table, input_shape=(len(table),))
        return placed if self.inspect is None else replace(placed, structure=self.inspect(placed))

    def logits(self, x: Tensor | pd.DataFrame) -> Tensor:
        """Return the scores (n, classes) of rows: codes (n, columns), or a frame of raw columns."""
        frame = self._frame(x)
        found = np.asarray(self.scores(frame), dtype=np.float64)
        if found.shape != (len(frame), len(self.classes)):
            raise ClassifierError(
                f"classifier '{self.name}': expected scores of shape ({len(frame)}, {len(self.classes)}), one column"
                f" per class, got {found.shape}."
            )
        return torch.from_numpy(found)

    def decisions(self, x: Tensor | pd.DataFrame) -> Tensor:
        """Return the model's own answers (n,): class indices."""
        if self.decide is None:
            return self.logits(x).argmax(1)
        return torch.from_numpy(np.asarray(self.decide(self._frame(x)), dtype=np.int64))

    def _frame(self, x: Any) -> pd.DataFrame:
        if not isinstance(x, Tensor):
            return x  # type: ignore[no-any-return]
        if self.table is None:
            raise ClassifierError(
                f"classifier '{self.name}': expected a frame of raw columns, got codes; say by `over(table)` what they"
                " mean."
            )
        return self.table.frame(x.detach().cpu().numpy().astype(np.float64, copy=False))
