"""Plain numbers and words with names, such as how many samples a finding rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Values:
    """Values without an interval, by name."""

    values: Mapping[str, bool | int | float | str]
    role: str = ""
    kind: Literal["values"] = "values"
