"""Blanked pairs and factors, on images whose truth is written into them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.modalities.images.probes.factor import factor
from auditor.modalities.images.probes.left_over import left_over
from auditor.models.classifier import wrap
from auditor.probes import Bench, Row
from auditor.samples.samples import Samples

Make = Callable[..., Samples]
N = 24
Y = [row % 2 for row in range(N)]
SITE = ["north" if row % 4 < 2 else "south" for row in range(N)]
INSIDE = np.zeros((N, 1, 8, 8), dtype=bool)
for _row in range(N):
    INSIDE[_row, 0, 2 + _row % 2 : 4 + _row % 2, 2:5] = True


class Reader(nn.Module):
    """Evidence for class 1 is a weighted sum of the pixels."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.weights = torch.from_numpy(weights.astype(np.float32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = ((x - 0.5) * self.weights).flatten(1).sum(1)
        return torch.stack([-total, total], 1)


def measured(probe: Callable[..., list[Row]], samples: Samples, weights: np.ndarray, **settings: object) -> list[Row]:
    bench = Bench(wrap(Reader(weights), ["a", "b"]), samples, lambda name: None, batch_size=5)
    trial = Trial(
        probe.__name__,
        settings={"guard": 0.0, "blend": 0.0, "pairs": 3, "column": "site", "fill": "smooth", **settings},
        seed=1,
    )
    return probe(bench, trial, samples.load(range(len(samples))))


def painted(inside: list[float], outside: list[float], mask: np.ndarray = INSIDE) -> np.ndarray:
    """Return images with one value inside and one outside each."""
    values = [np.asarray(part)[:, None, None, None] for part in (inside, outside)]
    return np.where(mask, *values).astype(np.float32)


CLASSED = [0.8 if label else 0.2 for label in Y]
CENTRE = INSIDE.any(0)


def test_nothing_is_left_of_a_class_that_is_inside_alone(make_samples: Make) -> None:
    for row in measured(left_over, make_samples(painted(CLASSED, [0.5] * N), Y, INSIDE), np.ones((1, 8, 8))):
        assert (row.values["lead/smooth"], row.values["lead/flat"]) == (
            pytest.approx(0, abs=1e-4),
            pytest.approx(0, abs=1e-4),
        )


def test_what_is_left_outside_in_closed_form(make_samples: Make) -> None:
    """Blanked images are plain in their outside's value, 0.3 above or below the middle: log odds of 2 x 0.3 per pixel,
    the partner's the other way.
    """
    samples = make_samples(painted([0.5] * N, CLASSED), Y, INSIDE)
    for row, name in zip(measured(left_over, samples, np.ones((1, 8, 8))), samples.ids, strict=True):
        assert row.values["lead/smooth"] == pytest.approx(64 * 1.2, rel=1e-4)
        assert row.values["lead/flat"] == pytest.approx(row.values["lead/smooth"], rel=1e-3)
        partner = int(row.values["partner"])
        assert Y[partner] != Y[samples.index()[name]]
        assert row.values["hole"] == pytest.approx((INSIDE[partner] | INSIDE[samples.index()[name]]).mean())


def test_the_mask_alone_is_read_where_the_class_is_inside(make_samples: Make) -> None:
    within, around = (
        measured(left_over, make_samples(painted(*values), Y, INSIDE), np.ones((1, 8, 8)))
        for values in ((CLASSED, [0.5] * N), ([0.6] * N, CLASSED))
    )
    assert [row.values["kept"] for row in within] == Y
    assert {row.values["kept"] for row in around} == {1.0}


def test_a_sample_without_mask_is_blanked_like_its_partner(make_samples: Make) -> None:
    mask = INSIDE.copy()
    mask[[row for row in range(N) if Y[row] == 0]] = False
    rows = measured(left_over, make_samples(painted(CLASSED, [0.5] * N, mask), Y, mask), np.ones((1, 8, 8)))
    for row, label in zip(rows, Y, strict=True):
        assert (
            row.missing is None
            and row.values["hole"] == pytest.approx(6 / 64)
            and ("kept" in row.values) == (label == 1)
        )


def test_why_a_pair_cannot_be_blanked(make_samples: Make) -> None:
    x = painted(CLASSED, [0.5] * N)
    for y, mask, why in (
        (Y, np.zeros_like(INSIDE), "nothing to blank"),
        (Y, np.ones_like(INSIDE), "nothing outside"),
        ([0] * N, INSIDE, "no sample of another class"),
    ):
        assert all(
            why in (row.missing.reason if row.missing else "")
            for row in measured(left_over, make_samples(x, y, mask), np.ones((1, 8, 8)))
        )


def test_a_factor_is_weighed_at_the_same_class(make_samples: Make) -> None:
    """The outside shows the site alone: each pair's margins differ by the sites' difference, whatever the classes
    are.
    """
    samples = make_samples(
        painted(CLASSED, [0.7 if site == "north" else 0.4 for site in SITE]), Y, INSIDE, factors={"site": SITE}
    )
    outside = np.zeros((1, 8, 8))
    outside[0, 6:] = 1.0  # no mask reaches there
    for row, label, name in zip(measured(factor, samples, outside), Y, samples.ids, strict=True):
        for pair in range(3):
            p, q = int(row.values[f"p/{pair}"]), int(row.values[f"q/{pair}"])
            assert {SITE[p], SITE[q]} == {"north", "south"} and Y[p] == Y[q] == label
            assert len({samples.units[place] for place in (p, q, samples.index()[name])}) == 3
            towards = (1 if label else -1) * (1 if SITE[p] == "north" else -1)
            assert row.values[f"P/{pair}"] - row.values[f"Q/{pair}"] == pytest.approx(towards * 2 * 16 * 0.3, rel=1e-4)


def test_a_factor_that_goes_with_the_class_cannot_be_told_from_it(make_samples: Make) -> None:
    site = ["north" if label else "south" for label in Y]
    rows = measured(
        factor, make_samples(painted(CLASSED, CLASSED), Y, INSIDE, factors={"site": site}), np.ones((1, 8, 8))
    )
    assert {row.missing for row in rows} == {
        Missing.not_applicable("its class has not two values of 'site' in different other units")
    }


def test_unknown_values_give_nothing(make_samples: Make) -> None:
    site = ["" if row % 3 else one for row, one in enumerate(SITE)]
    rows = measured(
        factor, make_samples(painted(CLASSED, CLASSED), Y, INSIDE, factors={"site": site}), np.ones((1, 8, 8))
    )
    given_by = {int(value) for row in rows for key, value in row.values.items() if key[0] in "pq"}
    assert given_by and all(site[place] for place in given_by)
