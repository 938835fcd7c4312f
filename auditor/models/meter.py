"""Counted, micro-batched access to a classifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from auditor.core.errors import ClassifierError
from auditor.models.classifier import Classifier

_T = TypeVar("_T")
Slope = Callable[[Tensor, Tensor], Tensor]
"""function (logits (k, classes), tags (k, ...)) -> direction of the logits (k, classes) along which the classifier is
differentiated
"""

View = Callable[[Tensor, Tensor], Tensor]


def out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that the memory of some device was not enough."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and ("out of memory" in str(error) or "can't allocate memory" in str(error))


def fitting(evaluate: Callable[[int], _T], batch_size: int) -> _T:
    """Return evaluate(batch size), with the batch size halved as often as memory is short."""
    while True:
        try:
            return evaluate(batch_size)
        except Exception as error:
            if not out_of_memory(error) or batch_size == 1:
                raise
            batch_size = max(1, batch_size // 2)


class Meter:
    """Access to a classifier for one attack or probe: cut into micro-batches, counted per sample.

    A micro-batch that does not fit in memory is halved and tried again; the smaller size is kept for the meter's life.
    A classifier that answers the mean over several draws is counted once per draw.

    Parameters
    ----------
    n
        Number of samples; `forwards` and `backwards` (n,) count their evaluations.
    view
        function (x (k, *shape), rows (k,)) -> what the classifier is shown of it, such as the point that a file can
        hold;
        gradients pass straight through it (Bengio et al. 2013, arXiv:1308.3432)
    """

    def __init__(self, classifier: Classifier, n: int, batch_size: int = 64, *, view: View | None = None) -> None:
        self.classifier, self.batch_size, self._view = classifier, batch_size, view
        self._draws = int(getattr(classifier, "draws", 1))
        self._forwards, self._backwards = (torch.zeros(n, dtype=torch.long) for _ in range(2))
        self._rows, self._pending = torch.zeros(0, dtype=torch.long), [0, 0]

    @property
    def forwards(self) -> Tensor:
        """Forward passes of each sample (n,)."""
        self._settle()
        return self._forwards

    @property
    def backwards(self) -> Tensor:
        """Input-gradients of each sample (n,)."""
        self._settle()
        return self._backwards

    def logits(self, x: Tensor, rows: Tensor) -> Tensor:
        """Return the logits (k, classes) of x (k, *shape), which belong to the samples `rows` (k,), without a
        gradient.
        """

        def evaluate(part: slice) -> tuple[Tensor, ...]:
            with torch.no_grad():
                return (self.classifier.logits(self._shown(x, rows, part)),)

        out = self._batched(evaluate, len(x))
        self._count(rows, 1, 0)
        return out[0] if out else x.new_zeros((0, len(self.classifier.classes)))

    def gradient(self, x: Tensor, rows: Tensor, along: Slope, tags: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (k, classes), and their gradient (k, *shape) along along(logits, tags): one forward and one
        input-gradient.
        """

        def evaluate(part: slice) -> tuple[Tensor, ...]:
            point, logits = self._traced(x, rows, part)
            answer = logits.detach()
            (slope,) = torch.autograd.grad(logits, point, along(answer, tags[part]))
            return answer, slope

        out = self._batched(evaluate, len(x))
        self._count(rows, 1, 1)
        return (out[0], out[1]) if out else (x.new_zeros((0, len(self.classifier.classes))), x.clone())

    def slopes(
        self, x: Tensor, rows: Tensor, along: Tensor, *, measure: Callable[[Tensor, Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return logits (k, classes), and a measure (k, m) of the gradient along each of m directions of the logits
        `along` (k, m, classes).

        One forward and m input-gradients; measure is a function (gradient (j, *shape), positions in x (j,)) -> (j,).
        """

        def evaluate(part: slice) -> tuple[Tensor, ...]:
            point, logits = self._traced(x, rows, part)
            places, found = torch.arange(part.start, part.stop, device=x.device), []
            for place in range(along.shape[1]):
                (slope,) = torch.autograd.grad(
                    logits, point, along[part, place], retain_graph=place + 1 < along.shape[1]
                )
                found.append(measure(slope, places))
            return logits.detach(), torch.stack(found, 1)

        out = self._batched(evaluate, len(x))
        self._count(rows, 1, along.shape[1])
        return (
            (out[0], out[1])
            if out
            else (x.new_zeros((0, len(self.classifier.classes))), x.new_zeros((0, along.shape[1])))
        )

    def counted(self, rows: Tensor, *, forwards: int = 0, backwards: int = 0) -> None:
        """Count passes of the samples `rows` (k,) that somebody made without the meter."""
        self._count(rows, forwards, backwards)

    def _shown(self, x: Tensor, rows: Tensor, part: slice) -> Tensor:
        return x[part].detach() if self._view is None else self._view(x[part].detach(), rows[part])

    def _traced(self, x: Tensor, rows: Tensor, part: slice) -> tuple[Tensor, Tensor]:
        """Return what the classifier is shown, as a leaf, and its logits with their graph."""
        point = self._shown(x, rows, part).requires_grad_()
        with torch.enable_grad():
            logits = self.classifier.logits(point)
        if not logits.requires_grad:
            name = self.classifier.name
            raise ClassifierError(
                f"classifier '{name}': expected scores that depend on the input by torch operations, got none with a"
                " gradient."
            )
        return point, logits

    def _count(self, rows: Tensor, forwards: int, backwards: int) -> None:
        """Count passes of the rows; they are added up while an attack asks for the same rows step after step."""
        if rows is not self._rows:
            self._settle()
            self._rows = rows
        self._pending[0] += forwards
        self._pending[1] += backwards

    def _settle(self) -> None:
        rows = self._rows.cpu()
        for counter, passes in zip((self._forwards, self._backwards), self._pending, strict=True):
            counter.index_add_(0, rows, torch.full((len(rows),), passes * self._draws))
        self._pending = [0, 0]

    def _batched(self, evaluate: Callable[[slice], tuple[Tensor, ...]], n: int) -> tuple[Tensor, ...]:
        parts, start = [], 0
        while start < n:
            part = slice(start, min(start + self.batch_size, n))
            try:
                parts.append(evaluate(part))
            except Exception as error:
                if not out_of_memory(error) or self.batch_size == 1:
                    raise
                self.batch_size = max(1, (part.stop - part.start) // 2)
                continue
            start = part.stop
        return parts[0] if len(parts) == 1 else tuple(torch.cat(pieces) for pieces in zip(*parts, strict=True))
