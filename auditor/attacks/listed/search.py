"""The cheapest feasible change of a table row that flips the decision: exact where that can be, and a proof where
nothing flips.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.listed.exact import cheapest_first, combinations
from auditor.attacks.listed.hunt import Aim, Hunt, RowSearch
from auditor.attacks.listed.linear import linear
from auditor.attacks.listed.moves import PROMISED, beam, measured, polish, promised, random_combinations
from auditor.attacks.listed.strike import TRIED, strike
from auditor.attacks.problem import Problem
from auditor.core.errors import AuditorError
from auditor.core.outcomes import Outcome
from auditor.threats.listed import ListedThreat, Numbers

TOGETHER = 256
"""Rows that are searched in lock-step."""
FEW = 400
"""Combinations that are enumerated even where no proof is asked for: it is about what the beam costs."""
_WHOLE = 256
"""Numeric columns with at most this many permitted values are listed whole where that lets every combination be
enumerated.
"""
_DRAWS = 1000
"""Random combinations for a classifier without scores."""


@dataclass(frozen=True)
class Plan:
    """How one row is searched."""

    exact_rows: int
    beam: int
    polish: int
    exact: bool
    linear: bool
    """Whether the classifier says that it is."""
    thresholds: Mapping[str, Numbers] | None
    """Where a classifier of trees changes its mind; None: unknown."""


def _cost(exact_rows: int, exact: bool, **_: object) -> tuple[int, int]:
    """Return what a row usually costs at most: a proof may take `exact_rows` and the beam before it, a linear
    classifier takes about fifty.
    """
    return (max(500, exact_rows // 10) if exact else 500), 1


@attacks.register("table_search", needs="labels", norms=("cost",), cost=_cost)
def table_search(
    problem: Problem,
    *,
    exact_rows: Annotated[int, Field(ge=0)] = 20_000,
    beam: Annotated[int, Field(ge=1)] = 8,
    polish: Annotated[int, Field(ge=0)] = 5,
    exact: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Cheapest flips of table rows under rules: enumeration in order of cost where it is small, else a beam over
    blocks, polished.

    Parameters
    ----------
    exact_rows
        Most combinations of a row that are enumerated, which proves the smallest cost, or that nothing flips.
    beam
        Width of the beam, by margin and once more by gain per cost.
    polish
        Most rounds of swaps around the cheapest flip.
    exact
        Whether a proof is worth its rows; without it the search stops at what it believes to be cheapest.
    """
    threat = problem.threat
    if not isinstance(threat, ListedThreat):
        raise AuditorError(
            "attack 'table_search': expected a threat of listed values, such as TableThreat(...), got"
            f" {type(threat).__name__}."
        )
    structure = getattr(problem.meter.classifier, "structure", None)
    straight = structure is not None and structure.kind == "linear"
    plan = Plan(exact_rows, beam, polish, exact, straight and exact, _thresholds(problem))
    hunts: list[Hunt] = []
    for start in range(0, len(problem.x), TOGETHER):
        hunts += _together(problem, threat, range(start, min(start + TOGETHER, len(problem.x))), plan=plan)
    return gathered(problem, hunts)


