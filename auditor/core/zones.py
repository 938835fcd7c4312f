"""Where an attacker may write: inside, outside, everywhere, control zones and the data's named zones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from keyword import iskeyword
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from auditor.core.errors import AuditorError, nearest
from auditor.core.outcomes import Missing
from auditor.core.seeds import generator

if TYPE_CHECKING:  # checks ask why a zone is not applicable without torch
    from torch import Tensor

Mask = NDArray[np.bool_]

GUARD = 0.02
"""Default width of the guard band, as a share of the image's diagonal: an outline is never pixel-exact."""
CONTROL_ZONES = ("control/0", "control/1", "control/2")
"""The outside shifted, turned or mirrored, and scattered; the numbers that follow are further draws of the three in
turn.
"""
BUILT_IN = ("inside", "outside", "everywhere", *CONTROL_ZONES)
NAMED = "named"
"""The word for all named zones of a data set."""
RESERVED = ("inside", "outside", "everywhere", "control", NAMED, "mask")
"""What a named zone may not be called."""


def check_zone(name: str, named: Iterable[str] = ()) -> str:
    """Return the zone's name if it is one, of any data set or among the named zones of this one (AuditorError
    otherwise).
    """
    known = (*BUILT_IN, *named)
    if name in known or control_number(name) is not None:
        return name
    raise AuditorError(
        "zone: expected 'inside', 'outside', 'everywhere', 'control/<number>' or a named zone of the data, got"
        f" '{name}'; {nearest(name, known)}"
    )


def usable_name(name: str) -> bool:
    """Return whether a named zone may be called so: an identifier that no zone of every data set has."""
    return name.isidentifier() and not iskeyword(name) and name not in RESERVED


def control_number(name: str) -> int | None:
    """Return the number of a control zone; None of any other zone."""
    found = re.fullmatch(r"control/(\d{1,9})", name, re.ASCII)
    return None if found is None else int(found[1])


def expand_zones(names: Sequence[str]) -> tuple[str, ...]:
    """Return distinct names of zones, 'control' as the three controls (ValueError: cannot be a zone).

    Names of named zones and the word 'named' stay: only `resolve_zones`, which knows the data, can tell what they are.

    >>> expand_zones(["outside", "control"])
    ('outside', 'control/0', 'control/1', 'control/2')
    """
    every = [one for name in names for one in (CONTROL_ZONES if name == "control" else (name,))]
    for name in every:
        if not (name in BUILT_IN or name == NAMED or control_number(name) is not None or usable_name(name)):
            raise ValueError(
                "expected 'inside', 'outside', 'everywhere', 'control', 'control/<number>', 'named' or a named zone of"
                " the data"
            )
    return tuple(dict.fromkeys(every))


def single_zone(name: str) -> str:
    """Return the name of one zone, 'control' as the first of the controls (ValueError: not one zone)."""
    if name == NAMED:
        raise ValueError("expected one zone, not all named ones")
    return expand_zones([name])[0]


def resolve_zones(names: Sequence[str], named: Iterable[str]) -> tuple[str, ...]:
    """Return distinct names of zones of one data set, 'named' as all of its named zones (AuditorError: it has no such
    zone, or none is left).

    >>> resolve_zones(["outside", "named"], {"organ": (0.4,), "air": (0.6,)})
    ('outside', 'air', 'organ')
    """
    known = sorted(named)
    every = tuple(
        dict.fromkeys(one for name in names for one in (known if name == NAMED else [check_zone(name, known)]))
    )
    if names and not every:
        raise AuditorError(
            "zone: expected data with named zones (data.masks, data.zones), since only 'named' is asked for, got none."
        )
    return every


def not_applicable(name: str, share: float | None) -> Missing | None:
    """Return why a sample with this share of its area inside the zone's mask has no such zone; None when it has one.

    A full mask makes no zone, a named one no more than the expert's: it spares nothing, so it would measure
    'everywhere' under another name.
    """
    if name in ("everywhere", ""):
        return None
    if share is None:
        return Missing.not_applicable("no mask", name)
    if share <= 0.0:
        return Missing.not_applicable("empty mask", name)
    if share >= 1.0:
        return Missing.not_applicable("full mask", name)
    return None


def coverage(shares: Sequence[float | None]) -> dict[str, Any]:
    """Return of how many samples a mask is present, empty, full or missing, and the median, least and largest share of
    the area where it is present.
    """
    found = [share for share in shares if share is not None and 0 < share < 1]
    return {
        "present": len(found),
        "empty": sum(share == 0 for share in shares),
        "full": sum(share == 1 for share in shares),
        "missing": sum(share is None for share in shares),
        "median_share": median(found) if found else None,
        "least_share": min(found, default=None),
        "most_share": max(found, default=None),
    }


