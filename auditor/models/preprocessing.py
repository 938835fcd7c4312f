"""What a deployed system does to its input before the network and has no useful gradient: rounding, JPEG, a median
filter.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from auditor.core.errors import ClassifierError

Preprocess = Callable[[Tensor], Tensor]
"""function (x (n, *shape)) -> what the network is shown of it, of the same shape and units"""

Bound = float | Tensor


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Preprocess) -> Tensor:
        shown = function(x.detach().clone())
        if shown.shape != x.shape:
            raise ClassifierError(
                f"preprocess: expected the input's own shape {tuple(x.shape)}, got {tuple(shown.shape)}; put a change"
                " of shape in the module."
            )
        return shown.to(x)

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> Any:
        return slopes[0], None


def straight_through(function: Preprocess, x: Tensor) -> Tensor:
    """Return function(x), exactly, with the gradient of the identity (BPDA, Athalye et al. 2018, arXiv:1802.00420,
    section 4.1).
    """
    shown: Tensor = _StraightThrough.apply(x, function)  # type: ignore[no-untyped-call]
    return shown


def averaged(evaluate: Callable[[], Tensor], draws: int) -> Tensor:
    """Return the mean of several draws of a random classifier's logits (n, classes): its gradient is the expectation
    over them (EOT, same paper).

    Logits, not probabilities, are averaged: every score stays what the classifier gives, and a draw that is certain
    does not flatten the rest.
    """
    if draws == 1:
        return evaluate()
    return torch.stack([evaluate() for _ in range(draws)]).mean(0)


def said(preprocess: Preprocess | None, draws: int) -> tuple[str, ...]:
    """Return what a report must say of declared preprocessing and randomness."""
    if draws < 1:
        raise ClassifierError(f"draws: expected a whole number from 1, got {draws}.")
    words = getattr(preprocess, "words", None) or getattr(preprocess, "__name__", type(preprocess).__name__)
    notes = (
        [f"before the network: {words}; attacks pass their gradients straight through it"]
        if preprocess is not None
        else []
    )
    if draws > 1:
        notes.append(
            f"declared random: an answer is the mean of the logits of {draws} draws, and so is a gradient; asked again,"
            " it may differ"
        )
    return tuple(notes)


@dataclass(frozen=True)
class PreprocessSteps:
    """Preprocessing steps in the order in which they act, on values between low and high.

    >>> PreprocessSteps((("round", 3),))(torch.tensor([[0.2, 0.3, 0.9]]))
    tensor([[0.0000, 0.5000, 1.0000]])
    """

    steps: Sequence[tuple[str, int]]
    """Name, one of STEPS, and its number: levels, quality, window."""
    low: Bound = 0.0
    high: Bound = 1.0

    def __post_init__(self) -> None:
        for name, value in self.steps:
            check_step(name, value)

    def __call__(self, x: Tensor) -> Tensor:
        """Return what the network is shown of x (n, *shape): same shape, type and range."""
        low, high = (torch.as_tensor(bound).to(x) for bound in (self.low, self.high))
        shown = (x - low) / (high - low)
        for name, value in self.steps:
            shown = STEPS[name](shown.clamp(0, 1), value)
        return torch.minimum(torch.maximum(low + shown * (high - low), low), high)

    @property
    def words(self) -> str:
        """Return the steps in words."""
        return ", ".join(STEP_WORDS[name].format(value) for name, value in self.steps)


def _round(x: Tensor, levels: int) -> Tensor:
    return (x * (levels - 1)).round() / (levels - 1)


def _jpeg(x: Tensor, quality: int) -> Tensor:
    """Return x (n, 1 or 3, height, width) in [0, 1], rounded to 8 bits, after a JPEG file by Pillow with its default
    subsampling.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise ClassifierError(
            "preprocess: jpeg expects images of 1 or 3 channels (n, channels, height, width), got shape"
            f" {tuple(x.shape)}."
        )
    grey = x.shape[1] == 1
    rows = (x * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    decoded = [_through_file(row[..., 0] if grey else row, quality) for row in rows]
    stacked = torch.from_numpy(np.stack(decoded) if decoded else rows[..., 0] if grey else rows).to(x)
    return (stacked[:, None] if grey else stacked.permute(0, 3, 1, 2)) / 255


def _through_file(pixels: Any, quality: int) -> Any:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def _median(x: Tensor, window: int) -> Tensor:
    """Return the median of the window around each pixel of x (n, channels, height, width), the border repeated (scipy's
    mode 'nearest').
    """
    if x.ndim != 4:
        raise ClassifierError(
            f"preprocess: median expects images (n, channels, height, width), got shape {tuple(x.shape)}."
        )
    from scipy.ndimage import median_filter

    planes = x.flatten(0, 1).cpu().numpy()
    filtered = [median_filter(plane, size=window, mode="nearest") for plane in planes]
    return torch.from_numpy(np.stack(filtered)).to(x).view_as(x) if filtered else x


STEPS: dict[str, Callable[[Tensor, int], Tensor]] = {"round": _round, "jpeg": _jpeg, "median": _median}
"""Name -> function (x in [0, 1], its number) -> x in [0, 1]."""
STEP_WORDS = {
    "round": "rounding to {} levels",
    "jpeg": "JPEG at quality {}",
    "median": "a median over {} pixels squared",
}
LIMITS = {"round": (2, 65536, 1), "jpeg": (1, 100, 1), "median": (3, 99, 2)}
"""Name -> smallest and largest number, and the stride between valid ones."""


def check_step(name: str, value: int) -> None:
    """Refuse a step that is not known or whose number is out of range (ValueError)."""
    if name not in STEPS:
        raise ValueError(f"expected steps {', '.join(STEPS)}, got '{name}'")
    least, most, stride = LIMITS[name]
    if not least <= value <= most or (value - least) % stride:
        raise ValueError(
            f"{name}: expected {'an odd' if stride == 2 else 'a whole'} number from {least} to {most}, got {value}"
        )
