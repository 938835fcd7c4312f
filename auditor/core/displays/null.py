"""How often chance alone gives as much as was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Null:
    """A null distribution that was drawn by exchanging labels."""

    method: str
    permutations: int
    p: float
    role: str = ""
    kind: Literal["null"] = "null"
