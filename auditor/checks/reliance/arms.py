"""Reliance by exchange: four arms, and what moves the margin in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from auditor.checks.common import why_not
from auditor.core.facts import Facts
from auditor.core.records import Estimate, Observations, Trial
from auditor.stats.crossed import METHOD, Crossed, Part, bounds, share_of
from auditor.stats.shares import Array

ARM_SOURCES = {
    "A": ("own", "same class"),
    "B": ("own", "another class"),
    "C": ("another class", "same class"),
    "D": ("another class", "another class"),
}
EFFECTS = ("inside effect", "outside effect", "interaction")
SHARE_UNIT = "share of the class evidence"


class OnRecipients:
    """Draws of recipients, of which `who` names the recipient first."""

    facts: Facts
    who: Any

    def estimate(self, value: float, draws: Array, unit: str, *, share: bool = False, level: float = 0.95) -> Estimate:
        """Return an estimate on the recipients from a resampled distribution (b,)."""
        recipients = np.unique(self.who[:, 0])
        units = len(np.unique(self.facts.unit_numbers[recipients]))
        return Estimate(
            value,
            *bounds(draws, level),
            len(recipients),
            unit,
            METHOD,
            level,
            units if units < len(recipients) else None,
            share=share,
        )


@dataclass(frozen=True)
class Draws(OnRecipients):
    """Every draw of every recipient as rows: margins (t, 4) of the arms, positions (t, 4) of recipient and donors."""

    facts: Facts
    margins: Array
    who: Any
    fills: Any
    """(t,) name of the fill that each draw used; '' where nothing is filled."""
    why: str = ""
    """Why nothing was measured, where nothing was."""
    trials: tuple[str, ...] = ()
    """Key of the trial."""

    @classmethod
    def of(cls, facts: Facts, observations: Observations, trial: Trial) -> Draws:
        """Return the draws that a trial measured; they take turns with the fills that it names."""
        names = [str(name) for name in trial.settings.get("fills", ("",))]
        margins, who, fills = [], [], []
        rows = observations.of(trial)
        for name, row in rows.items():
            for draw in range(0 if row.missing else sum(key.startswith("A/") for key in row.values)):
                margins.append([row.values[f"{arm}/{draw}"] for arm in ARM_SOURCES])
                who.append([facts.position_of[name], *(int(row.values[f"{donor}/{draw}"]) for donor in "jkl")])
                fills.append(names[draw % len(names)])
        places = np.array(who, dtype=np.int64).reshape(-1, 4)
        return cls(
            facts,
            np.array(margins, dtype=float).reshape(-1, 4),
            places,
            np.array(fills, dtype=str),
            why_not(rows.values()),
            (observations.key(trial),),
        )

    def __len__(self) -> int:
        return len(self.margins)

    @cached_property
    def part(self) -> Part:
        """Return the arms' margins with the units behind them."""
        return Part(self.margins, self.facts.unit_numbers[self.who])

    @cached_property
    def inside(self) -> Part:
        """Return the inside effect of every draw."""
        return Part(effects_of(self.margins)[:, :1], self.part.units)

    @property
    def moved(self) -> bool:
        """Return whether any arm ever differs from another."""
        return bool(np.abs(self.margins[:, :1] - self.margins).max() >= 1e-9)

    def where(self, rows: Any) -> Draws:
        """Return some of the draws."""
        return replace(self, margins=self.margins[rows], who=self.who[rows], fills=self.fills[rows])

    def by_fill(self) -> dict[str, Draws]:
        """Return the draws of every fill, in the order of their first draw; of none where there is one fill only."""
        names = list(dict.fromkeys(self.fills.tolist()))
        return {name: self.where(self.fills == name) for name in names} if len(names) > 1 else {}


def effects_of(arms: Array) -> Array:
    """Return inside effect, outside effect and interaction (..., 3) of arm means (..., 4)."""
    a, b, c, d = (arms[..., arm] for arm in range(4))
    return np.stack([((a - c) + (b - d)) / 2, ((a - b) + (c - d)) / 2, (a - b) - (c - d)], -1)


def shares_of(arms: Array) -> Array:
    """Return the outside share (...) of arm means (..., 4)."""
    effects = effects_of(arms)
    return share_of(effects[..., 1], effects[..., 0])


@dataclass(frozen=True)
class ArmsMeasured:
    """What the four arms say: the outside share, the three effects, the four arms."""

    share: Estimate
    shares: Array
    """The share's resampled values (b,)."""
    effects: tuple[Estimate, ...]
    arms: tuple[Estimate, ...]

    @property
    def undecided(self) -> bool:
        """Return whether neither the inside nor the outside surely moves the margin on average: a share then means
        nothing.
        """
        return all(effect.least <= 0 for effect in self.effects[:2])

    @property
    def evidence(self) -> float:
        """Return the class evidence in logits: |inside effect| + |outside effect|."""
        return sum(abs(effect.value) for effect in self.effects[:2])


def estimates(draws: Draws, level: float = 0.95) -> ArmsMeasured:
    """Return what the arms say, the share's interval at a level."""
    found = Crossed.of([draws.part])
    resampled = found.draws(draws.facts.seed)
    arms = (draws.estimate(float(found.point[arm]), resampled[:, arm], "mean margin (logits)") for arm in range(4))
    value, spread = effects_of(found.point), effects_of(resampled)
    effects = (draws.estimate(float(value[k]), spread[:, k], "change of the margin (logits)") for k in range(3))
    shares = shares_of(resampled)
    share = draws.estimate(float(shares_of(found.point)), shares, SHARE_UNIT, share=True, level=level)
    if not draws.moved:
        share = Estimate(0.0, -1.0, 1.0, share.n, share.unit, "no effect at all", level, share.units, share=True)
    return ArmsMeasured(share, shares, tuple(effects), tuple(arms))