def gathered(problem: Problem, hunts: list[Hunt]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the cheapest flips (n, columns), whether there is one (n,), and the `Outcome` of each (n,)
    by its number.
    """
    found = [hunt.closest if hunt.best is None else hunt.best for hunt in hunts]
    point = torch.as_tensor(np.array(found).reshape(problem.x.shape), dtype=problem.x.dtype, device=problem.x.device)
    fooled = torch.tensor([hunt.best is not None for hunt in hunts], dtype=torch.bool, device=problem.x.device)
    proof = torch.tensor(
        [_outcome(hunt) for hunt in hunts],
        dtype=torch.long,
        device=problem.x.device,
    )
    return point, fooled, proof


def _outcome(hunt: Hunt) -> Outcome:
    if hunt.best is None:
        return Outcome.PROVEN_IMPOSSIBLE if hunt.exact else Outcome.NONE_FOUND
    return Outcome.FLIPPED_EXACTLY if hunt.exact else Outcome.FLIPPED_AT_MOST


def _thresholds(problem: Problem) -> Mapping[str, Numbers] | None:
    """Return where a classifier of trees changes its mind, as far as it says so."""
    structure, table = (
        getattr(problem.meter.classifier, "structure", None),
        getattr(problem.meter.classifier, "table", None),
    )
    if structure is None or structure.kind != "trees" or structure.thresholds is None:
        return None
    found: Mapping[str, Numbers] = structure.thresholds(table)
    return found


def _together(problem: Problem, threat: ListedThreat, rows: range, *, plan: Plan) -> list[Hunt]:
    """Search some rows in lock-step; the last state of each."""
    x, scored = problem.x.cpu().numpy(), "scores" in problem.meter.classifier.offers
    goal, hunts, searches = problem.goal, [], {}
    first = None if plan.linear else strike(problem, rows)
    for row in rows:
        aim = Aim(int(goal.y[row]), None if goal.targets is None else int(goal.targets[row]))
        hunt = Hunt(
            threat,
            row,
            threat.space(x[row], row, float(problem.epsilon[row]), {} if plan.linear else plan.thresholds),
            aim=aim,
            scored=scored,
        )
        drawn = torch.zeros((1, 0 if scored else _DRAWS, 2 * len(hunt.sizes)), dtype=torch.float64)
        gains = first.gains(hunt, row - rows.start) if first is not None else None
        hunts.append(hunt)
        searches[row] = _search(hunt, plan, problem.rng.take([row]).uniform(drawn)[0].numpy(), pulled=gains)
    lockstep(problem, searches)
    return hunts


def lockstep(problem: Problem, searches: Mapping[int, RowSearch]) -> None:
    """Run searches side by side: the rows that all of them ask for are shown to the classifier at once."""
    asked = {row: rows for row, search in searches.items() for rows in _next(search, None)}
    while asked:
        shown = torch.as_tensor(np.concatenate(list(asked.values())), dtype=problem.x.dtype, device=problem.x.device)
        owner = torch.tensor([row for row, rows in asked.items() for _ in range(len(rows))], dtype=torch.long)
        scores = problem.meter.logits(shown, owner).cpu().numpy().astype(np.float64, copy=False)
        ends = np.cumsum([len(rows) for rows in asked.values()])[:-1]
        answers = dict(zip(asked, np.split(scores, ends), strict=True))
        asked = {row: rows for row, answer in answers.items() for rows in _next(searches[row], answer)}


def _next(search: RowSearch, answer: Numbers | None) -> Iterator[Numbers]:
    """Yield what a search asks for next, or nothing where it has ended."""
    try:
        yield next(search) if answer is None else search.send(answer)
    except StopIteration:
        return


def _search(hunt: Hunt, plan: Plan, draws: Numbers, *, pulled: Sequence[Numbers] | None) -> RowSearch:
    """Search one row."""
    if hunt.space.loose and not len(hunt.sizes):
        return
    if pulled is not None and len(hunt.sizes):
        base = float((yield from hunt.shown(hunt.own))[0])
        yield from hunt.shown(promised(hunt, pulled, base, count=TRIED))
    if plan.linear:
        if hunt.space.complete and (yield from linear(hunt)):
            return
        hunt.enter(hunt.threat.space(hunt.space.x, hunt.row, hunt.space.epsilon))
    cap = plan.exact_rows if plan.exact else min(FEW, plan.exact_rows)
    start = hunt.space
    if not start.complete and plan.exact:
        hunt.enter(hunt.threat.space(start.x, hunt.row, start.epsilon, plan.thresholds, many=_WHOLE))
    if _few(hunt, cap):
        yield from cheapest_first(
            hunt, (yield from measured(hunt, hunt.own[0])) if hunt.sizes.sum() < _WHOLE else None, cap
        )
        return
    hunt.enter(start)
    gains = yield from measured(hunt, hunt.own[0])
    if hunt.done:
        hunt.exact = start.complete or hunt.cost == 0
        return
    if hunt.scored:
        base = float((yield from hunt.known(hunt.own))[0])
        yield from hunt.shown(promised(hunt, gains, base, count=PROMISED))
        yield from beam(hunt, gains, plan.beam)
    else:
        yield from hunt.shown(random_combinations(hunt, draws))
    yield from polish(
        hunt, plan.polish, lambda centre: hunt.threat.space(start.x, hunt.row, start.epsilon, plan.thresholds, centre)
    )
    if start.complete:
        yield from cheapest_first(hunt, gains, cap)


def _few(hunt: Hunt, cap: int) -> bool:
    """Return whether there are few enough combinations to show them all."""
    return (
        hunt.space.complete
        and combinations(hunt.costs, hunt.counts, hunt.ceiling, most=hunt.space.most, cap=cap) is not None
    )
