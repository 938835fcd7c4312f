"""Who may give to whom: other units, and masks where the class has any."""

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from auditor.core.seeds import generator
from auditor.probes.donors import Pool
from auditor.samples.samples import Samples

Make = Callable[..., Samples]
N = 24
X = np.full((N, 1, 6, 6), 0.5, np.float32)
BLOCKS = np.zeros((N, 1, 6, 6), dtype=bool)
BLOCKS[:, :, 1:3, 1:4] = True
Y = [row % 3 for row in range(N)]
UNITS = [f"u{row // 2}" for row in range(N)]


@given(st.integers(0, N - 1), st.integers(0, 2**31))
def test_rivals_are_of_one_other_class_and_two_units(make_samples: Make, position: int, seed: int) -> None:
    pool = Pool.of(make_samples(X, Y, BLOCKS, units=UNITS))
    found = pool.rivals(generator(seed), position=position, avoid=(position,))
    assert found is not None and Y[found[0]] == Y[found[1]] != Y[position]
    assert len({UNITS[row] for row in (position, *found)}) == 3


def test_a_class_of_one_unit_is_no_rival(make_samples: Make) -> None:
    y = [2 if row < 2 else row % 2 for row in range(N)]  # class 2 is unit u0 alone
    pool = Pool.of(make_samples(X, y, BLOCKS, units=UNITS))
    drawn = {y[pool.rivals(generator(seed), position=2, avoid=(2,))[0]] for seed in range(60)}
    assert drawn == {1}


@given(st.integers(0, N - 1), st.integers(0, 2**31))
def test_donors_never_share_a_unit(make_samples: Make, position: int, seed: int) -> None:
    pool, rng = Pool.of(make_samples(X, Y, BLOCKS, units=UNITS)), generator(seed)
    same = pool.draw(rng, position=position, same=True, avoid=(position,))
    other = pool.draw(rng, position=position, same=False, avoid=(position, same))
    second = pool.draw(rng, position=position, same=False, avoid=(position, same, other))
    assert same is not None and other is not None and second is not None
    assert Y[same] == Y[position] != Y[other] and Y[second] != Y[position]
    assert len({UNITS[row] for row in (position, same, other, second)}) == 4


def test_donors_have_masks_where_their_class_has_any(make_samples: Make) -> None:
    inside = BLOCKS.copy()
    inside[[1, 4]] = False  # two of class 1
    inside[[row for row in range(N) if Y[row] == 2]] = False
    pool = Pool.of(make_samples(X, Y, inside, units=UNITS))
    drawn = {pool.draw(generator(seed), position=0, same=False, avoid=(0,)) for seed in range(60)}
    assert drawn.isdisjoint({1, 4})
    assert pool.draw(generator(0), position=1, same=False, avoid=(1,)) is not None
