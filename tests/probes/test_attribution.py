"""The attribution probe on a linear model, whose saliency map never moves."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from auditor.core.records import Trial
from auditor.modalities.images.probes.attribution import partners
from auditor.models.classifier import wrap
from auditor.probes import Bench, probes
from auditor.samples.samples import Samples

N = 12
TRIAL = Trial(
    "attribution", "saliency", {}, "", {"norm": "linf", "epsilon": 0.01, "guard": 0.0}, 0, samples=N, keep=True
)


@pytest.fixture
def bench(make_samples: Callable[..., Samples]) -> Bench:
    x = np.random.default_rng(0).random((N, 1, 8, 8)).astype(np.float32)
    inside = np.zeros((N, 1, 8, 8), dtype=bool)
    inside[1:, :, 2:4, 2:6] = True
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    y = module(torch.from_numpy(x)).argmax(1).tolist()
    samples = make_samples(x, y, inside, units=[f"u{row // 2}" for row in range(N)])
    return Bench(
        wrap(module, ["a", "b"]),
        samples,
        lambda name: {"adversarial": 1 - x[int(name[1:])]} if name in ("s002", "s003") else None,
    )


def test_what_a_row_says(bench: Bench) -> None:
    weight = bench.classifier.module[1].weight.detach().abs().view(2, 8, 8).numpy()  # type: ignore[attr-defined]
    rows = probes["attribution"].make(bench, TRIAL, bench.samples.load(range(N)))
    predicted = bench.classifier.logits(bench.samples.load(range(N)).x).argmax(1)
    for place, row in enumerate(rows):
        mass = weight[predicted[place]].astype(float)
        assert row.missing is None and row.values["correct"] == 1
        assert ("area" in row.values) == (place != 0), "a sample with an empty mask has no agreement"
        if place:
            assert row.values["area"] == 0.125 and row.values["inside"] == pytest.approx(
                mass[2:4, 2:6].sum() / mass.sum(), abs=1e-5
            )
        if "noise/rank" in row.values:
            assert row.values["noise/rank"] == pytest.approx(1.0) and row.values["noise/structure"] == pytest.approx(
                1.0
            )
        assert ("attack/rank" in row.values) == (place in (2, 3)) == (row.arrays is not None)


def test_rows_do_not_depend_on_the_chunk(bench: Bench) -> None:
    whole = probes["attribution"].make(bench, TRIAL, bench.samples.load(range(N)))
    (alone,) = probes["attribution"].make(bench, TRIAL, bench.samples.load([7]))
    assert alone.values == pytest.approx(whole[7].values, abs=1e-5)


def test_partners_share_the_class_and_not_the_unit(bench: Bench) -> None:
    samples, chunk = bench.samples, bench.samples.load(range(N))
    images, known = partners(TRIAL, chunk, samples)
    for row in range(N):
        if known[row]:
            partner = next(place for place in range(N) if torch.equal(images[row], chunk.x[place]))
            assert samples.y[partner] == samples.y[row] and samples.units[partner] != samples.units[row]
