"""The evasion probe: the runner, not the attack, says what was allowed and what was fooled."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from auditor.attacks import attacks
from auditor.core.outcomes import Missing, MissingKind
from auditor.core.records import Trial
from auditor.models.classifier import wrap
from auditor.probes import Bench, Row, probes
from auditor.probes.evasion import evasion, zone_of
from auditor.samples.samples import Samples

N = 30
TRIAL = Trial(
    "evasion",
    "pgd",
    attacks.bind("pgd", {"steps": 10}),
    "outside",
    {"norm": "linf", "epsilon": 4 / 255, "guard": 0.02},
    0,
    keep=True,
)
TABLE = {
    "aimed",
    "attribution",
    "clean",
    "directed",
    "evasion",
    "factor",
    "gradient",
    "left_over",
    "smallest",
    "surroundings",
    "transplant",
    "universal",
    "invariance",
    "where",
}
TABLE |= {"attribution_table", "exchange", "flip", "permuted"}
"""Every probe has tests: evasion, smallest, directed, clean and gradient here, the others in files of their own names
(left_over in test_factor.py, aimed
in test_universal.py; those of tables in test_exchange.py, test_flip.py and test_explained_rows.py)."""


def test_every_probe_has_its_tests() -> None:
    assert set(probes.names()) == TABLE


@pytest.fixture
def bench(make_samples: Callable[..., Samples]) -> Bench:
    rng = np.random.default_rng(0)
    x = (rng.integers(0, 256, (N, 1, 6, 6)) / 255).astype(np.float32)
    inside = np.zeros((N, 1, 6, 6), dtype=bool)
    inside[:, :, 2:4, 2:4] = True
    torch.manual_seed(1)
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
    y = module(torch.from_numpy(x)).argmax(1)
    y[:5] = 1 - y[:5]
    return Bench(
        wrap(module, ["a", "b"]), make_samples(x, y.tolist(), inside, levels=255), lambda name: None, batch_size=8
    )


def measured(bench: Bench, trial: Trial = TRIAL, rows: range = range(N)) -> list[Row]:
    with torch.no_grad():
        return evasion(bench, trial, bench.samples.load(rows))


@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
def test_what_is_kept_is_what_was_counted(bench: Bench, norm: str) -> None:
    epsilon = {"linf": 4 / 255, "l2": 0.3, "l1": 0.5, "l0": 1}[norm]
    trial = replace(TRIAL, threat={**TRIAL.threat, "norm": norm, "epsilon": epsilon})
    chunk = bench.samples.load(range(N))
    zone = zone_of(trial, chunk)
    found = measured(bench, trial)
    assert {row.values["fooled"] for row in found if row.values["correct"]} == {0, 1}
    for place, row in enumerate(found):
        assert (row.arrays is not None) == (row.values.get("fooled") == 1)
        if row.arrays is None:
            continue
        saved, x0 = torch.from_numpy(row.arrays["adversarial"]), chunk.x[place]
        assert torch.equal(saved[~zone[place]], x0[~zone[place]]) and row.allowed
        steps = saved.double() * 255
        assert (steps - steps.round()).abs().max() < 1e-4 and saved.min() >= 0 and saved.max() <= 1
        size = float((saved - x0).flatten().norm(p={"linf": float("inf"), "l2": 2, "l1": 1, "l0": 0}[norm]))
        assert size == pytest.approx(row.values["size"]) and size <= epsilon * (1 + 1e-5)
        file = torch.from_numpy((np.round(row.arrays["adversarial"] * 255).astype(np.uint8) / 255).astype(np.float32))
        assert torch.equal(file, saved), "what a file gives back is the very point that was tested"
        assert bench.classifier.logits(file[None]).argmax() != chunk.y[place]


def test_misclassified_samples_are_not_attacked(bench: Bench) -> None:
    for place, row in enumerate(measured(bench)):
        assert row.values["correct"] == (place >= 5)
        if place < 5:
            assert row.values == {"correct": 0} and row.allowed is None and row.arrays is None


@pytest.mark.parametrize("zone", ["outside", "control/0", "control/1", "everywhere"])
def test_rows_do_not_depend_on_the_chunk(bench: Bench, zone: str) -> None:
    trial = replace(TRIAL, zone=zone, method="random_noise", settings={"tries": 5})
    whole = measured(bench, trial)
    part = measured(bench, trial, range(10, 14))
    for one, other in zip(whole[10:14], part, strict=True):
        assert one.values == pytest.approx(other.values, abs=1e-5)


def test_a_lying_attack_is_not_believed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from auditor.attacks.attack import Adversarials

    def liar(name: str, classifier: object, x: torch.Tensor, *rest: object, **more: object) -> Adversarials:
        n = len(x)
        return Adversarials(
            1 - x, torch.ones(n, dtype=torch.bool), torch.zeros(n), torch.zeros(n), torch.zeros(n), torch.ones(n)
        )

    monkeypatch.setattr("auditor.probes.evasion.attack", liar)
    attacked = [row for row in measured(bench) if row.values["correct"]]
    assert attacked and all(
        row.values["claimed"] == 1 and row.values["fooled"] == 0 and row.allowed is False and row.arrays is None
        for row in attacked
    )


def test_a_guard_band_that_leaves_nothing_is_a_reason(bench: Bench) -> None:
    rows = measured(bench, replace(TRIAL, threat={**TRIAL.threat, "guard": 0.49}))
    assert {row.missing for row in rows} == {Missing.not_applicable("the guard band leaves nothing", "outside")}


def test_clean_answers(bench: Bench) -> None:
    chunk = bench.samples.load(range(N))
    logits = bench.classifier.logits(chunk.x).detach()
    for place, row in enumerate(probes["clean"].make(bench, Trial("clean"), chunk)):
        assert (row.values["predicted"], row.values["correct"]) == (int(logits[place].argmax()), int(place >= 5))
        assert row.values["like_probabilities"] == 0 and row.values["repeat_difference"] == 0
        assert (row.values["low"], row.values["high"]) == (float(chunk.x[place].min()), float(chunk.x[place].max()))


@pytest.mark.parametrize("statistics", ["batch", "training"])
def test_answers_that_depend_on_their_batch_are_noticed(bench: Bench, statistics: str) -> None:
    norm = nn.BatchNorm2d(1, affine=False, track_running_stats=statistics == "training")
    net = nn.Sequential(norm, nn.Flatten(), nn.LazyLinear(2)).eval()
    chunk = bench.samples.load(range(N))
    net(chunk.x)
    for batch_size in (1, 3, 64):
        asked = replace(bench, classifier=wrap(net, ["a", "b"]), batch_size=batch_size)
        rows = probes["clean"].make(asked, Trial("clean"), chunk)
        most = max(row.values["batch_difference"] for row in rows if "batch_difference" in row.values)
        assert most > 0.01 if statistics == "batch" else most < 1e-5


def test_probabilities_and_broken_answers_are_noticed(bench: Bench) -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scores = torch.softmax(x.flatten(1)[:, :2], 1)
            scores[0] = float("nan")
            return scores

    broken, *others = probes["clean"].make(
        replace(bench, classifier=wrap(Odd(), ["a", "b"]), batch_size=64), Trial("clean"), bench.samples.load(range(4))
    )
    assert (
        broken.missing is not None
        and broken.missing.kind is MissingKind.FAILED
        and all(row.values["like_probabilities"] == 1 for row in others)
    )


def test_only_what_the_source_left_standing_is_attacked(bench: Bench) -> None:
    base = replace(TRIAL, threat={**TRIAL.threat, "epsilon": 2 / 255})
    first = measured(bench, base)
    kept = {bench.samples.ids[place]: row.arrays for place, row in enumerate(first)}
    second = measured(replace(bench, source=lambda name: kept[name]), replace(TRIAL, source=base))
    fallen = [place for place, row in enumerate(first) if row.values.get("fooled")]
    standing = [place for place, row in enumerate(first) if row.values["correct"] and not row.values["fooled"]]
    assert fallen and standing
    assert all(second[place].values == {"correct": 1, "survivor": 0} for place in fallen)
    alone = measured(bench)
    for place in standing:
        assert second[place].values["survivor"] == 1 and second[place].values["fooled"] == alone[place].values["fooled"]
    assert any(second[place].values["fooled"] for place in standing), "a larger epsilon flips more"


SMALLEST = Trial(
    "smallest",
    "minimum_norm",
    attacks.bind("minimum_norm", {"ceiling": 0.1}),
    "outside",
    {"norm": "linf", "guard": 0.02},
    0,
)
AIMED = Trial("directed", "pgd", TRIAL.settings, "outside", {**TRIAL.threat, "targets": {"0": 1, "1": 0}}, 0)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_smallest_change_can_be_saved_and_is_smallest(bench: Bench, norm: str) -> None:
    trial, chunk = replace(SMALLEST, threat={**SMALLEST.threat, "norm": norm}), bench.samples.load(range(N))
    rows = probes["smallest"].make(bench, trial, chunk)
    weight = bench.classifier.module[1].weight.detach()  # type: ignore[attr-defined]
    zone = zone_of(trial, chunk).flatten(1)
    slope = ((weight[chunk.y] - weight[1 - chunk.y]) * zone).norm(p={"linf": 1, "l2": 2}[norm], dim=1)
    assert [row.values["correct"] for row in rows] == [0] * 5 + [1] * 25 and any(
        row.values.get("fooled") == 0 for row in rows
    )
    for place, row in enumerate(rows[5:], 5):
        assert row.values["area"] == zone[place].sum() and row.values["area_share"] == pytest.approx(
            float(zone[place].float().mean())
        )
        assert row.allowed and row.values["channels"] == 1 and ("size" in row.values) == bool(row.values["fooled"])
        exact = row.values["clean_margin"] / float(slope[place])
        if row.values["fooled"]:
            assert exact * (1 - 1e-4) <= row.values["size"] <= exact + {"linf": 2 / 255, "l2": 0.03}[norm]
            assert norm != "linf" or row.values["size"] * 255 == pytest.approx(
                round(row.values["size"] * 255), abs=1e-3
            )
        else:
            assert exact > 0.1 * 0.9


@pytest.mark.parametrize(("name", "trial"), [("smallest", SMALLEST), ("directed", AIMED)])
def test_a_lying_search_is_not_believed_either(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, trial: Trial
) -> None:
    from auditor.attacks.attack import Adversarials

    def liar(name: str, classifier: object, x: torch.Tensor, *rest: object, **more: object) -> Adversarials:
        return Adversarials(1 - x, *[torch.ones(len(x), dtype=torch.bool)] * 2, *[torch.zeros(len(x))] * 3)

    monkeypatch.setattr(f"auditor.probes.{name}.attack", liar)
    rows = probes[name].make(bench, trial, bench.samples.load(range(N)))
    assert all(
        row.values["claimed"] == 1 and row.values["fooled"] == 0 and row.allowed is False
        for row in rows
        if row.values["correct"]
    )


@pytest.mark.slow
def test_rows_of_the_searches_do_not_depend_on_the_chunk(bench: Bench) -> None:
    for trial in (SMALLEST, AIMED):
        whole, part = (
            probes[trial.probe].make(bench, trial, bench.samples.load(rows)) for rows in (range(N), range(10, 14))
        )
        for one, other in zip(whole[10:14], part, strict=True):
            assert one.values == pytest.approx(other.values, abs=1e-5)


def test_only_declared_classes_are_directed(bench: Bench) -> None:
    trial = replace(AIMED, threat={**AIMED.threat, "targets": {"0": 1}})
    chunk = bench.samples.load(range(N))
    for place, row in enumerate(probes["directed"].make(bench, trial, chunk)):
        if place >= 5 and chunk.y[place] == 1:
            assert row.missing == Missing.not_applicable("no direction is declared for this class")
        elif place >= 5:
            assert row.values["target"] == 1 and (not row.values["fooled"] or row.values["predicted"] == 1)


def test_a_gradient_is_there_or_not(bench: Bench) -> None:
    chunk = bench.samples.load(range(N))
    open_rows = probes["gradient"].make(bench, Trial("gradient"), chunk)
    assert [row.values["correct"] for row in open_rows] == [0] * 5 + [1] * 25
    assert all(row.values == {"correct": 1, "vanished": 0, "zero": 0.0} for row in open_rows[5:])
    module = bench.classifier.module  # type: ignore[attr-defined]

    class Hidden(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = module(x.detach() + 0 * x)
            return logits

    hidden = probes["gradient"].make(replace(bench, classifier=wrap(Hidden(), ["a", "b"])), Trial("gradient"), chunk)
    assert all(row.values == {"correct": 1, "vanished": 1, "zero": 1.0} for row in hidden[5:])