def grow(mask: Mask, guard: float) -> Mask:
    """Return the mask (height, width) grown by `guard` times its diagonal, in pixels of Euclidean distance."""
    if not mask.any() or guard <= 0:
        return mask
    return np.asarray(distance_transform_edt(~mask) <= guard * float(np.hypot(*mask.shape)))


def control_zone(zone: Mask, number: int, rng: np.random.Generator) -> Mask:
    """Return a control zone of exactly the zone's area: shifted (0), turned or mirrored (1), scattered (2), and so on
    in turn.

    A move that leaves the zone as it is says nothing: another is drawn, as long as one of that kind would change it.
    """
    if zone.all() or not zone.any():
        return zone
    moves = _shuffled(zone, rng) if zone.ndim == 1 else (_shifted, _turned, _scattered)[number % 3](zone, rng)
    return next((one for one in moves if not np.array_equal(one, zone)), zone)


def _shuffled(zone: Mask, rng: np.random.Generator) -> Iterator[Mask]:
    """Yield the columns in random orders, without end: columns have no places."""
    while True:
        yield rng.permutation(zone)


def _shifted(zone: Mask, rng: np.random.Generator) -> Iterator[Mask]:
    """Yield every shift around the edges by a quarter of each side at least, so that the hole leaves its place."""
    first, shifts = [side // 4 for side in zone.shape], [side - 2 * (side // 4) + 1 for side in zone.shape]
    for drawn in rng.permutation(shifts[0] * shifts[1]):
        yield np.roll(zone, (first[0] + drawn // shifts[1], first[1] + drawn % shifts[1]), axis=(0, 1))


def _turned(zone: Mask, rng: np.random.Generator) -> Iterator[Mask]:
    """Yield every turn, mirror image or both that keeps the sides: seven of a square, three of another rectangle."""
    turns = range(4) if zone.shape[0] == zone.shape[1] else (0, 2)
    for quarters, mirrored in rng.permutation([move for move in product(turns, (0, 1)) if any(move)]):
        turned = np.rot90(zone, quarters)
        yield np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


def _scattered(zone: Mask, rng: np.random.Generator) -> Iterator[Mask]:
    """Yield the zone cut into square tiles that change places at random, on a grid that starts anywhere, without end.

    A tile's side is half the root of the hole's area: a compact hole breaks into about a dozen pieces of some size. So
    the area is exact and
    nothing is left of the place or the shape that the anatomy gave it, yet what is spared is no spray of single pixels,
    which no expert ever marks.
    """
    height, width = zone.shape
    side = int(np.clip(round(np.sqrt(np.count_nonzero(~zone)) / 2), 1, min(height, width)))
    rows, columns = height // side, width // side
    while True:
        result = np.roll(zone, rng.integers(zone.shape), axis=(0, 1))
        whole = result[: rows * side, : columns * side]
        tiles = rng.permutation(whole.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side))
        whole[...] = tiles.reshape(rows, columns, side, side).swapaxes(1, 2).reshape(whole.shape)
        yield result


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
    return control_zone(outside, number, generator(seed, name))


def make_zone(
    name: str,
    inside: Tensor,
    *,
    regions: Mapping[str, Tensor] | None = None,
    guard: float = GUARD,
    seeds: Sequence[int],
) -> Tensor:
    """Return a zone (n, *shape) bool, True where the attacker may write.

    Parameters
    ----------
    name
        'inside', 'outside' (all but the mask and its guard band), 'everywhere', 'control/<number>' or one of the
        regions.
    inside
        The expert's masks (n, *shape) bool; the last two axes are height and width, channels share one mask.
    regions
        The named zones (n, *shape) bool, taken as they are drawn: without a guard band.
    guard
        Width of the guard band as a share of the diagonal.
    seeds
        One number per sample, for the control zones.
    """
    import torch

    check_zone(name, regions or ())
    if regions and name in regions:
        return regions[name]
    flat = inside if inside.ndim < 4 else inside.any(1)
    zones = [one_zone(name, mask.numpy(), guard=guard, seed=seed) for mask, seed in zip(flat, seeds, strict=True)]
    stacked = torch.from_numpy(np.stack(zones)) if zones else flat
    return stacked if inside.ndim < 4 else stacked[:, None].expand(inside.shape)
