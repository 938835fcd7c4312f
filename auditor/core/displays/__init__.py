"""What a finding shows beside its claim, as typed values: written by checks, drawn by the report.

A display names no colour, no font and no template. Its `role` says what it is for, so that a section can put it in its
place. One file holds one kind of display; `Display` is the union of them all, told apart by their field `kind`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from auditor.core.displays.budget import AttackBudget
from auditor.core.displays.counterfactuals import Counterfactual, Counterfactuals
from auditor.core.displays.curve import Curve, Point
from auditor.core.displays.disparity import Disparity
from auditor.core.displays.groups import GroupRow, Groups
from auditor.core.displays.maps import Cluster, Map, Peak, Spot
from auditor.core.displays.matrix import Matrix, MatrixCell
from auditor.core.displays.null import Null
from auditor.core.displays.outcomes import Outcomes
from auditor.core.displays.partition import Partition
from auditor.core.displays.rows import Named, Rows
from auditor.core.displays.selection import Category, Selection
from auditor.core.displays.steps import Steps
from auditor.core.displays.table import TableCell, TableDisplay
from auditor.core.displays.values import Values

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FORMAT = 1
"""Version of findings.json; raised whenever a display changes its fields."""

Display = (
    Rows
    | TableDisplay
    | Values
    | Curve
    | Steps
    | Outcomes
    | Partition
    | Groups
    | Disparity
    | Matrix
    | Null
    | AttackBudget
    | Selection
    | Counterfactuals
    | Map
)
"""Every kind of display."""

AnyDisplay = TypeVar("AnyDisplay")

__all__ = [
    "FORMAT",
    "AttackBudget",
    "Category",
    "TableCell",
    "Cluster",
    "Disparity",
    "Counterfactual",
    "Counterfactuals",
    "Curve",
    "Display",
    "MatrixCell",
    "GroupRow",
    "Groups",
    "Map",
    "Matrix",
    "Named",
    "Null",
    "Outcomes",
    "Partition",
    "Peak",
    "Point",
    "Rows",
    "Selection",
    "AnyDisplay",
    "Spot",
    "Steps",
    "TableDisplay",
    "Values",
    "first",
    "of_kind",
    "read_displays",
]


@cache
def _adapter() -> TypeAdapter[Any]:
    from pydantic import Discriminator, TypeAdapter  # only reading needs it, and it takes a while to import

    return TypeAdapter(tuple[Annotated[Display, Discriminator("kind")], ...])


def read_displays(data: Iterable[Mapping[str, Any]]) -> tuple[Display, ...]:
    """Return the displays that `dataclasses.asdict` wrote (ValueError: a kind or a field that this version lacks)."""
    from pydantic import ValidationError

    try:
        found: tuple[Display, ...] = _adapter().validate_python(list(data))
    except ValidationError as error:
        one = error.errors()[0]
        raise ValueError(f"display {'.'.join(map(str, one['loc']))}: {one['msg']}") from None
    return found


def first(displays: Iterable[Display], kind: type[AnyDisplay], role: str | None = None) -> AnyDisplay | None:
    """Return the first display of one kind, with a role the first that has it; None where there is none."""
    return next(iter(of_kind(displays, kind, role)), None)


def of_kind(displays: Iterable[Display], kind: type[AnyDisplay], role: str | None = None) -> list[AnyDisplay]:
    """Return the displays of one kind, in their order; with a role only those that have it."""
    return [one for one in displays if isinstance(one, kind) and role in (None, getattr(one, "role", ""))]
