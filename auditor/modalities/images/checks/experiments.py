"""The two experiments that reliance rests on: transplants, and surroundings exchanged without filling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from auditor.checks.common import clean_trial
from auditor.checks.reliance.arms import ArmsMeasured, Draws, estimates
from auditor.checks.reliance.share import judge_share, unmeasured_share
from auditor.checks.reliance.ways import FILL_WORDS, Ways, transplanted
from auditor.core.displays import Named, Rows, Values
from auditor.core.facts import Facts
from auditor.core.records import Finding, Observations, Trial
from auditor.modalities.images.checks.exchanged import Exchanged
from auditor.modalities.images.checks.pairs import TRANSPLANT_MISSES
from auditor.modalities.images.checks.surroundings import WAYS, Located
from auditor.stats.means import mean
from auditor.stats.simultaneous import bonferroni_level


@dataclass(frozen=True)
class Experiments:
    """What the transplants and the exchanged surroundings measured, read once."""

    facts: Facts
    observations: Observations
    transplant: Trial
    surroundings: Trial

    @cached_property
    def draws(self) -> Draws:
        """Return the transplants that were measured."""
        return Draws.of(self.facts, self.observations, self.transplant)

    @cached_property
    def exchanged(self) -> Exchanged:
        """Return the exchanged surroundings that were measured."""
        return Exchanged.of(self.facts, self.observations, self.surroundings)

    @cached_property
    def located(self) -> Located | None:
        """Return where the evidence lies; None where either experiment measured nothing."""
        return Located.of(self.draws, self.exchanged)

    @property
    def trials(self) -> tuple[str, ...]:
        """Return the keys of both trials."""
        return self.observations.key(self.transplant), self.observations.key(self.surroundings)

    @cached_property
    def measured(self) -> ArmsMeasured:
        """Return what the arms of the transplant say; its interval holds for all ways at once."""
        return estimates(self.draws, bonferroni_level(1 + len(WAYS) if self.located else 1))

    @property
    def evidence(self) -> float:
        """Return the class evidence in logits, |inside effect| + |outside effect|; 0 where neither is certain."""
        if not len(self.draws) or self.measured.undecided:
            return 0.0
        return self.measured.evidence

    @cached_property
    def own(self) -> dict[tuple[int, str], float]:
        """Return (position, fill) -> the margin with the own surroundings put back, of those classified correctly."""
        clean = self.observations.of(clean_trial())
        return {
            (self.facts.position_of[name], fill): row.values[f"sham/{fill}"]
            for name, row in self.observations.of(self.transplant).items()
            for fill in (FILL_WORDS if row.missing is None and name in clean else ())
            if clean[name].values.get("correct") == 1 and f"sham/{fill}" in row.values
        }

    @cached_property
    def surgery(self) -> dict[str, Named]:
        """Return fill -> how far cutting, filling and pasting alone moves the margin: the control of the seams."""
        rows = self.observations.of(self.transplant)
        clean = self.observations.of(clean_trial())
        found = {}
        for fill, told in FILL_WORDS.items():
            moved = {
                name: row.values[f"sham/{fill}"] - clean[name].values["margin"]
                for name, row in rows.items()
                if f"sham/{fill}" in row.values and name in clean and clean[name].missing is None
            }
            units = [self.facts.unit_of[name] for name in moved]
            unit = "change of the margin (logits)"
            one = mean(list(moved.values()), units, seed=self.facts.seed, unit=unit) if moved else None
            missing = "" if one else "no draw with this fill whose sample's plain answer is known"
            found[fill] = Named(name=f"cutting and pasting alone, {told}", estimate=one, note=missing)
        return found

    def share(self, tolerance: float) -> Finding:
        """Return the finding on the outside share, of all ways together."""
        if not len(self.draws):
            return unmeasured_share(self.draws)
        settings, level = self.transplant.settings, self.measured.share.level
        cut = [one.estimate for one in self.surgery.values() if one.estimate is not None]
        costliest = max(cut, key=lambda one: abs(one.value), default=None)
        first = transplanted(self.draws, self.measured, tolerance, misses=TRANSPLANT_MISSES, surgery=costliest)
        others = self.located.ways(tolerance, level) if self.located else ()
        return judge_share(
            self.draws,
            self.measured,
            Ways((first, *others), tolerance, self.trials),
            displays=(
                Values(values={"draws": settings["draws"], "blend": settings["blend"]}, role="draws"),
                Rows(rows=tuple(self.surgery.values()), role="surgery"),
            ),
        )
