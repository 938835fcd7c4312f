"""File -> Classifier: one file per source.

A source is a function (path, *, low, high, classes, input, **its own settings) -> Classifier.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from auditor.core.errors import nearest
from auditor.core.registry import Registry
from auditor.models.preprocessing import check_step

classifiers: Registry[Callable[..., Any]] = Registry("model source", __name__, folder="models")


_Cell = str | bool | int | float


class Encoding(BaseModel):
    """What one raw column of a table becomes: (value - mean) / std, or one number per level, 1 where it is the
    cell's.
    """

    model_config = ConfigDict(extra="forbid")
    mean: float = 0.0
    """What is subtracted from a number."""
    std: float = 1.0
    """What the difference is divided by."""
    levels: list[_Cell] = []
    """Levels in their order; none for a column of numbers."""
    missing: _Cell | None = None
    """What takes the place of a missing cell: a number, by default the mean; a level, by default none, which is all
    zeros.
    """
    unknown: _Cell | None = None
    """The level that takes the place of one that is not declared; by default none, which is all zeros."""

    @model_validator(mode="after")
    def _one_kind(self) -> Encoding:
        texts = [str(level) for level in self.levels]
        if len(set(texts)) != len(texts):
            raise ValueError(f"expected different levels, got {texts}")
        if texts and (self.mean, self.std) != (0.0, 1.0):
            raise ValueError("expected either levels or mean and std")
        strange = next(
            (str(one) for one in (self.missing, self.unknown) if texts and one is not None and str(one) not in texts),
            None,
        )
        if strange is not None:
            raise ValueError(
                f"expected one of the levels for missing and unknown cells, got '{strange}'; {nearest(strange, texts)}"
            )
        if not texts and (self.unknown is not None or isinstance(self.missing, str | bool) or self.std == 0):
            raise ValueError(
                "expected a number for missing cells, no `unknown` and a std other than 0 for a column without levels"
            )
        return self


class Input(BaseModel):
    """What the classifier takes: size in pixels, channels, and the mean and std that it was trained with, in [0, 1]
    units.

    Of a table `columns` says instead what each raw column becomes; the module takes the numbers side by side in their
    order.
    """

    model_config = ConfigDict(extra="forbid")
    columns: dict[str, Encoding] = {}
    """Of a table: each raw column and what it becomes."""
    size: int | tuple[int, int] | None = None
    """Height and width, or one number for both."""
    channels: int = 3
    """1 for grey images, 3 for colour."""
    mean: list[float] = []
    """Mean that was subtracted in training, per channel, for values from 0 to 1."""
    std: list[float] = []
    """Standard deviation that was divided by in training, per channel."""
    preprocess: list[dict[str, int]] = []
    """What the deployed system does before mean and std, in this order: {round: levels}, {jpeg: quality}, {median:
    window}.
    """

    @field_validator("preprocess")
    @classmethod
    def _steps_are_known(cls, preprocess: list[dict[str, int]]) -> list[dict[str, int]]:
        for step in preprocess:
            if len(step) != 1:
                raise ValueError(f"expected one step per item, such as {{jpeg: 75}}, got {step}")
            check_step(*next(iter(step.items())))
        return preprocess

    @model_validator(mode="after")
    def _table_or_image(self) -> Input:
        if self.columns and (self.size is not None or self.mean or self.std or self.preprocess):
            raise ValueError("expected either columns, for a table, or size, mean, std and preprocess, for images")
        return self

    @property
    def shape(self) -> tuple[int, ...] | None:
        """(channels, height, width), or None when the size is free; (numbers,) of a table's row."""
        if self.columns:
            return (sum(len(encoding.levels) or 1 for encoding in self.columns.values()),)
        if self.size is None:
            return None
        height, width = (self.size, self.size) if isinstance(self.size, int) else self.size
        return (self.channels, height, width)
