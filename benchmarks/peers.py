"""The attacks of other libraries behind one signature, so that they can stand beside ours; each library is imported
when first used.

Every attack is a function (module, x (n, *shape), y (n,), epsilon or None, **settings) -> adversarials (n, *shape). The
module takes
inputs between 0 and 1 and returns 10 logits. What fools, and how large it is, is for the caller to decide.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

PACKAGES = {"torchattacks": "torchattacks", "foolbox": "foolbox", "ART": "art"}
"""Library -> the package that it is imported by."""


@dataclass(frozen=True, eq=False)
class Peer:
    """One row of a table: an attack of another library at fixed settings."""

    library: str
    attack: Callable[..., Tensor]
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return library, attack and settings in one line."""
        shown = [
            f"{key} {value}"
            for key, value in self.settings.items()
            if isinstance(value, (int, float, str)) and key not in ("name", "norm")
        ]
        shown += ["from another image"] if "start" in self.settings else []
        return f"{self.library} {self.settings.get('name', self.attack.__name__)} {', '.join(shown)}".strip()

    def run(self, module: nn.Module, x: Tensor, y: Tensor, epsilon: float | None, seed: int = 0) -> Tensor:
        """Return the attack's adversarials (n, *shape), within 0 and 1."""
        torch.manual_seed(seed)
        np.random.seed(seed)
        own = {"seed": seed} if self.library == "ours" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.attack(module, x, y, epsilon, **self.settings, **own).detach().clamp(0, 1)


class Counted(nn.Module):
    """A module with frozen weights that counts sample-forwards and sample-backwards."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module, self.passes = module.requires_grad_(False), 0
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return the module's logits (n, classes)."""
        out: Tensor = self.module(x)
        self._add(len(x))
        if out.requires_grad:
            out.register_hook(lambda slope: self._add(len(slope)))
        return out

    def _add(self, n: int) -> None:
        self.passes += n


def installed(library: str) -> bool:
    """Return whether a library is there to be measured."""
    return library not in PACKAGES or find_spec(PACKAGES[library]) is not None


def present(rows: list[Peer]) -> list[Peer]:
    """Return the rows whose library is installed."""
    return [row for row in rows if installed(row.library)]


def nearest_other(module: nn.Module, x: Tensor, y: Tensor, pool: Tensor) -> Tensor:
    """Return for each input the nearest one of a pool (m, *shape) that is classified as another class,
    to start from.
    """
    with torch.no_grad():
        predicted = module(pool).argmax(1)
    distance = torch.cdist(x.flatten(1), pool.flatten(1))
    return pool[torch.where(predicted == y[:, None], torch.full_like(distance, float("inf")), distance).argmin(1)]


# torchattacks


def pgd(module: nn.Module, x: Tensor, y: Tensor, epsilon: float, *, steps: int, share: float) -> Tensor:
    """Linf PGD of torchattacks, with steps of this share of epsilon."""
    import torchattacks

    return torchattacks.PGD(module, eps=epsilon, alpha=epsilon * share, steps=steps)(x, y)


def apgd(module: nn.Module, x: Tensor, y: Tensor, epsilon: float, *, steps: int) -> Tensor:
    """Linf APGD of torchattacks on cross entropy, with one random start."""
    import torchattacks

    return torchattacks.APGD(
        module, norm="Linf", eps=epsilon, steps=steps, n_restarts=1, seed=int(torch.initial_seed()), loss="ce"
    )(x, y)


def cw(module: nn.Module, x: Tensor, y: Tensor, epsilon: None, *, steps: int, c: float, lr: float) -> Tensor:
    """Carlini and Wagner of torchattacks (l2), which does not search for its constant c."""
    import torchattacks

    return torchattacks.CW(module, c=c, steps=steps, lr=lr)(x, y)


# foolbox


def _foolbox(
    made: Any, module: nn.Module, x: Tensor, y: Tensor, epsilon: float | None, start: Tensor | None = None
) -> Tensor:
    import eagerpy
    import foolbox

    given = {} if start is None else {"starting_points": eagerpy.astensor(start)}
    raw, clipped, _ = made(
        foolbox.PyTorchModel(module, bounds=(0, 1), device=x.device),
        x,
        foolbox.criteria.Misclassification(y),
        epsilons=epsilon,
        **given,
    )
    return raw if epsilon is None else clipped


def linf_pgd(module: nn.Module, x: Tensor, y: Tensor, epsilon: float, *, steps: int, share: float) -> Tensor:
    """Linf PGD of foolbox, with steps of this share of epsilon."""
    import foolbox

    return _foolbox(foolbox.attacks.LinfPGD(rel_stepsize=share, steps=steps), module, x, y, epsilon)


def ddn(module: nn.Module, x: Tensor, y: Tensor, epsilon: None, *, steps: int, gamma: float) -> Tensor:
    """Decoupled direction and norm (l2)."""
    import foolbox

    return _foolbox(foolbox.attacks.DDNAttack(steps=steps, gamma=gamma), module, x, y, epsilon)


