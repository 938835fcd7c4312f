"""Who belongs together: groups by a column, by bands of a numeric one or by several columns at once; whole units halved
and exchanged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from auditor.core.errors import ConfigError, nearest
from auditor.core.seeds import derive, generator
from auditor.core.zones import not_applicable

_Columns = Mapping[str, Sequence[str]]
"""Column -> value of each sample, '' where unknown."""
_UNKNOWN = (
    "",
    "unknown",
    "not known",
    "not reported",
    "not available",
    "unspecified",
    "missing",
    "nan",
    "none",
    "null",
    "n/a",
    "?",
)
"""What stands for an unknown value, in any case; 'NA' does not, which may be North America."""
_MOST_VALUES = 10
"""A numeric column with more values than this is read as a measurement and cut into bands."""
BANDS = 4
"""Number of bands of a numeric column for which none are declared."""


class Known(Protocol):
    """What samples, and the facts of an audit, tell of every sample (n)."""

    @property
    def y(self) -> Sequence[int]:
        """Return the labels."""

    @property
    def units(self) -> Sequence[str]:
        """Return what makes samples dependent."""

    @property
    def groups(self) -> _Columns:
        """Return the columns that say who someone is."""

    @property
    def mask_share(self) -> Sequence[float | None]:
        """Return the share of each sample inside its mask."""

    @property
    def regions(self) -> Mapping[str, Sequence[float | None]]:
        """Return the same of every named zone."""


@dataclass(frozen=True)
class Attribute:
    """How samples are grouped; a group is named by its values, an unknown one by ''."""

    columns: tuple[str, ...]
    edges: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Numeric column -> ascending edges of its bands; a value on an edge belongs to the band above."""

    @property
    def name(self) -> str:
        """Return the name under which findings speak of it, such as 'sex+race'."""
        return "+".join(self.columns)

    def parts(self, table: _Columns) -> list[tuple[str, ...]]:
        """Return each sample's value in every column (n), banded where it is numeric."""
        return list(zip(*(self._banded(table, column) for column in self.columns), strict=True))

    def values(self, table: _Columns) -> tuple[str, ...]:
        """Return each sample's group (n,); '' where any of its columns is unknown."""
        return tuple(" / ".join(part) if all(part) else "" for part in self.parts(table))

    def _banded(self, table: _Columns, column: str) -> list[str]:
        edges, values = self.edges.get(column), [known(value) for value in table[column]]
        if edges is None:
            return values
        names = band_names(edges)
        return [names[int(np.searchsorted(edges, float(value), side="right"))] if value else "" for value in values]

    def as_dict(self) -> dict[str, Any]:
        """Return the attribute as JSON-ready data."""
        return {"columns": list(self.columns), "edges": {column: list(edges) for column, edges in self.edges.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Attribute:
        """Return the attribute that `as_dict` wrote."""
        return cls(tuple(data["columns"]), {column: tuple(edges) for column, edges in data["edges"].items()})


def known(value: str) -> str:
    """Return a value, or '' where it says that nothing is known.

    >>> known("Unknown"), known("f")
    ('', 'f')
    """
    return "" if value.strip().lower() in _UNKNOWN else value


def band_names(edges: Sequence[float]) -> list[str]:
    """Return the names of the bands between ascending edges.

    >>> band_names([40, 60])
    ['under 40', '40 to under 60', '60 and over']
    """
    if not edges:
        return ["all"]
    middle = [f"{low:g} to under {high:g}" for low, high in zip(edges, edges[1:], strict=False)]
    return [f"under {edges[0]:g}", *middle, f"{edges[-1]:g} and over"]


def edges_of(table: _Columns, declared: Mapping[str, Sequence[float] | int]) -> dict[str, tuple[float, ...]]:
    """Return the edges of every banded column: as declared, at quantiles where a number of bands is, and at quartiles
    for undeclared measurements.

    ConfigError: a declared column is not there or not numeric, or its edges do not rise.
    """
    for column in declared:
        if column not in table:
            raise ConfigError(f"bands: expected a column of data.groups, got '{column}'; {nearest(column, table)}")
    found = {}
    for column, values in table.items():
        given = [value for value in values if known(value)]
        wanted = declared.get(column)
        strange = next((value for value in given if not reads_as_number(value)), None)
        if wanted is None and (strange is not None or len(set(given)) <= _MOST_VALUES):
            continue
        if strange is not None:
            raise ConfigError(f"bands: expected numbers in the column '{column}', got '{strange}'.")
        if wanted is None or isinstance(wanted, int):
            places = np.linspace(0, 1, (wanted or BANDS) + 1)[1:-1]
            least = min(map(float, given), default=0.0)
            cuts = (
                sorted(set(np.quantile([float(value) for value in given], places, method="inverted_cdf").tolist()))
                if given
                else []
            )
            found[column] = tuple(cut for cut in cuts if cut > least)
        elif sorted(set(wanted)) != list(wanted):
            raise ConfigError(f"bands: expected rising edges for the column '{column}', got {list(wanted)}.")
        else:
            found[column] = tuple(float(edge) for edge in wanted)
    return found


def reads_as_number(text: str) -> bool:
    """Return whether a text is a finite number."""
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def halves(values: Sequence[str], y: Sequence[int], units: Sequence[str], *, seed: int) -> NDArray[np.int64]:
    """Return the half (n,), 0 or 1, of each sample: whole units, dealt in turn within each group and its classes."""
    traits: dict[str, tuple[set[str], set[int]]] = defaultdict(lambda: (set(), set()))
    for value, label, unit in zip(values, y, units, strict=True):
        traits[unit][0].add(value)
        traits[unit][1].add(label)
    order = sorted(
        traits, key=lambda unit: (sorted(traits[unit][0]), sorted(traits[unit][1]), derive(seed, "half", unit))
    )
    half = {unit: place % 2 for place, unit in enumerate(order)}
    return np.array([half[unit] for unit in units], dtype=np.int64)


@dataclass(frozen=True)
class Blocks:
    """What is exchanged: the samples of one unit and group move together, and take the group of a block with the same
    set of classes.
    """

    of_sample: NDArray[np.int64]
    """Block of each sample (n,); -1 where its group is unknown."""
    groups: tuple[str, ...]
    """Group of each block."""
    strata: tuple[tuple[int, ...], ...]
    """Blocks that may take one another's group."""

    @classmethod
    def of(cls, values: Sequence[str], y: Sequence[int], units: Sequence[str]) -> Blocks:
        """Return the blocks of samples with these groups, classes and units (n,)."""
        labels: dict[tuple[str, str], set[int]] = defaultdict(set)
        for value, label, unit in zip(values, y, units, strict=True):
            if value:
                labels[unit, value].add(label)
        place = {block: number for number, block in enumerate(sorted(labels))}
        strata: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for block, number in place.items():
            strata[tuple(sorted(labels[block]))].append(number)
        of_sample = np.array(
            [place.get((unit, value), -1) for value, unit in zip(values, units, strict=True)], dtype=np.int64
        )
        return cls(of_sample, tuple(value for _, value in place), tuple(tuple(strata[key]) for key in sorted(strata)))

    def exchanges(self, rng: np.random.Generator, draws: int) -> NDArray[np.int64]:
        """Return whose group each block takes (draws, blocks)."""
        taken = np.tile(np.arange(len(self.groups)), (draws, 1))
        for members in self.strata:
            taken[:, members] = rng.permuted(taken[:, members], axis=1)
        return taken


def exchanged_groups(values: Sequence[str], y: Sequence[int], units: Sequence[str], *, seed: int) -> tuple[str, ...]:
    """Return the groups (n,) after one random exchange between blocks; what is unknown stays so."""
    blocks = Blocks.of(values, y, units)
    taken = blocks.exchanges(generator(seed, "exchanged"), 1)[0]
    return tuple(blocks.groups[taken[block]] if block >= 0 else "" for block in blocks.of_sample.tolist())


def dealt(
    attribute: Attribute, data: Known, zone: str, *, seed: int, exchange: int = 0
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return each sample's group (n,) and its half (n,) for fitting and judging; '' and -1 where the group is unknown
    or the sample has no such zone.

    From `exchange` = 1 on the groups are those of the exchange of that number, and halved anew.
    """
    shares = data.regions.get(zone, data.mask_share)
    groups = tuple(
        "" if not_applicable(zone, share) else value
        for value, share in zip(attribute.values(data.groups), shares, strict=True)
    )
    if exchange:
        groups = exchanged_groups(groups, data.y, data.units, seed=derive(seed, "exchange", attribute.name, exchange))
    half = halves(groups, data.y, data.units, seed=derive(seed, "halves", attribute.name, exchange))
    return groups, np.where([bool(group) for group in groups], half, -1)
