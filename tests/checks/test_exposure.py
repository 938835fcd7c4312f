"""Exposure against oracles: linear models, whose smallest epsilon in any zone is the margin divided by the dual norm of
their weights there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from auditor.checks import checks
from auditor.checks.exposure.directions import pairs
from auditor.checks.exposure.smallest import Threshold, reach, thresholds
from auditor.core.displays import Curve, Steps, TableDisplay, of_kind
from auditor.core.errors import ConfigError
from auditor.core.estimates import Estimate
from auditor.core.facts import Facts
from auditor.core.outcomes import Missing
from auditor.core.records import Finding, Observation, Observations
from auditor.core.seeds import derive
from auditor.core.zones import make_zone
from auditor.engine.executors import Task
from auditor.engine.measure import measure
from auditor.engine.plan import plan
from auditor.modalities.images.checks.exposure import Exposure, label
from auditor.models.classifier import Classifier, margin, wrap
from auditor.probes import Bench, probes
from auditor.samples.samples import Samples

N, SIDE = 40, 8
DUAL = {"linf": 1, "l2": 2, "l1": math.inf}
EPSILONS = {"linf": (0.01, 0.02), "l2": (0.08, 0.16), "l1": (0.4, 0.8), "l0": (2.0, 4.0)}
Study = tuple[Classifier, Samples, Facts]
Make = Callable[..., Study]


@pytest.fixture
def study(facts: Callable[..., Facts], make_samples: Callable[..., Samples]) -> Make:
    """Return function (norm, classes, factor on the weights outside) -> a linear classifier, samples in the middle of
    the box with masks, the facts.
    """

    def make(norm: str = "linf", classes: int = 2, outside: float = 1.0, **changes: Any) -> Study:
        rng = np.random.default_rng(classes)
        x = (0.5 + 0.1 * rng.normal(size=(N, 1, SIDE, SIDE))).clip(0.3, 0.7).astype(np.float32)
        inside = np.zeros((N, 1, SIDE, SIDE), dtype=bool)
        inside[:, :, 2:5, 3:6] = True
        module = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, classes))
        with torch.no_grad():
            module[1].weight.copy_(torch.from_numpy(rng.normal(size=(classes, SIDE * SIDE))))
            module[1].weight.mul_(torch.where(torch.from_numpy(inside[0].flatten()), 1.0, outside))
            module[1].bias.copy_(-module[1].weight.sum(1) / 2)
        classifier = wrap(module, [f"class {k}" for k in range(classes)])
        y = classifier.logits(torch.from_numpy(x)).argmax(1).tolist()
        samples = make_samples(x, y, inside)
        known = {
            "norm": norm,
            "epsilons": EPSILONS[norm],
            "primary": EPSILONS[norm][0],
            "levels": None,
            "attack_settings": {"steps": 20},
        }
        return classifier, samples, facts(N, y=tuple(y), classes=classifier.classes, **{**known, **changes})

    return make


def measured(check: Exposure, study: Study) -> Observations:
    classifier, samples, known = study
    table: dict[str, dict[str, Any]] = {}
    for planned in plan({"exposure": check}, known, samples, binding="binding"):
        bench = Bench(classifier, samples, subjects={"": classifier})
        rows = [row for chunk in planned.chunks for row in measure(Task(planned.trial, planned.key, chunk), bench)]
        names = [samples.ids[place] for chunk in planned.chunks for place in chunk]
        table[planned.key] = {
            name: Observation(planned.key, name, row.values, row.allowed, None, row.missing)
            for name, row in zip(names, rows, strict=True)
        }
        table[planned.key] |= {
            samples.ids[place]: Observation(planned.key, samples.ids[place], missing=why)
            for place, why in planned.excluded.items()
        }
    return Observations("binding", lambda key: table.get(key, {}))


def judged(check: Exposure, study: Study) -> dict[str, Finding]:
    return {finding.id: finding for finding in check.judge(study[2], measured(check, study))}


def steps_of(finding: Finding) -> Steps:
    (found,) = of_kind(finding.displays, Steps)
    return found


def table_of(finding: Finding, title: str) -> TableDisplay:
    (found,) = (table for table in of_kind(finding.displays, TableDisplay) if table.title.startswith(title))
    return found


def slopes(study: Study, zone: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the margins (n,), their gradients in a zone (n, d) and the zones (n, d) of a two-class linear model."""
    classifier, samples, _ = study
    chunk = samples.load(range(N))
    free = make_zone(zone, chunk.inside, guard=0.02, seeds=[derive(0, "zone", name) for name in samples.ids]).flatten(1)
    weight = classifier.module[1].weight.detach()  # type: ignore[attr-defined]
    return margin(classifier.logits(chunk.x).detach(), chunk.y), (weight[chunk.y] - weight[1 - chunk.y]) * free, free


