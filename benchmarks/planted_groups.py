"""People in groups and a classifier whose smallest epsilon is known for each of them: planted truth for fairness,
without training.

The classifier answers by the sign of f(x) = s(x) * r(x). s adds up the pixels that carry the class, whose sign no
budget here can turn. r adds
up the pixels of a direction: how much room there is before the answer turns, for either class. Which directions are
read is decided by a
style, patches in the marked region that go with the person's group, so dark or so bright that no budget can turn them
either. A change of e grey
levels in a zone lowers r by at most e times the number of directed pixels in the zone, so a person with room b and n
such pixels flips within
e levels exactly when b < e * n. Rooms are odd and numbers of pixels even: no tie, also on the grid of an 8-bit file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.special import ndtr, ndtri
from torch import Tensor, nn

Ints = NDArray[np.int64]
SIZE, LEVELS = 16, 255
PRIMARY, BUDGETS = 2, (1, 2, 4, 8)
"""Budgets in grey levels, and the one at which success is planted."""
INSIDE = np.zeros((SIZE, SIZE), dtype=bool)
INSIDE[4:12, 4:12] = True
PATCHES = ((slice(4, 6), slice(4, 6)), (slice(4, 6), slice(10, 12)))
"""One bit of the style each."""
DARK, MIDDLE, BRIGHT = 51, 128, 204
SHARES = {"inside": 14, "outside": 42}
"""Pixels of each role in each place."""
ROLES = ("class", "d0", "d1", "d2")
CLASS_LEVELS = {"inside": 40, "outside": 10}
"""By how many grey levels each pixel that carries the class does."""
NOISE = 5.0
LEAST, MOST = 0.3, 40.0
"""Bounds of the smallest epsilon, in grey levels."""
CLASSES = ("benign", "malignant")
Read = tuple[str, ...]
"""Sets of pixels, as role/place."""
EVERY = ("inside", "outside")


def both(*roles: str) -> Read:
    """Return the pixels of some roles in both places."""
    return tuple(f"{role}/{place}" for role in roles for place in EVERY)


@dataclass(frozen=True)
class People:
    """One kind of person: all who look alike to the classifier and fare alike."""

    groups: Mapping[str, str]
    """Column -> value."""
    style: int = 0
    n: int = 100
    """How many of them one audit sees."""
    malignant: float = 0.5
    errors: tuple[float, float] = (0.10, 0.10)
    """Share of wrong answers, by class."""
    flips: tuple[float, float] = (0.30, 0.30)
    """Share of correct answers that flip at the primary budget, by class, if the family's first style read them."""


@dataclass(frozen=True)
class Family:
    """A population and the classifier that it meets."""

    name: str
    people: tuple[People, ...]
    reads: tuple[Read, ...] = (both("d0"),)
    """Directed pixels by style; the last one holds for all styles that follow."""
    classed: tuple[Read, ...] = (("class/inside",),)
    """Pixels read for the class, by style likewise."""
    carries: tuple[Read, ...] = (both("d0"),)
    """Sets of pixels over each of which an image has the whole of its room."""
    spread: float = 0.7
    """Standard deviation of the logarithm of the smallest epsilon."""
    per_unit: int = 1
    alike: float = 0.0
    """Correlation of the samples of one unit, before they are cut into flags."""
    aimed: bool = False
    """Whether perturbations are fitted on groups: directions are then the same or have no pixel in common."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns by which people are grouped."""
        return tuple(self.people[0].groups)


