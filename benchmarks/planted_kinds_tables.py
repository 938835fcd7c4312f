"""The tables of planted.py about the further kinds: what question 1 answered of each beside what is true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
import numpy as np
from planted_tables import SHARE, table

from auditor.stats.shares import proportion

Row = Mapping[str, Any]
Target = tuple[str, bool | None, str]
LATER = ("reliance/near", "reliance/far", "reliance/pair", "reliance/disturbed")
"""Findings of which not every version of the auditor has each; an id may go on after these words."""
VERDICTS = ("fail", "inconclusive", "not_measured", "pass")
TIMES = 2
"""A defect of this many times the tolerance must not be acquitted."""
LARGE = 0.10
"""A defect that is large, whatever the tolerance."""
ENOUGH = 150
"""Audits of large defects, and of honest twins, that are wanted."""
UNDEFINED = frozenset({"interaction"})
"""Kinds without main effects: a share of nothing is not compared."""


def said(row: Row) -> float:
    """Return the outside share that the auditor reports; NaN where it was not measured."""
    found = row["findings"].get(SHARE, {}).get("estimate")
    return float("nan") if found is None else float(found["value"])


def tolerance(row: Row) -> float:
    """Return the tolerance of the outside share (0 where this version does not say)."""
    return float(row["findings"].get(SHARE, {}).get("tolerance") or 0.0)


def true_share(row: Row) -> float:
    """Return the true share of what the auditor's share is about: of four classes the mean of all pairs; NaN where it
    is not defined.
    """
    if row["model"]["kind"] in UNDEFINED and row["guilty"]:
        return float("nan")
    return float(row["truth"].get("overall", row["truth"]["share"]))


def covered(row: Row) -> bool | None:
    """Return whether the interval of the outside share holds the truth; None where there is nothing to compare."""
    found = row["findings"].get(SHARE, {}).get("estimate")
    return None if found is None or np.isnan(true_share(row)) else found["low"] <= true_share(row) <= found["high"]


def large(row: Row) -> bool:
    """Return whether a classifier's defect is at least twice as large as what is tolerated."""
    return bool(row["guilty"] and row["truth"]["size"] > TIMES * tolerance(row))


def acquitted(row: Row) -> bool:
    """Return whether question 1 is answered by a pass."""
    return bool(row["question1"] == "pass")


def accused(row: Row) -> bool:
    """Return whether question 1 is answered by a fail."""
    return bool(row["question1"] == "fail")


def mean(values: Sequence[float]) -> str:
    """Return the mean of what is known of some values, in words."""
    known = [value for value in values if not np.isnan(value)]
    return f"{np.mean(known):.3f}" if known else "-"


def spread(values: Sequence[float]) -> str:
    """Return smallest, mean and largest of some values, in words."""
    return f"{min(values):.3f} {np.mean(values):.3f} {max(values):.3f}"


def counted(rows: Sequence[Row], wrong: Callable[[Row], bool]) -> str:
    """Return how many results are wrong, with an interval in which the audits of one classifier are not independent."""
    flags = [float(wrong(row)) for row in rows]
    found = proportion(flags, [str(row["model"]) for row in rows])
    return "-" if found is None else f"{sum(flags):.0f}/{len(flags)} [{found.low:.1%}, {found.high:.1%}]"


def families(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the audits by family, in order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["family"], []).append(row)
    return found


def overview(rows: Sequence[Row]) -> None:
    """Print what is true of each kind, and what question 1 answered."""
    lines = []
    for family, mine in families(rows).items():
        known = [one for one in map(covered, mine) if one is not None]
        answers = Counter(row["question1"] for row in mine)
        lines.append(
            [
                family,
                str(len(mine)),
                str(len({str(row["model"]) for row in mine})),
                mean([float(row["truth"]["accuracy"]) for row in mine]),
                spread([float(row["truth"]["size"]) for row in mine]),
                mean([float(row["truth"]["share"]) for row in mine]),
                mean([true_share(row) for row in mine]),
                mean([said(row) for row in mine]),
                f"{sum(known)}/{len(known)}",
                str(answers["fail"]),
                str(answers["inconclusive"] + answers["not_measured"]),
                str(answers["pass"]),
            ]
        )
    head = ["n", "models", "accuracy", "defect: least, mean, most", "share", "overall", "auditor", "covered"]
    table(["kind", *head, "accused", "open", "acquitted"], lines)


