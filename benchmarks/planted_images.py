"""Phantoms whose every property is set from outside: the class cue inside the lesion, one nuisance of six kinds outside
mask and guard band.

A scene holds what chance decided; `render` adds the class and the nuisance's value. The same scene rendered twice
differs in
nothing but what was set, bit for bit: flipping the nuisance, or the cue, is an experiment with a known answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from auditor.core.seeds import generator
from auditor.core.zones import GUARD
from auditor.modalities.images.demo.drawing import tissue

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.int64]

SIZE = 48
COLLAR = 1.0
"""Pixels by which the expert's mask is wider than the lesion."""
TOKENS = ("R10", "LX", "A7", "CC")
PATCH, CORNER = 4, 5
"""Side of the marker, and from where on its upper left pixel no longer lies, in pixels."""
GREY, CALM = 0.4, 0.6
"""Mean grey value of the tissue, and the share of its usual contrast that it has here: the less it disturbs, the fewer
images an audit needs.
"""
LIGHT = 0.045
"""Amplitude of the frame, the texture and the colour cast, in grey levels of 1."""


@dataclass(frozen=True)
class Lesion:
    """How the lesions of a family look."""

    radius: tuple[float, float] = (6.0, 8.0)
    """Range of the smaller half axis in pixels."""
    contrast: tuple[float, float] = (0.10, 0.16)
    """Grey levels (of 1) above the tissue."""
    cue: float = 0.12
    """Grey levels by which core and ring differ from the lesion's mean: plus in one class, minus in the other."""
    spread: float = 0.36
    """Standard deviation of the cue, as a share of `cue`: how much the classes overlap."""
    reach: float = 0.14
    """How far the lesion's centre may lie from the image's, as a share of the side."""
    beside: float = 0.0
    """The same cue in a second structure near the lesion, which the expert knows of; 0: there is none."""


LESIONS = {
    "usual": Lesion(),
    "small": Lesion(radius=(4.0, 5.0)),
    "large": Lesion(radius=(10.0, 11.5), reach=0.05),
    "faint": Lesion(contrast=(0.03, 0.06), cue=0.085),
    "context": Lesion(cue=0.10, spread=0.55, reach=0.08, beside=0.16),
}


@dataclass(frozen=True, eq=False)
class Scenes:
    """Everything that chance decided about n images; class and nuisance are set when they are drawn."""

    tissue: Array
    """(n, SIZE, SIZE) grey values about 0.4."""
    lesion: Array
    """(n, SIZE, SIZE) pixels outside the lesion's outline, negative inside; never changes by more than the distance
    walked.
    """
    structure: Array
    """(n, SIZE, SIZE) the same of the second structure; infinite where there is none."""
    radius: Array
    """(n, 2) smaller half axis of the lesion, radius of the second structure."""
    contrast: Array
    """(n,) grey levels of the lesion."""
    deviation: Array
    """(n, 2) how far the cue of lesion and second structure is from its class's usual one, in `spread`."""
    field: Array
    """(n, SIZE, SIZE) white noise of which texture and scanner lines are made."""
    chance: Array
    """(n, 4) uniform numbers: where a marker or token lies, how bright it is, which token."""
    patients: Labels
    """(n,) number of the patient."""
    looks: Lesion

    def __len__(self) -> int:
        return len(self.tissue)

    @property
    def mask(self) -> Mask:
        """Return the expert's mask of the lesion (n, SIZE, SIZE)."""
        return self.lesion <= COLLAR

    @property
    def wide(self) -> Mask:
        """Return the expert's mask of lesion and second structure (n, SIZE, SIZE)."""
        return np.minimum(self.lesion, self.structure) <= COLLAR

    @property
    def free(self) -> Mask:
        """Return where the nuisance may be (n, SIZE, SIZE): beyond mask, guard band and one pixel."""
        return np.minimum(self.lesion, self.structure) > COLLAR + GUARD * np.hypot(SIZE, SIZE) + 1


