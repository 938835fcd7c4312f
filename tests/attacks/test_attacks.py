"""Every attack's promises, one row per attack; exact answers of linear models are in test_closed_forms.py."""

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from auditor.attacks import attacks
from auditor.attacks.attack import attack, attack_cost, attack_names
from auditor.core.errors import AuditorError
from auditor.models.classifier import ScoreClassifier, TorchClassifier, wrap
from auditor.threats.threat import Threat


def _twin() -> nn.Module:
    torch.manual_seed(3)
    body = nn.Sequential(nn.Linear(8, 12), nn.Tanh(), nn.Linear(12, 3)).double()

    class Twin(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 3 * body(x[:, :-1] + 0.01)

    return Twin()


@dataclass
class Row:
    """How an attack is tried; a new attack adds one."""

    settings: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)
    """Other settings under which the same promises hold."""
    typo: str = ""
    wanted: str = ""
    gradient: bool = True
    items: int = 1
    """Points of one sample that are evaluated in one step."""


TWIN = wrap(_twin(), ["a", "b", "c"])
"""What `transfer` climbs: another network that decides alike."""

ATTACKS = {
    "apgd": Row({"steps": 10}, {"steps": 5, "restarts": 2, "loss": "dlr"}, "step", "steps"),
    "boundary": Row(
        {"queries": 150, "probes": 5},
        {"queries": 150, "probes": 8, "starts": 5},
        "query",
        "queries",
        gradient=False,
        items=40,
    ),
    "evade": Row(
        {"steps": 10, "warmup": 5}, {"restarts": 5, "aims": 1, "steps": 5, "warmup": 3}, "efort", "effort", items=2
    ),
    "fgsm": Row(other={"loss": "margin", "steps": 4}, typo="los", wanted="loss"),
    "pgd": Row(
        {"steps": 5},
        {"steps": 3, "restarts": 3, "random_start": True, "loss": "margin", "step_size": 0.5, "momentum": 0.9},
        "step",
        "steps",
    ),
    "random_noise": Row(other={"tries": 8}, typo="tires", wanted="tries", gradient=False),
    "transfer": Row(
        {"surrogate": TWIN, "steps": 10, "tries": 3},
        {"surrogate": TWIN, "steps": 6, "tries": 6, "momentum": 0.0},
        "surogate",
        "surrogate",
        gradient=False,
    ),
    "square": Row({"queries": 30}, {"queries": 20, "share": 0.6}, "querys", "queries", gradient=False),
}
NORMS = {name: attacks[name].facts.get("norms", ("linf", "l2", "l1", "l0")) for name in ATTACKS}
MARKS = {"settings": (), "other": (pytest.mark.slow,)}
"""One kind of settings is enough while working."""
EVERY = [
    pytest.param(name, norm, kind, marks=marks)
    for name in ATTACKS
    for norm in NORMS[name]
    for kind, marks in MARKS.items()
]


def test_every_attack_has_a_row() -> None:
    of_tables = {entry.name for entry in attacks if entry.facts.get("norms") == ("cost",)}
    at_a_budget = {entry.name for entry in attacks if entry.facts.get("budget", True)} - of_tables
    assert set(ATTACKS) == at_a_budget and of_tables == {"random_change", "table_search"}, (
        "those of tables have files of their own"
    )
    assert set(attack_names()) - at_a_budget - of_tables == {"carlini_wagner", "minimum_norm"}, (
        "an attack that needs no budget has a file of its own"
    )


class Watched(nn.Module):
    """A small network that never reads the last value, which names the sample, and writes down who was evaluated."""

    def __init__(self, values: int) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.body = nn.Sequential(nn.Linear(values, 12), nn.Tanh(), nn.Dropout(0.5), nn.Linear(12, 3)).double()
        self.forwards: list[tuple[int, int]] = []
        self.points: list[Tensor] = []
        self.backwards: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        logits = 4 * self.body(x[:, :-1])
        names = (x[:, -1] * 64).round().long().tolist()
        self.forwards += list(zip(names, logits.argmax(1).tolist(), strict=True))
        self.points += x.detach()
        if x.requires_grad:
            x.register_hook(lambda gradient: self.backwards.extend(names))
        return logits


N = 24


@dataclass
class Setting:
    module: Watched
    classifier: TorchClassifier
    x: Tensor
    y: Tensor
    zone: Tensor
    epsilon: dict[str, float]


@pytest.fixture
def setting() -> Setting:
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(N, 9, generator=rng, dtype=torch.float64)
    x[:, -1] = torch.arange(N) / 64
    zone = torch.rand(N, 9, generator=rng) < 0.6
    zone[:, -1] = False
    module = Watched(8)
    classifier = wrap(module, ["a", "b", "c"])
    y = classifier.logits(x).argmax(1)
    y[::6] = (y[::6] + 1) % 3  # some samples are misclassified to begin with
    module.forwards.clear()
    return Setting(module, classifier, x, y, zone, {"linf": 0.15, "l2": 0.3, "l1": 0.5, "l0": 2})


