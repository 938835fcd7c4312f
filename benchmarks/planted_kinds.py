"""Further planted kinds: shortcuts that follow the lesion, that need two looks, or that change the whole picture, and
honest classifiers that are easily accused.

As in planted_images.py, a scene holds what chance decided. A kind draws it with a cue (n,), which shows inside the
mask, and a value, which shows outside: the same scene drawn with the value turned round is an experiment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from planted_images import COLLAR, LIGHT, NUISANCES, SIZE, Array, Labels, Lesion, Mask, Scenes, dealt, lesioned
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates

from auditor.core.seeds import derive

Pixels = NDArray[np.uint8]
DOT = 3
"""Side of the dot and of the mark that follows the lesion, in pixels."""
GAPS = (0, 2, 5, 10, 20)
"""Free pixels between the mask and the mark that follows it."""
SLOPE = 0.05
"""Grey levels of 1 that the tilt adds at one side of the picture and takes at the other."""
BLUR = 0.7
"""Standard deviation in pixels of what makes a whole picture less sharp."""
PULLS, REACH = (0.5, 7.0), 8.0
"""Pixels by which tissue at the lesion's edge is drawn towards it, and over how many pixels that fades."""
GROWTH = 1.45
"""How many times larger the lesions of class 1 are where size is the cue."""
GREEN = (-1.0, (0.299 + 0.114) / 0.587, -1.0)
"""Green against magenta at constant luminance (ITU-R BT.601), by channel."""
LEANS = 2
"""Of four classes, the first two differ by core and ring, the others by the half that is brighter."""
USUAL = Lesion(spread=0.6)
"""Lesions whose classes overlap more than elsewhere, so that a shortcut is worth more to a classifier."""
NEAR = Lesion(radius=(5.0, 6.2), spread=0.6)
"""Lesions small enough for a mark 20 pixels off the mask to lie in the picture, wherever the lesion is."""


@dataclass(frozen=True)
class Kind:
    """How one kind is drawn, and how class, cue and value go together."""

    draw: Callable[[Scenes, Labels, Mask], Array]
    """function (scenes, cue (n,), value (n,) or (n, 2)) -> grey values (n, SIZE, SIZE) or (n, SIZE, SIZE, 3)"""
    looks: Lesion = USUAL
    colour: bool = False
    classes: tuple[str, ...] = ("ring", "core")
    hidden: int = 0
    """Units between the network's features and its logits; 0: none, the logits are linear in them."""
    wide: int = 0
    """Pixels by which the expert draws the mask of class 1 wider."""
    whole: bool = False
    """Whether the value changes the inside of the mask too."""
    alone: bool = False
    """Whether there is no shortcut at all, so that no classifier can be guilty."""

    def mask(self, drawn: Scenes, cue: Labels) -> Mask:
        """Return the expert's mask (n, SIZE, SIZE)."""
        return np.asarray(drawn.lesion <= COLLAR + self.wide * (cue == 1)[:, None, None])

    def pixels(self, drawn: Scenes, cue: Labels, value: Mask) -> Pixels:
        """Return 8-bit images (n, SIZE, SIZE), in colour (n, SIZE, SIZE, 3)."""
        return np.asarray(np.rint(self.draw(drawn, cue, value).clip(0, 1) * 255), np.uint8)


@dataclass(frozen=True)
class Sized(Kind):
    """A kind whose cue is the size of the lesion."""

    def mask(self, drawn: Scenes, cue: Labels) -> Mask:
        """Return the expert's mask (n, SIZE, SIZE), which fits."""
        return sized(drawn, cue).lesion <= COLLAR


def plain(drawn: Scenes, cue: Labels) -> Array:
    """Return the tissue with a lesion that shows its cue and nothing else (n, SIZE, SIZE)."""
    return lesioned(drawn, [np.where(cue == 1, 1.0, -1.0).astype(np.float32)])


def bare(drawn: Scenes, cue: Labels, value: Mask) -> Array:
    """Return the plain picture: the value shows nowhere."""
    return plain(drawn, cue)


def corner(drawn: Scenes, cue: Labels, value: Mask) -> Array:
    """Return a dot at the upper right corner of the box around the mask, like a caliper, or nothing."""
    image, mask = plain(drawn, cue), drawn.mask
    for row in np.flatnonzero(value):
        top, right = np.flatnonzero(mask[row].any(1))[0], np.flatnonzero(mask[row].any(0))[-1]
        _dot(image[row], top - 1, right - 1, drawn.chance[row, 2], mask[row])
    return image


