"""The shared ascent: checkpoints, ranks and pruning."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from auditor.attacks.climb import _rank, checkpoints
from auditor.attacks.evade import _left, _pruning


def test_checkpoints_are_those_of_the_article() -> None:
    assert sorted(checkpoints(100)) == [22, 41, 57, 70, 80, 87, 93, 99]


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-5, 5, allow_nan=False)), min_size=1, max_size=40))
def test_rank_is_the_place_within_the_sample(items: list[tuple[int, float]]) -> None:
    rows, values = (
        torch.tensor([row for row, _ in items]),
        torch.tensor([value for _, value in items], dtype=torch.float64),
    )
    found = _rank(rows, values).tolist()
    for place, (row, value) in enumerate(items):
        before = [
            other
            for other, (its_row, its_value) in enumerate(items)
            if its_row == row and (its_value > value or (its_value == value and other < place))
        ]
        assert found[place] == len(before)


def test_halving_leaves_one_target() -> None:
    assert _pruning(4, 50) == {5: 3, 11: 2, 25: 1}
    assert [_left(4, 50, step) for step in (0, 5, 6, 11, 12, 25, 26, 49)] == [4, 4, 3, 3, 2, 2, 1, 1]
    assert set(_pruning(1, 50).values()) == {1}
