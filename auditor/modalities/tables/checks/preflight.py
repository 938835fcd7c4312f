"""What preflight says of tables: columns that should matter, missing cells, rules that the data break, scores and
decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from auditor.checks import checks
from auditor.checks.common import listed, percent, span
from auditor.checks.preflight import Observed, Preflight
from auditor.core.displays import TableDisplay, Values
from auditor.core.facts import Facts
from auditor.core.records import Card, Finding
from auditor.modalities.tables.checks.common import table_of
from auditor.modalities.tables.table import ROLES
from auditor.stats.shares import proportion


@checks.register("preflight", modality="table")
@dataclass(frozen=True, kw_only=True)
class TablePreflight(Preflight):
    """Whether the audit can begin: accuracy, classes, cells, scores, repeated answers, roles, rules, decisions."""

    card: ClassVar[Card] = replace(
        Preflight.card,
        mechanism=(
            f"{Preflight.card.mechanism} Of a table every declared rule is counted on the data, since a rule that the"
            " data break is no rule, and the scores are compared with the model's own decisions."
        ),
    )
    others: ClassVar[tuple[str, ...]] = ("rules", "decisions")

    def inputs(self, facts: Facts, rows: Observed, base: dict[str, Any]) -> Finding:
        """Return how many rows have missing cells, and whether any row has no cell at all."""
        return judge_missing(facts, rows, base)

    def scores(self, facts: Facts, rows: Observed, base: dict[str, Any]) -> Finding:
        """Return whether the scores are fit for margins."""
        return judge_scores(facts, rows, base)

    def marked(self, facts: Facts, base: dict[str, Any]) -> Finding:
        """Return which columns should matter, as the expert declared."""
        return judge_columns(facts, base)

    def further(self, facts: Facts, rows: Observed, base: dict[str, Any]) -> tuple[Finding, ...]:
        """Return how many rows break a rule, and whether the scores agree with the model's own decisions."""
        return (judge_rules(facts, rows, base), judge_decisions(facts, rows, base))


def judge_columns(facts: Facts, base: dict[str, Any]) -> Finding:
    """Return which columns should matter, as the expert declared."""
    columns = table_of(facts).columns
    counts: dict[str, int] = {role: sum(column.role == role for column in columns) for role in ROLES}
    roles = (Values(values=counts, role="roles"),)
    known = next((share for share in facts.mask_share if share is not None), None)
    if known is None or not 0 < known < 1:
        why = {None: "no column has a declared role", 0.0: "no column is declared relevant"}.get(
            known, "every column is declared relevant"
        )
        return Finding(
            id="preflight/masks",
            verdict="not_measured",
            claim="No columns are set apart.",
            reason=why,
            displays=roles,
            **base,
        )
    others: dict[str, int] = {role: n for role, n in counts.items() if n and role != "relevant"}
    claim = f"{counts['relevant']} of {len(columns)} columns should matter; of the others {listed(others)}."
    return Finding(
        id="preflight/masks", verdict="pass", claim=claim, reason="roles are declared", displays=roles, **base
    )


def judge_missing(facts: Facts, rows: Observed, base: dict[str, Any]) -> Finding:
    """Return how many rows have missing cells, and whether any row has no cell at all."""
    columns = table_of(facts).columns
    some, blank = (sum(row.values["missing"] >= least for row in rows.values()) for least in (1, len(columns)))
    most = sorted((column for column in columns if column.missing), key=lambda column: -column.missing)[:5]
    named = f" (most in {', '.join(column.name for column in most)})" if most else ""
    claim = f"{some} of {len(rows)} rows have missing cells{named}; they are kept as they are."
    why = f"{blank} rows have nothing but missing cells" if blank else "no row is without any cell"
    tables = (_missing_table(facts),) if most else ()
    return Finding(
        id="preflight/inputs", verdict="fail" if blank else "pass", claim=claim, reason=why, displays=tables, **base
    )