@dataclass(frozen=True)
class Drawn:
    """Samples (n) and what is true of them."""

    family: Family
    kind: Ints
    """Which people."""
    unit: Ints
    y: Ints
    correct: NDArray[np.bool_]
    room: Ints
    """Odd number of grey levels, summed over the directed pixels, before the answer turns."""

    def __len__(self) -> int:
        return len(self.kind)

    def column(self, name: str) -> list[str]:
        """Return everyone's value in a column of groups."""
        return [self.family.people[kind].groups[name] for kind in self.kind.tolist()]

    def smallest(self, zone: str) -> Ints:
        """Return the smallest budget in grey levels (n,) that turns a correct answer in a zone; 0 where none does."""
        styles = np.array([people.style for people in self.family.people])[self.kind]
        directed = np.array(
            [np.abs(weights(at(self.family.reads, style)))[zones(zone)].sum() for style in range(4)], dtype=np.int64
        )[styles]
        return np.where(self.correct & (directed > 0), self.room // np.maximum(directed, 1) + 1, 0)

    def fooled(self, zone: str, budget: int) -> NDArray[np.bool_]:
        """Return who flips in a zone (n,), by the closed form."""
        found = self.smallest(zone)
        return (found > 0) & (found <= budget)

    def outside_share(self) -> NDArray[np.float64]:
        """Return the outside share of transplants onto people like each (n,), in expectation: recipient and rival read
        the class there, or do not.
        """
        reads = np.array(
            [weights(at(self.family.classed, people.style))[~INSIDE].any() for people in self.family.people]
        )[self.kind]
        part = {place: CLASS_LEVELS[place] * SHARES[place] for place in EVERY}
        outside = part["outside"] / part["inside"] * (reads + reads.mean())
        return np.asarray(outside / (2 + outside))


def zones(zone: str) -> NDArray[np.bool_]:
    """Return a zone's pixels."""
    return {"everywhere": np.ones_like(INSIDE), "inside": INSIDE, "outside": ~INSIDE}[zone]


def at(reads: Sequence[Read], style: int) -> Read:
    """Return what a style reads."""
    return reads[min(style, len(reads) - 1)]


def _places() -> dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return the pixels of every set, as rows and columns: scattered, the same in every image."""
    rng, free = np.random.default_rng(0), {"inside": INSIDE.copy(), "outside": ~INSIDE}
    for patch in PATCHES:
        free["inside"][patch] = False
    found = {}
    for place, n in SHARES.items():
        pixels = rng.permutation(np.argwhere(free[place]))
        found |= {f"{role}/{place}": tuple(pixels[k * n : (k + 1) * n].T) for k, role in enumerate(ROLES)}
    return found


PLACES = _places()
SIGNS = np.random.default_rng(1).choice([-1, 1], (SIZE, SIZE))
"""In which direction a pixel speaks."""


def weights(read: Read) -> Ints:
    """Return the weight of every pixel (height, width) of some sets."""
    found = np.zeros((SIZE, SIZE), dtype=np.int64)
    for name in read:
        found[PLACES[name]] = SIGNS[PLACES[name]]
    return found


class Network(nn.Module):
    """f(x) = s(x) * r(x), read by the style that x shows; takes grey values in [0, 1]."""

    def __init__(self, family: Family) -> None:
        super().__init__()
        for name, reads in (("classed", family.classed), ("directed", family.reads)):
            table = np.stack([weights(at(reads, style)) for style in range(4)])
            self.register_buffer(name, torch.from_numpy(table).float())
        self.units = float(np.abs(weights(family.reads[0])).sum())

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, 2) of images (n, 1, height, width)."""
        grey, bits = x[:, 0] * LEVELS - MIDDLE, [x[:, 0, *patch].mean((1, 2)) > 0.5 for patch in PATCHES]
        style = bits[0].long() + 2 * bits[1].long()
        side = (self.classed[style] * grey).sum((1, 2)) / (SHARES["inside"] * CLASS_LEVELS["inside"])
        room = (self.directed[style] * grey).sum((1, 2)) / self.units
        return torch.stack([-side * room, side * room], 1) / 2


def draw(family: Family, seed: int, *, times: int = 1, exact: bool = False) -> Drawn:
    """Return a sample of the population, `times` as large as one audit, in which the numbers of people of each kind are
    fixed.

    `exact` fixes the numbers of each class, of errors and of every quantile of the smallest epsilon too: then shares
    are those that were planted.
    """
    rng, parts = np.random.default_rng(seed), []
    for kind, people in enumerate(family.people):
        n = people.n * times
        unit = np.arange(n) // family.per_unit
        last = int(unit[-1]) + 1
        y = (_ranks(rng.random(last), exact) < people.malignant)[unit].astype(np.int64)
        correct, size = np.ones(n, dtype=bool), np.zeros(n)
        for label in (0, 1):
            mine = np.flatnonzero(y == label)
            correct[mine] = _ranks(_alike(rng, unit[mine], family.alike), exact) >= people.errors[label]
            for right in (True, False):
                ours = mine[correct[mine] == right]
                size[ours] = _sizes(
                    _ranks(_alike(rng, unit[ours], family.alike), exact), people.flips[label], family.spread
                )
        parts.append((np.full(n, kind), unit, y, correct, size))
    offsets = np.cumsum([0, *(int(part[1][-1]) + 1 for part in parts[:-1])])
    kinds, units, labels, right, sizes = (np.concatenate(column) for column in zip(*parts, strict=True))
    room = 2 * np.floor(sizes * np.abs(weights(family.reads[0])).sum() / 2).astype(np.int64) + 1
    return Drawn(family, kinds, units + offsets[kinds], labels, right, room)


def _alike(rng: np.random.Generator, unit: Ints, alike: float) -> NDArray[np.float64]:
    """Return uniform draws (n,), correlated within units."""
    shared = rng.normal(size=int(unit.max(initial=-1)) + 1)[unit]
    return np.asarray(ndtr(math.sqrt(alike) * shared + math.sqrt(1 - alike) * rng.normal(size=len(unit))))


def _ranks(uniform: NDArray[np.float64], exact: bool) -> NDArray[np.float64]:
    """Return the draws, or the quantiles that their ranks stand for."""
    return (np.argsort(np.argsort(uniform)) + 0.5) / max(1, len(uniform)) if exact else uniform


def _sizes(quantiles: NDArray[np.float64], flips: float, spread: float) -> NDArray[np.float64]:
    """Return smallest epsilons in grey levels, of which a share lies below the primary budget."""
    if flips in (0.0, 1.0):
        return np.full(len(quantiles), LEAST if flips else MOST)
    return np.clip(PRIMARY * np.exp(spread * (ndtri(quantiles) - ndtri(flips))), LEAST, MOST)


def render(drawn: Drawn, seed: int) -> NDArray[np.uint8]:
    """Return images (n, height, width): noise, the class where pixels carry it, the room along every direction that
    does, 0 along the others.
    """
    rng, n = np.random.default_rng(seed), len(drawn)
    x = np.clip(np.rint(rng.normal(0, NOISE, (n, SIZE, SIZE))), -3 * NOISE, 3 * NOISE).astype(np.int64)
    side = 2 * drawn.y - 1
    for place, levels in CLASS_LEVELS.items():
        _sum_to(x, (f"class/{place}",), side * levels * SHARES[place], rng)
    carried = [name for read in drawn.family.carries for name in read]
    for name in PLACES:
        if name not in carried and not name.startswith("class/"):
            _sum_to(x, (name,), np.zeros(n, dtype=np.int64), rng)
    for read in drawn.family.carries:
        _sum_to(x, read, np.where(drawn.correct, drawn.room, -drawn.room), rng)
    x += MIDDLE
    for bit, patch in enumerate(PATCHES):
        styles = np.array([people.style for people in drawn.family.people])[drawn.kind]
        x[:, *patch] = np.where(styles >> bit & 1, BRIGHT, DARK)[:, None, None]
    return x.astype(np.uint8)


def _sum_to(x: Ints, read: Read, wanted: Ints, rng: np.random.Generator) -> None:
    """Shift the pixels of some sets, each as far as the others up to one level, so that their signed sum is as wanted
    (n,).
    """
    rows, columns = (np.concatenate([PLACES[name][axis] for name in read]) for axis in (0, 1))
    signs, n = SIGNS[rows, columns], len(rows)
    short = wanted - (x[:, rows, columns] * signs).sum(1)
    order = np.argsort(rng.random((len(x), n)), axis=1)
    x[:, rows, columns] += (short[:, None] // n + (order < (short % n)[:, None])) * signs


def write(drawn: Drawn, folder: Path, seed: int) -> None:
    """Write images, their one mask and the manifest; what is there is whole once the manifest is."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    Image.fromarray(INSIDE.astype(np.uint8) * 255).save(folder / "mask.png")
    for row, image in enumerate(render(drawn, seed)):
        Image.fromarray(image).save(folder / f"images/{row:05d}.png", compress_level=1)
    columns = {name: drawn.column(name) for name in drawn.family.columns}
    lines = [",".join(["id", "path", "mask", "label", "patient", *columns])]
    for row in range(len(drawn)):
        known = [f"s{row:05d}", f"images/{row:05d}.png", "mask.png", CLASSES[drawn.y[row]], f"p{drawn.unit[row]:05d}"]
        lines.append(",".join([*known, *(values[row] for values in columns.values())]))
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