def _dot(image: Array, top: int, left: int, light: float, mask: Mask) -> None:
    """Add a dot to one image in place, but never within the mask."""
    rows, columns = slice(max(top, 0), top + DOT), slice(max(left, 0), left + DOT)
    image[rows, columns] += (0.20 + 0.10 * light) * ~mask[rows, columns]


def follow(gap: int) -> Callable[[Scenes, Labels, Mask], Array]:
    """Return how a mark is drawn at a random side of the lesion with so many free pixels between mask and mark."""

    def draw(drawn: Scenes, cue: Labels, value: Mask) -> Array:
        image, mask = plain(drawn, cue), drawn.mask
        for row in np.flatnonzero(value):
            top, left = mark_place(mask[row], gap, drawn.chance[row, 0])
            _dot(image[row], top, left, drawn.chance[row, 2], mask[row])
        return image

    return draw


def mark_place(mask: Mask, gap: int, chance: float) -> tuple[int, int]:
    """Return the upper left pixel of a mark so far off the mask; chance in [0, 1) picks among all places in the picture
    that are, so that none need be drawn again (ValueError: there is none).
    """
    off = distance_transform_edt(~mask) - 1  # a neighbour of the mask leaves no pixel free
    near = np.lib.stride_tricks.sliding_window_view(off, (DOT, DOT)).min((2, 3))
    places = np.argwhere((near >= gap) & (near < gap + 1))
    if not len(places):
        raise ValueError(f"no place {gap} pixels off the mask")
    middle = np.argwhere(mask).mean(0) - (DOT - 1) / 2
    around = np.argsort(np.arctan2(*(places - middle).T), kind="stable")
    top, left = places[around[int(chance * len(places))]]
    return int(top), int(left)


def tilt(drawn: Scenes, cue: Labels, value: Mask) -> Array:
    """Return a picture whose surroundings are brighter at the right or at the left."""
    slope = np.linspace(-1, 1, SIZE, dtype=np.float32) * SLOPE
    side = np.where(value, 1, -1).astype(np.float32)[:, None, None]
    return np.asarray(plain(drawn, cue) + drawn.free * slope * side, np.float32)


def pair(drawn: Scenes, cue: Labels, value: Mask) -> Array:
    """Return a lesion of one of four classes, ring and core, left and right, and the marker or nothing."""
    sign = np.where(cue < LEANS, np.where(cue == 1, 1.0, -1.0), 0.0).astype(np.float32)
    lean = np.where(cue < LEANS, 0.0, np.where(cue == LEANS, -1.0, 1.0)).astype(np.float32)
    unit = (drawn.lesion / drawn.radius[:, :1, None] + 1).clip(0, 1)
    across = np.arange(SIZE) - np.array([np.argwhere(mask)[:, 1].mean() for mask in drawn.mask])[:, None]
    side = np.sin(np.pi * unit) * (across / drawn.radius[:, :1]).clip(-1, 1)[:, None, :]
    image = lesioned(drawn, [sign]) + 1.5 * drawn.looks.cue * lean[:, None, None] * side
    return np.asarray(image + np.where(drawn.free, NUISANCES["marker"](drawn, value), 0), np.float32)


def cast(drawn: Scenes, cue: Labels, value: Mask) -> Array:
    """Return surroundings with a green or a magenta cast of the same luminance (n, SIZE, SIZE, 3)."""
    hue = LIGHT / 4 * np.where(value, 1.0, -1.0)[:, None, None, None] * np.array(GREEN)
    return np.asarray(plain(drawn, cue)[..., None] + drawn.free[..., None] * hue, np.float32)


def sharp(drawn: Scenes, cue: Labels, value: Mask) -> Array:
    """Return a picture that is sharp, or blurred inside and outside."""
    image = plain(drawn, cue)
    return np.where(value[:, None, None], image, gaussian_filter(image, (0, BLUR, BLUR)))


def cancel(drawn: Scenes, cue: Labels, value: Mask) -> Array:
    """Return the marker or nothing by the first value, and a bright or a dark frame by the second."""
    added = NUISANCES["marker"](drawn, value[:, 0]) + NUISANCES["border"](drawn, value[:, 1])
    return np.asarray(plain(drawn, cue) + np.where(drawn.free, added, 0), np.float32)


