"""File -> Classifier: one file per source.

A source is a function (path, *, low, high, classes, input, **its own settings) -> Classifier.
"""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

from auditor.registry import Registry

classifiers: Registry[Callable[..., Any]] = Registry("model source", __name__)


class Input(BaseModel):
    """What the classifier takes: size in pixels, channels, and the mean and std that it was trained with, in [0, 1] units."""

    model_config = ConfigDict(extra="forbid")
    size: int | tuple[int, int] | None = None
    """Height and width, or one number for both."""
    channels: int = 3
    mean: list[float] = []
    std: list[float] = []

    @property
    def shape(self) -> tuple[int, ...] | None:
        """(channels, height, width), or None when the size is free."""
        if self.size is None:
            return None
        height, width = (self.size, self.size) if isinstance(self.size, int) else self.size
        return (self.channels, height, width)
