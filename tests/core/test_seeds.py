"""Randomness per row: the same whatever the batch, the order or the shard."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from auditor.core.seeds import RowGenerators, derive, generator


@given(st.lists(st.one_of(st.integers(), st.text(alphabet="abc/ 1")), min_size=1, max_size=4))
def test_derived_seeds_fit_every_generator(parts: list[object]) -> None:
    assert 0 <= derive(*parts) < 2**63
    assert derive(*parts) == derive(*parts)
    torch.Generator().manual_seed(derive(*parts))


def test_every_part_counts() -> None:
    seeds = [
        derive(0, "a", "b"),
        derive(1, "a", "b"),
        derive(0, "b", "a"),
        derive(0, "ab"),
        derive(0, "a", "b", ""),
        derive(0, "a"),
    ]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.slow
def test_seeds_are_the_same_in_another_process() -> None:
    code = (
        "from auditor.core.seeds import derive, generator; print(derive(3, 'x', 'y'), generator(3,"
        " 'z').integers(10**9))"
    )
    answers = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert answers == {f"{derive(3, 'x', 'y')} {generator(3, 'z').integers(10**9)}\n"}


@given(st.permutations(range(6)), st.sampled_from(["uniform", "normal"]))
def test_a_row_draws_the_same_in_any_company(order: list[int], kind: str) -> None:
    seeds = [derive("row", row) for row in range(6)]
    whole = getattr(RowGenerators(seeds), kind)(torch.zeros(6, 2, 3))
    mixed = getattr(RowGenerators([seeds[row] for row in order]), kind)(torch.zeros(6, 2, 3))
    assert torch.equal(mixed, whole[list(order)])
    alone = getattr(RowGenerators(seeds[4:5]), kind)(torch.zeros(1, 2, 3))
    assert torch.equal(alone[0], whole[4])


def test_taken_rows_go_on_where_they_are() -> None:
    rows, twin = RowGenerators([1, 2, 3]), RowGenerators([1, 2, 3])
    like = torch.zeros(3, 4)
    rows.uniform(like), twin.uniform(like)
    assert torch.equal(rows.take([2, 0]).uniform(like[:2]), twin.uniform(like)[[2, 0]])


def test_one_seed_for_all_differs_per_row() -> None:
    drawn = RowGenerators.of(0, 5).uniform(torch.zeros(5, 8, dtype=torch.float64))
    assert len({tuple(row) for row in drawn.tolist()}) == 5 and drawn.dtype == torch.float64
    assert (drawn >= 0).all() and (drawn < 1).all()
    assert RowGenerators.of(0, 0).normal(torch.zeros(0, 3)).shape == (0, 3)


def test_a_wrong_number_of_seeds_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one number or 3, one per row, got 2"):
        RowGenerators.of([1, 2], 3)
