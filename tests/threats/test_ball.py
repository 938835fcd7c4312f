"""The ball: every verb's promises, for random zones, boxes, norms and types."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from auditor.core.errors import AuditorError
from auditor.core.seeds import RowGenerators
from auditor.threats.norms import NORMS_BY_NAME
from auditor.threats.threat import Threat

SIZES = {
    "linf": lambda d: np.abs(d).max(),
    "l2": lambda d: np.sqrt((d**2).sum()),
    "l1": lambda d: np.abs(d).sum(),
    "l0": np.count_nonzero,
}
"""Each norm by its definition (numpy, float64); a new norm adds a row."""
SHRINKS = {
    "linf": lambda d, t: np.sign(d) * np.minimum(np.abs(d), np.abs(d).max(initial=0) * (1 - t)),
    "l2": lambda d, t: (1 - t) * d,
    "l1": lambda d, t: np.sign(d) * np.maximum(np.abs(d) - t * np.abs(d).max(initial=0), 0),
    "l0": None,
}
"""Each norm's path of nearest points without a box: d at t = 0, 0 at t = 1; none for counts, which have no such path.
"""
CONVEX = [norm for norm, path in SHRINKS.items() if path]


def test_every_norm_has_a_row() -> None:
    assert set(SIZES) == set(NORMS_BY_NAME) == set(SHRINKS)


@dataclass
class Case:
    norm: str
    threat: Threat
    zone: Tensor
    low: Tensor
    high: Tensor
    x0: Tensor
    x: Tensor
    epsilon: float

    @property
    def rough(self) -> float:
        """Return what rounding may cost: a few last digits of the largest value."""
        return (
            40
            * torch.finfo(self.x0.dtype).eps
            * float(max(self.x0.abs().max(), self.low.abs().max(), self.high.abs().max(), 1))
        )


def build(seed: int, *, norm: str, dtype: torch.dtype, zone: str, box: str, epsilon: float, reach: float) -> Case:
    rng = torch.Generator().manual_seed(seed)
    shape = (3, 2, 3, 3)

    def draw() -> Tensor:
        return torch.rand(shape, generator=rng, dtype=dtype)

    low, high = {"unit": (0.0, 1.0), "wide": (-3.0, 300.0), "element-wise": (draw() - 1, draw())}[box]
    full_low, full_high = (torch.as_tensor(part, dtype=dtype).expand(shape) for part in (low, high))
    share = (1.5 * draw() - 0.25).clamp(0, 1)  # a third of the values lie exactly on an edge of the box
    x0 = torch.minimum(torch.maximum(full_low + share * (full_high - full_low), full_low), full_high)
    masks = {
        "none": None,
        "random": draw() < 0.5,
        "empty": torch.zeros(shape, dtype=torch.bool),
        "shared": (draw() < 0.5)[:1, :1],
    }
    chosen = masks[zone]
    x = x0 + reach * torch.randn(shape, generator=rng, dtype=dtype)
    threat = Threat.ball(norm, chosen, low, high)
    every = torch.ones(shape, dtype=torch.bool) if chosen is None else chosen.expand(shape)
    return Case(norm, threat.over(x0), every, full_low, full_high, x0, x, epsilon)


cases = st.builds(
    build,
    st.integers(0, 2**31),
    norm=st.sampled_from(sorted(NORMS_BY_NAME)),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    zone=st.sampled_from(["none", "random", "empty", "shared"]),
    box=st.sampled_from(["unit", "wide", "element-wise"]),
    epsilon=st.sampled_from([1e-6, 1 / 255, 0.1, 1.0, 4.5, 1e3]),
    reach=st.sampled_from([0.0, 1e-7, 1e-2, 1.0, 1e4]),
)


def same_bits(a: Tensor, b: Tensor) -> bool:
    return a.contiguous().numpy().tobytes() == b.contiguous().numpy().tobytes()


def nearest_slowly(case: Case, row: int) -> np.ndarray:
    """Return the nearest allowed point of a row: the box's point on the norm's path, by bisection; for counts, the
    costliest to drop.
    """
    x0, x, zone = (part[row].double().numpy() for part in (case.x0, case.x, case.zone))
    low, high = (np.where(zone > 0, part[row].double().numpy() - x0, 0) for part in (case.low, case.high))
    d = np.where(zone > 0, x - x0, 0)
    size, path = SIZES[case.norm], SHRINKS[case.norm]
    if size(np.clip(d, low, high)) <= case.epsilon:
        return x0 + np.clip(d, low, high)
    if path is None:
        cost = (d**2 - (d - np.clip(d, low, high)) ** 2).flatten()
        kept = np.isin(np.arange(d.size), np.argsort(-cost, kind="stable")[: int(case.epsilon)]).reshape(d.shape)
        return x0 + np.clip(d, low, high) * kept
    bottom, top = 0.0, 1.0
    for _ in range(200):
        middle = (bottom + top) / 2
        bottom, top = (bottom, middle) if size(np.clip(path(d, middle), low, high)) <= case.epsilon else (middle, top)
    return x0 + np.clip(path(d, top), low, high)


@given(cases)
def test_a_projected_point_is_allowed(case: Case) -> None:
    point = case.threat.project(case.x, case.x0, case.epsilon)
    assert point.dtype == case.x0.dtype
    assert case.threat.allows(point, case.x0, case.epsilon).all()
    assert ((point >= case.low) & (point <= case.high)).all()
    for row in range(len(point)):
        assert (
            SIZES[case.norm]((point[row].double() - case.x0[row].double()).numpy())
            <= case.epsilon * (1 + 1e-5) + 10 * case.rough
        )


@given(cases)
def test_outside_the_zone_nothing_changes_bit_for_bit(case: Case) -> None:
    started = case.threat.start(case.x0, RowGenerators.of(0, 3), case.epsilon)
    for point in (case.threat.project(case.x, case.x0, case.epsilon), started):
        assert same_bits(point[~case.zone], case.x0[~case.zone])


@given(cases)
def test_projecting_twice_is_projecting_once(case: Case) -> None:
    once = case.threat.project(case.x, case.x0, case.epsilon)
    twice = case.threat.project(once, case.x0, case.epsilon)
    assert (twice - once).abs().max() <= case.rough
    assert same_bits(twice[~case.zone], once[~case.zone])


@given(cases)
def test_an_allowed_point_stays_where_it_is(case: Case) -> None:
    inner = case.x0 + 0.5 * (case.threat.project(case.x, case.x0, case.epsilon) - case.x0)
    assert (case.threat.project(inner, case.x0, case.epsilon) - inner).abs().max() <= case.rough
    assert same_bits(case.threat.project(case.x0, case.x0, case.epsilon), case.x0)


@given(cases)
def test_the_projection_is_the_nearest_point(case: Case) -> None:
    point = case.threat.project(case.x, case.x0, case.epsilon)
    for row in range(len(point)):
        exact, found, x = nearest_slowly(case, row), point[row].double().numpy(), case.x[row].double().numpy()
        if case.norm == "l0":  # equally near points are equally good
            assert np.linalg.norm(found - x) <= np.linalg.norm(exact - x) + 1e-5 + case.rough
        else:
            assert np.abs(found - exact).max() <= 1e-5 + case.rough


def onto_ball(d: np.ndarray, norm: str, epsilon: float) -> np.ndarray:
    """Return the nearest point of a ball without a box: l2 scales, l1 lowers every size by one threshold, found among
    the sorted sizes.
    """
    if SIZES[norm](d) <= epsilon:
        return d
    if norm == "l2":
        return d * epsilon / SIZES[norm](d)
    sizes = np.sort(np.abs(d))[::-1]
    thresholds = (np.cumsum(sizes) - epsilon) / np.arange(1, len(sizes) + 1)
    threshold = thresholds[np.flatnonzero(sizes > thresholds)[-1]]
    return np.sign(d) * np.maximum(np.abs(d) - threshold, 0)


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("seed", range(6))
def test_the_projection_agrees_with_alternating_projections(norm: str, seed: int) -> None:
    """Dykstra's algorithm (Boyle and Dykstra 1986) knows the box and the ball only one at a time; it converges to the
    nearest point of both.
    """
    case = build(seed, norm=norm, dtype=torch.float64, zone="random", box="element-wise", epsilon=0.7, reach=1.0)
    point = case.threat.project(case.x, case.x0, case.epsilon)[0].flatten().numpy()
    x0, x, zone, low, high = (
        part[0].flatten().double().numpy() for part in (case.x0, case.x, case.zone, case.low, case.high)
    )
    floor, roof = (np.where(zone > 0, part - x0, 0) for part in (low, high))
    wanted = np.where(zone > 0, x - x0, 0)
    found, left_by_box, left_by_ball = wanted, np.zeros_like(wanted), np.zeros_like(wanted)
    for _ in range(2000):
        boxed = np.clip(found + left_by_box, floor, roof)
        left_by_box = found + left_by_box - boxed
        found = onto_ball(boxed + left_by_ball, norm, case.epsilon)
        left_by_ball = boxed + left_by_ball - found
    assert np.abs(found - boxed).max() < 1e-7, "the alternation has converged"
    assert SIZES[norm](np.clip(wanted, floor, roof)) > case.epsilon, "the ball binds, not the box alone"
    assert np.abs(point - x0 - found).max() < 1e-6


@pytest.mark.slow
@given(cases)
def test_a_start_is_allowed_and_drawn_per_row(case: Case) -> None:
    first = case.threat.start(case.x0, RowGenerators.of([5, 6, 7], 3), case.epsilon)
    assert case.threat.allows(first, case.x0, case.epsilon).all()
    last = case.threat.take(torch.tensor([2])).start(case.x0[2:], RowGenerators.of([7], 1), case.epsilon)
    assert (first[2:] - last).abs().max() <= case.rough


@pytest.mark.parametrize("norm", CONVEX)
def test_starts_fill_the_ball(norm: str) -> None:
    x0 = torch.zeros(400, 3, dtype=torch.float64)
    points = Threat.ball(norm, low=-9.0, high=9.0).over(x0).start(x0, RowGenerators.of(0, 400), 2.0)
    sizes = Threat.ball(norm, low=-9.0, high=9.0).size(points, x0)
    assert sizes.max() <= 2 and sizes.max() > 1.9
    assert abs(float((sizes / 2).pow(3).mean()) - 0.5) < 0.05  # size / epsilon is distributed as u^(1/3) in every ball
    assert points.mean(0).abs().max() < 0.2


@given(cases)
def test_a_step_has_its_length_and_stays_in_the_zone(case: Case) -> None:
    gradient = torch.randn(case.x0.shape, generator=torch.Generator().manual_seed(1), dtype=case.x0.dtype)
    gradient[~case.zone] = float("inf")
    moved = case.threat.step(case.x0, gradient, case.x0, 0.25)
    assert same_bits(moved[~case.zone], case.x0[~case.zone])
    for row in range(3):
        outward = torch.where(gradient > 0, case.x0 >= case.high, case.x0 <= case.low)[row]
        anywhere = case.zone[row].any() if case.norm in ("linf", "l2") else (case.zone[row] & ~outward).any()
        wanted = (1.0 if case.norm == "l0" else 0.25) if anywhere else 0.0
        assert abs(SIZES[case.norm]((moved[row] - case.x0[row]).double().numpy()) - wanted) < 10 * case.rough
        assert ((moved[row] - case.x0[row]) * torch.where(case.zone, gradient, 0.0)[row])[case.zone[row]].sum() >= 0


@pytest.mark.parametrize("norm", sorted(NORMS_BY_NAME))
@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1.0, 1e30])
def test_the_scale_of_a_gradient_is_irrelevant(norm: str, scale: float) -> None:
    x0, gradient = torch.zeros(1, 2), torch.tensor([[1.0, -2.0]])
    threat = Threat.ball(norm, low=-1.0).over(x0)
    assert torch.allclose(threat.step(x0, gradient * scale, x0, 0.5), threat.step(x0, gradient, x0, 0.5), atol=0.02)


@given(cases)
def test_size_is_the_norm(case: Case) -> None:
    sizes = case.threat.size(case.x, case.x0)
    for row in range(3):
        exact = SIZES[case.norm]((case.x[row] - case.x0[row]).double().numpy())
        assert abs(float(sizes[row]) - exact) <= 1e-5 * exact


@pytest.mark.parametrize("norm", CONVEX)
def test_allows_refuses_each_breach(norm: str) -> None:
    x0 = torch.full((4, 2), 0.5)
    threat = Threat.ball(norm, torch.tensor([True, False])).over(x0)
    x = x0 + torch.tensor([[0.1, 0.0], [0.0, 1e-7], [0.2, 0.0], [0.6, 0.0]])
    assert threat.allows(x, x0, torch.tensor([0.1, 0.1, 0.1, 0.7])).tolist() == [True, False, False, False]


@pytest.mark.parametrize("norm", sorted(NORMS_BY_NAME))
@pytest.mark.parametrize("x0", [0.0, 1e-42, 1 - 2**-24, 1.0])
def test_float32_corners(norm: str, x0: float) -> None:
    origin = torch.full((1, 4), x0)
    threat = Threat.ball(norm).over(origin)
    for x in (-1e30, -1.0, x0, 1e-44, 2.0, 1e30):
        for epsilon in (1e-44, 1e-8, 0.1, 1e20):
            point = threat.project(torch.full((1, 4), x), origin, epsilon)
            assert torch.isfinite(point).all()
            assert threat.allows(point, origin, epsilon).all()


@pytest.mark.parametrize("norm", sorted(NORMS_BY_NAME))
def test_epsilon_may_differ_per_row(norm: str) -> None:
    x0 = torch.zeros(3, 5, dtype=torch.float64)
    epsilon = torch.tensor([1.0, 2.0, 4.0] if norm == "l0" else [0.1, 0.2, 0.4], dtype=torch.float64)
    threat = Threat.ball(norm).over(x0)
    assert torch.allclose(threat.size(threat.project(x0 + 9, x0, epsilon), x0), epsilon)


@pytest.mark.parametrize("norm", sorted(NORMS_BY_NAME))
def test_no_rows_are_no_error(norm: str) -> None:
    x0 = torch.zeros(0, 1, 2, 2)
    threat = Threat.ball(norm).over(x0)
    assert threat.project(x0, x0, 0.1).shape == x0.shape
    assert threat.size(x0, x0).shape == threat.allows(x0, x0, 0.1).shape == (0,)


BAD = {
    "norm": (lambda: Threat.ball("l_inf"), "did you mean 'linf'"),
    "zone type": (lambda: Threat.ball(zone=torch.ones(2)), "zone of type bool, got torch.float32"),
    "zone shape": (
        lambda: Threat.ball(zone=torch.ones(3, dtype=torch.bool)).over(torch.zeros(1, 2)),
        r"inputs of shape \(1, 2\), got \[\(3,\)\]",
    ),
    "out of box": (lambda: Threat.ball().over(torch.full((1, 2), 1.5)), "between low 0 and high 1, got 1.5 to 1.5"),
    "not a number": (lambda: Threat.ball().over(torch.full((1, 2), float("nan"))), "between low 0 and high 1, got nan"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_threats_are_refused_in_one_sentence(name: str) -> None:
    make, words = BAD[name]
    with pytest.raises(AuditorError, match=words):
        make()