def later(rows: Sequence[Row]) -> None:
    """Print the verdicts of the findings that not every version has, by kind; nothing where it has none."""
    names = [name for name in LATER if any(findings_of(row, name) for row in rows)]
    if names:
        click.echo("Verdicts of single findings: fail / inconclusive / not measured / pass.")
        table(
            ["kind", *(name.removeprefix("reliance/") for name in names)],
            [[family, *(tally(mine, name) for name in names)] for family, mine in families(rows).items()],
        )


def findings_of(row: Row, name: str) -> list[str]:
    """Return the verdicts of a result's findings of this name, or of names that go on after it."""
    return [
        found["verdict"]
        for identity, found in row["findings"].items()
        if identity == name or identity.startswith((f"{name}/", f"{name}-"))
    ]


def tally(rows: Sequence[Row], name: str) -> str:
    """Return how often each verdict of a finding occurs, in words."""
    counts = Counter(verdict for row in rows for verdict in findings_of(row, name))
    return " / ".join(str(counts[verdict]) for verdict in VERDICTS) if counts else "-"


def errors(rows: Sequence[Row]) -> None:
    """Print how often question 1 was answered wrongly, by kind and over all."""
    guilty, honest = [row for row in rows if large(row)], [row for row in rows if not row["guilty"]]
    plain = [row for row in guilty if abs(row["truth"]["share"]) > TIMES * tolerance(row)]
    by_share = [row for row in plain if row["model"]["kind"] not in UNDEFINED]
    groups: list[tuple[str, Sequence[Row], Callable[[Row], bool]]] = [
        (f"wrong acquittals: defect over {TIMES} x tolerance", guilty, acquitted),
        (f"  of these: share itself over {TIMES} x tolerance", by_share, acquitted),
        ("  of these: share hides it", [row for row in guilty if row not in by_share], acquitted),
        ("false accusations: honest", honest, accused),
    ]
    table(
        ["question 1", "of n [95 %]", "models", "kinds with one"],
        [
            [
                title,
                counted(mine, wrong),
                str(len({str(row["model"]) for row in mine})),
                ", ".join(dict.fromkeys(row["family"] for row in mine if wrong(row))) or "-",
            ]
            for title, mine, wrong in groups
        ],
    )


def targets(rows: Sequence[Row]) -> list[Target]:
    """Return what must be shown: the sentence, whether it holds (None: nothing to tell by), and the figure."""
    guilty, honest = [row for row in rows if large(row)], [row for row in rows if not row["guilty"]]
    sizes = sum(row["guilty"] and row["truth"]["size"] > LARGE for row in rows)
    wrong, alarms = [acquitted(row) for row in guilty], [accused(row) for row in honest]
    return [
        (f"at least {ENOUGH} audits of defects over {LARGE:.0%}", sizes >= ENOUGH, str(sizes)),
        (f"at least {ENOUGH} audits of honest models", len(honest) >= ENOUGH, str(len(honest))),
        (
            f"no defect over {TIMES} x tolerance is acquitted",
            not any(wrong) if wrong else None,
            counted(guilty, acquitted),
        ),
        (
            "at most 2 % of honest audits are accused",
            sum(alarms) <= 0.02 * len(alarms) if alarms else None,
            counted(honest, accused),
        ),
    ]


def report(content: Mapping[str, Any]) -> bool:
    """Print every table; return whether no target is missed."""
    rows = content["kinds"]
    click.echo(
        f"Further kinds: {len(rows)} audits of {len({str(row['model']) for row in rows})} classifiers, auditor"
        f" {', '.join(sorted({row['code'] for row in rows}))}; preflight and reliance alone."
    )
    click.echo(
        "Accused, open, acquitted: question 1 is fail, neither, pass. Defect: the true share, or the decisions that"
        " flip where the share is of nothing, or the larger of two shares that cancel.\nShare: of the planted pair;"
        " overall: of all pairs, with which the auditor's share is compared.\n"
    )
    for title, guilty in (("Classifiers with a shortcut:", True), ("Honest classifiers:", False)):
        mine = [row for row in rows if row["guilty"] is guilty]
        if mine:
            click.echo(title)
            overview(mine)
            later(mine)
    errors(rows)
    goals = targets(rows)
    words = {True: "met", False: "MISSED", None: "not measured"}
    table(["target", "", "figure"], [[sentence, words[met], figure] for sentence, met, figure in goals])
    spent = sum(row["seconds"] for row in rows)
    click.echo(
        f"Last run: {content['kinds_seconds'] / 60:.0f} min in {content['jobs']} processes; the audits took"
        f" {spent / len(rows):.1f} s CPU each.\n"
    )
    return all(met is not False for _, met, _ in goals)
