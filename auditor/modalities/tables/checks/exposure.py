"""Exposure of a table: can a decision be flipped by columns that should not matter?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from auditor.checks import checks
from auditor.checks.common import percent, plain, reason, span, why_not
from auditor.checks.exposure.against import compared, paired_table
from auditor.checks.exposure.flips import FLIPPED, Flips
from auditor.core.facts import Facts
from auditor.core.records import Card, Estimate, Evidence, Finding, Observations, Trial, Verdict
from auditor.core.zones import expand_zones, resolve_zones
from auditor.modalities.tables.checks.common import SEARCHED, flip_trial, table_of, where
from auditor.stats.shares import decide, proportion_p


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
        flags, known = flips.flags(cost), flips.share(cost)
        trials = [
            self._search(facts, zone),
            *([self._walk(facts, zone, one) for one in facts.epsilons] if self.random else []),
        ]
        shown = Evidence(
            tuple(name for name, flag in flags.items() if flag)[:20], tuple(observations.key(trial) for trial in trials)
        )
        against = self._against(facts, observations, zone, every)
        details = {
            "zone": zone,
            "label": where(zone),
            "noise": self._noise(facts, observations, zone),
            "against": against,
            **flips.details(cost),
        }
        base: dict[str, Any] = {
            "id": f"exposure/{zone}",
            "check": "exposure",
            "question": 4,
            "primary": zone == "outside",
            "evidence": shown,
        }
        most = flips.at_most(cost)
        if known is None or most is None:
            missing = f"Flips {where(zone)} were not measured."
            return Finding(
                verdict="not_measured",
                claim=missing,
                reason=why_not(flips.rows.values()),
                details={**details, "tables": []},
                **base,
            )
        verdict = self._verdict(known, most)
        counted = (
            flags if verdict != "pass" else {name: max(flag, flips.open(cost)[name]) for name, flag in flags.items()}
        )
        return Finding(
            verdict=verdict,
            claim=(
                f"{span(known)} of {known.n} decisions can be flipped by a change {where(zone)} at a cost of at most"
                f" {cost:g}{_clause(details, known)}."
            ),
            estimate=known,
            tolerance=self.tolerance,
            reason=self._reason(verdict, known, most, details["open"]),
            p=proportion_p(list(counted.values()), flips.units, self.tolerance),
            advice=_advice(verdict) if zone == "outside" else "",
            details={**details, "tables": _tables(facts, details)},
            **base,
        )

    def _verdict(self, known: Estimate, most: Estimate) -> Verdict:
        """Return the verdict: what was found can only accuse, and only what was found or proven can acquit."""
        if decide(known, self.tolerance) == "fail":
            return "fail"
        return "pass" if decide(most, self.tolerance) == "pass" else "inconclusive"

    def _reason(self, verdict: Verdict, known: Estimate, most: Estimate, unsettled: int) -> str:
        if verdict == "inconclusive" and decide(known, self.tolerance) == "pass":
            return (
                f"not proven: {unsettled} of {known.n} rows were neither flipped nor proven impossible to flip; with"
                f" them the share would be {span(most)}, against a tolerance of {percent(self.tolerance)}"
            )
        return reason(verdict, most if verdict == "pass" else known, self.tolerance)

    def _noise(self, facts: Facts, observations: Observations, zone: str) -> list[dict[str, Any]]:
        points = []
        for cost in facts.epsilons if self.random else ():
            walk = Flips(facts, observations.of(self._walk(facts, zone, cost)))
            points.append(
                {
                    "epsilon": cost,
                    "estimate": plain(walk.share(cost)),
                    "reason": "" if walk.used else why_not(walk.rows.values()),
                }
            )
        return points

    def _against(
        self, facts: Facts, observations: Observations, zone: str, every: Mapping[str, Flips]
    ) -> list[dict[str, Any]]:
        """Return how much more often a zone flips than random changes in it and, for 'outside', than each control zone,
        on the same rows.
        """
        others = [
            (where(other), other, flips)
            for other, flips in every.items()
            if zone == "outside" and other.startswith("control/")
        ]
        if self.random:
            others.append(
                (
                    "random changes of the same cost",
                    zone,
                    Flips(facts, observations.of(self._walk(facts, zone, facts.primary))),
                )
            )
        mine = every[zone].flags(facts.primary)
        return [
            compared(facts, name, place, mine, flips.flags(facts.primary), flips.rows, FLIPPED)
            for name, place, flips in others
        ]


def _clause(details: Mapping[str, Any], known: Estimate) -> str:
    """Return what flips without a search, and what is still open."""
    random = next((one["there"] for one in details["against"] if one["zone"] == details["zone"] and one["there"]), None)
    said = f"; random changes of the same cost flip {percent(random['value'])}" if random else ""
    return said + (
        f"; for {percent(details['open'] / known.n)} neither a flip at this cost nor a proof against one was found"
        if details["open"]
        else ""
    )


def _tables(facts: Facts, details: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tables of a zone: outcomes, decisions, columns, and what stands beside the search."""
    cost, n, wanted = (
        f"at a cost of at most {facts.primary:g}",
        details["n"],
        table_of(facts).favourable or facts.classes[-1],
    )
    tables = [
        {
            "title": f"What the searches {details['label']} ended with, up to a cost of {max(facts.epsilons):g}",
            "columns": ["Outcome", "Rows", "Share"],
            "rows": [[text, k, percent(k / n)] for text, k in details["outcomes"].items()],
        },
        {
            "title": f"Flips by decision {cost}",
            "columns": ["Decided before", "Flipped", "Rows"],
            "rows": [
                [
                    f"{one['before']} (favourable)" if one["before"] == wanted else one["before"],
                    one["estimate"],
                    one["n"],
                ]
                for one in details["decisions"]
            ],
        },
        {
            "title": f"Columns that the flips change {cost}",
            "columns": ["Column", "Role", "Share of the flips", "Flips"],
            "rows": [[one["column"], one["role"], one["estimate"], one["n"]] for one in details["changed"]],
        },
        paired_table(
            facts,
            details["against"],
            title=f"Compared {cost}, on the same rows",
            less="This zone less that",
            samples="Rows",
        ),
        {
            "title": "Rows that were not searched",
            "columns": ["Reason", "Rows"],
            "rows": [[one["reason"], one["n"]] for one in details["excluded"]],
        },
    ]
    shown = tables if details["zone"] == "outside" else [tables[0], tables[2]]
    return [table for table in shown if table["rows"]]


def _advice(verdict: Verdict) -> str:
    if verdict == "fail":
        return (
            "Take the columns that the flips change out of the model, or check them before a decision rests on them:"
            " whoever can write them can turn decisions. Whether the model relies on them is question 1."
        )
    if verdict == "pass":
        return "No action; the pass holds for the declared limits, costs and rules."
    return "Audit more rows, or let the search go further (attack.settings), before drawing a conclusion."