def _missing_table(facts: Facts) -> TableDisplay:
    rows = tuple((column.name, column.missing) for column in table_of(facts).columns if column.missing)
    return TableDisplay(title="Missing cells in the whole table", columns=("Column", "Missing"), rows=rows)


def judge_scores(facts: Facts, rows: Observed, base: dict[str, Any]) -> Finding:
    """Return whether the scores are fit for margins: log odds rather than probabilities or plain labels."""
    if "scores" not in facts.offers:
        return Finding(
            id="preflight/logits",
            verdict="inconclusive",
            claim="The classifier answers with labels only.",
            reason=(
                "a margin is then 1 or -1: searches are blind until a decision flips, and reliance counts decisions"
                " alone"
            ),
            advice="Give the audit the model's scores where it has any.",
            **base,
        )
    like = sum(row.values["like_probabilities"] for row in rows.values())
    bad = like == len(rows)
    claim = f"For {like:g} of {len(rows)} rows the scores are non-negative and sum to one."
    why = (
        "every answer looks like probabilities, whose differences shrink where the model is sure"
        if bad
        else "the scores are log odds or margins"
    )
    advice = "Give the audit log odds in the place of probabilities." if bad else ""
    return Finding(
        id="preflight/logits", verdict="fail" if bad else "pass", claim=claim, reason=why, advice=advice, **base
    )


def judge_rules(facts: Facts, rows: Observed, base: dict[str, Any]) -> Finding:
    """Return how many rows break each declared rule: the lint that comes before any search."""
    rules, units = table_of(facts).rules, [facts.unit_of[name] for name in rows]
    if not rules:
        why = "without rules a search may find rows that nobody could have"
        return Finding(
            id="preflight/rules",
            verdict="not_measured",
            claim="No rules between columns are declared.",
            reason=why,
            **base,
        )
    flags = {place: [float(row.values[f"broken/{place}"]) for row in rows.values()] for place in range(len(rules))}
    broken = [int(sum(column)) for column in flags.values()]
    bad = {rule.id: n for rule, n in zip(rules, broken, strict=True) if n}
    out = sum(any(column) for column in zip(*flags.values(), strict=True))
    claim = f"{len(rules) - len(bad)} of {len(rules)} declared rules hold in all {len(rows)} rows" + (
        f"; broken: {listed(bad)}." if bad else "."
    )
    shares = [proportion(column, units, unit="share of rows that break the rule") for column in flags.values()]
    table = TableDisplay(
        title="Rows that break each rule",
        columns=("Rule", "Rows", "Share"),
        rows=tuple((rule.id, n, share) for rule, n, share in zip(rules, broken, shares, strict=True)),
    )
    return Finding(
        id="preflight/rules",
        verdict="inconclusive" if bad else "pass",
        claim=claim,
        reason=(
            f"{out} rows break a rule and are left out of searches and exchanges: is it a rule?"
            if bad
            else "no row breaks a rule"
        ),
        advice=(
            "Mend the rule, or the rows, before reading on: a search keeps to rules that people break." if bad else ""
        ),
        displays=(table,),
        **base,
    )


def judge_decisions(facts: Facts, rows: Observed, base: dict[str, Any]) -> Finding:
    """Return whether the largest score is the model's own decision."""
    flags = [float(row.values["agrees"]) for row in rows.values()]
    estimate = proportion(
        flags, [facts.unit_of[name] for name in rows], unit="share of rows whose largest score is the decision"
    )
    assert estimate is not None
    apart = len(flags) - int(sum(flags))
    why = (
        f"{apart} rows ({percent(apart / len(flags))}) are decided otherwise, as by another threshold: flips are"
        " counted by decisions, margins speak of scores"
        if apart
        else "every decision is the largest score"
    )
    claim = f"For {span(estimate)} of {estimate.n} rows the largest score is the model's own decision."
    return Finding(
        id="preflight/decisions",
        verdict="inconclusive" if apart else "pass",
        claim=claim,
        estimate=estimate,
        reason=why,
        **base,
    )
