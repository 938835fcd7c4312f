"""Random changes: what a drunk walk within the rules finds; the baseline beside every search of tables."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.problem import Problem
from auditor.attacks.random_noise import random_noise


@attacks.register("random_change", needs="labels", norms=("cost",), cost=lambda tries: (tries, 0))
def random_change(problem: Problem, *, tries: Annotated[int, Field(ge=1)] = 5) -> tuple[Tensor, Tensor]:
    """Random feasible changes of table rows within the budget, without any search; fooled if one of them flips.

    Parameters
    ----------
    tries
        Random changes per row.
    """
    found: tuple[Tensor, Tensor] = random_noise(problem, tries=tries)
    return found
