"""Universal perturbations against linear classifiers whose best one is known in closed form, and the rule that nobody
is judged by what was fitted on them.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from auditor.checks.fairness.held_out import REFITTED
from auditor.checks.fairness.targeted_harm import HarmAim, harm_trials, judge_harm
from auditor.core.displays import Null, Rows, of_kind
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing
from auditor.core.records import Finding, Observation, Observations, Trial
from auditor.models.classifier import wrap
from auditor.probes import Bench, Row, probes
from auditor.samples.samples import Samples
from auditor.stats.grouping import Attribute, dealt

N, SIDE, EPSILON = 160, 6, 0.04
ATTRIBUTE = Attribute(("style",))
SETTINGS = {
    "attribute": ATTRIBUTE.as_dict(),
    "names": ["a", "b"],
    "steps": 12,
    "batch": 16,
    "starts": 2,
    "most": 512,
    "exchange": 0,
}
FIT = Trial(
    "universal", "", SETTINGS, "everywhere", {"norm": "linf", "epsilon": EPSILON, "guard": 0.0}, 0, samples=1, keep=True
)
JUDGE = Trial("aimed", "", SETTINGS, "everywhere", FIT.threat, 0, source=FIT)


class Gated(nn.Module):
    """Reads the upper rows of samples with a dark corner and the lower rows of the others; ungated it reads the upper
    rows of all.
    """

    def __init__(self, *, gated: bool = True) -> None:
        super().__init__()
        self.gated = gated
        rng = torch.Generator().manual_seed(0)
        self.weight = torch.randn(2, SIDE, SIDE, generator=rng)
        self.weight[0, SIDE // 2 :], self.weight[1, : SIDE // 2] = 0, 0
        self.weight[:, 0, 0] = 0
        self.weight /= self.weight.abs().sum((1, 2), keepdim=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        which = (x[:, 0, 0, 0] > 0.5).long() if self.gated else torch.zeros(len(x), dtype=torch.long, device=x.device)
        score = ((x[:, 0] - 0.5) * self.weight[which]).sum((1, 2))
        return torch.stack([-score, score], 1)


def planted(
    make_samples: Callable[..., Samples],
    module: Gated,
    *,
    levels: int | None = None,
    seed: int = 0,
    n: int = N,
    **more: Any,
) -> Bench:
    """Return a bench of n samples in two styles and two classes, every fifth classified wrongly, with margins from 0 to
    twice the budget.
    """
    rng = np.random.default_rng(seed)
    style, sign = np.arange(n) % 2, np.where(np.arange(n) // 2 % 2, 1.0, -1.0)
    weight = module.weight.numpy()
    x = rng.uniform(0.4, 0.6, (n, 1, SIDE, SIDE))
    x[:, 0, 0, 0] = np.where(style == 1, 0.9, 0.1)
    read = weight[style] if module.gated else weight[np.zeros(n, dtype=int)]
    wanted = sign * rng.uniform(0, 2 * EPSILON, n)
    x[:, 0] += ((wanted - ((x[:, 0] - 0.5) * read).sum((1, 2))) / (read**2).sum((1, 2)))[:, None, None] * read
    x = np.clip(x, 0, 1) if levels is None else np.round(np.clip(x, 0, 1) * levels) / levels
    y = np.where(np.arange(n) % 5 == 4, sign < 0, sign > 0).astype(int)
    inside = np.zeros((n, 1, SIDE, SIDE), dtype=bool)
    inside[:, :, :, SIDE // 2 :] = True
    groups = more.pop("groups", {"style": ["ab"[one] for one in style]})
    samples = make_samples(x.astype(np.float32), y.tolist(), inside, levels=levels, groups=groups, **more)
    return Bench(wrap(module, ["a", "b"]), samples, lambda name: None, batch_size=16)


def fitted(bench: Bench, trial: Trial = FIT) -> Row:
    with torch.no_grad():
        (row,) = probes["universal"].make(bench, trial, bench.samples.load([0]))
    return row


def judged(bench: Bench, fit: Row, trial: Trial = JUDGE, rows: range | None = None) -> list[Row]:
    with torch.no_grad():
        return probes["aimed"].make(
            replace(bench, source=lambda name: None if name else fit.arrays),
            trial,
            bench.samples.load(range(len(bench.samples)) if rows is None else rows),
        )


def margins(bench: Bench) -> NDArray[np.float64]:
    """Return how far each sample's score is on its own side (N,), in the units that a shift of every value by epsilon
    moves by epsilon.
    """
    chunk = bench.samples.load(range(N))
    logits = bench.classifier.logits(chunk.x).detach().double()
    return np.asarray((logits[:, 1] - logits[:, 0]) / 2 * (2 * chunk.y - 1))


def best_share(bench: Bench, chosen: NDArray[np.bool_], reach: float) -> float:
    """Return the largest share of the chosen samples that one shift of the score flips: it goes one way, so it flips
    one class.
    """
    edge, y = margins(bench), np.array(bench.samples.y)
    chosen = chosen & (edge > 0)
    return max(float((chosen & (y == label) & (edge < reach)).sum()) for label in (0, 1)) / chosen.sum()


@pytest.mark.parametrize("zone", ["everywhere", "inside"])
@pytest.mark.parametrize("gated", [True, False])
def test_a_fit_is_as_good_as_any_perturbation_can_be(
    make_samples: Callable[..., Samples], gated: bool, zone: str
) -> None:
    bench = planted(make_samples, Gated(gated=gated))
    row = fitted(bench, replace(FIT, zone=zone))
    groups, half = dealt(ATTRIBUTE, bench.samples, zone, seed=0)
    weight = bench.classifier.module.weight.numpy()  # type: ignore[attr-defined]
    for place, name in enumerate("ab"):
        read = weight[place if gated else 0]
        reach = EPSILON * np.abs(read if zone == "everywhere" else read[:, SIDE // 2 :]).sum()
        for side in (0, 1):
            mine = (np.array(groups) == name) & (half == side)
            assert row.values[f"samples/{place}/{side}"] == (mine & (margins(bench) > 0)).sum()
            assert row.values[f"success/{place}/{side}"] == pytest.approx(best_share(bench, mine, reach), abs=1e-9)
            found = row.arrays[f"{place}/{side}"] if row.arrays else np.zeros(0)
            assert np.abs(found).max() <= EPSILON * (1 + 1e-6) and (
                zone == "everywhere" or not found[:, :, : SIDE // 2].any()
            )


def test_harm_aimed_at_one_style_spares_the_other(make_samples: Callable[..., Samples]) -> None:
    bench = planted(make_samples, Gated())
    rows = judged(bench, fitted(bench))
    shares = np.array(
        [
            [
                np.mean([row.values[f"fooled/{place}"] for row in rows[style::2] if row.values["correct"]])
                for style in (0, 1)
            ]
            for place in (0, 1)
        ]
    )
    assert shares.diagonal().min() > 0.2 and shares[0, 1] == shares[1, 0] == 0
    for row, edge in zip(rows, margins(bench), strict=True):
        assert row.values["correct"] == (edge > 0) and (row.allowed is True) == (edge > 0)
        assert edge <= 0 or row.values["forwards"] == 3


@pytest.mark.slow
def test_nobody_is_judged_by_what_was_fitted_on_their_unit(make_samples: Callable[..., Samples]) -> None:
    loaded: list[int] = []
    units = [f"p{row // 8}" for row in range(N)]
    bench = planted(make_samples, Gated(), units=units, loaded=loaded, cache_bytes=0)
    _, half = dealt(ATTRIBUTE, bench.samples, "everywhere", seed=0)
    assert all(len(set(half[np.array(units) == unit])) == 1 for unit in units) and 0 < half.mean() < 1
    arrays = fitted(bench).arrays
    assert arrays is not None and np.array_equal(arrays["half"], half)
    marked = {
        **arrays,
        **{f"{place}/{side}": np.zeros_like(arrays["0/0"]) for place in (0, 1) for side in (0, 1)},
        "0/0": arrays["0/0"],
    }
    for row, side in zip(judged(bench, Row(arrays=marked)), half, strict=True):
        assert side == 1 or not any(value for name, value in row.values.items() if name.startswith("fooled/"))
    for side in (0, 1):  # what the other half looks like is of no matter to a fit
        other = planted(make_samples, Gated(), units=units)
        x = other.samples.load(range(N)).x.numpy().copy()
        x[half != side] = np.random.default_rng(9).random((int((half != side).sum()), 1, SIDE, SIDE))
        moved = make_samples(x, other.samples.y, np.ones_like(x, dtype=bool), units=units, groups=other.samples.groups)
        again = fitted(replace(other, samples=moved)).arrays
        assert again is not None and all(
            np.array_equal(again[f"{place}/{side}"], arrays[f"{place}/{side}"]) for place in (0, 1)
        )
        assert not all(np.array_equal(again[f"{place}/{1 - side}"], arrays[f"{place}/{1 - side}"]) for place in (0, 1))


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
def test_outside_the_zone_nothing_changes(
    make_samples: Callable[..., Samples], monkeypatch: pytest.MonkeyPatch, norm: str
) -> None:
    """Whatever an artefact holds: the perturbation is far too large and covers every value."""
    threat = {"norm": norm, "epsilon": {"linf": EPSILON, "l2": 0.15, "l1": 0.4, "l0": 2}[norm], "guard": 0.0}
    bench, trial = planted(make_samples, Gated(), levels=255), replace(FIT, zone="inside", threat=threat)
    shown: list[torch.Tensor] = []
    arrays = dict(fitted(bench, trial).arrays or {})
    rows = judged(bench, Row(arrays=arrays), replace(JUDGE, zone="inside", threat=threat, source=trial))
    assert {row.allowed for row in rows} == {True, None} and sum(row.values.get("fooled/0", 0) for row in rows) > 0
    arrays |= {name: np.full((1, SIDE, SIDE), 0.7, np.float32) for name in arrays if name != "half"}
    original = bench.classifier.logits
    monkeypatch.setattr(bench.classifier, "logits", lambda x: shown.append(x.clone()) or original(x))
    large = judged(bench, Row(arrays=arrays), replace(JUDGE, zone="inside", threat=threat, source=trial), range(16))
    assert {row.allowed for row in large} == {True, None}
    x0 = bench.samples.load(range(16)).x
    for x in torch.cat(shown[1:]):
        assert any(torch.equal(x[..., : SIDE // 2], one[..., : SIDE // 2]) for one in x0)
        assert torch.allclose(x.double() * 255, (x.double() * 255).round(), atol=1e-4)


def test_a_point_that_is_not_allowed_flips_nothing(
    make_samples: Callable[..., Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = planted(make_samples, Gated())
    fit = fitted(bench)
    monkeypatch.setattr("auditor.probes.universal.moved", lambda x0, *_, **__: 1 - x0)
    attacked = [row for row in judged(bench, fit) if row.values["correct"]]
    assert attacked and all(
        row.allowed is False and row.values["fooled/0"] == row.values["fooled/1"] == 0 for row in attacked
    )


@pytest.mark.slow
def test_neither_batch_nor_chunk_nor_repetition_matters(make_samples: Callable[..., Samples]) -> None:
    bench = planted(make_samples, Gated())
    first, second = fitted(bench), fitted(replace(bench, batch_size=5))
    assert first.values == second.values and first.arrays is not None and second.arrays is not None
    assert all(np.array_equal(first.arrays[name], second.arrays[name]) for name in first.arrays)
    whole, part = judged(bench, first), judged(replace(bench, batch_size=3), first, rows=range(40, 51))
    assert [row.values for row in whole[40:51]] == [row.values for row in part]


@pytest.mark.slow
def test_the_cost_is_what_was_promised_at_most(make_samples: Callable[..., Samples]) -> None:
    bench = planted(make_samples, Gated())
    for settings in (SETTINGS, {**SETTINGS, "most": 10, "batch": 4}):
        row = fitted(bench, replace(FIT, settings=settings))
        forwards, backwards = probes["universal"].facts["cost"](method="", settings=settings)
        assert 0 < row.values["forwards"] <= forwards and 0 < row.values["backwards"] <= backwards
        assert row.values["samples/0/0"] <= settings["most"]
    assert probes["aimed"].facts["cost"](method="", settings=SETTINGS) == (3, 0)


def test_who_cannot_be_judged_says_why(make_samples: Callable[..., Samples]) -> None:
    styles = ["a" if row % 2 == 0 else "b" if row < 60 else "" for row in range(N)]
    bench = planted(make_samples, Gated(), groups={"style": styles})
    rows = judged(bench, fitted(bench))
    assert {row.missing for row, style in zip(rows, styles, strict=True) if not style} == {
        Missing.not_applicable("its group is unknown")
    }
    assert all(row.missing is None for row, style in zip(rows, styles, strict=True) if style)
    nothing = judged(replace(bench), Row())
    assert {row.missing for row in nothing} == {Missing.not_applicable("no perturbation was fitted on another half")}
    none = fitted(bench, replace(FIT, settings={**SETTINGS, "names": ["c", "a"]}))
    assert none.arrays is not None and sorted(none.arrays) == ["1/0", "1/1", "half"]
    assert all("fooled/0" not in row.values for row in judged(bench, none))


def test_samples_without_the_zone_are_not_fitted_on(make_samples: Callable[..., Samples]) -> None:
    bench = planted(make_samples, Gated())
    bench = replace(
        bench, samples=replace(bench.samples, mask_share=tuple(None if row < 100 else 0.5 for row in range(N)))
    )
    row = fitted(bench, replace(FIT, zone="outside"))
    assert row.arrays is not None and (row.arrays["half"][:100] == -1).all() and (row.arrays["half"][100:] >= 0).all()
    assert (
        sum(row.values[f"samples/{place}/{side}"] for place in (0, 1) for side in (0, 1))
        == (margins(bench)[100:] > 0).sum()
    )


def test_exchanged_labels_are_fitted_on_other_groups(make_samples: Callable[..., Samples]) -> None:
    bench = planted(make_samples, Gated())
    settings = {**SETTINGS, "exchange": 1}
    rows = judged(bench, fitted(bench, replace(FIT, settings=settings)), replace(JUDGE, settings=settings))
    groups = dealt(ATTRIBUTE, bench.samples, "everywhere", seed=0, exchange=1)[0]
    assert sorted(groups) == sorted(bench.samples.groups["style"]) and groups != bench.samples.groups["style"]
    own = [
        np.mean(
            [
                row.values[f"fooled/{place}"]
                for row, one in zip(rows, groups, strict=True)
                if row.values["correct"] and one == name
            ]
        )
        for place, name in enumerate("ab")
    ]
    assert max(own) < 0.45


def finding_of(bench: Bench, seed: int, **settings: Any) -> Finding:
    """Return the finding of one audit, its trials measured here."""
    samples = bench.samples
    known = {
        name: getattr(samples, name) for name in ("ids", "y", "units", "groups", "mask_share", "low", "high", "levels")
    }
    offers, budget = (
        ("gradient", "labels", "scores"),
        {"norm": "linf", "epsilons": (EPSILON,), "primary": EPSILON, "guard": 0.0},
    )
    facts = Facts(
        classes=("a", "b"),
        offers=offers,
        modality="image",
        attack="pgd",
        attack_settings={},
        seed=seed,
        **known,
        **budget,
    )
    settings = {"zone": "everywhere", "minimum_group": 30, **settings}
    table: dict[str, dict[str, Observation]] = {}
    trials = harm_trials(facts, ATTRIBUTE, HarmAim(**settings))
    for fit, judge in zip(trials[::2], trials[1::2], strict=True):
        row = fitted(bench, fit)
        table[fit.key("")] = {samples.ids[0]: Observation("", samples.ids[0], row.values)}
        rows = zip(samples.ids, judged(bench, row, judge), strict=True)
        table[judge.key("")] = {
            name: Observation("", name, one.values, one.allowed, missing=one.missing) for name, one in rows
        }
    return judge_harm(
        facts, Observations("", lambda key: table[key]), ATTRIBUTE, tolerance=0.1, aim=HarmAim(**settings)
    )


@pytest.mark.slow
def test_the_planted_defect_is_named_and_its_twin_is_not_accused(
    make_samples: Callable[..., Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditor.checks.fairness.held_out.DRAWS", 400)
    monkeypatch.setattr(
        "auditor.checks.fairness.targeted_harm.FIT", {"steps": 6, "batch": 32, "starts": 2, "most": 512}
    )
    twins = [finding_of(planted(make_samples, Gated(gated=False), seed=seed), seed) for seed in range(20)]
    excess = [found.estimate for found in twins if found.estimate is not None]
    assert {found.verdict for found in twins} <= {"pass", "inconclusive"} and len(excess) == 20
    assert sum(one.low > 0 for one in excess) <= 3 and np.mean([one.value for one in excess]) < 0.1
    for seed in range(3):
        found = finding_of(planted(make_samples, Gated(), seed=seed, n=2 * N), seed)
        assert found.verdict == "fail" and of_kind(found.displays, Null)[0].p < 0.01
        rows = [row for role in ("excess", "aimed") for row in of_kind(found.displays, Rows, role)[0].rows]
        assert rows and all(row.estimate and row.estimate.low > 0 for row in rows)
    found = finding_of(planted(make_samples, Gated()), 0, refits=9)
    assert of_kind(found.displays, Null) == [Null(method=REFITTED, permutations=9, p=0.1)]