def deform(drawn: Scenes, cue: Labels, value: Mask) -> Array:
    """Return a lesion that draws the tissue around it towards itself, little or much; the grain is stretched."""
    grain = gaussian_filter(drawn.field, (0, 0.8, 0.8))
    tissue = drawn.tissue + 1.3 * LIGHT * grain / grain.std()
    pulled = np.stack([_pulled(*one) for one in zip(tissue, drawn.lesion, np.where(value, *PULLS[::-1]), strict=True)])
    outer = replace(drawn, tissue=np.where(drawn.mask, drawn.tissue, pulled).astype(np.float32))
    return plain(outer, cue)


def _pulled(tissue: Array, outline: Array, pull: float) -> Array:
    """Return one tissue (SIZE, SIZE), drawn towards the lesion by `pull` pixels at its edge."""
    place = np.argwhere(np.ones((SIZE, SIZE), bool)).reshape(SIZE, SIZE, 2)
    away = place - np.argwhere(outline <= COLLAR).mean(0)
    length = np.maximum(np.hypot(*np.moveaxis(away, 2, 0)), 1)[..., None]
    came = place + away / length * (pull * np.exp(-(outline - COLLAR).clip(0) / REACH))[..., None]
    return np.asarray(map_coordinates(tissue, np.moveaxis(came, 2, 0), order=1, mode="reflect"))


def sized(drawn: Scenes, cue: Labels) -> Scenes:
    """Return the scenes with lesions that are larger in class 1; their middle and their form stay."""
    growth = np.where(cue == 1, GROWTH, 1.0).astype(np.float32)
    radius = drawn.radius[:, 0]
    outline = drawn.lesion - ((growth - 1) * radius)[:, None, None]
    return replace(drawn, lesion=outline, radius=np.stack([growth * radius, drawn.radius[:, 1]], 1))


def size(drawn: Scenes, cue: Labels, value: Mask) -> Array:
    """Return a lesion whose size is the class; its core is bright or dark by chance."""
    return lesioned(sized(drawn, cue), [np.where(drawn.chance[:, 3] < 0.5, 1.0, -1.0).astype(np.float32)])


def marked(drawn: Scenes, cue: Labels, value: Mask) -> Array:
    """Return the marker or nothing, beside a plain lesion."""
    return np.asarray(plain(drawn, cue) + np.where(drawn.free, NUISANCES["marker"](drawn, value), 0), np.float32)


FOUR = ("ring", "core", "left", "right")
KINDS: dict[str, Kind] = {
    "corner": Kind(corner),
    **{f"follow{gap}": Kind(follow(gap), looks=NEAR) for gap in GAPS},
    "tilt": Kind(tilt),
    "pair": Kind(pair, classes=FOUR),
    "interaction": Kind(tilt, hidden=32),
    "cast": Kind(cast, colour=True),
    "sharp": Kind(sharp, whole=True),
    "cancel": Kind(cancel),
    "deform": Kind(deform),
    "size": Sized(size, looks=Lesion(radius=(4.5, 6.0), reach=0.08), classes=("small", "large"), alone=True),
    "wider": Kind(bare, wide=2, alone=True),
    "weak": Kind(marked, looks=Lesion(cue=0.06, spread=1.4), alone=True),
}


def planted(
    kind: str, units: Labels, share: float, *, guilty: bool, seed: int, against: bool = False
) -> tuple[Labels, Labels, Mask]:
    """Return class, cue (n,) and value (n,) or (n, 2) of images of these units; class and value go together in `share`
    of the units.

    Of four classes only the first two go with the value. Of two values the second is dealt apart, and goes against the
    class where that is wanted. Where cue and value together make the class, the value is drawn by chance, also for the
    honest twin, whose class is the cue alone.
    """
    labels = units % len(KINDS[kind].classes)
    if kind == "interaction":
        value = dealt(labels, units, 0.5, seed=seed)
        return labels, np.asarray(labels ^ value if guilty else labels, np.int64), value
    value = dealt(labels, units, share, seed=seed)
    if kind == "pair":
        value = np.where(labels < LEANS, value, dealt(labels - LEANS, units, 0.5, seed=seed))
    if kind == "cancel":
        second = dealt(labels, units, 1 - share if against else share, seed=derive(seed, "second"))
        value = np.stack([value, second], 1)
    return labels, labels, value
