"""Collages and the four-arm transplant, by brute force on tiny images."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt
from torch import nn

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.core.zones import grow
from auditor.modalities.images.probes.collage import Cutting, Sheet
from auditor.modalities.images.probes.transplant import transplant
from auditor.models.classifier import wrap
from auditor.probes import Bench, probes
from auditor.probes.donors import ARMS
from auditor.samples.samples import Samples

Make = Callable[..., Samples]
N = 24
# every pixel tells whose it is
X = np.stack([np.full((1, 6, 6), (row + 1) / 100) for row in range(N)]).astype(np.float32)
BLOCKS = np.zeros((N, 1, 6, 6), dtype=bool)
for _row in range(N):
    BLOCKS[_row, 0, _row % 4 : _row % 4 + 2, _row % 3 : _row % 3 + 3] = True
Y = [row % 3 for row in range(N)]
UNITS = [f"u{row // 2}" for row in range(N)]


def arms(
    samples: Samples, who: tuple[int, int, int, int], guard: float, blend: float = 0.0, fill: str = "smooth"
) -> np.ndarray:
    sheet = Sheet(samples, who, Cutting(guard, blend, fill))
    return np.stack([sheet.paste(inside, outside) for inside, outside in ARMS.values()])


def test_whose_pixel_is_whose(make_samples: Make) -> None:
    samples, who = make_samples(X, Y, BLOCKS, units=UNITS), (0, 3, 7, 11)
    found = arms(samples, who, guard=0.0)
    i, j, k, l = who  # noqa: E741  the letters of the transplant
    for arm, (inside, outside) in enumerate([(i, j), (i, k), (k, j), (k, l)]):
        for place in np.ndindex(6, 6):
            own = BLOCKS[inside, 0][place]
            assert found[arm, 0][place] == pytest.approx(X[inside if own else outside, 0, 0, 0], abs=1e-6)


@pytest.mark.parametrize("fill", ["smooth", "flat"])
def test_what_lies_under_any_mask_of_the_draw_is_filled(make_samples: Make, fill: str) -> None:
    marked = X.copy()
    marked[BLOCKS] = 1.0  # every inside is white, every outside is plain
    samples, who = make_samples(marked, Y, BLOCKS, units=UNITS), (0, 3, 7, 11)
    for arm, (inside, outside) in enumerate([(0, 3), (0, 7), (7, 3), (7, 11)]):
        block = BLOCKS[inside, 0]
        found = arms(samples, who, guard=0.0, fill=fill)[arm, 0]
        assert (found[block] == 1.0).all() and np.allclose(found[~block], X[outside, 0, 0, 0], atol=1e-6)


def test_the_guard_band_travels_with_the_inside(make_samples: Make) -> None:
    mask = np.zeros((4, 1, 6, 6), dtype=bool)
    mask[:, 0, 2, 2] = True
    # 0.12 of the diagonal reaches one pixel
    found = arms(make_samples(X[:4], [0, 0, 1, 1], mask), (0, 1, 2, 3), guard=0.12)[0, 0]
    assert (found == X[0, 0, 0, 0]).sum() == 5


@given(st.sampled_from([0.0, 0.1, 0.2]), st.sampled_from([0.0, 0.05, 0.1, 0.4]), st.integers(0, 2**31))
def test_the_pasted_inside_fades_within_its_guard_band(guard: float, blend: float, seed: int) -> None:
    mask = np.zeros((9, 12), dtype=bool)
    row, column = np.random.default_rng(seed).integers(2, 6, 2)
    mask[row : row + 2, column : column + 3] = True
    opacity, block = Cutting(guard, blend).opacity(mask), grow(mask, guard)
    assert (opacity[mask] == 1).all() and (opacity[~block] == 0).all() and ((opacity > 0) == block).all()
    assert np.array_equal(opacity == 1, block) or (blend > 0 and guard > 0)
    away = distance_transform_edt(~mask)
    assert all(
        a >= b
        for a, b in zip(
            opacity.ravel()[away.ravel().argsort()], opacity.ravel()[away.ravel().argsort()][1:], strict=False
        )
    )


def test_arms_share_their_seams(make_samples: Make) -> None:
    """With one plain grey inside and one outside, all arms are one image, blended or not."""
    samples = make_samples(np.full((N, 1, 6, 6), 0.4, np.float32), Y, BLOCKS, units=UNITS)
    assert np.allclose(arms(samples, (0, 3, 7, 11), guard=0.2, blend=0.1), 0.4)


class Sums(nn.Module):
    """Evidence for class 1 is the sum of a fixed region."""

    def __init__(self, region: np.ndarray) -> None:
        super().__init__()
        self.region = torch.from_numpy(region.astype(np.float32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = (x * self.region).flatten(1).sum(1)
        return torch.stack([-total, total], 1)


SETTINGS = {"draws": 3, "guard": 0.0, "blend": 0.0, "fills": ["smooth", "flat"]}


def run(samples: Samples, module: nn.Module, **settings: float) -> list:
    trial = Trial("transplant", settings={**SETTINGS, **settings}, zone="outside", seed=1)
    bench = Bench(wrap(module, ["a", "b"]), samples, lambda name: None, batch_size=5)
    assert probes["transplant"].make is transplant
    return transplant(bench, trial, samples.load(range(len(samples))))


def test_margins_say_where_the_evidence_is(make_samples: Make) -> None:
    """With one mask for all, a model that reads only inside moves with the inside alone, and its twin with the outside
    alone.
    """
    y, inside = [row % 2 for row in range(N)], np.zeros((N, 1, 6, 6), dtype=bool)
    inside[:, 0, 1:4, 1:4] = True
    x = np.where(np.array(y)[:, None, None, None] == 1, 0.8, 0.2).astype(np.float32) * np.ones_like(X)
    samples = make_samples(x, y, inside)
    for region, moves in ((inside[0], ("A", "C")), (~inside[0], ("A", "B"))):
        for row in run(samples, Sums(region)):
            assert row.missing is None and set(row.values) == {"sham/smooth", "sham/flat"} | {
                f"{name}/{draw}" for name in "ABCDjkl" for draw in range(3)
            }
            a, b, c, d = (row.values[f"{arm}/0"] for arm in "ABCD")
            assert abs(row.values[f"{moves[0]}/0"] - row.values[f"{moves[1]}/0"]) > 1
            assert (
                (a, c) == (pytest.approx(b, abs=1e-4), pytest.approx(d, abs=1e-4))
                if moves[1] == "C"
                else (a, b) == (pytest.approx(c, abs=1e-4), pytest.approx(d, abs=1e-4))
            )


def test_a_recipient_is_measured_alike_in_any_chunk(make_samples: Make) -> None:
    samples = make_samples(X, [row % 2 for row in range(N)], BLOCKS, units=UNITS)
    whole = run(samples, Sums(np.ones((1, 6, 6))))
    trial = Trial("transplant", settings=SETTINGS, zone="outside", seed=1)
    bench = Bench(wrap(Sums(np.ones((1, 6, 6))), ["a", "b"]), samples, lambda name: None)
    (alone,) = transplant(bench, trial, samples.load([13]))
    assert alone.values == pytest.approx(whole[13].values, abs=1e-4)


def test_no_donor_is_a_reason(make_samples: Make) -> None:
    for y, units in (([0] * N, UNITS), ([row % 2 for row in range(N)], ["one"] * N)):
        rows = run(make_samples(X, y, BLOCKS, units=units), Sums(np.ones((1, 6, 6))))
        assert {row.missing for row in rows} == {
            Missing.not_applicable("no donor of the same and two of another class from other units")
        }


def test_naming_the_classes_otherwise_changes_nothing(make_samples: Make) -> None:
    class Swapped(Sums):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x).flip(1)

    y = [row % 2 for row in range(N)]
    plain = run(make_samples(X, y, BLOCKS, units=UNITS), Sums(np.ones((1, 6, 6))))
    other = run(make_samples(X, [1 - label for label in y], BLOCKS, units=UNITS), Swapped(np.ones((1, 6, 6))))
    assert [row.values for row in plain] == [row.values for row in other]


def test_swapping_inside_and_outside_in_the_mask_swaps_the_effects(make_samples: Make) -> None:
    """Both parts carry the class, the model weighs them differently: with the complement as mask the effects change
    places.
    """
    y, inside = [row % 2 for row in range(N)], np.zeros((N, 1, 6, 6), dtype=bool)
    inside[:, 0, 1:4, 1:4] = True
    x = np.where(np.array(y)[:, None, None, None] == 1, 0.8, 0.2).astype(np.float32) * np.ones_like(X)
    weights = np.where(inside[0], 2.0, 0.3)
    effects = []
    for mask in (inside, ~inside):
        found = np.array(
            [
                [row.values[f"{arm}/{draw}"] for arm in "ABCD"]
                for row in run(make_samples(x, y, mask), Sums(weights))
                for draw in range(3)
            ]
        ).mean(0)
        a, b, c, d = found
        effects.append(((a - c + b - d) / 2, (a - b + c - d) / 2))
    assert effects[0][0] > 1.5 * effects[0][1] > 0
    assert effects[0] == pytest.approx(effects[1][::-1], rel=1e-5)


@pytest.mark.parametrize("fills", [("smooth", "flat"), ("flat", "smooth"), ("flat",)])
def test_draws_take_turns_with_the_fills(make_samples: Make, fills: tuple[str, ...]) -> None:
    """The margins of every draw are those of a collage with the fill whose turn it is, and so are those of the own
    surroundings put back.
    """
    rng = np.random.default_rng(0)
    samples = make_samples(rng.random(X.shape).astype(np.float32), [row % 2 for row in range(N)], BLOCKS, units=UNITS)
    weights, draws = rng.normal(size=(1, 6, 6)), 4
    for position, row in enumerate(run(samples, Sums(weights), draws=draws, fills=list(fills))):
        for draw in range(draws):
            donors = (int(row.values[f"{name}/{draw}"]) for name in "jkl")
            fill = fills[draw % len(fills)]
            sheet = Sheet(samples, (position, *donors), Cutting(0.0, 0.0, fill))
            made = {f"{arm}/{draw}": sheet.paste(*places) for arm, places in ARMS.items()}
            made |= {f"sham/{fill}": sheet.paste(0, 0)} if draw < len(fills) else {}
            sign = 2 if position % 2 else -2
            for key, image in made.items():
                assert row.values[key] == pytest.approx(sign * (image * weights).sum(), abs=1e-4)
        assert {key for key in row.values if key.startswith("sham")} == {f"sham/{fill}" for fill in fills}


def test_the_two_fills_differ_where_the_surroundings_do(make_samples: Make) -> None:
    """A slope goes on under the smooth fill and stops under the even one; a plain picture shows no difference."""
    inside = np.zeros((N, 1, 24, 24), dtype=bool)
    inside[:, 0, 8:16, 8:16] = True
    slope = np.broadcast_to(np.linspace(0, 1, 24, dtype=np.float32), (N, 1, 24, 24)).copy()
    for x, differ in ((slope, True), (np.full_like(slope, 0.4), False)):
        samples = make_samples(x, [row % 2 for row in range(N)], inside)
        smooth, flat = (Sheet(samples, (0, 2, 1, 3), Cutting(0.0, fill=fill)).outside(0) for fill in ("smooth", "flat"))
        gap = np.abs(smooth - flat)[0]
        assert (gap[inside[0, 0]].max() > 0.1) == differ and gap[~inside[0, 0]].max() == 0


def test_cost(make_samples: Make) -> None:
    """As many passes as are registered, where every fill has its draw."""
    counted = Counting()
    samples = make_samples(X, [row % 2 for row in range(N)], BLOCKS, units=UNITS)
    run(samples, counted, draws=3)
    assert probes["transplant"].facts["cost"](method="", settings=SETTINGS) == (14, 0)
    assert counted.seen == 14 * N


class Counting(nn.Module):
    """Counts the images that it sees."""

    seen = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen += len(x)
        return torch.stack([x.flatten(1).sum(1), -x.flatten(1).sum(1)], 1)
