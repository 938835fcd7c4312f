"""File -> Classifier: one file per source.

A source is a function (path, *, low, high, classes, input, **its own settings) -> Classifier.
"""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from auditor.preprocessing import check_step
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
    preprocess: list[dict[str, int]] = []
    """What the deployed system does before mean and std, in this order: {round: levels}, {jpeg: quality}, {median: window}."""

    @field_validator("preprocess")
    @classmethod
    def _steps_are_known(cls, preprocess: list[dict[str, int]]) -> list[dict[str, int]]:
        for step in preprocess:
            if len(step) != 1:
                raise ValueError(f"expected one step per item, such as {{jpeg: 75}}, got {step}")
            check_step(*next(iter(step.items())))
        return preprocess

    @property
    def shape(self) -> tuple[int, ...] | None:
        """(channels, height, width), or None when the size is free."""
        if self.size is None:
            return None
        height, width = (self.size, self.size) if isinstance(self.size, int) else self.size
        return (self.channels, height, width)
