"""The threat of tables: feasible changes of writable columns within a cost, blocks of columns tied by rules moved as
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from auditor.core.errors import AuditorError
from auditor.core.seeds import RowGenerators
from auditor.modalities.tables.rules import Rules
from auditor.modalities.tables.table import Table
from auditor.modalities.tables.threats.blocks import Maker
from auditor.modalities.tables.threats.joint import Frame
from auditor.modalities.tables.threats.values import affordable, permitted
from auditor.threats.listed import Booleans, Integers, ListedThreat, Numbers, Space


@dataclass(frozen=True, eq=False)
class TableThreat(ListedThreat):
    """All rows that differ from x0 in writable columns of the zone only, keep every limit and rule, and cost at most
    epsilon.

    A column is writable where it is in the zone, mutable, not computed by a definition, its own cell is not missing,
    and all that
    definitions compute from it is in the zone too. What a definition computes follows its inputs: it is never a change
    of its own, and costs nothing.
    """

    of: Table
    zone: Tensor | None = None
    max_changes: int | None = None
    low: float | Tensor = float("-inf")
    high: float | Tensor = float("inf")
    levels: int | None = None
    norm: str = "cost"
    _maker: Maker | None = field(default=None, repr=False)
    _open: Booleans | None = field(default=None, repr=False)
    """Where the rows that it was put over may be written (n, columns)."""
    _sound: Booleans | None = field(default=None, repr=False)
    """Which of them keep every rule (n,)."""

    def __post_init__(self) -> None:
        if self.zone is not None and self.zone.dtype != torch.bool:
            raise AuditorError(f"threat: expected a zone of type bool, got {self.zone.dtype}.")
        if self.max_changes is not None and self.max_changes < 1:
            raise AuditorError(f"threat: expected max_changes of at least 1, got {self.max_changes}.")

    @property
    def rules(self) -> Rules:
        """Return the table's rules."""
        return self._ready.rules

    @property
    def _ready(self) -> Maker:
        if self._maker is None:
            object.__setattr__(self, "_maker", Maker(self.of))
        assert self._maker is not None
        return self._maker

    def over(self, x0: Tensor) -> TableThreat:
        """Return the same threat with its zone broadcast to x0 (n, columns) (AuditorError: it does not, or x0 are no
        rows of the table).
        """
        if x0.ndim != 2 or x0.shape[1] != len(self.of) or x0.dtype != torch.float64:
            raise AuditorError(
                f"threat: expected rows of float64 codes (n, {len(self.of)}), got {tuple(x0.shape)} of type {x0.dtype}."
            )
        zone = torch.ones((), dtype=torch.bool) if self.zone is None else self.zone
        try:
            zone = zone.to(x0.device).expand_as(x0)
        except RuntimeError:
            raise AuditorError(
                f"threat: expected a zone that broadcasts to rows of shape {tuple(x0.shape)}, got {tuple(zone.shape)}."
            ) from None
        placed = replace(self, zone=zone, _maker=Maker(self.of))
        x = x0.cpu().numpy()
        return replace(placed, _open=placed.writable(x), _sound=placed.rules.feasible(x))

    def take(self, rows: Tensor) -> TableThreat:
        """Return the threat of some rows."""
        assert self.zone is not None and self._open is not None and self._sound is not None
        places = rows.cpu().numpy()
        return replace(self, zone=self.zone[rows], _open=self._open[places], _sound=self._sound[places])

    def writable(self, x0: Numbers) -> Booleans:
        """Return where each row x0 (n, columns) may be written (n, columns)."""
        found: Booleans = self._ready.writable(self._zone(x0)) & ~np.isnan(x0)
        return found

    def _zone(self, x0: Numbers) -> Booleans:
        return np.broadcast_to(True if self.zone is None else self.zone.cpu().numpy(), x0.shape)

    def _most(self) -> int:
        return len(self.of) if self.max_changes is None else self.max_changes

    def space(
        self,
        x: Numbers,
        row: int,
        epsilon: float,
        thresholds: Mapping[str, Numbers] | None = None,
        centre: Numbers | None = None,
        many: int = 33,
    ) -> Space:
        """Return what may become of the original x (columns,) of one row; nothing that is known to be all where it
        breaks a rule itself.
        """
        assert self._open is not None and self._sound is not None, "`over` comes first"
        if not self._sound[row]:
            return Space(x, (), epsilon, self._most(), loose=True)
        return self._ready.space(
            x, self._open[row], Frame(epsilon, self._most(), thresholds, x if centre is None else centre, many)
        )

    def mended(self, rows: Numbers, x: Numbers, row: int) -> tuple[Numbers, Booleans, Numbers, Integers]:
        """Return rows with coupled levels repaired, whether each is feasible, its cost and number of
        written columns.
        """
        assert self._open is not None, "`over` comes first"
        written = self._open[row]
        found = np.where(written & (rows == x), self.rules.repaired(rows, ()), rows)
        found = self._ready.followed(found, x)
        base = np.broadcast_to(x, found.shape)
        good = self._kept(found, base, np.broadcast_to(written, found.shape)) & self.rules.feasible(found)
        return found, good, self._ready.cost(found, base), self._ready.changes(found, base)

    def start(self, x0: Tensor, rng: RowGenerators, epsilon: float | Tensor) -> Tensor:
        """Return a random feasible change within the budget per row; the row itself where there is none."""
        budgets = torch.as_tensor(epsilon, dtype=torch.float64).expand(len(x0)).tolist()
        placed = self if self._open is not None and len(self._open) == len(x0) else self.over(x0)
        x, draws = (
            x0.cpu().numpy(),
            rng.uniform(torch.zeros((len(x0), 2 * len(self.of) + 1), dtype=torch.float64)).cpu().numpy(),
        )
        found = [self._ready.drawn(placed.space(one, row, budgets[row]), draws[row]) for row, one in enumerate(x)]
        return torch.as_tensor(np.array(found).reshape(x.shape), dtype=x0.dtype, device=x0.device)

    def saved(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return x with changed numbers on their column's grid; values that are there already stay bit for bit."""
        found, base = x.cpu().numpy().copy(), x0.cpu().numpy()
        for place, column in enumerate(self.of.columns):
            if column.numeric and place not in self._ready.defined:
                moved = found[:, place] != base[:, place]
                found[moved, place] = column.on_grid(found[moved, place])
        return torch.as_tensor(found, dtype=x.dtype, device=x.device)

    def size(self, x: Tensor, x0: Tensor) -> Tensor:
        """Return the cost of each row (n,)."""
        return torch.as_tensor(self._ready.cost(x.cpu().numpy(), x0.cpu().numpy()), device=x.device)

    def allows(self, x: Tensor, x0: Tensor, epsilon: float | Tensor) -> Tensor:
        """Return whether each row keeps zone (bit for bit), types, grid, range, change limits, levels, rules,
        definitions, number of changes and budget.
        """
        found, base = x.cpu().numpy(), x0.cpu().numpy()
        good = self._kept(found, base, self.writable(base)) & self.rules.feasible(found)
        good &= self._ready.changes(found, base) <= self._most()
        budget = torch.as_tensor(epsilon, dtype=torch.float64).expand(len(x)).cpu().numpy()
        return torch.as_tensor(good & affordable(self._ready.cost(found, base), budget), device=x.device)

    def _kept(self, found: Numbers, base: Numbers, written: Booleans) -> Booleans:
        """Return which rows (n,) differ from the originals where they may, and as each column lets them."""
        good = np.ones(len(found), np.bool_)
        follows = self._ready.followed(found, base)
        for place, column in enumerate(self.of.columns):
            values, own = found[:, place], base[:, place]
            same = (values == own) | (np.isnan(values) & np.isnan(own))
            if place in self._ready.defined:
                good &= same | (np.abs(values - follows[:, place]) <= 1e-9 * np.maximum(1, np.abs(values)))
            else:
                good &= same | (written[:, place] & permitted(column, values, own))
        return good