def call(setting: Setting, name: str, norm: str, kind: str, **changes: Any) -> Any:
    threat = Threat.ball(norm, setting.zone)
    arguments = {"epsilon": setting.epsilon[norm], **getattr(ATTACKS[name], kind), **changes}
    return attack(name, setting.classifier, setting.x, setting.y, threat, **arguments)


@pytest.mark.parametrize(("name", "norm", "kind"), EVERY)
def test_points_are_allowed_and_what_is_claimed_is_true(setting: Setting, name: str, norm: str, kind: str) -> None:
    found = call(setting, name, norm, kind)
    change = found.x - setting.x
    assert change[~setting.zone].abs().max() == 0
    assert found.x.min() >= 0 and found.x.max() <= 1
    sizes = change.norm(p={"linf": float("inf"), "l2": 2, "l1": 1, "l0": 0}[norm], dim=1)
    assert torch.allclose(found.size, sizes) and sizes.max() <= setting.epsilon[norm] * (1 + 1e-9)
    wrong = setting.classifier.logits(found.x).argmax(1) != setting.y
    assert found.fooled.tolist() == wrong.tolist()
    assert 0 < found.fooled.sum() < N, "the case must hold both, or it shows nothing"


@pytest.mark.parametrize(("name", "norm", "kind"), EVERY)
def test_counts_are_those_of_the_module(setting: Setting, name: str, norm: str, kind: str) -> None:
    found = call(setting, name, norm, kind, batch_size=7)
    forwards = torch.bincount(torch.tensor([one for one, _ in setting.module.forwards]), minlength=N)
    backwards = torch.bincount(torch.tensor(setting.module.backwards, dtype=torch.long), minlength=N)
    assert found.forwards.tolist() == forwards.tolist()
    assert found.backwards.tolist() == backwards.tolist()
    most = attack_cost(name, getattr(ATTACKS[name], kind))
    assert found.forwards.max() <= most[0] and found.backwards.max() <= most[1]
    if ATTACKS[name].items == 1:
        assert found.forwards.max() == most[0] and found.backwards.max() == most[1], (
            "a sample that holds out costs what the plan says"
        )


@pytest.mark.parametrize(("name", "norm", "kind"), EVERY)
def test_a_fooled_sample_is_never_evaluated_again(setting: Setting, name: str, norm: str, kind: str) -> None:
    setting.module.points.clear()
    call(setting, name, norm, kind)
    samples = torch.tensor([sample for sample, _ in setting.module.forwards])
    allowed = Threat.ball(norm, setting.zone[samples]).allows(
        torch.stack(setting.module.points), setting.x[samples], setting.epsilon[norm]
    )
    after: dict[int, int] = {}
    for (sample, predicted), within in zip(setting.module.forwards, allowed.tolist(), strict=True):
        if sample in after:
            after[sample] += 1
        elif predicted != setting.y[sample] and within:  # attacks on labels walk outside the ball
            after[sample] = 0
    assert after and max(after.values()) < ATTACKS[name].items


@pytest.mark.slow
@pytest.mark.parametrize(("name", "norm", "kind"), EVERY)
def test_a_sample_does_not_depend_on_its_batch_or_place(setting: Setting, name: str, norm: str, kind: str) -> None:
    seeds = [1000 + row for row in range(N)]
    whole = call(setting, name, norm, kind, seed=seeds)
    cut = call(setting, name, norm, kind, seed=seeds, batch_size=5)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    setting.x, setting.y, setting.zone = setting.x[order], setting.y[order], setting.zone[order]
    mixed = call(setting, name, norm, kind, seed=[seeds[row] for row in order])
    for other, places in ((cut, torch.arange(N)), (mixed, order)):
        assert other.fooled.tolist() == whole.fooled[places].tolist()
        assert torch.allclose(other.x, whole.x[places], atol=1e-9)
        assert other.forwards.tolist() == whole.forwards[places].tolist()


@pytest.mark.parametrize(("name", "norm", "kind"), EVERY)
def test_the_same_seed_gives_the_same_points(setting: Setting, name: str, norm: str, kind: str) -> None:
    first, again = (call(setting, name, norm, kind, seed=4) for _ in range(2))
    assert torch.equal(first.x, again.x)


