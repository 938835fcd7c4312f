"""Exposure of a table: can a decision be flipped by columns that should not matter?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from auditor.checks import checks
from auditor.checks.common import percent
from auditor.checks.exposure.against import Comparison, ComparisonNames, beside, paired_table
from auditor.checks.exposure.judge import FlipClaim, judge_flips
from auditor.checks.exposure.search import curve
from auditor.core.displays import Display, TableDisplay
from auditor.core.facts import Facts
from auditor.core.records import Card, Finding, Observations, Trial, Verdict
from auditor.core.zones import expand_zones, resolve_zones
from auditor.modalities.tables.checks.common import SEARCHED, flip_trial, table_of, zone_label
from auditor.modalities.tables.checks.flips import Flips

_NAMES = ComparisonNames(zone_label, "random changes of the same cost")
_ADVICE: Mapping[Verdict, str] = {
    "fail": (
        "Take the columns that the flips change out of the model, or check them before a decision rests on them:"
        " whoever can write them can turn decisions. Whether the model relies on them is question 1."
    ),
    "pass": "No action; the pass holds for the declared limits, costs and rules.",
    "inconclusive": ("Audit more rows, or let the search go further (attack.settings), before drawing a conclusion."),
}


@checks.register("exposure", modality="table")
@dataclass(frozen=True, kw_only=True)
class ExposureTable:
    """How many decisions the cheapest changes flip, by zone of columns, and for how many that is proven."""

    zones: Annotated[tuple[str, ...], AfterValidator(expand_zones), Field(min_length=1)] = (
        "outside",
        "everywhere",
        "control/0",
    )
    """Which columns a search may change, one zone after the other; a zone may be a role such as 'proxy'."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.10
    """Largest share of decisions that a search may flip; what it does in columns that should not matter decides."""
    random: bool = True
    """Whether random changes of the same cost stand beside the search."""
    samples: Annotated[int, Field(ge=1)] = SEARCHED
    """Rows that are searched."""

    card: ClassVar[Card] = Card(
        title="Exposure of a table: the search for the cheapest flip",
        purpose="Whether a decision can be flipped while every column that should matter stays as it is.",
        mechanism=(
            "For each row a search looks for the cheapest change of the model's own decision: it may write columns of"
            " one zone only, within the limits and the rules that the audit file declares, and pays the declared cost"
            " of every change. Small zones are enumerated; linear models and ensembles of trees are solved exactly"
            " where that is possible. The row that was found is written as texts, read again, checked against limits"
            " and rules by a second reader, and decided by the model once more; only then it counts. Random changes of"
            " the same cost, and as many columns drawn at random, stand beside it on the same rows."
        ),
        reading=(
            "The curve shows which share of the decisions flips at each cost. Four outcomes are kept apart: flipped at"
            " exact minimal cost, flipped at a cost of at most so much, proven impossible within the budget, and none"
            " found. A pass counts every row of the last kind as if it flipped: what was not found is not proven, and"
            " never called robust."
        ),
        limits=(
            "Costs, limits and rules are the expert's: another declaration is another question. A rule that was not"
            " declared is not kept, so a found row may be one that nobody could have. Exposure is a finding about what"
            " can be done to the model; whether it relies on those columns is question 1."
        ),
        reference=(
            "Kireev et al. 2023 (arXiv:2208.13058) for costs in the domain's units; Simonetto et al. 2022 (IJCAI) and"
            " TabularBench (arXiv:2408.07579) for attacks that keep the rules of a domain; Wilson 1927, Lancaster 1961"
            " (mid-P), Newcombe 1998 and McNemar 1947 for the intervals and pairs."
        ),
    )

    def trials(self, facts: Facts) -> tuple[Trial, ...]:
        """Return one search per zone, and random changes at every declared cost."""
        zones = resolve_zones(self.zones, facts.regions)
        walks = [self._walk(facts, zone, cost) for zone in zones for cost in facts.epsilons] if self.random else []
        return tuple(dict.fromkeys([*(self._search(facts, zone) for zone in zones), *walks]))

    def _search(self, facts: Facts, zone: str) -> Trial:
        return flip_trial(facts, zone, samples=self.samples)

    def _walk(self, facts: Facts, zone: str, cost: float) -> Trial:
        walk = flip_trial(facts, zone, samples=self.samples, method="random_change")
        return replace(walk, threat={**walk.threat, "epsilon": cost})

    def judge(self, facts: Facts, observations: Observations) -> tuple[Finding, ...]:
        """Return one finding per zone, of which 'outside' decides."""
        zones = resolve_zones(self.zones, facts.regions)
        flips = {zone: Flips(facts, observations.of(self._search(facts, zone))) for zone in zones}
        return tuple(self._zone(facts, observations, zone, flips) for zone in zones)

    def _zone(self, facts: Facts, observations: Observations, zone: str, every: Mapping[str, Flips]) -> Finding:
        flips, cost = every[zone], facts.primary
        walks = {one: self._walk(facts, zone, one) for one in facts.epsilons} if self.random else {}
        noise = {one: Flips(facts, observations.of(walk)) for one, walk in walks.items()}
        against = beside(zone, every, noise.get(cost), budget=cost, names=_NAMES)
        shown: list[Display] = [
            curve(((one, flips) for one in facts.epsilons), zone=zone, label=zone_label(zone), role="attack"),
            curve(noise.items(), zone=zone, label=zone_label(zone), role="noise"),
            flips.outcomes(zone, zone_label(zone)),
            flips.smallest(zone, zone_label(zone)),
            *(_tables(flips, zone, against) if flips.used else []),
        ]
        beside_it = _clause(flips, zone, against)
        said = FlipClaim(
            id=f"exposure/{zone}",
            counted="decisions",
            samples="rows",
            claim=f"can be flipped by a change {zone_label(zone)} at a cost of at most {cost:g}{beside_it}.",
            missing=f"Flips {zone_label(zone)} were not measured.",
            trials=tuple(observations.key(trial) for trial in (self._search(facts, zone), *walks.values())),
            displays=tuple(shown),
            primary=zone == "outside",
            advice=_ADVICE if zone == "outside" else {},
        )
        return judge_flips(flips, said, budget=cost, tolerance=self.tolerance)


