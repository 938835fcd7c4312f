"""Budgets and shares as an audit file may write them."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    WithJsonSchema,
)


def _number(value: Any) -> Any:
    """Return a number written as a fraction, such as '2/255', as a float; anything else unchanged."""
    if isinstance(value, str):
        try:
            return float(Fraction(value.replace(" ", "")))
        except (ValueError, ZeroDivisionError):
            return value
    return value


def _share(value: Any) -> Any:
    """Return a number, a fraction or per cents, such as '2 %', as a float; anything else unchanged."""
    text = value.strip() if isinstance(value, str) else ""
    per_cent = _number(text[:-1]) if text.endswith("%") else None
    return per_cent / 100 if isinstance(per_cent, float) else _number(value)


PositiveNumber = Annotated[
    float,
    BeforeValidator(_number),
    Field(gt=0, allow_inf_nan=False),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(/\s*\d+\s*)?$"},
            ]
        }
    ),
]


Guard = Annotated[
    float,
    BeforeValidator(_share),
    Field(ge=0, lt=0.5, allow_inf_nan=False),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "exclusiveMaximum": 0.5},
                {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(/\s*\d+\s*)?%?\s*$"},
            ]
        }
    ),
]