def scenes(n: int, *, seed: int, looks: Lesion, per_patient: int = 1) -> Scenes:
    """Return n scenes, the same for the same arguments; images of one patient share half of the cue's variance."""
    rng = generator(seed, "planted scenes", n)
    patients = np.arange(n) // per_patient
    centre = (SIZE - 1) / 2 + SIZE * rng.uniform(-looks.reach, looks.reach, (n, 2))
    small = rng.uniform(*looks.radius, n)
    lesion = _ellipse(centre, small, small * rng.uniform(1.0, 1.25, n), rng.uniform(0, np.pi, n))
    second = rng.uniform(3.0, 4.0, n)
    structure = _beside(centre, small, second, rng) if looks.beside else np.full_like(lesion, np.inf)
    own, shared = rng.normal(size=(n, 2)), rng.normal(size=(n, 2))[patients]
    return Scenes(
        tissue=(GREY + CALM * (tissue(n, SIZE, rng) - GREY)).astype(np.float32),
        lesion=lesion,
        structure=structure,
        radius=np.stack([small, second], 1).astype(np.float32),
        contrast=rng.uniform(*looks.contrast, n).astype(np.float32),
        deviation=((own + shared) * np.sqrt(0.5) if per_patient > 1 else own).astype(np.float32),
        field=rng.normal(size=(n, SIZE, SIZE)).astype(np.float32),
        chance=rng.uniform(size=(n, 4)).astype(np.float32),
        patients=patients,
        looks=looks,
    )


def _ellipse(
    centre: NDArray[np.float64], small: NDArray[np.float64], large: NDArray[np.float64], angle: NDArray[np.float64]
) -> Array:
    down, right = (
        np.arange(SIZE)[shape] - at[:, None, None]
        for shape, at in (((None, slice(None), None), centre[:, 0]), ((None, None), centre[:, 1]))
    )
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    unit = np.hypot(
        (cos * down + sin * right) / small[:, None, None], (cos * right - sin * down) / large[:, None, None]
    )
    return ((unit - 1) * small[:, None, None]).astype(np.float32)


def _beside(
    centre: NDArray[np.float64], radius: NDArray[np.float64], second: NDArray[np.float64], rng: np.random.Generator
) -> Array:
    """Return the second structure (n, SIZE, SIZE), a disc towards the image's centre, clear of the lesion."""
    to_centre = np.arctan2(*((SIZE - 1) / 2 - centre).T)
    angle = to_centre + rng.uniform(-0.8, 0.8, len(centre))
    away = 1.25 * radius + second + 3
    place = centre + away[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1)
    return _ellipse(place, second, second, np.zeros(len(centre)))


def dealt(labels: Labels, units: Labels, share: float, *, seed: int) -> Mask:
    """Return the nuisance's value (n,): of each class's units the wanted share, to the nearest unit, has the class's
    own value.
    """
    rng, agrees = generator(seed, "planted nuisance", share), np.zeros(len(labels), bool)
    for label in (0, 1):
        members = rng.permutation(np.unique(units[labels == label]))
        agrees |= (labels == label) & np.isin(units, members[: round(share * len(members))])
    return agrees == (labels == 1)


def render(
    drawn: Scenes, labels: Labels, nuisance: Mask, kind: str, *, beside: Labels | None = None
) -> NDArray[np.uint8]:
    """Return images (n, SIZE, SIZE), of the kind 'colour' (n, SIZE, SIZE, 3), 8-bit; `beside` is the class that the
    second structure shows.
    """
    signs = [
        np.where(shown == 1, 1.0, -1.0).astype(np.float32) for shown in (labels, labels if beside is None else beside)
    ]
    image = lesioned(drawn, signs)
    added = NUISANCES[kind](drawn, nuisance)
    free = drawn.free if added.ndim == 3 else drawn.free[..., None]
    image = (image if added.ndim == 3 else image[..., None]) + np.where(free, added, 0)
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8)


def lesioned(drawn: Scenes, signs: Sequence[Array]) -> Array:
    """Return grey values (n, SIZE, SIZE) of the tissue with its lesion, and the second structure where the family has
    one; each shows its own sign (n,) of the cue: core bright and ring dark, the reverse, or at 0 neither.
    """
    looks, image = drawn.looks, drawn.tissue.copy()
    for part, outline in enumerate((drawn.lesion, drawn.structure)[: 2 if looks.beside else 1]):
        unit = outline / drawn.radius[:, part, None, None] + 1
        # core one way, ring the other, nothing at the outline
        wave = np.where(unit < 1, np.cos(1.5 * np.pi * unit.clip(0, 1)), 0)
        cue = (looks.cue, looks.beside)[part] * (signs[part] + looks.spread * drawn.deviation[:, part])
        image += drawn.contrast[:, None, None] / (1 + np.exp(outline.clip(-20, 20) / 0.7)) + cue[:, None, None] * wave
    return image


