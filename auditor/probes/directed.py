"""One attack towards a declared class, re-tested by the runner on the point that can be saved."""

from __future__ import annotations

import torch

from auditor.attacks.attack import attack
from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.core.seeds import derive
from auditor.probes import Bench, Row, probes
from auditor.probes.evasion import Attackable, cost, settings_of
from auditor.samples.samples import Chunk


@probes.register("directed", cost=cost)
def directed(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Whether a correctly classified sample can be made to be exactly the class that `threat.targets` names for its
    own.

    Samples of other classes are not attacked; their row says why.
    """
    aims = {int(own): int(target) for own, target in trial.threat["targets"].items()}
    prey = Attackable.of(bench, trial, chunk)
    others = [row for row in prey.rows.tolist() if int(chunk.y[row]) not in aims]
    prey = prey.without(
        dict.fromkeys(others, Row(missing=Missing.not_applicable("no direction is declared for this class")))
    )
    if not len(prey.rows):
        return prey.others
    epsilon, targets = float(trial.threat["epsilon"]), torch.tensor([aims[label] for label in prey.y.tolist()])
    seeds = [derive(trial.seed, trial.method, trial.zone, epsilon, "directed", name) for name in prey.names]
    settings = settings_of(bench, trial)
    found = attack(
        trial.method,
        bench.classifier,
        prey.x0,
        prey.y,
        prey.threat,
        epsilon=epsilon,
        targets=targets,
        seed=seeds,
        batch_size=bench.batch_size,
        **settings,
    )
    _, values, allowed = prey.judged(found, epsilon, targets)
    return prey.filled(
        [
            Row({**one, "target": aims[int(label)]}, kept)
            for one, kept, label in zip(values, allowed, prey.y.tolist(), strict=True)
        ]
    )