def test_random_attacks_depend_on_their_seed(setting: Setting) -> None:
    for name, kind in (("random_noise", "settings"), ("pgd", "other")):
        assert not torch.equal(call(setting, name, "linf", kind, seed=1).x, call(setting, name, "linf", kind, seed=2).x)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_classifier_is_left_as_it_was(setting: Setting, name: str) -> None:
    module = setting.module.train()
    module.body[0].eval()
    module.body[3].weight.requires_grad_(False)
    before = ([part.training for part in module.modules()], [part.requires_grad for part in module.parameters()])
    state = {key: value.clone() for key, value in module.state_dict().items()}
    call(setting, name, "linf", "settings")
    assert before == (
        [part.training for part in module.modules()],
        [part.requires_grad for part in module.parameters()],
    )
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())
    assert all(part.grad is None for part in module.parameters())


@pytest.mark.parametrize("name", ATTACKS)
def test_inputs_are_left_as_they_were(setting: Setting, name: str) -> None:
    before = setting.x.clone()
    call(setting, name, "linf", "other")
    assert torch.equal(setting.x, before) and not setting.x.requires_grad


@pytest.mark.parametrize("name", ATTACKS)
def test_an_empty_zone_changes_nothing(setting: Setting, name: str) -> None:
    setting.zone = torch.zeros_like(setting.zone)
    found = call(setting, name, "l2", "settings")
    assert torch.equal(found.x, setting.x)
    assert found.fooled.tolist() == (setting.classifier.logits(setting.x).argmax(1) != setting.y).tolist()


@pytest.mark.parametrize("name", ATTACKS)
def test_no_samples_are_no_error(setting: Setting, name: str) -> None:
    setting.x, setting.y, setting.zone = setting.x[:0], setting.y[:0], setting.zone[:0]
    found = call(setting, name, "linf", "other")
    assert [len(part) for part in (found.x, found.fooled, found.size, found.forwards, found.backwards)] == [0] * 5


@pytest.mark.parametrize("name", ATTACKS)
def test_targets_are_reached_or_not_claimed(setting: Setting, name: str) -> None:
    targets = (setting.y + 1) % 3
    found = call(setting, name, "linf", "settings", targets=targets, epsilon=0.5)
    assert found.fooled.tolist() == (setting.classifier.logits(found.x).argmax(1) == targets).tolist()
    assert found.fooled.any()


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("epsilon", [0.0, -0.1, float("nan"), None])
def test_epsilon_must_be_positive(setting: Setting, name: str, epsilon: float | None) -> None:
    with pytest.raises(AuditorError, match=f"attack '{name}': expected a positive epsilon, got"):
        call(setting, name, "linf", "settings", epsilon=epsilon)
    assert not setting.module.forwards


@pytest.mark.parametrize("name", ATTACKS)
def test_an_unknown_setting_names_the_nearest(setting: Setting, name: str) -> None:
    row = ATTACKS[name]
    with pytest.raises(
        AuditorError, match=f"attack '{name}': unknown setting '{row.typo}'; did you mean '{row.wanted}'"
    ):
        call(setting, name, "linf", "settings", **{row.typo: 1})


def test_a_bad_value_names_the_setting(setting: Setting) -> None:
    with pytest.raises(AuditorError, match="attack 'pgd', setting 'steps': .*greater than or equal to 1, got 0"):
        call(setting, "pgd", "linf", "settings", steps=0)
    with pytest.raises(AuditorError, match="did you mean 'pgd'"):
        attack("pgd2", setting.classifier, setting.x, setting.y, Threat.ball(), epsilon=0.1)
    with pytest.raises(AuditorError, match=f"expected one label per input, got 2 labels for {N} inputs"):
        attack("pgd", setting.classifier, setting.x, setting.y[:2], Threat.ball(), epsilon=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_a_classifier_without_gradients(setting: Setting, name: str) -> None:
    scores = ScoreClassifier(setting.module.eval(), classes=["a", "b", "c"], name="scores", digest="d")
    threat = Threat.ball("linf", setting.zone)
    if ATTACKS[name].gradient:
        with pytest.raises(
            AuditorError, match="expected a classifier that offers 'gradient', got one that offers labels, scores"
        ):
            attack(name, scores, setting.x, setting.y, threat, epsilon=0.1)
    else:
        assert attack(name, scores, setting.x, setting.y, threat, epsilon=0.15).fooled.any()


@pytest.mark.parametrize(
    ("name", "norm"),
    [(name, norm) for name in ATTACKS for norm in ("linf", "l2", "l1", "l0") if norm not in NORMS[name]],
)
def test_a_norm_that_is_not_served_is_refused(setting: Setting, name: str, norm: str) -> None:
    with pytest.raises(
        AuditorError, match=f"^attack '{name}': expected a norm that '{name}' serves, got '{norm}'; valid: l2, linf$"
    ):
        call(setting, name, norm, "settings")
    assert not setting.module.forwards


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_work_where_gradients_are_switched_off(setting: Setting, name: str) -> None:
    with torch.no_grad():
        assert call(setting, name, "linf", "settings").fooled.any()