def carlini_wagner(
    module: nn.Module, x: Tensor, y: Tensor, epsilon: None, *, rounds: int, steps: int, stepsize: float
) -> Tensor:
    """Carlini and Wagner of foolbox (l2), with a binary search for the constant."""
    import foolbox

    made = foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=rounds, steps=steps, stepsize=stepsize, initial_const=1, abort_early=False
    )
    return _foolbox(made, module, x, y, epsilon)


def ead(
    module: nn.Module, x: Tensor, y: Tensor, epsilon: None, *, rounds: int, steps: int, stepsize: float, beta: float
) -> Tensor:
    """Elastic net (l1); three passes per step."""
    import foolbox

    settings = {
        "initial_stepsize": stepsize,
        "initial_const": 1,
        "regularization": beta,
        "decision_rule": "L1",
        "abort_early": False,
    }
    return _foolbox(
        foolbox.attacks.EADAttack(binary_search_steps=rounds, steps=steps, **settings), module, x, y, epsilon
    )


def salt_and_pepper(module: nn.Module, x: Tensor, y: Tensor, epsilon: None, *, steps: int) -> Tensor:
    """Random noise on ever fewer values (l0); no gradient."""
    import foolbox

    return _foolbox(foolbox.attacks.SaltAndPepperNoiseAttack(steps=steps), module, x, y, epsilon)


def fmn(
    module: nn.Module,
    x: Tensor,
    y: Tensor,
    epsilon: None,
    *,
    norm: str,
    steps: int,
    stepsize: float,
    gamma: float,
    start: Tensor | None = None,
) -> Tensor:
    """Fast minimum norm.

    For l2 the projection is put right: that of foolbox 3.3.4 multiplies by norms / norms and so never projects. Without
    a start FMN can
    rest for ever short of the boundary where its first guess of epsilon is cut down by the box.
    """
    import eagerpy
    import foolbox

    class L2(foolbox.attacks.L2FMNAttack):
        def project(self, x: Any, x0: Any, epsilon: Any) -> Any:
            length = eagerpy.maximum((x - x0).flatten(1).norms.l2(axis=-1), 1e-12)
            return x0 + (x - x0) * eagerpy.minimum(1, epsilon / length).reshape((-1,) + (1,) * (x.ndim - 1))

    kinds = {
        "linf": foolbox.attacks.LInfFMNAttack,
        "l2": L2,
        "l1": foolbox.attacks.L1FMNAttack,
        "l0": foolbox.attacks.L0FMNAttack,
    }
    return _foolbox(kinds[norm](steps=steps, max_stepsize=stepsize, gamma=gamma), module, x, y, epsilon, start)


def brendel_bethge(
    module: nn.Module, x: Tensor, y: Tensor, epsilon: None, *, norm: str, steps: int, region: float, start: Tensor
) -> Tensor:
    """Brendel and Bethge: along the boundary, from a start beyond it; foolbox multiplies the trust region by the batch,
    so it is divided here.
    """
    import foolbox

    logging.getLogger("numba").setLevel(logging.ERROR)
    kinds = {
        "linf": "LinfinityBrendelBethgeAttack",
        "l2": "L2BrendelBethgeAttack",
        "l1": "L1BrendelBethgeAttack",
        "l0": "L0BrendelBethgeAttack",
    }
    return _foolbox(
        getattr(foolbox.attacks, kinds[norm])(steps=steps, lr=region / len(x)), module, x, y, epsilon, start
    )


# ART (adversarial-robustness-toolbox)


@lru_cache(maxsize=1)
def _art(module: nn.Module, shape: tuple[int, ...]) -> Any:
    from art.estimators.classification import PyTorchClassifier

    return PyTorchClassifier(module, nn.CrossEntropyLoss(), shape, 10, clip_values=(0.0, 1.0), device_type="cpu")


def projected_gradient_descent(
    module: nn.Module, x: Tensor, y: Tensor, epsilon: float, *, steps: int, share: float
) -> Tensor:
    """Linf PGD of ART for torch, with steps of this share of epsilon."""
    from art.attacks.evasion import ProjectedGradientDescentPyTorch

    settings = {"eps": epsilon, "eps_step": epsilon * share, "max_iter": steps, "batch_size": len(x), "verbose": False}
    return torch.from_numpy(
        ProjectedGradientDescentPyTorch(_art(module, tuple(x.shape[1:])), **settings).generate(x.numpy(), y.numpy())
    )


def auto_pgd(module: nn.Module, x: Tensor, y: Tensor, epsilon: float, *, steps: int) -> Tensor:
    """Linf Auto-PGD of ART on cross entropy, with one random start."""
    from art.attacks.evasion import AutoProjectedGradientDescent

    settings = {
        "eps": epsilon,
        "eps_step": 2 * epsilon,
        "max_iter": steps,
        "nb_random_init": 1,
        "batch_size": len(x),
        "verbose": False,
    }
    made = AutoProjectedGradientDescent(_art(module, tuple(x.shape[1:])), loss_type="cross_entropy", **settings)
    return torch.from_numpy(made.generate(x.numpy(), y.numpy()))
