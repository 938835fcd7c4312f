"""A first look at a loaded model: what comes out for one input."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from auditor.core.errors import ClassifierError
from auditor.models import Input
from auditor.models.classifier import Classifier


class FixedBatch(nn.Module):
    """A module that takes exactly `size` rows, made to take any number: the last block is filled up with copies of its
    last row.
    """

    def __init__(self, module: nn.Module, size: int) -> None:
        super().__init__()
        self.module, self.size = module, size

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs (n, classes) of x (n, *shape)."""
        parts = []
        for block in torch.split(x, self.size):
            missing = self.size - len(block)
            full = torch.cat([block, block[-1:].expand(missing, *block.shape[1:])]) if missing else block
            parts.append(self.module(full)[: len(block)])
        return torch.cat(parts)


def random_input(shape: tuple[int, ...], low: object, high: object, *, rows: int = 1, seed: int = 0) -> Tensor:
    """Return inputs (rows, *shape) drawn evenly between low and high."""
    draw = torch.rand((rows, *shape), generator=torch.Generator().manual_seed(seed))
    floor, ceiling = torch.as_tensor(low).to(draw), torch.as_tensor(high).to(draw)
    return floor + draw * (ceiling - floor)


def standardised(x: Tensor, input: Input) -> Tensor:
    """Return (x - mean) / std, one number for all channels or one per channel (axis 1)."""
    axes = (1, -1) + (1,) * (x.ndim - 2)
    return (x - torch.tensor(input.mean or [0.0]).view(axes)) / torch.tensor(input.std or [1.0]).view(axes)


def check(classifier: Classifier, *, where: str) -> None:
    """Evaluate one random input (ClassifierError: it fails, or its output is not one finite row with a column per
    class).
    """
    if classifier.input_shape is None:
        return
    x = random_input(classifier.input_shape, classifier.low, classifier.high).to(classifier.device)
    try:
        with torch.no_grad():
            out = classifier.logits(x)
    except ClassifierError as error:
        raise ClassifierError(f"{where}: {error}") from None
    except Exception as error:  # whatever a user's model raises
        raise ClassifierError(
            f"{where}: the model fails at an input of shape {tuple(x.shape)}: {first_line(error)}"
        ) from None
    expected = (1, len(classifier.classes))
    if tuple(out.shape) != expected:
        raise ClassifierError(
            f"{where}: expected an output of shape {expected}, one column per class in {list(classifier.classes)}, got"
            f" {shape_of(out)}."
        )
    if not bool(torch.isfinite(out).all()):
        raise ClassifierError(
            f"{where}: expected finite logits at a random input between low and high, got"
            f" {[round(float(v), 4) for v in out[0][:5]]}."
        )


def first_line(error: BaseException) -> str:
    """Return the line of an exception's message that names the cause: the first; of TorchScript, which begins with a
    traceback, the last.
    """
    lines = [line for line in str(error).strip().splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1].strip().removeprefix("RuntimeError: ") if "TorchScript interpreter" in lines[0] else lines[0]


def shape_of(value: object) -> str:
    """Return a tensor's shape, or what else a value is."""
    return str(tuple(value.shape)) if isinstance(value, Tensor) else f"a {type(value).__name__}"