@pytest.mark.slow
@pytest.mark.parametrize("norm", DUAL)
def test_smallest_epsilon_and_sensitivity_of_a_linear_model(study: Make, norm: str) -> None:
    one = study(norm)
    check = Exposure(zones=("outside", "inside"), noise=False, few_values=0)
    observations = measured(check, one)
    findings = {finding.id: finding for finding in check.judge(one[2], observations)}
    for zone in ("outside", "inside"):
        clean, slope, free = slopes(one, zone)
        exact = clean / slope.norm(p=DUAL[norm], dim=1)
        found = thresholds(one[2], observations, zone, search=check._search(one[2], zone))
        limit, fine = reach(one[2]), reach(one[2]) / 2**6
        for size, (name, threshold) in zip(exact.tolist(), found.items(), strict=True):
            if norm == "l1" and size > 0.3:
                continue  # that far, one value alone meets the edge of the box
            if math.isinf(threshold.size):
                assert size > limit - fine, name
            else:
                assert size * (1 - 1e-4) <= threshold.size <= size + fine + (0.05 * size if norm != "linf" else 0), name
        per = (slope.norm(p=DUAL[norm], dim=1) / free.sum(1) ** {"linf": 1, "l2": 0.5, "l1": 0}[norm]).median()
        shown = steps_of(findings[f"exposure/{zone}"])
        assert shown.n == N and shown.beyond == sum(math.isinf(t.size) for t in found.values())
        assert shown.text or not shown.beyond or shown.reason.startswith("at least ")
        if shown.sensitivity and norm != "l1":
            assert shown.sensitivity.value == pytest.approx(float(per), rel=0.08)
    assert 0 < steps_of(findings["exposure/outside"]).beyond < N / 2 or norm != "linf"


def test_sensitivity_is_the_mean_weight_under_linf() -> None:
    weight = np.array([0.5, -2.0, 1.5, 0.25])
    assert Threshold(3.0 / np.abs(weight).sum(), 3.0, 4).sensitivity("linf") == pytest.approx(np.abs(weight).mean())
    assert Threshold(3.0 / np.linalg.norm(weight), 3.0, 4).sensitivity("l2") == pytest.approx(
        np.sqrt((weight**2).mean())
    )
    assert Threshold(3.0 / np.abs(weight).max(), 3.0, 4).sensitivity("l1") == pytest.approx(2.0)
    assert Threshold(math.inf, 3.0, 4).sensitivity("linf") == 0


@pytest.mark.slow
def test_a_model_that_reads_the_inside_alone_is_more_sensitive_there(study: Make) -> None:
    one = study(outside=0.1, epsilons=(0.04, 0.08), primary=0.04)
    check = Exposure(zones=("outside", "inside"), noise=False, few_values=0)
    found = steps_of(judged(check, one)["exposure/inside"]).relative
    assert found is not None and found.low > 5
    assert found.value == pytest.approx(10, rel=0.5)


