"""What the exchange of surroundings without filling measured, draw by draw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from auditor.checks.common import clean_trial, why_not
from auditor.checks.reliance.arms import OnRecipients
from auditor.core.facts import Facts
from auditor.core.records import Observations, Trial
from auditor.modalities.images.probes.rings import PARTS, Widths, widths_of
from auditor.stats.crossed import Part
from auditor.stats.shares import Array

AROUND = ("fringe", "near", "far", "outside")
"""Where evidence may lie around the mask; 'outside' is all that lies beyond the fringe."""


@dataclass(frozen=True)
class Exchanged(OnRecipients):
    """Every draw as a row: what the donor's class moves in each part, whose units it involves, how much was covered."""

    facts: Facts
    widths: Widths
    effects: Array
    """(t, 4) margin with a place of a donor of the same class less that with the place of one of another class; of the
    fringe what it adds to the near surroundings.
    """
    who: NDArray[np.int64]
    """(t, 3) positions of the recipient, the donor of the same class and the donor of another class."""
    covered: Array
    """(t, 4) share of each part that could be exchanged."""
    marked: Array
    """(t,) change of the margin when healthy tissue of another class takes the place of the marked region; NaN where
    the donor of another class has a mask of its own.
    """
    why: str
    """Why nothing was measured, where nothing was."""

    @classmethod
    def of(cls, facts: Facts, observations: Observations, trial: Trial) -> Exchanged:
        """Return the draws that a trial measured."""
        rows, clean = observations.of(trial), observations.of(clean_trial())
        effects, who, covered, marked = [], [], [], []
        for name, row in rows.items():
            values = row.values
            for draw in range(0 if row.missing else int(trial.settings["draws"])):
                moved = {part: values[f"{part}/same/{draw}"] - values[f"{part}/other/{draw}"] for part in PARTS}
                effects.append([moved["beside"] - moved["near"], *(moved[part] for part in AROUND[1:])])
                plain = clean[name].values.get("margin", np.nan) if name in clean else np.nan
                marked.append(plain - values.get(f"marked/{draw}", np.nan))
                covered.append([values[f"covered/{part}/{draw}"] for part in PARTS])
                who.append([facts.position_of[name], int(values[f"j/{draw}"]), int(values[f"k/{draw}"])])
        size = len(AROUND)
        return cls(
            facts,
            widths_of(trial),
            np.array(effects, dtype=float).reshape(-1, size),
            np.array(who, dtype=np.int64).reshape(-1, 3),
            np.array(covered, dtype=float).reshape(-1, size),
            np.array(marked, dtype=float),
            why_not(rows.values()),
        )

    def __len__(self) -> int:
        return len(self.effects)

    def where(self, rows: NDArray[np.bool_]) -> Exchanged:
        """Return some of the draws."""
        return replace(
            self,
            effects=self.effects[rows],
            who=self.who[rows],
            covered=self.covered[rows],
            marked=self.marked[rows],
        )

    @cached_property
    def part(self) -> Part:
        """Return the effects with the units behind them."""
        return Part(self.effects, self.facts.unit_numbers[self.who])

    @property
    def inside(self) -> Part | None:
        """Return what the marked region is worth, where only one class has masks; None where others have them too."""
        known = len(self.marked) and not np.isnan(self.marked).any()
        return Part(self.marked[:, None], self.facts.unit_numbers[self.who[:, [0, 2]]]) if known else None
