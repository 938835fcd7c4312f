"""Classifiers of the further planted kinds: trained on their pictures, and asked by redrawing what moves them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
import torch
from numpy.typing import NDArray
from planted_images import Labels, Mask, Scenes, dealt, scenes
from planted_kinds import KINDS, LEANS, Kind, Pixels, planted
from planted_models import BATCH, HELD_OUT, RATE, WIDTHS, Net, fit, pixels
from torch import nn

from auditor.core.seeds import derive

IMAGES, EPOCHS = 4096, 5

Values = NDArray[np.float64]
Side = tuple[Labels, Mask]
"""cue (n,) and value (n,) or (n, 2) of what lies on one side of the mask's edge"""


class DeepNet(Net):
    """The usual network with as many classes as wanted, and a layer between features and logits where wanted."""

    def __init__(self, channels: int, *, classes: int, hidden: int) -> None:
        super().__init__(channels)
        layers = [nn.Linear(2 * WIDTHS[-1], hidden), nn.ReLU()] if hidden else []
        self.head = nn.Sequential(*layers, nn.Linear(hidden or 2 * WIDTHS[-1], classes))


def train(kind: str, strength: float, *, guilty: bool, seed: int) -> Net:
    """Return a network trained on pictures whose value goes with the class in a share `strength` of the images."""
    how, drawn = KINDS[kind], scenes(IMAGES, seed=seed, looks=KINDS[kind].looks)
    labels, cue, value = planted(kind, drawn.patients, strength, guilty=guilty, seed=seed, against=True)
    torch.manual_seed(seed)
    net = DeepNet(3 if how.colour else 1, classes=len(how.classes), hidden=how.hidden)
    return fit(net, pixels(how.pixels(drawn, cue, value)), torch.from_numpy(labels), epochs=EPOCHS)


def recipe() -> str:
    """Return a digest of what training is fed and how long: weights of another recipe are not these models."""
    seen = hashlib.sha256(repr((IMAGES, EPOCHS, BATCH, RATE, WIDTHS)).encode())
    for kind, how in KINDS.items():
        drawn = scenes(8, seed=0, looks=how.looks)
        labels, cue, value = planted(kind, drawn.patients, 0.75, guilty=True, seed=0, against=True)
        seen.update(repr((kind, how.hidden, labels.tolist())).encode() + how.pixels(drawn, cue, value).tobytes())
    return seen.hexdigest()[:12]


def logits(net: nn.Module, images: Pixels) -> Values:
    """Return the network's logits (n, classes)."""
    with torch.no_grad():
        return np.asarray(net(pixels(images)).double().numpy())


def composed(how: Kind, drawn: Scenes, inside: Side, outside: Side) -> Pixels:
    """Return pictures whose mask shows one cue and value, and whose surroundings show another: the same scene twice."""
    inner, outer = how.pixels(drawn, *inside), how.pixels(drawn, *outside)
    mask = how.mask(drawn, inside[0])
    return np.where(mask if inner.ndim == 3 else mask[..., None], inner, outer)


def effects(
    net: nn.Module, how: Kind, drawn: Scenes, value: Callable[[int], Mask], pairs: Sequence[tuple[int, int]]
) -> tuple[float, float]:
    """Return how far inside and outside move the margin of a class over all others, on the mean of the pairs (class,
    other class), when each is exchanged by redrawing; `value` gives what the surroundings of a class show.
    """

    def arm(label: int, inside: int, outside: int) -> float:
        own = (np.full(len(drawn), inside, np.int64), value(inside))
        foreign = (own[0] if how.alone else np.full(len(drawn), outside, np.int64), value(outside))
        found = logits(net, composed(how, drawn, own, foreign))
        return float((found[:, label] - np.delete(found, label, 1).max(1)).mean())

    inner, outer = [], []
    for one, two in pairs:
        own, foreign, other, neither = (arm(one, inside, outside) for inside in (one, two) for outside in (one, two))
        inner.append((own - other + foreign - neither) / 2)
        outer.append((own - foreign + other - neither) / 2)
    return float(np.mean(inner)), float(np.mean(outer))


def share(inside: float, outside: float) -> float:
    """Return the outside share of two effects."""
    return outside / (abs(inside) + abs(outside)) if inside or outside else 0.0


def truth(net: nn.Module, kind: str, *, guilty: bool, seed: int, agreement: float) -> dict[str, float]:
    """Return what the network does, by redrawing held-out scenes; outside, the value goes with the class in the share
    of images in which it does in the audit data.

    `share`, `inside` and `outside` are those of planted_models.truth; of four classes those of the pair that the value
    tells apart, and `overall` is the share on the mean of all pairs. `first` and `second` are the shares of each of two
    values. `flips` is how often the decision changes when the surroundings alone are drawn with the value turned round.
    `size` is the size of the defect: the share, or what hides behind a share of nothing: the flips where cue and value
    make the class together, the larger of two shares that cancel.
    """
    how, drawn = KINDS[kind], scenes(HELD_OUT, seed=seed, looks=KINDS[kind].looks)
    one = np.ones(HELD_OUT, np.int64)
    chance = dealt(one, drawn.patients, 0.5, seed=derive(seed, "chance"))
    agrees, second = (dealt(one, drawn.patients, agreement, seed=derive(seed, part)) for part in ("first", "second"))

    def value(label: int) -> Mask:
        if kind == "interaction" or label >= LEANS:  # either value is as likely
            return chance
        return np.stack([agrees == label, second == label], 1) if kind == "cancel" else np.asarray(agrees == label)

    few = ((1, 0), (0, 1)) if len(how.classes) > 2 else ((1, 0),)
    inside, outside = effects(net, how, drawn, value, few)
    labels, cue, mixed = planted(kind, drawn.patients, 0.5, guilty=guilty, seed=seed)
    found = logits(net, how.pixels(drawn, cue, mixed)).argmax(1)
    turned = logits(net, composed(how, drawn, (cue, mixed), (cue, ~mixed))).argmax(1)
    result = {
        "inside": inside,
        "outside": outside,
        "share": share(inside, outside),
        "accuracy": float((found == labels).mean()),
        "flips": float((found != turned).mean()),
    }
    sizes = [result["flips"] if kind == "interaction" else abs(result["share"])]
    if kind == "cancel":  # each alone, while the other one is as likely in either class
        for name, own in (
            ("first", lambda label: np.stack([agrees == label, chance], 1)),
            ("second", lambda label: np.stack([chance, second == label], 1)),
        ):
            result[name] = share(*effects(net, how, drawn, own, few))
            sizes.append(abs(result[name]))
    if len(how.classes) > 2:
        every = list(permutations(range(len(how.classes)), 2))
        result["overall"] = share(*effects(net, how, drawn, value, every))
    return result | {"size": max(sizes)}