def _marker(drawn: Scenes, value: Mask) -> Array:
    """Return a bright patch in the upper left corner, or nothing."""
    added = np.zeros((len(drawn), SIZE, SIZE), np.float32)
    for row, (top, left) in enumerate((1 + drawn.chance[:, :2] * (CORNER - 1)).astype(int)):
        added[row, top : top + PATCH, left : left + PATCH] = value[row] * (0.14 + 0.10 * drawn.chance[row, 2])
    return added


def _text(drawn: Scenes, value: Mask) -> Array:
    """Return a token of letters and digits near the lower edge, or nothing."""
    added = np.zeros((len(drawn), SIZE, SIZE), np.float32)
    for row, (across, down, light, which) in enumerate(drawn.chance):
        glyph = _glyphs()[int(which * len(TOKENS))]
        top, left = SIZE - 1 - glyph.shape[0] - int(2 * down), 1 + int(across * 10)
        added[row, top : top + glyph.shape[0], left : left + glyph.shape[1]] = (
            value[row] * (0.18 + 0.10 * light) * glyph
        )
    return added


def _glyphs() -> list[Array]:
    """Return the tokens, cut to their ink, in the font that comes with Pillow."""
    if not _drawn:
        for token in TOKENS:
            page = Image.new("L", (40, 20))
            ImageDraw.Draw(page).text((2, 2), token, fill=255, font=ImageFont.load_default(10))
            _drawn.append(np.asarray(page.crop(page.getbbox()), np.float32) / 255)
    return _drawn


_drawn: list[Array] = []


def _signed(value: Mask) -> Array:
    return np.where(value, 1.0, -1.0).astype(np.float32)[:, None, None]


def _border(drawn: Scenes, value: Mask) -> Array:
    """Return a frame of three pixels, brighter or darker than the tissue."""
    frame = np.ones((SIZE, SIZE), bool)
    frame[3:-3, 3:-3] = False
    return 0.7 * LIGHT * frame * _signed(value)


def _texture(drawn: Scenes, value: Mask) -> Array:
    """Return a fine or a coarse grain of the same amplitude, made of the same noise."""
    grain = [gaussian_filter(drawn.field, (0, sigma, sigma)) for sigma in (0.6, 1.6)]
    fine, coarse = (LIGHT * one / one.std() for one in grain)
    return np.asarray(np.where(value[:, None, None], fine, coarse))


def _colour(drawn: Scenes, value: Mask) -> Array:
    """Return a warm or a cold cast (n, SIZE, SIZE, 3)."""
    return (
        (LIGHT / 4 * _signed(value))[..., None]
        * np.array([1, 0, -1], np.float32)
        * np.ones((1, SIZE, SIZE, 1), np.float32)
    )


def _scanner(drawn: Scenes, value: Mask) -> Array:
    """Return faint lines of a period of three pixels, or white noise of the same variance."""
    phase = 2 * np.pi * drawn.chance[:, :1, None]
    lines = np.sqrt(2) * np.sin(2 * np.pi * np.arange(SIZE)[None, :, None] / 3 + phase) * np.ones((1, 1, SIZE))
    return np.asarray(0.016 * np.where(value[:, None, None], lines, drawn.field), np.float32)


NUISANCES = {
    "marker": _marker,
    "text": _text,
    "border": _border,
    "texture": _texture,
    "colour": _colour,
    "scanner": _scanner,
}
"""Kind -> function (scenes, value (n,)) -> what it adds, (n, SIZE, SIZE) or (n, SIZE, SIZE, 3), before it is cut to
where it may be.
"""


def marked_area(kind: str) -> Mask:
    """Return where (SIZE, SIZE) a nuisance that has a place may lie."""
    area = np.zeros((SIZE, SIZE), bool)
    if kind == "marker":
        area[1 : CORNER + PATCH - 1, 1 : CORNER + PATCH - 1] = True
    return area
