"""Samples: lazily loaded, bounded in memory, drawn by seed and id."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from auditor.samples.samples import Loaded, Samples

N = 60
X = np.random.default_rng(0).random((N, 1, 4, 4)).astype(np.float32)
INSIDE = X > 0.5
Make = Callable[..., Samples]


def build(make: Make, **changes: object) -> Samples:
    groups = {"sex": ["f", "m"] * (N // 2)}
    return make(
        X, [row % 3 for row in range(N)], INSIDE, units=[f"u{row // 2}" for row in range(N)], groups=groups, **changes
    )


def test_nothing_is_loaded_before_it_is_asked_for(make_samples: Make) -> None:
    loaded: list[int] = []
    samples = build(make_samples, loaded=loaded)
    samples.draw(10, 0), samples.index(), samples.select([1, 2], "e")
    assert loaded == []
    chunk = samples.load([3, 5])
    assert loaded == [3, 5]
    assert chunk.ids == ("s003", "s005") and chunk.y.tolist() == [0, 2]
    assert torch.equal(chunk.x, torch.from_numpy(X[[3, 5]])) and torch.equal(
        chunk.inside, torch.from_numpy(INSIDE[[3, 5]])
    )
    assert (chunk.x.dtype, chunk.y.dtype, chunk.inside.dtype) == (torch.float32, torch.int64, torch.bool)


def test_the_cache_is_bounded_and_drops_the_oldest(make_samples: Make) -> None:
    loaded: list[int] = []
    each = X[0].nbytes + INSIDE[0].nbytes
    samples = build(make_samples, loaded=loaded, cache_bytes=3 * each)
    for position in (0, 1, 2, 0, 3, 0, 1):
        samples.load([position])
        assert len(samples._cache) <= 3
    assert loaded == [0, 1, 2, 3, 1]
    tiny = build(make_samples, loaded=loaded, cache_bytes=0)
    tiny.load(range(N))
    assert len(tiny._cache) == 1


def test_loading_nothing_has_the_right_shape(make_samples: Make) -> None:
    chunk = build(make_samples).load([])
    assert chunk.x.shape == chunk.inside.shape == (0, 1, 4, 4)


@given(st.integers(0, 1000), st.integers(1, N), st.integers(1, N))
def test_a_smaller_draw_is_part_of_a_larger_one(make_samples: Make, seed: int, a: int, b: int) -> None:
    samples = build(make_samples)
    few, many = samples.draw(min(a, b), seed), samples.draw(max(a, b), seed)
    assert set(few) <= set(many) and len(few) == min(a, b) == len(set(few))
    assert list(few) == sorted(few) and few == samples.draw(min(a, b), seed)


def test_draw_everything(make_samples: Make) -> None:
    samples = build(make_samples)
    assert samples.draw(0, 1) == samples.draw(N, 1) == samples.draw(N + 1, 1) == tuple(range(N))
    assert samples.draw(20, 1) != samples.draw(20, 2)


def test_a_draw_depends_on_ids_not_on_places(make_samples: Make) -> None:
    samples = build(make_samples)
    order = list(reversed(range(N)))
    turned = samples.select(order, "e")
    assert {samples.ids[row] for row in samples.draw(15, 3)} == {turned.ids[row] for row in turned.draw(15, 3)}


def test_select_takes_every_column_along(make_samples: Make) -> None:
    samples = build(make_samples)
    samples.load([0, 1])
    some = samples.select([7, 2], "e")
    assert (len(some), some.ids, some.y, some.units, some.digest) == (2, ("s007", "s002"), (1, 2), ("u3", "u1"), "e")
    assert some.groups == {"sex": ("m", "f")} and some.mask_share == (samples.mask_share[7], samples.mask_share[2])
    assert torch.equal(some.load([0, 1]).x, torch.from_numpy(X[[7, 2]]))
    again = some.select([1], "f")
    assert torch.equal(again.load([0]).x, torch.from_numpy(X[[2]]))
    assert torch.equal(samples.load([0]).x, torch.from_numpy(X[[0]]))


def test_take_keeps_rows_together(make_samples: Make) -> None:
    chunk = build(make_samples).load([4, 5, 6]).take([2, 0])
    assert chunk.ids == ("s006", "s004") and chunk.y.tolist() == [0, 1]
    assert torch.equal(chunk.x, torch.from_numpy(X[[6, 4]])) and torch.equal(
        chunk.inside, torch.from_numpy(INSIDE[[6, 4]])
    )


def with_regions(make: Make, **changes: object) -> Samples:
    """Three channels, of which a mask without the axis of channels serves all; every third sample has no organ."""
    x, inside = np.repeat(X, 3, 1), np.repeat(INSIDE, 3, 1)
    samples = make(x, [row % 3 for row in range(N)], inside, **changes)

    def load(row: int) -> Loaded:
        return Loaded(x[row], inside[row], {"air": ~INSIDE[row, 0], **({"organ": INSIDE[row, 0]} if row % 3 else {})})

    shares = {"organ": tuple(0.5 if row % 3 else None for row in range(N)), "air": (0.5,) * N}
    return replace(samples, loader=load, regions=shares, _cache=OrderedDict())


def test_named_zones_travel_with_their_samples(make_samples: Make) -> None:
    samples = with_regions(make_samples)
    chunk = samples.load([4, 3])
    assert set(chunk.regions) == {"organ", "air"} and all(
        zone.shape == chunk.x.shape and zone.dtype == torch.bool for zone in chunk.regions.values()
    )
    assert torch.equal(chunk.regions["organ"][0], chunk.inside[0]) and not chunk.regions["organ"][1].any()
    assert torch.equal(chunk.regions["air"], ~chunk.inside)
    taken = chunk.take([1])
    assert torch.equal(taken.regions["air"], ~chunk.inside[1:])
    some = samples.select([3, 4], "e")
    assert some.regions == {"organ": (None, 0.5), "air": (0.5, 0.5)}
    assert torch.equal(some.load([1]).regions["organ"], chunk.inside[:1])
    assert samples.load([]).regions["air"].shape == (0, 3, 4, 4)


def test_the_cache_counts_named_zones(make_samples: Make) -> None:
    samples = with_regions(make_samples, cache_bytes=3 * (48 * 4 + 48 + 2 * 16))
    for position in range(10):
        samples.load([position])
    assert list(samples._cache) == [7, 8, 9]


def test_a_plain_pair_is_a_sample_too(make_samples: Make) -> None:
    assert build(make_samples).load([1]).regions == {}
