"""The smallest change that fools, per sample and zone, re-tested by the runner on the point that can be saved."""

from __future__ import annotations

import math

from auditor.attacks.attack import attack
from auditor.core.records import Trial
from auditor.core.seeds import derive
from auditor.probes import Bench, Row, probes
from auditor.probes.evasion import Attackable, cost
from auditor.samples.samples import Chunk


@probes.register("smallest", cost=cost)
def smallest_flips(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Size of the smallest change found that makes a correctly classified sample wrong, by an attack that takes no
    epsilon.

    A row without `size` says that nothing was found: no more than that, and only as far as the attack's settings let it
    search.
    """
    prey = Attackable.of(bench, trial, chunk)
    if not len(prey.rows):
        return prey.others
    seeds = [derive(trial.seed, trial.method, trial.zone, name) for name in prey.names]
    found = attack(
        trial.method,
        bench.classifier,
        prey.x0,
        prey.y,
        prey.threat,
        seed=seeds,
        batch_size=bench.batch_size,
        **trial.settings,
    )
    _, values, allowed = prey.judged(found, math.inf)
    rows = []
    for one, kept in zip(values, allowed, strict=True):
        # a random classifier may err on what nobody changed
        one["fooled"] = int(bool(one["fooled"]) and one["size"] > 0)
        rows.append(Row(one if one["fooled"] else {name: value for name, value in one.items() if name != "size"}, kept))
    return prey.filled(rows)
