"""The search of tables against brute force on small made-up tables: same flips, same cost, true proofs, nothing
infeasible.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from auditor.attacks.attack import Adversarials, attack, attack_cost, norm_refused
from auditor.attacks.listed.exact import combinations
from auditor.attacks.problem import Goal, Problem
from auditor.core.errors import AuditorError
from auditor.core.outcomes import Outcome
from auditor.core.seeds import RowGenerators
from auditor.modalities.tables.classifier import TableClassifier
from auditor.modalities.tables.table import Column, Rule, Table
from auditor.modalities.tables.threats.threat import TableThreat
from auditor.models.meter import Meter
from auditor.threats.threat import Threat

KINDS = ("additive", "trees", "network")
SEEDS = range(16)


def search(one: Any, epsilon: float = 2.0, **settings: Any) -> Adversarials:
    x = torch.tensor(one.x)[None]
    threat = TableThreat(one.table, torch.tensor(one.zone), one.most)
    found = attack(
        "table_search", one.classifier, x, one.classifier.logits(x).argmax(1), threat, epsilon=epsilon, **settings
    )
    assert threat.over(x).allows(found.x, x, epsilon).all()
    return found


def cheapest(one: Any, epsilon: float = 2.0, target: int | None = None) -> float:
    """Return the smallest cost of a flip by brute force; infinity where there is none."""
    rows, costs = one.every(epsilon)
    said = one.classifier.logits(torch.tensor(rows)).argmax(1).numpy()
    own = one.classifier.logits(torch.tensor(one.x)[None]).argmax(1).item()
    hits = costs[said != own if target is None else said == target]
    return float(hits.min()) if len(hits) else float("inf")


def check(one: Any, found: Adversarials, best: float) -> None:
    """Hold what was found against the smallest cost there is."""
    assert bool(found.fooled[0]) == (best < float("inf"))
    assert Outcome(int(found.proof[0])).text == (
        "flipped at exact minimal cost" if found.fooled[0] else "proven impossible within the budget"
    )
    if found.fooled[0]:
        assert found.size[0].item() == pytest.approx(best, abs=1e-9)
        rows, _ = one.every(2.0)
        assert np.isclose(rows, found.x[0].numpy(), equal_nan=True).all(1).any(), "an infeasible row"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_flips_and_costs_are_those_of_brute_force(case: Any, kind: str, seed: int) -> None:
    one = case(seed, kind, classes=2 + seed % 2)
    check(one, search(one), cheapest(one))


@pytest.mark.parametrize("seed", SEEDS)
def test_without_structure_the_answers_are_the_same(case: Any, seed: int) -> None:
    one = case(seed, "additive", structured=False)
    check(one, search(one), cheapest(one))


@pytest.mark.parametrize("seed", SEEDS)
def test_labels_are_enough_where_everything_can_be_enumerated(case: Any, seed: int) -> None:
    one = case(seed, "network", labels=True)
    check(one, search(one), cheapest(one))


@pytest.mark.parametrize("seed", SEEDS)
def test_targets_are_reached_at_the_smallest_cost(case: Any, seed: int) -> None:
    one = case(seed, KINDS[seed % 3], classes=3)
    own = one.classifier.logits(torch.tensor(one.x)[None]).argmax(1)
    check(one, search(one, targets=(own + 1) % 3), cheapest(one, target=(own.item() + 1) % 3))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_beam_alone_finds_what_brute_force_finds_and_claims_no_impossibility(case: Any, kind: str) -> None:
    shown = full = 0
    for seed in SEEDS:
        one = case(seed, kind, structured=False)
        found, best = search(one, exact=False, exact_rows=0), cheapest(one)
        assert bool(found.fooled[0]) == (best < float("inf"))
        assert found.proof[0] == int(found.fooled[0]), "nothing is proven by a beam"
        if found.fooled[0]:
            assert found.size[0].item() == pytest.approx(best, abs=1e-9)
        shown, full = shown + int(found.forwards[0]), full + len(one.every(2.0)[0])
    assert shown < full


@pytest.mark.slow
@pytest.mark.parametrize("structured", [True, False])
def test_long_columns_are_exact_where_the_claim_is_and_never_infeasible(case: Any, structured: bool) -> None:
    proofs = []
    for seed in range(12):
        one = case(seed, KINDS[seed % 3], wide=36, structured=structured)
        one = replace(one, zone=np.array([1, 0, 0, 1, 1, 0, seed % 2], dtype=bool))
        found, best = search(one, 8.0), cheapest(one, 8.0)
        claim = int(found.proof[0])
        proofs.append(claim)
        assert found.fooled[0] or claim in (0, 3)
        if claim in (2, 3):
            assert (found.size[0].item() if claim == 2 else float("inf")) == pytest.approx(best, abs=1e-9)
        elif claim == 1:
            assert found.size[0].item() >= best - 1e-9
    assert {2, 3} <= set(proofs)


@pytest.mark.slow
def test_rows_do_not_depend_on_their_neighbours_batch_or_place(case: Any) -> None:
    one = case(3, "network", classes=3)
    rng = np.random.default_rng(0)
    x = torch.tensor(one.every(3.0)[0][rng.permutation(40)])
    zone = torch.tensor(rng.random(x.shape) < 0.7)
    y, order = one.classifier.logits(x).argmax(1), torch.tensor(rng.permutation(40))

    def run(rows: torch.Tensor, **more: Any) -> Adversarials:
        seeds = [1000 + int(row) for row in rows]
        return attack(
            "table_search",
            one.classifier,
            x[rows],
            y[rows],
            TableThreat(one.table, zone[rows]),
            epsilon=1.5,
            seed=seeds,
            **more,
        )

    whole = run(torch.arange(40))
    assert 0 < whole.fooled.sum() < 40
    for other, places in (
        (run(torch.arange(40), batch_size=7), torch.arange(40)),
        (run(order), order),
        (run(order[:5]), order[:5]),
    ):
        for mine, its in ((whole.x, other.x), (whole.size, other.size)):
            assert torch.allclose(mine[places], its, equal_nan=True, rtol=0, atol=1e-12)
        assert (
            whole.proof[places].tolist() == other.proof.tolist()
            and whole.forwards[places].tolist() == other.forwards.tolist()
        )


@pytest.mark.parametrize("name", ["table_search", "random_change"])
def test_the_same_seed_gives_the_same_rows(case: Any, name: str) -> None:
    one = case(5, "network", labels=True, wide=40)
    x = torch.tensor(one.x)[None]
    threat, y = TableThreat(one.table), one.classifier.logits(x).argmax(1)
    first, again = (attack(name, one.classifier, x, y, threat, epsilon=3.0, seed=[7]) for _ in range(2))
    assert torch.equal(first.x.nan_to_num(-1), again.x.nan_to_num(-1)) and torch.equal(first.forwards, again.forwards)


@pytest.mark.parametrize("seed", range(6))
def test_a_larger_budget_never_finds_a_costlier_flip(case: Any, seed: int) -> None:
    one = case(seed, KINDS[seed % 3])
    costs = [
        found.size[0].item() if found.fooled[0] else float("inf")
        for found in (search(one, budget) for budget in (0.5, 1.0, 2.0, 3.0))
    ]
    assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_levels_and_columns_changes_no_cost(case: Any, seed: int) -> None:
    one = case(seed, "network")
    columns, places = one.table.columns, [4, 2, 6, 0, 3, 1, 5]
    turned = replace(
        columns[2],
        levels=("c", "a", "d", "b"),
        allowed=tuple(("c", "a", "d", "b").index("abcd"[code]) for code in columns[2].allowed),
    )
    table = Table(tuple([*columns[:2], turned, *columns[3:]][place] for place in places), one.table.rules)
    x = one.x.copy()
    x[2] = ("c", "a", "d", "b").index("abcd"[int(x[2])])
    classifier = replace(one.classifier, scores=lambda frame: one.classifier.scores(frame[list(one.table.names)])).over(
        table
    )
    other = replace(one, table=table, x=x[places], zone=one.zone[places], classifier=classifier)
    mine, its = search(one), search(other)
    assert mine.proof.tolist() == its.proof.tolist()
    assert mine.fooled.tolist() == its.fooled.tolist()
    if mine.fooled[0]:
        assert mine.size[0].item() == pytest.approx(its.size[0].item(), abs=1e-9)


def coupled() -> tuple[Table, TableClassifier, torch.Tensor]:
    """Return people whose sex, relationship and marital status can only change together, and a model that asks for all
    three.
    """
    sex, kin, tie = ("Female", "Male"), ("Husband", "Wife", "Single"), ("married", "never")
    columns = (
        Column("sex", "categorical", levels=sex, allowed=(0, 1)),
        Column("kin", "categorical", levels=kin, allowed=(0, 1, 2)),
        Column("tie", "categorical", levels=tie, allowed=(0, 1)),
        Column("noise", "categorical", levels=sex, allowed=(0, 1)),
    )
    rules = (
        Rule("husband", "kin == 'Husband'", "sex == 'Male'"),
        Rule("wife", "kin == 'Wife'", "sex == 'Female'"),
        Rule("both", "kin in ['Husband', 'Wife']", "tie == 'married'"),
        Rule("alone", "kin == 'Single'", "tie == 'never'"),
    )
    table = Table(columns, rules)

    def scores(frame: Any) -> Any:
        lead = 1.0 * (frame.kin == "Wife") + 0.1 * (frame.noise == "Male") - 0.5
        return np.column_stack([-lead, lead])

    return (
        table,
        TableClassifier(scores, "m", "d", ("no", "yes"), frozenset({"labels", "scores"})).over(table),
        torch.tensor([[1.0, 2.0, 1.0, 0.0]]).double(),
    )


@pytest.mark.parametrize("settings", [{}, {"exact": False, "exact_rows": 0}])
def test_columns_that_only_move_together_are_moved_together(settings: dict[str, Any]) -> None:
    table, classifier, x = coupled()
    found = attack("table_search", classifier, x, torch.tensor([0]), TableThreat(table), epsilon=4.0, **settings)
    assert (
        found.fooled[0]
        and found.size[0] == 3
        and table.texts(found.x.numpy()) == [("Female", "Wife", "married", "Female")]
    )
    none = attack("table_search", classifier, x, torch.tensor([0]), TableThreat(table, max_changes=2), epsilon=4.0)
    assert not none.fooled[0] and none.proof[0] == 3


@pytest.mark.slow
def test_blocks_too_large_to_list_are_moved_column_by_column() -> None:
    levels = tuple(str(place) for place in range(6))
    columns = tuple(Column(f"c{place}", "categorical", levels=levels, allowed=tuple(range(6))) for place in range(8))
    rules = (
        Rule("all", " and ".join(f"c{place} == '5'" for place in range(8)), "c0 == '0'"),
        Rule("pair", "c0 == '3'", "c1 == '3'", swap={"c1": {"2": "3"}}),
    )
    table = Table(columns, rules)

    def scores(frame: Any) -> Any:
        lead = sum((frame[f"c{place}"] == "3").astype(float) for place in (0, 2, 5)) - 2.5
        return np.column_stack([-lead, lead])

    classifier = TableClassifier(scores, "m", "d", ("no", "yes"), frozenset({"labels", "scores"})).over(table)
    x = torch.tensor([[0.0, 2.0, *[0.0] * 6]]).double()
    found = attack("table_search", classifier, x, torch.tensor([0]), TableThreat(table), epsilon=8.0)
    assert found.fooled[0] and found.size[0] == 4 and found.proof[0] == 1, (
        "the swap belongs to the change, and nothing is proven"
    )
    assert found.x[0, 1] == 3


def test_a_row_that_breaks_a_rule_itself_is_left_alone() -> None:
    table, classifier, x = coupled()
    x[0, 1] = 0
    x[0, 0] = 0
    found = attack("table_search", classifier, x, torch.tensor([0]), TableThreat(table), epsilon=4.0)
    assert torch.equal(found.x, x) and not found.fooled[0] and found.proof[0] == 0


@pytest.mark.parametrize("edge", [7, 20, 21, 33, 150, 499])
def test_a_cheaper_flip_is_never_forgotten_on_a_long_column(edge: int) -> None:
    columns = (
        Column("long", "integer", low=0, high=5000, cost=0.002, dtype="int64"),
        Column("beside", "integer", low=0, high=5000, cost=0.01, dtype="int64"),
    )
    table = Table(columns)

    def scores(frame: Any) -> Any:
        lead = frame["long"].to_numpy(dtype=float) + 2 * frame["beside"].to_numpy(dtype=float) - edge + 0.5
        return np.column_stack([-lead, lead])

    classifier = TableClassifier(scores, "straight", "d", ("no", "yes"), frozenset({"labels", "scores"})).over(table)
    found = attack(
        "table_search",
        classifier,
        torch.zeros(1, 2).double(),
        torch.tensor([0]),
        TableThreat(table),
        epsilon=6.0,
        exact=False,
    )
    assert found.fooled[0] and found.size[0].item() == pytest.approx(0.002 * edge)


def test_nothing_writable_is_a_proof() -> None:
    table, classifier, x = coupled()
    found = attack(
        "table_search",
        classifier,
        x,
        torch.tensor([0]),
        TableThreat(table, torch.zeros(4, dtype=torch.bool)),
        epsilon=4.0,
    )
    assert torch.equal(found.x, x) and found.proof[0] == 3 and found.forwards[0] == 1


@pytest.mark.slow
def test_a_gradient_strikes_first_and_changes_no_answer(case: Any) -> None:
    for seed in range(8):
        one = case(seed, "network")
        calls = []

        def pulls(table: Table, x: Any, direction: Any, values: Any, one: Any = one, calls: list[int] = calls) -> Any:
            calls.append(len(x))
            gained = []
            for place, points in enumerate(values):
                pairs = zip(x, direction, strict=True)
                scores = [[one.classifier.scores(_moved(table, row, place, v)) @ d for v in points] for row, d in pairs]
                gained.append(np.array(scores).reshape(len(x), len(points)))
            return gained

        struck = replace(
            one, classifier=replace(one.classifier, pulls=pulls, offers=one.classifier.offers | {"gradient"})
        )
        with torch.no_grad():
            found = search(struck)
        check(one, found, cheapest(one))
        assert calls == [1] and found.backwards[0] == 1


def _moved(table: Table, row: Any, place: int, value: float) -> Any:
    moved = row.copy()
    moved[place] = value
    return table.frame(moved[None])


def test_random_changes_are_allowed_and_do_not_depend_on_their_batch(case: Any) -> None:
    one = case(2, "additive")
    x = torch.tensor(np.repeat(one.x[None], 60, axis=0))
    threat, y = TableThreat(one.table, torch.tensor(one.zone), one.most), one.classifier.logits(x).argmax(1)
    seeds = list(range(60))
    found = attack("random_change", one.classifier, x, y, threat, epsilon=2.0, seed=seeds, tries=1)
    assert (
        threat.over(x).allows(found.x, x, 2.0).all()
        and (found.size > 0).all()
        and len(np.unique(found.x.numpy(), axis=0)) > 10
    )
    assert (
        found.fooled.tolist() == (one.classifier.logits(found.x).argmax(1) != y).tolist()
        and 0 < found.fooled.sum() < 60
    )
    assert found.proof.tolist() == found.fooled.long().tolist()
    few = attack("random_change", one.classifier, x[40:], y[40:], threat, epsilon=2.0, seed=seeds[40:], tries=1)
    assert torch.equal(few.x, found.x[40:])


def test_combinations_are_all_within_the_cap_and_none_beyond_it() -> None:
    costs, counts = [np.array([0, 1, 2.0]), np.array([0, 0.5, 3.0])], [np.array([0, 1, 1]), np.array([0, 1, 2])]
    found = combinations(costs, counts, 2.0, most=2, cap=10)
    assert found is not None and sorted(map(tuple, found.tolist())) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert (
        combinations(costs, counts, 2.0, most=1, cap=10) is not None
        and len(combinations(costs, counts, 2.0, most=1, cap=10)) == 3
    )  # type: ignore[arg-type]
    assert combinations(costs, counts, 2.0, most=2, cap=3) is None


def test_attacks_of_values_and_of_tables_refuse_each_other(case: Any) -> None:
    one = case(0, "additive")
    x = torch.tensor(one.x)[None]
    with pytest.raises(
        AuditorError,
        match="attack 'random_noise': expected a norm that 'random_noise' serves, got 'cost'; valid: l0, l1, l2, linf",
    ):
        attack("random_noise", one.classifier, x, torch.tensor([0]), TableThreat(one.table), epsilon=1.0)
    with pytest.raises(
        AuditorError, match="attack 'table_search': expected a norm that 'table_search' serves, got 'linf'; valid: cost"
    ):
        attack("table_search", one.classifier, x, torch.tensor([0]), Threat.ball(), epsilon=1.0)
    goal, size = Goal(torch.tensor([0])), torch.ones(1)
    problem = Problem(Meter(one.classifier, 1, 1), x, goal, TableThreat(one.table), size, RowGenerators.of(0, 1))
    with pytest.raises(AuditorError, match="rows under rules follow no gradient, got TableThreat"):
        _ = problem.smooth
    assert norm_refused("table_search", "cost") == norm_refused("random_change", "cost") == ""
    assert (
        attack_cost("random_change", {"tries": 3}) == (3, 0)
        and attack_cost("table_search", {})[0] > attack_cost("table_search", {"exact": False})[0]
    )
