"""The search of tables against brute force on small made-up tables: same flips, same cost, true proofs, nothing infeasible."""

from typing import Any

import pytest
import torch

from auditor.attacks.attack import Adversarials, attack
from auditor.threats.threat import Threat

KINDS = ("additive", "trees", "network")
SEEDS = range(24)


def search(one: Any, epsilon: float = 2.0, **settings: Any) -> Adversarials:
    x = torch.tensor(one.x)[None]
    threat = Threat.table(one.table, torch.tensor(one.zone), one.most)
    found = attack("table_search", one.classifier, x, one.classifier.logits(x).argmax(1), threat, epsilon=epsilon, **settings)
    assert threat.over(x).allows(found.x, x, epsilon).all()
    return found


def cheapest(one: Any, epsilon: float = 2.0, target: int | None = None) -> float:
    """Return the smallest cost of a flip by brute force; infinity where there is none."""
    rows, costs = one.every(epsilon)
    said = one.classifier.logits(torch.tensor(rows)).argmax(1).numpy()
    own = one.classifier.logits(torch.tensor(one.x)[None]).argmax(1).item()
    hits = costs[said != own if target is None else said == target]
    return float(hits.min()) if len(hits) else float("inf")


def check(one: Any, found: Adversarials, best: float, *, exact: bool = True) -> None:
    assert bool(found.fooled[0]) == (best < float("inf"))
    if found.fooled[0]:
        assert found.size[0].item() == pytest.approx(best, abs=1e-9)
    if exact:
        assert found.proof[0].item() == (2 if found.fooled[0] else 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_flips_and_costs_are_those_of_brute_force(case: Any, kind: str, seed: int) -> None:
    one = case(seed, kind, classes=2 + seed % 2)
    check(one, search(one), cheapest(one))
