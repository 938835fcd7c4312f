"""What an audit file may declare of a table's columns and of the rules between them."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from auditor.core.errors import nearest
from auditor.modalities.tables.table import Kind, Role, Rule

CellValue = bool | int | float | str | date
"""A cell as YAML gives it."""


def declared_text(cell: CellValue) -> str:
    """Return a cell of the audit file as text."""
    return cell if isinstance(cell, str) else str(cell)


class _Declared(BaseModel):
    """A part of the audit file; an unknown key is refused with the nearest valid one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        valid = [field.alias or name for name, field in cls.model_fields.items()]
        unknown = [str(key) for key in given if key not in valid] if isinstance(given, dict) else []
        if unknown:
            raise PydanticCustomError(
                "unknown_key", "{sentence}", {"sentence": f"unknown key '{unknown[0]}'; {nearest(unknown[0], valid)}"}
            )
        return given


class ColumnSpec(_Declared):
    """What a column is, and what may be done with it; what is not declared is inferred."""

    type: Kind | None = None
    """What the cells are; a date is written as 2020-12-31. `ordinal` is never inferred."""
    role: Role | None = None
    """Whether it should matter (`relevant`, when not given) or not, or says who someone is (`protected`), or stands
    for that (`proxy`)."""
    levels: list[CellValue] | None = None
    """Of an ordinal column all of them, in their order; of another one those that may be written."""
    mutable: bool | None = None
    """Whether a search may change it; when not given, everything but protected columns, texts and dates."""
    range: tuple[CellValue, CellValue] | None = None
    """Smallest and largest value that may be written; those seen in the data when not given."""
    change: tuple[float, float] | None = None
    """Largest step down and largest step up from a row's own value; of an ordinal column, in levels."""
    direction: str = "both"
    """Whether it may only grow (`up`), only shrink (`down`), or `both`."""
    cost: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Price of one unit of a number, of one level of an ordinal column, of any change of another. When not given, the
    middle half of the numbers spans a cost of 1."""
    step: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Grid of the numbers that may be written; 1 for whole numbers, the last digit seen for others."""
    min_support: int | None = Field(None, ge=0)
    """Rows that a level must have before it may be written; 30, or none where the levels are declared."""

    @field_validator("direction")
    @classmethod
    def _known_direction(cls, direction: str) -> str:
        if direction not in ("both", "up", "down"):
            raise ValueError("expected both, up or down")
        return direction

    @field_validator("change")
    @classmethod
    def _no_change_is_a_change(cls, change: tuple[float, float] | None) -> tuple[float, float] | None:
        if change is not None and not change[0] <= 0 <= change[1]:
            raise ValueError("expected the largest step down and the largest step up, such as [-10, 10] or [0, 1]")
        return change


class RuleSpec(_Declared):
    """One rule: `if` with `then`, `require`, or `define`."""

    id: str
    """Name under which the report counts it."""
    when: str = Field("", alias="if")
    """Condition of a rule of the form: if this, then that."""
    then: str = ""
    """What must hold under the condition."""
    require: str = ""
    """What must hold in every row."""
    define: str = ""
    """A column that is computed from others, such as `ratio = debt / income`."""
    swap: dict[str, dict[CellValue, CellValue]] = {}
    """Column -> level -> the level that takes its place, both ways, where a change of another column breaks the
    rule."""
    tolerance: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Largest difference of numbers that still counts as equal."""

    @model_validator(mode="after")
    def _one_kind(self) -> RuleSpec:
        kinds = [bool(self.when and self.then), bool(self.require), bool(self.define)]
        if sum(kinds) != 1 or bool(self.when) != bool(self.then):
            raise ValueError(f"rule '{self.id}': expected one of `if` with `then`, `require`, and `define`")
        if self.define and self._parts()[0] == "":
            raise ValueError(f"rule '{self.id}': expected a definition such as \"ratio = debt / income\"")
        return self

    def _parts(self) -> tuple[str, str]:
        """Return the column that a definition computes, and its expression."""
        name, sign, expression = self.define.partition("=")
        return (
            (name.strip().strip("`"), expression.strip())
            if sign and expression.strip() and not expression.startswith("=")
            else ("", "")
        )

    def rule(self) -> Rule:
        """Return the rule as the table knows it."""
        swap = {
            name: {declared_text(one): declared_text(other) for one, other in pairs.items()}
            for name, pairs in self.swap.items()
        }
        if self.define:
            name, expression = self._parts()
            return Rule(self.id, "", expression, name, swap, self.tolerance)
        return Rule(self.id, self.when, self.then or self.require, "", swap, self.tolerance)