def _clause(flips: Flips, zone: str, against: Sequence[Comparison]) -> str:
    """Return what flips without a search, and what is still open."""
    random = next((one.there for one in against if one.zone == zone and one.there), None)
    unsettled = int(sum(flips.open(flips.facts.primary).values()))
    said = f"; random changes of the same cost flip {percent(random.value)}" if random else ""
    return said + (
        f"; for {percent(unsettled / len(flips.used))} neither a flip at this cost nor a proof against one was found"
        if unsettled
        else ""
    )


def _tables(flips: Flips, zone: str, against: Sequence[Comparison]) -> list[TableDisplay]:
    """Return the tables of a zone: outcomes and columns; of 'outside' also decisions, what stands beside the search,
    and what was not searched.
    """
    facts = flips.facts
    cost = f"at a cost of at most {facts.primary:g}"
    title = f"Compared {cost}, on the same rows"
    outside = [
        _decisions(flips, cost),
        _columns(flips, cost),
        paired_table(facts, against, title=title, less="This zone less that", samples="Rows"),
        TableDisplay(title="Rows that were not searched", columns=("Reason", "Rows"), rows=tuple(flips.excluded())),
    ]
    shown = [_endings(flips, zone), *(outside if zone == "outside" else [_columns(flips, cost)])]
    return [table for table in shown if table.rows]


def _endings(flips: Flips, zone: str) -> TableDisplay:
    counts = flips.outcomes(zone, zone_label(zone)).counts
    return TableDisplay(
        title=f"What the searches {zone_label(zone)} ended with, up to a cost of {max(flips.facts.epsilons):g}",
        columns=("Outcome", "Rows", "Share"),
        rows=tuple((outcome.text, n, percent(n / len(flips.used))) for outcome, n in counts.items()),
    )


def _decisions(flips: Flips, cost: str) -> TableDisplay:
    wanted = table_of(flips.facts).favourable or flips.facts.classes[-1]
    rows = (
        (f"{name} (favourable)" if name == wanted else name, estimate, n)
        for name, estimate, n in flips.decisions(flips.facts.primary)
    )
    return TableDisplay(
        title=f"Flips by decision {cost}", columns=("Decided before", "Flipped", "Rows"), rows=tuple(rows)
    )


def _columns(flips: Flips, cost: str) -> TableDisplay:
    found = flips.changed(flips.facts.primary)
    return TableDisplay(
        title=f"Columns that the flips change {cost}",
        columns=("Column", "Role", "Share of the flips", "Flips"),
        rows=tuple((one.column, one.role, one.estimate, one.n) for one in found),
    )