@pytest.mark.slow
def test_the_curve_is_the_distribution_of_what_was_found_and_never_below_the_attack(study: Make) -> None:
    one = study()
    check = Exposure(zones=("outside",), few_values=0)
    observations = measured(check, one)
    (finding,) = check.judge(one[2], observations)
    found = thresholds(one[2], observations, "outside", search=check._search(one[2], "outside"))
    sizes = np.array([threshold.size for threshold in found.values()])
    shown = steps_of(finding)
    assert [step.estimate.value for step in shown.steps if step.estimate] == [
        np.mean(sizes <= step.size) for step in shown.steps
    ]
    assert shown.median is not None and shown.median.value == np.sort(sizes)[(N - 1) // 2]
    attack, noise = of_kind(finding.displays, Curve)
    for point in attack.points:
        share = np.mean([threshold.within(point.size) for threshold in found.values()])
        assert found and point.estimate is not None and share >= point.estimate.value
    name, there, more, *_ = table_of(finding, "Outside compared").rows[0]
    assert str(name).startswith("random noise") and there == noise.points[0].estimate
    assert isinstance(more, Estimate) and isinstance(there, Estimate) and finding.estimate is not None
    assert more.value == pytest.approx(finding.estimate.value - there.value)


def test_without_the_search_declared_epsilons_bound_the_smallest(study: Make) -> None:
    one = study()
    check = Exposure(zones=("outside", "control/1"), noise=False, few_values=0, smallest=False)
    shown = steps_of(judged(check, one)["exposure/outside"])
    assert shown.reach == max(one[2].epsilons) and shown.how == "only the declared epsilons were tried"
    assert {step.size <= shown.reach * (1 + 1e-6) for step in shown.steps} == {True}


@pytest.mark.slow
def test_a_count_has_no_sensitivity(study: Make) -> None:
    finding = judged(Exposure(zones=("outside", "inside"), noise=False, few_values=0), study("l0"))["exposure/inside"]
    shown = steps_of(finding)
    assert shown.sensitivity is None and "dual norm" in shown.sensitivity_reason
    assert shown.relative is None


def test_flips_are_split_by_true_class_and_add_up(study: Make) -> None:
    for classes in (2, 4):
        one = study(classes=classes)
        finding = judged(Exposure(zones=("outside",), noise=False, few_values=0, smallest=False), one)[
            "exposure/outside"
        ]
        rows = [row[:4] for row in table_of(finding, "What becomes of each class").rows]
        assert finding.estimate is not None and sum(row[3] for row in rows) == round(finding.estimate.value * N)
        assert all(n == one[2].y.count(one[2].classes.index(own)) for own, _, n, _ in rows)
        assert {row[0] for row in rows} == {f"class {k}" for k in one[2].y} or classes > 2


def test_directions_aim_at_exactly_one_class_both_ways(study: Make) -> None:
    one = study(classes=3, primary=0.02)
    check = Exposure(
        zones=("outside",), noise=False, few_values=0, smallest=False, directions=(("class 0", "class 2"),)
    )
    observations = measured(check, one)
    found = {finding.id: finding for finding in check.judge(one[2], observations)}
    assert list(found)[1:] == ["exposure/class 0-to-class 2", "exposure/class 2-to-class 0"]
    (trial,) = [trial for trial in check.trials(one[2]) if trial.probe == "directed"]
    rows = observations.of(trial)
    weight, clean = one[0].module[1].weight.detach(), one[0].logits(one[1].load(range(N)).x).detach()  # type: ignore[attr-defined]
    free = make_zone("outside", one[1].load([0]).inside, guard=0.02, seeds=[0]).flatten()
    for place, (name, own) in enumerate(zip(one[1].ids, one[2].y, strict=True)):
        if own == 1:
            assert rows[name].missing == Missing.not_applicable("no direction is declared for this class")
            continue
        target = 2 - own
        gap = float(
            clean[place, own] - clean[place, target] - 0.02 * ((weight[own] - weight[target]) * free).abs().sum()
        )
        assert rows[name].values["target"] == target
        assert not rows[name].values["fooled"] or (rows[name].values["predicted"] == target and gap < 1e-4)
    assert found["exposure/class 0-to-class 2"].estimate.n == one[2].y.count(0)  # type: ignore[union-attr]


def test_an_unknown_class_is_refused_with_the_nearest_name(facts: Callable[..., Facts]) -> None:
    with pytest.raises(ConfigError, match="got 'malignnt'; did you mean 'malignant'"):
        Exposure(directions=(("benign", "malignnt"),)).trials(facts(4))
    with pytest.raises(ConfigError, match="two different classes, got 'benign' twice"):
        pairs(facts(4), [("benign", "benign")])


def test_few_values_are_few(study: Make) -> None:
    one = study()
    check = Exposure(zones=("outside",), noise=False, few_values=1, smallest=False)
    observations = measured(check, one)
    finding = check.judge(one[2], observations)[1]
    clean, slope, _ = slopes(one, "outside")
    x = one[1].load(range(N)).x.flatten(1)
    gain = (slope.abs() * torch.where(slope > 0, x, 1 - x)).sort(dim=1, descending=True).values[:, 0]
    assert (
        finding.id == "exposure/few-pixels"
        and finding.estimate is not None
        and "at most 1 pixel outside" in finding.claim
    )
    assert 0 < finding.estimate.value < 1 and finding.estimate.value == pytest.approx(
        float((gain > clean).float().mean()), abs=0.051
    )


def test_an_attack_that_does_not_serve_few_values_says_so_at_plan_time(study: Make) -> None:
    classifier, samples, known = study()
    (trial,) = [
        trial for trial in Exposure(zones=("outside",), noise=False).trials(known) if trial.threat["norm"] == "l0"
    ]
    assert trial.method == "pgd"
    refused = plan(
        {"exposure": _Only((replace(trial, method="square", settings={"queries": 5}),))}, known, samples, binding="b"
    )
    assert (
        all("serves, got 'l0'" in why.reason for why in refused[0].excluded.values()) and len(refused[0].excluded) == N
    )


class _Only:
    card = checks.serving("exposure", "image").make.card

    def __init__(self, wanted: Any) -> None:
        self.wanted = wanted

    def trials(self, facts: Facts) -> Any:
        return self.wanted

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        return ()


def test_zones_are_told_in_words_that_follow_values() -> None:
    assert (label("organ"), label("control/2"), label("control/7")) == (
        "in 'organ'",
        "in a control zone (the outside, scattered)",
        "in control zone 7",
    )


def test_every_probe_of_the_check_is_registered(facts: Callable[..., Facts]) -> None:
    trials = Exposure(directions=(("benign", "malignant"),)).trials(facts(4))
    assert {trial.probe for trial in trials} == {"evasion", "smallest", "directed"} <= set(probes.names())
