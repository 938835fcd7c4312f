"""What the shortcut search says of the places it has judged: verdict, claim and reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from auditor.checks.common import percent, span
from auditor.core.displays import Cluster, Display, Map, Named, Peak, Rows, Spot
from auditor.core.records import Estimate, Verdict
from auditor.modalities.images.checks.clusters import place_words

MAX_T = "simultaneous over all places (max-t), two-way multiplier bootstrap over the units of recipients and donors"
FEWEST = 5
"""A place is judged where at least this many units of recipients and of donors were seen there: fewer say nothing of
the spread.
"""
NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class Place:
    """One judged cell, or the samples' own places in row -1: the effect with an interval that holds for all of them at
    once.
    """

    row: int
    column: int
    estimate: Estimate
    """Change of the margin, in logits."""

    @property
    def stands_out(self) -> bool:
        """Return whether the interval excludes zero."""
        return self.least > 0

    @property
    def least(self) -> float:
        """Return how far from zero the effect is at least; negative where the interval holds zero."""
        return self.estimate.least


@dataclass(frozen=True)
class Search:
    """The judged places of a side x side grid, and what they are held against."""

    places: Sequence[Place]
    own: Place | None
    """The samples' own places; None where there was one draw per sample, or samples of one class only."""
    side: int
    evidence: float
    """The class evidence, in logits."""
    tolerance: float
    outside: Verdict

    @property
    def peak(self) -> Place:
        """Return the place with the largest effect, among those that stand out where any does."""
        return max(
            [one for one in self.places if one.stands_out] or self.places, key=lambda one: abs(one.estimate.value)
        )

    @property
    def decisive(self) -> Place:
        """Return what speaks most clearly: the place in the frame, or the samples' own places."""
        return max([self.peak, *([self.own] if self.own else [])], key=lambda one: one.least)

    @property
    def verdict(self) -> Verdict:
        """Return 'fail' where a place lies beyond the tolerance with its whole interval, or where the outside fails and
        places are found that carry it; 'pass' where all lie within the tolerance and the outside does not fail.
        """
        bound = self.tolerance * self.evidence
        judged = [*self.places, *([self.own] if self.own else [])]
        if any(one.least > bound for one in judged) or (self.outside == "fail" and self._certain):
            return "fail"
        within = all(-bound <= one.estimate.low and one.estimate.high <= bound for one in judged)
        return "pass" if within and self.outside != "fail" else "inconclusive"

    @property
    def _certain(self) -> list[Place]:
        """Return the places, and the samples' own place, that move the margin for certain."""
        return [one for one in (*self.places, *([self.own] if self.own else [])) if one.stands_out]

    def share(self, place: Place) -> Estimate:
        """Return a place's effect as a share of the class evidence."""
        found = place.estimate
        value, low, high = (number / self.evidence for number in (found.value, found.low, found.high))
        return Estimate(
            value, low, high, found.n, "share of the class evidence", found.method, found.level, found.units, share=True
        )

    def displays(self, groups: tuple[Cluster, ...], note: str) -> tuple[Display, ...]:
        """Return the map of all places with that of each group of samples, and what the strongest place and the
        samples' own places are worth; a note says why there are no groups.
        """
        row, column = self.peak.row, self.peak.column
        name = place_words(row, column, self.side)
        spots = (
            Spot(row=one.row, column=one.column, estimate=one.estimate, stands_out=one.stands_out)
            for one in self.places
        )
        frame = Map(
            rows=self.side,
            columns=self.side,
            spots=tuple(spots),
            peak=Peak(row=row, column=column, name=name, value=self.peak.estimate.value),
            clusters=groups,
            note=note,
            role="where",
        )
        return (frame, self._worth(self.peak, "peak"), *([self._worth(self.own, "own place")] if self.own else []))

    def _worth(self, place: Place, role: str) -> Rows:
        effect = Named(name="change of the margin", estimate=place.estimate)
        return Rows(rows=(effect, Named(name="share of the class evidence", estimate=self.share(place))), role=role)

    def claim(self, groups: Sequence[Cluster]) -> str:
        """Return where the model looks, in words and numbers."""
        peak, effect = self.peak, self.peak.estimate
        where = (
            f"{place_words(peak.row, peak.column, self.side)} (row {peak.row + 1}, column {peak.column + 1} of"
            f" {self.side} x {self.side})"
        )
        size = (
            f"moves the margin by {effect.value:.2f} [{effect.low:.2f}, {effect.high:.2f}],"
            f" {percent(self.share(peak).value)} of the class evidence"
        )
        own = self.own if self.own and self.own.estimate.low > 0 else None
        if peak.stands_out:
            each = f"; the strongest place of each single sample carries {span(self.share(own))}" if own else ""
            return f"The strongest place is the {where}: exchanging it alone {size}{self._others()}{each}."
        if own:
            several = [f"{one.peak.name} ({one.size} samples)" for one in groups]
            apart = f": {', '.join(several)}" if len(several) > 1 else ""
            return (
                f"A single place of each sample carries {span(self.share(own))} of the class evidence, but not the same"
                f" one in all{apart}; over all samples the strongest is the {where}, which {size}."
            )
        return (
            f"No single place outside the mask stands out: the largest effect, at the {where}, {size}, and its interval"
            " holds zero."
        )

    def _others(self) -> str:
        out = sorted(
            (one for one in self.places if one.stands_out and one is not self.peak),
            key=lambda one: -abs(one.estimate.value),
        )
        names = dict.fromkeys(place_words(one.row, one.column, self.side) for one in out)
        return f"; {len(out)} more of {len(self.places)} places stand out ({', '.join(names)})" if out else ""

    def reason(self) -> str:
        """Return why the verdict is what it is; honest where the effect is spread out."""
        hidden, limit = self.side**2 - len(self.places), f"the tolerance {percent(self.tolerance)}"
        note = f" ({hidden} of {self.side**2} places lie under too many masks to be searched)" if hidden else ""
        if self.verdict == "fail" and self.decisive.least <= self.tolerance * self.evidence:
            return (
                "the surroundings as a whole fail; places that move the margin for certain, each by less than"
                f" {limit} or by too uncertain an amount to set against it: {len(self._certain)}{note}"
            )
        if self.verdict == "fail":
            which = "the samples' own places" if self.decisive is self.own else "a place"
            more = (
                "; the surroundings as a whole do not fail, so other places may weigh against it"
                if self.outside == "pass"
                else ""
            )
            return f"the interval of {which}, one of several that hold together, lies wholly beyond {limit}{note}{more}"
        if self.verdict == "pass":
            return f"the intervals of all {len(self.places)} places, which hold together, lie within {limit}{note}"
        if self._certain:
            return (
                f"some places move the margin for certain, but each by less than {limit}, or by too uncertain an amount"
                f" to set against it{note}"
            )
        if self.outside == "fail":
            return (
                "the surroundings as a whole do count, but their effect is spread over them: no single place stands"
                f" out{note}"
            )
        widest = max((one.estimate.high - one.estimate.low) / 2 for one in self.places) / self.evidence
        return (
            f"too few to tell: intervals that hold for all places together reach up to {percent(widest)} to either"
            f" side, against {limit}{note}"
        )

    def advice(self) -> str:
        """Return what to do about it."""
        if self.verdict == "pass":
            return "No action."
        if self.verdict == "fail":
            return (
                "Look at the places marked in the cases shown, name what lies there, and remove or balance it in"
                " training."
            )
        return (
            "Look at the cases shown before trusting or blaming a place; search more samples (checks.reliance.where) to"
            " see more clearly."
        )
