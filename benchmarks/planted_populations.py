"""The populations of the fairness benchmark: each planted defect, and its honest twin where the fair one is not it.

fair, units     everything equal; three images of each patient, much alike
robustness      equal accuracy, but the classifier reads twice as many pixels of one group: it flips more often by 0.25
accuracy        more errors in one group, equally robust where correct
intersection    the same as robustness in two of four cells of sex and race, chosen so that sex and race alone show
nothing
classmix        one class is harder for everyone, and groups have different shares of it
tiny            a group of 17, all flipped or all spared
aimed           each group has a direction of its own; twin: one for all
outside         one group's direction lies outside the mask, the others' inside; twin: outside for all
shortcut        one group's class is read outside the mask too; twin: everyone's
"""

from __future__ import annotations

import math
from typing import Any

from planted_groups import ROLES, Family, Network, People, both
from scipy.special import ndtri


def spread_for(low: float, high: float) -> float:
    """Return the spread at which twice as many directed pixels raise the share that flips from low to high."""
    return math.log(2) / float(ndtri(high) - ndtri(low))


def _groups(*styles: int, n: int = 100, **traits: Any) -> tuple[People, ...]:
    return tuple(People({"group": "ABC"[row]}, style, n, **traits) for row, style in enumerate(styles))


def _weaker(name: str, low: float, high: float, groups: int, n: int = 150) -> Family:
    """Return a family of whose last group twice as many pixels are read."""
    people = _groups(*(0,) * (groups - 1), 1, n=n, flips=(low, low))
    return Family(name, people, (both("d0"), both("d0", "d1")), spread=spread_for(low, high))


def _accuracy(groups: int) -> Family:
    others = _groups(*range(groups - 1), n=150, errors=(0.05, 0.05))
    return Family(
        f"accuracy-{groups}", (*others, People({"group": "ABC"[groups - 1]}, groups - 1, 150, errors=(0.30, 0.30)))
    )


def _crossed() -> Family:
    people = tuple(
        People({"sex": sex, "race": race}, (row ^ column) + 2 * row, 150, flips=(0.15, 0.15))
        for row, sex in enumerate("FM")
        for column, race in enumerate("BW")
    )
    reads = (both("d0"), both("d0", "d1"))
    return Family("intersection", people, reads=(*reads, *reads), spread=spread_for(0.15, 0.55))


def _mixed() -> Family:
    people = tuple(
        People({"group": "ABC"[row]}, row, malignant=share, errors=(0.05, 0.25), flips=(0.10, 0.60))
        for row, share in enumerate((0.2, 0.5, 0.8))
    )
    return Family("classmix", people)


def _tiny(flips: float, errors: float) -> Family:
    few = People({"group": "C"}, 2, 17, errors=(errors, errors), flips=(flips, flips))
    return Family(f"tiny-{'worst' if flips else 'best'}", (*_groups(0, 1, n=140), few))


ALL_INSIDE, OUTSIDE = tuple(f"{role}/inside" for role in ROLES[1:]), ("d0/outside",)
HELD, LEAKED = ("class/inside",), both("class")


def families() -> dict[str, Family]:
    """Return every family by name; those with '-twin' are honest."""
    own = tuple(both(role) for role in ROLES[1:])
    three, easy = _groups(0, 1, 2), {"flips": (0.7, 0.7)}
    found = [
        Family("fair", three),
        Family("units", three, per_unit=3, alike=0.7),
        _weaker("edge", 0.25, 0.35, 3, 100),
        *(
            _weaker(f"robustness-{low:g}-{high:g}-{n}", low, high, n)
            for low, high in ((0.05, 0.30), (0.20, 0.45), (0.40, 0.65))
            for n in (2, 3)
        ),
        *(_accuracy(groups) for groups in (2, 3)),
        _crossed(),
        _mixed(),
        *(_tiny(flips, errors) for flips, errors in ((1.0, 0.0), (0.0, 0.0))),
        Family("aimed", _groups(0, 1, 2, **easy), own, carries=own, aimed=True),
        Family("aimed-twin", _groups(0, 1, 2, **easy), own[:1], carries=own, aimed=True),
        Family("outside", _groups(0, 0, 1), (ALL_INSIDE, OUTSIDE), carries=(ALL_INSIDE, OUTSIDE)),
        Family("outside-twin", _groups(0, 0, 1), (OUTSIDE,), carries=(ALL_INSIDE, OUTSIDE)),
        Family("shortcut", _groups(0, 0, 1), (("d0/inside",),), (HELD, LEAKED), carries=(("d0/inside",),)),
        Family("shortcut-twin", _groups(0, 0, 1), (("d0/inside",),), (LEAKED,), carries=(("d0/inside",),)),
    ]
    return {family.name: family for family in found}


def network(family: str) -> Network:
    """Return the classifier of a family, for the model source `python`."""
    return Network(families()[family])
