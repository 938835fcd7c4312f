"""From raw rows to the numbers that a torch module takes, as the audit file declares: columns scaled,
levels one-hot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from auditor.core.errors import ClassifierError
from auditor.modalities.tables.classifier import Scores, TableClassifier
from auditor.modalities.tables.table import Codes, Table
from auditor.models import Encoding
from auditor.models.classifier import Classifier, TorchClassifier
from auditor.models.first_look import random_input

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 8192
"""Rows that a module is shown at a time."""
_Block = NDArray[np.float32]


@dataclass(frozen=True)
class Encoder:
    """What stands between raw columns and a module's input, column by column in their order."""

    columns: Mapping[str, Encoding]
    where: str

    def encoded(self, frame: pd.DataFrame) -> _Block:
        """Return rows as the module takes them (n, width) (ClassifierError: a column is missing, or
        holds no number).
        """
        absent = [name for name in self.columns if name not in frame.columns]
        if absent:
            got = ", ".join(map(str, frame))
            raise ClassifierError(
                f"{self.where}: expected the column '{absent[0]}', which `input.columns` names, got {got}."
            )
        return np.concatenate([self.block(name, frame[name].to_numpy()) for name in self.columns], 1)

    def block(self, name: str, cells: NDArray[Any]) -> _Block:
        """Return one column's cells (n,) as its part of the input (n, width of the column)."""
        encoding = self.columns[name]
        if not encoding.levels:
            return self._scaled(name, encoding, cells)
        position = {_text(level): place for place, level in enumerate(encoding.levels)}
        texts, inverse = np.unique(np.array([_text(cell) for cell in cells], dtype=str), return_inverse=True)
        places = np.array([_place(text, position, encoding) for text in texts], dtype=np.int64)[inverse]
        # the last row stands for no level at all
        return np.eye(len(position) + 1, len(position), dtype=np.float32)[places]

    def _scaled(self, name: str, encoding: Encoding, cells: NDArray[Any]) -> _Block:
        try:
            values = np.asarray(cells, dtype=np.float64)
        except (TypeError, ValueError):
            strange = next(cell for cell in cells if not _is_number(cell))
            raise ClassifierError(
                f"{self.where}: expected numbers in column '{name}', got {strange!r}; name its `levels` in"
                " `input.columns`."
            ) from None
        filled = np.where(np.isnan(values), encoding.mean if encoding.missing is None else encoding.missing, values)
        return ((filled - encoding.mean) / encoding.std).astype(np.float32)[:, None]


def _place(text: str, position: Mapping[str, int], encoding: Encoding) -> int:
    """Return the position of a level, or the last one, which is none."""
    instead = encoding.missing if text == "" else encoding.unknown
    return position.get(text, position[_text(instead)] if instead is not None else len(position))


def _text(cell: Any) -> str:
    """Return a cell as a level is written: 1 for 1.0, '' where it is missing."""
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, bool | np.bool_):
        return str(bool(cell))
    return str(int(cell)) if isinstance(cell, float | np.floating) and float(cell).is_integer() else str(cell)


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


class TwoSided(nn.Module):
    """A module with one output, read as the log odds of the last of two classes."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return scores (n, 2) whose difference is the module's output."""
        odds = self.module(x).reshape(-1, 1)
        return torch.cat([-odds / 2, odds / 2], 1)


def widen_to_two_classes(made: TorchClassifier, classes: Sequence[str] | None, *, where: str) -> None:
    """Let a module with one output answer for two classes (ClassifierError: their names are not declared)."""
    assert made.input_shape is not None
    try:
        with torch.no_grad():
            out = made.module(random_input(made.input_shape, 0.0, 1.0, rows=2).to(made.device))
    except Exception:  # the first look at the whole classifier says what is wrong
        return
    if not isinstance(out, torch.Tensor) or tuple(out.shape) not in ((2,), (2, 1)):
        return
    if classes is None or len(classes) != 2:
        raise ClassifierError(
            f"{where}: the module has one output, the log odds of the last of two classes; name the two `classes` in"
            " the audit file."
        )
    made.module, made.classes = TwoSided(made.module), tuple(classes)
    made.notes = (*made.notes, f"the module's one output is read as the log odds of '{classes[-1]}'")


def behind_encoder(inner: Classifier, columns: Mapping[str, Encoding], *, where: str) -> TableClassifier:
    """Return the classifier of raw rows whose encoded form another classifier takes (n, width), with its gradient where
    it has one.
    """
    encoder = Encoder(columns, where)

    def scores(frame: pd.DataFrame) -> Scores:
        x = torch.from_numpy(encoder.encoded(frame)).to(inner.device)
        with torch.no_grad():
            parts = [inner.logits(block) for block in torch.split(x, BLOCK)]
        found = torch.cat(parts).double().cpu().numpy()
        if not np.isfinite(found).all():
            raise ClassifierError(f"{where}: expected finite logits, got {found[~np.isfinite(found)][0]}.")
        return found

    return TableClassifier(
        scores=scores,
        name=inner.name,
        digest=inner.digest,
        classes=inner.classes,
        offers=inner.offers,
        columns=tuple(columns),
        pulls=Slopes(inner, encoder) if "gradient" in inner.offers else None,
        notes=inner.notes,
        device=inner.device,
        draws=getattr(inner, "draws", 1),
    )


@dataclass(frozen=True)
class Slopes:
    """First-order changes of a module's scores, from one backward pass per row."""

    inner: Classifier
    encoder: Encoder

    def __call__(self, table: Table, x: Codes, direction: Scores, values: Sequence[Codes]) -> list[NDArray[np.float64]]:
        """Return for each column c of the table the changes (n, len(values[c])) of sum(direction * scores); see
        Pulls.
        """
        frame = table.frame(x)
        start = self.encoder.encoded(frame)
        blocks = zip(
            torch.split(torch.from_numpy(start), BLOCK), torch.split(torch.tensor(direction), BLOCK), strict=True
        )
        slopes = torch.cat([self._slopes(*block) for block in blocks])
        found = [np.zeros((len(x), len(candidates))) for candidates in values]
        at = 0
        for name in self.encoder.columns:
            place = table.index[name]
            there = self._candidates(table, place, values[place])
            part = slice(at, at := at + there.shape[1])
            slope = slopes[:, part].numpy()
            found[place] = slope @ there.T - (slope * start[:, part]).sum(1, keepdims=True)
        return found

    def _slopes(self, start: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        """Return d sum(direction * scores) / d input (n, width)."""
        inputs = start.to(self.inner.device).requires_grad_()
        scores = self.inner.logits(inputs)
        return torch.autograd.grad((scores * direction.to(scores)).sum(), inputs)[0].double().cpu()

    def _candidates(self, table: Table, place: int, values: Codes) -> NDArray[np.float64]:
        """Return what each value of a column becomes (k, width of the column)."""
        blank = np.full((len(values), len(table)), np.nan)
        blank[:, place] = values
        name = table.columns[place].name
        return self.encoder.block(name, table.frame(blank)[name].to_numpy()).astype(np.float64)
