"""The default attack at a fixed budget: AutoAttack's strength at a fraction of its cost."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from auditor.attacks import attacks
from auditor.attacks.climb import Items, climb
from auditor.attacks.losses import LEAD
from auditor.attacks.problem import Problem
from auditor.attacks.starts import SCATTER, varied
from auditor.attacks.targets import RANKED_CLASSES, aimed_items, ordered_targets

EFFORTS = {"fast": 1, "default": 3, "thorough": 20}
"""Restarts of the targeted stage."""


def _cost(*, effort: str, restarts: int | None, aims: int, steps: int, warmup: int) -> tuple[int, int]:
    turns = EFFORTS[effort] if restarts is None else restarts
    scattered = sum(turn % 2 for turn in range(3, turns)) * SCATTER * aims
    passes = sum(_left(aims, steps, step) for step in range(steps)) * turns + warmup + scattered
    return passes + 2, passes + RANKED_CLASSES


def _pruning(targets: int, steps: int) -> dict[int, int]:
    """Return the successive halving: at 10, 22 and 50 % of the steps about half of each sample's targets go on."""
    marks = {
        round(0.10 * steps): -(-targets * 3 // 5),
        round(0.22 * steps): -(-targets * 2 // 5),
        round(0.50 * steps): 1,
    }
    return {step: max(1, left) for step, left in marks.items() if step}


def _left(targets: int, steps: int, step: int) -> int:
    return min([left for mark, left in _pruning(targets, steps).items() if mark < step], default=targets)


@attacks.register("evade", needs="gradient", cost=_cost)
def evade(
    problem: Problem,
    *,
    effort: Literal["fast", "default", "thorough"] = "default",
    restarts: Annotated[int, Field(ge=1)] | None = None,
    aims: Annotated[int, Field(ge=1)] = 4,
    steps: Annotated[int, Field(ge=5)] = 50,
    warmup: Annotated[int, Field(ge=1)] = 20,
) -> tuple[Tensor, Tensor]:
    """A short adaptive ascent, then targeted ones in parallel, pruned by successive halving, restarted for survivors
    only.

    Ascent after Croce and Hein 2020 (arXiv:2003.01690); order of the targets after Melamed et al. 2024 (MALT,
    arXiv:2407.02240); successive halving after Jamieson and Talwalkar 2016 (arXiv:1502.07943).

    Parameters
    ----------
    effort
        'fast' (1 restart of the targeted stage), 'default' (3) or 'thorough' (20).
    restarts
        Restarts of the targeted stage, by the effort when not given. From the fourth on they start where the
        classifier's answers differ, which is what a deep or flat classifier needs.
    aims
        Classes that the targeted stage aims at, per sample.
    steps
        Gradient steps of the targeted stage, for the target that is left at the end.
    warmup
        Gradient steps of the untargeted start.
    """
    clean = problem.meter.logits(problem.x, torch.arange(len(problem.x), device=problem.x.device))
    point, fooled = _warmed_up(problem, clean, warmup)
    nearest = torch.full_like(problem.epsilon, float("-inf"))
    order = ordered_targets(problem, clean, torch.nonzero(~fooled)[:, 0], most=aims)
    for turn in range(EFFORTS[effort] if restarts is None else restarts):
        if bool(fooled.all()):
            break
        left = _targeted(problem, order, turn, steps=steps, found=(point, fooled))
        better = left.best > nearest[left.rows]
        point[left.rows[better]], nearest[left.rows[better]] = left.best_x[better], left.best[better]
    return point, fooled


def _targeted(problem: Problem, order: Tensor, turn: int, *, steps: int, found: tuple[Tensor, Tensor]) -> Items:
    """Return the items left of one restart of the targeted stage, which writes what fools to `found`: points
    (n, *shape), and whether each fools (n,).
    """
    point, fooled = found
    rows = torch.nonzero(~fooled)[:, 0]
    tags, loss, keep = problem.tags(rows), problem.loss("ce" if turn % 4 == 3 else "margin"), None
    if problem.goal.targets is None:
        rows, tags = aimed_items(problem, order, rows)
        loss, keep = LEAD, _pruning(order.shape[1], steps)
    items = varied(problem, rows, tags, turn=turn, point=point, fooled=fooled)
    return climb(problem, items, loss, steps=steps, point=point, fooled=fooled, keep=keep)


def _warmed_up(problem: Problem, clean: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Return each sample's point (n, *shape) after an untargeted ascent from a random start, and whether it fools (n,).

    `clean` are the logits (n, classes) at the originals.
    """
    point, fooled = problem.x.clone(), problem.goal.reached(clean, torch.arange(len(clean), device=clean.device))
    rows = torch.nonzero(~fooled)[:, 0]
    items = Items.start(problem, rows, problem.tags(rows), problem.random_points(rows))
    left = climb(problem, items, problem.loss("ce"), steps=steps, point=point, fooled=fooled)
    point[left.rows] = left.best_x
    return point, fooled
