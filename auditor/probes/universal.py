"""Universal perturbations: one per group, fitted on half of its units (universal), and what they do to everyone's other
half (aimed).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditor.attacks.losses import AWAY
from auditor.core.outcomes import Missing
from auditor.core.records import Trial
from auditor.core.seeds import derive, generator
from auditor.models.meter import Meter
from auditor.models.search_twin import searching
from auditor.probes import Bench, Row, probes
from auditor.probes.evasion import Attackable, zone_of
from auditor.samples.samples import Chunk
from auditor.stats.grouping import Attribute, dealt
from auditor.threats.threat import SmoothThreat, Threat

WARM = 4
"""One step in so many, the first ones, climbs on the samples of one class alone."""
UNKNOWN = Missing.not_applicable("its group is unknown")
_NOTHING = Missing.not_applicable("no perturbation was fitted on another half")


def _fit_cost(*, method: str, settings: dict[str, Any]) -> tuple[int, int]:
    """Return the most forwards and backwards of all fits: the clean answers, the ascents and their ends; however many
    samples there are.
    """
    climbed = settings["starts"] * settings["steps"] * settings["batch"]
    fits = 2 * len(settings["names"])
    return fits * (settings["most"] * (1 + settings["starts"]) + climbed), fits * climbed


@probes.register("universal", needs="gradient", cost=_fit_cost)
def universal(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """One perturbation per named group and half of its units, fitted on all their samples at once.

    The arrays '<group>/<half>' (*shape) say what is added to a sample's values within its zone, and `half` (n,) in
    which half each sample of the data is, -1 where its group is unknown or it has no such zone. The one sample that the
    plan draws carries them for all.
    Settings: attribute, names (groups), steps, batch, starts (classes that an ascent begins with), most (samples seen),
    exchange (0: groups as they are, else the number of a random exchange).
    """
    settings, samples = trial.settings, bench.samples
    attribute = Attribute.from_dict(settings["attribute"])
    groups, half = dealt(attribute, samples, trial.zone, seed=trial.seed, exchange=settings["exchange"])
    values: dict[str, float] = {"forwards": 0, "backwards": 0}
    arrays: dict[str, NDArray[Any]] = {"half": half}
    for place, name in enumerate(settings["names"]):
        for side in (0, 1):
            mine = [row for row in np.flatnonzero(half == side).tolist() if groups[row] == name]
            fit = Fit.of(
                bench, trial, mine, derive(trial.seed, "universal", attribute.name, name, side, settings["exchange"])
            )
            best = fit.best() if fit.positions else None
            if best is not None:
                arrays[f"{place}/{side}"] = best[1].cpu().numpy()
                values |= {f"samples/{place}/{side}": len(fit.positions), f"success/{place}/{side}": best[0]}
            values["forwards"] += int(fit.meter.forwards.sum()) + fit.clean
            values["backwards"] += int(fit.meter.backwards.sum())
    return [Row(values, arrays=arrays) for _ in chunk.ids]


@dataclass(frozen=True)
class Fit:
    """The correctly classified samples that one perturbation is fitted on (m), loaded a mini-batch at a time.

    An ascent climbs the mean of sigmoid(-margin / scale), scale the samples' median margin: a smooth count of the
    flips. A loss without bound has one linear classifier's two classes pull against each other until neither flips;
    here what is flipped and what is out of reach count for little, and one class wins. Each start lets another class
    pull first, and the best end is kept.

    The perturbation is the point of the ball that lies furthest along the sum of all gradients so far (dual averaging,
    Nesterov 2009), so that no step size is chosen and no single mini-batch can turn it: a sign step with decay fits the
    seen half as well and flips fewer others. Otherwise as in Shafahi et al. 2020 (arXiv:1811.11304) after
    Moosavi-Dezfooli et al. 2017 (arXiv:1610.08401).
    """

    bench: Bench
    trial: Trial
    positions: tuple[int, ...]
    zones: tuple[Tensor, ...]
    """Each sample's zone (*shape) bool, kept since a distance transform costs as much as a pass of a small network."""
    y: Tensor
    scale: float
    seed: int
    meter: Meter
    clean: int
    """Forward passes that it took to find them."""

    @staticmethod
    def of(bench: Bench, trial: Trial, candidates: Sequence[int], seed: int) -> Fit:
        """Return the fit on those of at most `most` drawn candidates that are classified correctly and have the trial's
        zone.
        """
        drawn = bench.samples.draw(trial.settings["most"], seed, among=candidates)
        found, zones, margins, clean = [], [], [], 0
        for positions in _slices(drawn, trial.settings["batch"]):
            chunk = bench.samples.load(positions)
            prey, zone = Attackable.of(bench, trial, chunk), zone_of(trial, chunk)
            clean += int(prey.meter.forwards.sum())
            found += [positions[row] for row in prey.rows.tolist()]
            zones += [zone[row] for row in prey.rows.tolist()]
            margins += prey.clean.tolist()
        y = torch.tensor([bench.samples.y[row] for row in found], dtype=torch.long, device=bench.classifier.device)
        scale = float(np.median(margins)) if margins else 1.0
        return Fit(
            bench,
            trial,
            tuple(found),
            tuple(zones),
            y,
            scale,
            seed,
            Meter(searching(bench.classifier), len(found), bench.batch_size),
            clean,
        )

    def best(self) -> tuple[float, Tensor]:
        """Return the share of the samples that the best perturbation flips, and the perturbation (*shape)."""
        labels, counts = np.unique(self.y.cpu().numpy(), return_counts=True)
        frequent = labels[np.lexsort((labels, -counts))][: self.trial.settings["starts"]].tolist()
        ends = [self._climb(label) for label in frequent]
        shares = [self._success(end) for end in ends]
        return max(shares), ends[int(np.argmax(shares))][0]

    def _climb(self, first: int) -> Tensor:
        """Return where an ascent ends (1, *shape) that begins with the samples of one class."""
        settings, samples, device = self.trial.settings, self.bench.samples, self.bench.classifier.device
        span, epsilon = samples.high - samples.low, float(self.trial.threat["epsilon"])
        origin = torch.zeros(1, *samples.shape, device=device)
        ball = Threat.ball(self.trial.threat["norm"], None, -span, span).over(origin)
        point, pull = origin, torch.zeros_like(origin, dtype=torch.float64)
        every = np.arange(len(self.positions))
        draws = generator(self.seed, first)
        for step in range(settings["steps"]):
            pool = np.flatnonzero((self.y == first).cpu().numpy()) if step < settings["steps"] // WARM else every
            rows = np.sort(draws.permutation(pool)[: settings["batch"]])
            pull = pull + self._gradient(point, rows.tolist())
            steepest = pull.abs().max()
            if steepest > 0:
                point = ball.project(
                    ball.step(origin, (pull / steepest).to(origin.dtype), origin, epsilon), origin, epsilon
                )
        return point

    def _gradient(self, point: Tensor, rows: Sequence[int]) -> Tensor:
        """Return the sum of the gradients (1, *shape) of some samples with the perturbation `point` added."""
        x, zone = self._shown(point, rows)
        own = self.y[list(rows)]

        def along(logits: Tensor, tags: Tensor) -> Tensor:
            flipped = torch.sigmoid(AWAY["margin"].value(logits, tags) / self.scale)
            return (flipped * (1 - flipped))[:, None] * AWAY["margin"].slope(logits, tags)

        _, slope = self.meter.gradient(x, torch.tensor(rows), along, torch.stack([own, own], 1))
        return torch.where(zone, slope, 0).sum(0, keepdim=True, dtype=torch.float64)

    def _shown(self, point: Tensor, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return what the classifier is shown of some samples (k, *shape), and their zones."""
        device = self.bench.classifier.device
        x0 = self.bench.samples.load([self.positions[row] for row in rows]).x.to(device)
        zone = torch.stack([self.zones[row] for row in rows]).to(device)
        samples = self.bench.samples
        threat = Threat.ball(self.trial.threat["norm"], zone, samples.low, samples.high, samples.levels)
        return moved(x0, point, zone, threat=threat, epsilon=float(self.trial.threat["epsilon"])), zone

    def _success(self, point: Tensor) -> float:
        flips = 0
        for rows in _slices(range(len(self.positions)), self.trial.settings["batch"]):
            x, _ = self._shown(point, rows)
            flips += int((self.meter.logits(x, torch.tensor(rows)).argmax(1) != self.y[list(rows)]).sum())
        return flips / len(self.positions)


def moved(x0: Tensor, point: Tensor, zone: Tensor, *, threat: SmoothThreat, epsilon: float) -> Tensor:
    """Return what a file would hold of x0 (n, *shape) with a perturbation, one (1, *shape) or one each, added within
    the zone (n, *shape).
    """
    return threat.saved(threat.project(torch.where(zone, x0 + point, x0), x0, epsilon), x0)


def _slices(rows: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])


@probes.register("aimed", needs="gradient", cost=lambda method, settings: (1 + len(settings["names"]), 0))
def aimed(bench: Bench, trial: Trial, chunk: Chunk) -> list[Row]:
    """Whether the perturbation fitted to each group flips a correctly classified sample; used is the fit that never saw
    the sample's unit.

    `fooled/<group>` is left out where a group has no fit on that half. `allowed` says that every point was within the
    threat.
    """
    found = bench.source("")
    if found is None:
        return [Row(missing=_NOTHING) for _ in chunk.ids]
    at = bench.samples.index()
    half = [int(found["half"][at[name]]) for name in chunk.ids]
    prey = Attackable.of(bench, trial, chunk).without(
        {row: Row(missing=UNKNOWN) for row, side in enumerate(half) if side < 0}
    )
    epsilon, n = float(trial.threat["epsilon"]), len(prey.rows)
    values: list[dict[str, float]] = [{"correct": 1} for _ in range(n)]
    allowed = torch.ones(n, dtype=torch.bool)
    opposite = np.array([1 - half[row] for row in prey.rows.tolist()], dtype=np.int64)
    for place in range(len(trial.settings["names"])):
        for side in (0, 1):
            rows = np.flatnonzero(opposite == side)
            if not len(rows) or f"{place}/{side}" not in found:
                continue
            flipped, kept = _tried(prey, torch.from_numpy(rows), found[f"{place}/{side}"], epsilon=epsilon)
            allowed[rows] &= kept
            for row, one in zip(rows.tolist(), flipped.tolist(), strict=True):
                values[row][f"fooled/{place}"] = int(one)
    for row, passes in enumerate(prey.meter.forwards[prey.rows].tolist()):
        values[row]["forwards"] = passes
    return prey.filled(
        [
            Row(one, kept) if len(one) > 2 else Row(missing=_NOTHING)
            for one, kept in zip(values, allowed.tolist(), strict=True)
        ]
    )


def _tried(prey: Attackable, rows: Tensor, perturbation: NDArray[Any], *, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return whether a perturbation (*shape) flips some of the samples (k,), and whether the threat allows it (k,);
    what it forbids flips nothing.
    """
    at = rows.to(prey.x0.device)
    x0, y, threat = prey.x0[at], prey.y[at], prey.threat.over(prey.x0).take(at)
    assert threat.zone is not None
    point = torch.from_numpy(perturbation).to(x0)[None]
    x = moved(x0, point, threat.zone, threat=threat, epsilon=epsilon)
    kept = threat.allows(x, x0, epsilon).cpu()
    return (prey.meter.logits(x, prey.rows[rows]).argmax(1) != y).cpu() & kept, kept
