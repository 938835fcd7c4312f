"""One attack on one zone at one epsilon, re-tested by the runner on the point that can be saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from auditor.attacks.attack import Adversarials, attack, attack_cost
from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.core.seeds import derive
from auditor.core.zones import make_zone
from auditor.models.classifier import margin
from auditor.models.meter import Meter
from auditor.probes import SURROGATE, Bench, Row, probes
from auditor.samples.samples import Chunk
from auditor.threats.threat import SmoothThreat, Threat


def cost(*, method: str, settings: dict[str, Any]) -> tuple[int, int]:
    """Return the most forwards and backwards of one attack with its re-test."""
    forwards, backwards = attack_cost(method, settings)
    return forwards + 2, backwards


def settings_of(bench: Bench, trial: Trial) -> dict[str, Any]:
    """Return the settings of a trial's attack, with the surrogate itself where they ask for one."""
    return {**trial.settings, **({SURROGATE: bench.subjects.get(SURROGATE)} if SURROGATE in trial.settings else {})}


def zone_of(trial: Trial, chunk: Chunk) -> Tensor:
    """Return a trial's zone (k, *shape) bool; control zones are drawn by seed and sample alone, so all trials share
    them.
    """
    seeds = [derive(trial.seed, "zone", name) for name in chunk.ids]
    return make_zone(
        trial.zone, chunk.inside, regions=chunk.regions, guard=float(trial.threat.get("guard", 0.0)), seeds=seeds
    )


@dataclass(frozen=True)
class Attackable:
    """The correctly classified samples of a chunk that have a zone (k), and the classifier that judges what an attack
    finds on them.
    """

    rows: Tensor
    """Their positions in the chunk (k,)."""
    names: tuple[str, ...]
    x0: Tensor
    y: Tensor
    threat: SmoothThreat
    clean: Tensor
    """Their margins (k,)."""
    area: Tensor
    """Number of values in their zones (k,)."""
    meter: Meter
    others: list[Row]
    """A row per sample of the chunk: what stands for those that are not attacked."""

    @staticmethod
    def of(bench: Bench, trial: Trial, chunk: Chunk) -> Attackable:
        """Return a chunk's samples that are worth an attack; the rows of the misclassified say correct = 0."""
        zone, rows = zone_of(trial, chunk), torch.arange(len(chunk.ids))
        empty = ~zone.flatten(1).any(1)
        meter = Meter(bench.classifier, len(rows), bench.batch_size)
        clean = margin(meter.logits(chunk.x.to(bench.classifier.device), rows).cpu(), chunk.y)
        why = Missing.not_applicable("the guard band leaves nothing", trial.zone)
        others = [Row(missing=why) if empty[row] else Row({"correct": 0}) for row in rows.tolist()]
        rows, samples, device = rows[(clean > 0) & ~empty], bench.samples, bench.classifier.device
        threat = Threat.ball(trial.threat["norm"], zone[rows].to(device), samples.low, samples.high, samples.levels)
        names, area = tuple(chunk.ids[row] for row in rows.tolist()), zone[rows].flatten(1).sum(1)
        return Attackable(
            rows, names, chunk.x[rows].to(device), chunk.y[rows].to(device), threat, clean[rows], area, meter, others
        )

    def without(self, gone: dict[int, Row]) -> Attackable:
        """Return what is left when some positions of the chunk have another row than an attack's."""
        kept = torch.tensor([row not in gone for row in self.rows.tolist()], dtype=torch.bool)
        names = tuple(name for name, keep in zip(self.names, kept.tolist(), strict=True) if keep)
        others = [gone.get(row, other) for row, other in enumerate(self.others)]
        at = torch.nonzero(kept)[:, 0].to(self.x0.device)
        threat = self.threat.over(self.x0).take(at)
        return Attackable(
            self.rows[kept],
            names,
            self.x0[at],
            self.y[at],
            threat,
            self.clean[kept],
            self.area[kept],
            self.meter,
            others,
        )

    def judged(
        self, found: Adversarials, epsilon: float, targets: Tensor | None = None
    ) -> tuple[Tensor, list[dict[str, float]], list[bool]]:
        """Return the points that a file can hold (k, *shape), what is true of each (k), and whether the threat allows
        it (k).

        An attack's word is never taken: the saved point is checked against the threat and shown to the classifier
        again.
        """
        saved = self.threat.saved(found.x, self.x0)
        logits, y = self.meter.logits(saved, self.rows).cpu(), self.y.cpu()
        allowed, size, edge = (
            self.threat.allows(saved, self.x0, epsilon).cpu(),
            self.threat.size(saved, self.x0).cpu(),
            margin(logits, y),
        )
        predicted = logits.argmax(1)
        fooled = allowed & (predicted != y if targets is None else predicted == targets)
        values = [
            {
                "correct": 1,
                "fooled": int(fooled[place]),
                "claimed": int(found.fooled[place]),
                "predicted": int(predicted[place]),
                "margin": float(edge[place]),
                "clean_margin": float(self.clean[place]),
                "size": float(size[place]),
                "area": int(self.area[place]),
                "area_share": float(self.area[place]) / self.x0[0].numel(),
                "channels": self.x0.shape[1] if self.x0.ndim == 4 else 1,
                "forwards": int(found.forwards[place]),
                "backwards": int(found.backwards[place]),
            }
            for place in range(len(self.rows))
        ]
        return saved, values, allowed.tolist()

    def filled(self, rows: list[Row]) -> list[Row]:
        """Return the chunk's rows, those of the attacked samples (k) in their places."""
        result = list(self.others)
        for row, one in zip(self.rows.tolist(), rows, strict=True):
            result[row] = one
        return result


@probes.register("evasion", cost=cost)
def evasion(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Whether a correctly classified sample can be made wrong within the threat, on the point that a file would hold.

    Misclassified samples are not attacked: their row says correct = 0. Where the trial has a source, only what that one
    left
    standing is attacked: the other rows say survivor = 0.
    """
    prey = Attackable.of(bench, trial, chunk)
    if trial.source is not None:
        fallen = [
            row for row, name in zip(prey.rows.tolist(), prey.names, strict=True) if bench.source(name) is not None
        ]
        prey = prey.without(dict.fromkeys(fallen, Row({"correct": 1, "survivor": 0})))
    if not len(prey.rows):
        return prey.others
    epsilon = float(trial.threat["epsilon"])
    seeds = [derive(trial.seed, trial.method, trial.zone, epsilon, name) for name in prey.names]
    settings = settings_of(bench, trial)
    found = attack(
        trial.method,
        bench.classifier,
        prey.x0,
        prey.y,
        prey.threat,
        epsilon=epsilon,
        seed=seeds,
        batch_size=bench.batch_size,
        **settings,
    )
    saved, values, allowed = prey.judged(found, epsilon)
    return prey.filled(
        [
            Row(
                {**one, "survivor": 1},
                kept,
                {"adversarial": point.cpu().numpy()} if trial.keep and one["fooled"] else None,
            )
            for one, kept, point in zip(values, allowed, saved, strict=True)
        ]
    )
