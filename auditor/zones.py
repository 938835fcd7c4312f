"""Where an attacker may write: inside, outside, everywhere and control zones, from the expert's mask and a guard band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from auditor.errors import AuditorError
from auditor.seeds import generator

if TYPE_CHECKING:  # checks ask why a zone is not applicable without torch
    from torch import Tensor

Mask = NDArray[np.bool_]

GUARD = 0.02
"""Default width of the guard band, as a share of the image's diagonal: an outline is never pixel-exact."""


def check_zone(name: str) -> str:
    """Return the zone's name if it is one (AuditorError otherwise)."""
    kind, _, number = name.partition("/")
    if name in ("inside", "outside", "everywhere") or (kind == "control" and number.isdigit()):
        return name
    raise AuditorError(f"zone: expected 'inside', 'outside', 'everywhere' or 'control/<number>', got '{name}'.")


def expand_zones(names: Sequence[str]) -> tuple[str, ...]:
    """Return distinct names of zones, 'control' as the two controls (ValueError: not a zone).

    >>> expand_zones(["outside", "control"])
    ('outside', 'control/0', 'control/1')
    """
    every = [one for name in names for one in (("control/0", "control/1") if name == "control" else (name,))]
    try:
        return tuple(dict.fromkeys(check_zone(name) for name in every))
    except AuditorError:
        raise ValueError("expected 'inside', 'outside', 'everywhere', 'control' or 'control/<number>'") from None


def not_applicable(name: str, share: float | None) -> str:
    """Return why a sample with this share of its area inside the mask has no such zone; '' when it has one."""
    if name in ("everywhere", ""):
        return ""
    if share is None:
        return f"not applicable for zone {name}: no mask"
    if share <= 0.0:
        return f"not applicable for zone {name}: empty mask"
    if share >= 1.0:
        return f"not applicable for zone {name}: full mask"
    return ""


def grow(mask: Mask, guard: float) -> Mask:
    """Return the mask (height, width) grown by `guard` times its diagonal, in pixels of Euclidean distance."""
    if not mask.any() or guard <= 0:
        return mask
    return np.asarray(distance_transform_edt(~mask) <= guard * float(np.hypot(*mask.shape)))


def moved(zone: Mask, number: int, rng: np.random.Generator) -> Mask:
    """Return a control zone: the zone shifted around (even numbers) or turned (odd numbers), of exactly the same area.

    A shift moves by at least a quarter of each side, so that the hole leaves its place.
    """
    if zone.ndim == 1:
        return rng.permutation(zone)
    if number % 2 == 0:
        shift = [int(rng.integers(side // 4, side - side // 4 + 1)) for side in zone.shape]
        return np.roll(zone, shift, axis=(0, 1))
    turns = int(rng.integers(1, 4)) if zone.shape[0] == zone.shape[1] else 2
    turned = np.rot90(zone, turns)
    return np.ascontiguousarray(turned[:, ::-1] if rng.integers(2) else turned)


def one_zone(name: str, mask: Mask, *, guard: float, seed: int) -> Mask:
    """Return the zone (height, width) or (features,) of one sample's mask; `seed` draws the control zones."""
    if name == "inside":
        return mask
    if name == "everywhere":
        return np.ones_like(mask)
    outside = ~(grow(mask, guard) if mask.ndim == 2 else mask)
    if name == "outside":
        return outside
    number = int(name.partition("/")[2])
    return moved(outside, number, generator(seed, name))


def make_zone(name: str, inside: Tensor, *, guard: float = GUARD, seeds: Sequence[int]) -> Tensor:
    """Return a zone (n, *shape) bool, True where the attacker may write.

    Parameters
    ----------
    name
        'inside', 'outside' (all but the mask and its guard band), 'everywhere' or 'control/<number>'.
    inside
        The expert's masks (n, *shape) bool; the last two axes are height and width, channels share one mask.
    guard
        Width of the guard band as a share of the diagonal.
    seeds
        One number per sample, for the control zones.
    """
    import torch

    check_zone(name)
    flat = inside if inside.ndim < 4 else inside.any(1)
    zones = [one_zone(name, mask.numpy(), guard=guard, seed=seed) for mask, seed in zip(flat, seeds, strict=True)]
    stacked = torch.from_numpy(np.stack(zones)) if zones else flat
    return stacked if inside.ndim < 4 else stacked[:, None].expand(inside.shape)
