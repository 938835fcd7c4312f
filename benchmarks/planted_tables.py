"""The tables of planted.py, made of its results alone: each verdict rule as a diagnostic test, and the auditor's number
beside the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
import numpy as np
from planted_images import SIZE, marked_area
from scipy.stats import rankdata, spearmanr

from auditor.stats.shares import proportion

Row = Mapping[str, Any]
Rule = Callable[[Row], bool | None]
"""function (result) -> accused, or None where the rule leaves it open; KeyError where this version of the auditor does
not offer it
"""
SHARE, FLIPS, FACTOR = "reliance/outside-share", "exposure/outside", "reliance/factor/nuisance"
NAIVE = 0.10


def _verdict(name: str) -> Rule:
    return lambda row: {"fail": True, "pass": False}.get(row["findings"][name]["verdict"])


def _excludes_zero(row: Row) -> bool | None:
    found = row["findings"][SHARE]["estimate"]
    return None if found is None else found["low"] > 0 or found["high"] < 0


def _naive(row: Row) -> bool | None:
    found = row["findings"][FLIPS]["estimate"]
    return None if found is None else found["value"] > NAIVE


RULES: dict[str, Rule] = {
    "outside-share: verdict": _verdict(SHARE),
    "outside-share: interval excludes 0": _excludes_zero,
    "left-over: verdict": _verdict("reliance/left-over"),
    "flip-gap: verdict": _verdict("reliance/flip-gap"),
    "factor/nuisance: verdict": _verdict(FACTOR),
    "exposure/outside: verdict": _verdict(FLIPS),
    f"naive: more than {NAIVE:.0%} flip": _naive,
}


def answers(rule: Rule, rows: Sequence[Row]) -> list[bool | None]:
    """Return what a rule says of every result in which this version of the auditor offers it."""
    return [rule(row) for row in rows if _offered(rule, row)]


def _offered(rule: Rule, row: Row) -> bool:
    try:
        rule(row)
    except KeyError:
        return False
    return True


def counted(found: Sequence[bool | None], wanted: bool | None = True) -> str:
    """Return how many answers are the wanted one, with the share's Wilson interval."""
    hits = [float(one is wanted) for one in found]
    estimate = proportion(hits)
    return "-" if estimate is None else f"{sum(hits):.0f}/{len(hits)} [{estimate.low:.0%}, {estimate.high:.0%}]"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print a table, first column to the left."""
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    for line in [head, *lines]:
        click.echo(
            "  "
            + "  ".join(
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
        )
    click.echo()


def strength(row: Row) -> float:
    """Return P(nuisance agrees with the class) in training."""
    return float(row["model"]["strength"])


def share(row: Row) -> float:
    """Return the outside share that the auditor reports; NaN where it was not measured."""
    found = row["findings"][SHARE]["estimate"]
    return float("nan") if found is None else float(found["value"])


def rules(rows: Sequence[Row]) -> None:
    """Print every rule's sensitivity by strength, its false alarms, and how often it leaves the question open."""
    levels = sorted({strength(row) for row in rows if row["guilty"]})
    groups = [
        [row for row in rows if not row["guilty"]],
        *([row for row in rows if row["guilty"] and strength(row) == level] for level in levels),
    ]
    names = ["honest twins", *(f"P = {level:g}" for level in levels)]
    for title, wanted in (("accused, of n [95 % Wilson]", True), ("left open: inconclusive or not measured", None)):
        found = {name: [answers(rule, group) for group in groups] for name, rule in RULES.items()}
        table(
            [title, *names],
            [
                [name, *(counted(group, wanted) for group in answered)]
                for name, answered in found.items()
                if any(answered)
            ],
        )
    missing = [name for name, answered in found.items() if not any(answered)]
    if missing:
        click.echo(f"  not offered by this version: {', '.join(missing)}\n")


def oracle(rows: Sequence[Row]) -> None:
    """Print the auditor's share beside the true share, by family and strength."""
    lines = []
    for family in dict.fromkeys(row["family"] for row in rows):
        for level, mask in sorted({(strength(row), row["mask"]) for row in rows if row["family"] == family}):
            mine = [row for row in rows if row["family"] == family and strength(row) == level and row["mask"] == mask]
            true, said = np.array([row["truth"]["share"] for row in mine]), np.array([share(row) for row in mine])
            found = [row["findings"][SHARE]["estimate"] for row in mine]
            covered = [
                None if one is None else one["low"] <= value <= one["high"]
                for one, value in zip(found, true, strict=True)
            ]
            flips = [one["value"] for row in mine if (one := row["findings"][FLIPS]["estimate"])]
            name = family + (
                " (mask with context)" if mask == "wide" else " (lesion alone)" if family == "context" else ""
            )
            lines.append(
                [
                    name,
                    f"{level:g}",
                    str(len(mine)),
                    f"{np.mean([row['truth']['accuracy'] for row in mine]):.3f}",
                    f"{true.mean():.3f}",
                    f"{said.mean():.3f}",
                ]
                + [
                    f"{said.min():.3f} to {said.max():.3f}",
                    f"{np.abs(said - true).mean():.3f}",
                    f"{sum(map(bool, covered))}/{len(mine)}",
                ]
                + [f"{np.mean(flips):.2f}" if flips else "-"]
            )
    table(["family", "P", "n", "accuracy", "true share", "auditor", "range", "mean error", "covered", "flips"], lines)


def orders(rows: Sequence[Row]) -> dict[str, float]:
    """Print and return, for each family of at least four strengths, Spearman's rank correlation of the reported share
    with the planted strength.

    Beside it: the same of the true share, and the most that ties of strength allow.
    """
    lines, found = [], {}
    for family in dict.fromkeys(row["family"] for row in rows if row["family"] != "uncorrelated"):
        mine = [row for row in rows if row["family"] == family]
        levels = np.array([strength(row) for row in mine])
        if len(set(levels)) < 4:
            continue
        said, true = np.array([share(row) for row in mine]), np.array([row["truth"]["share"] for row in mine])
        found[family] = float(spearmanr(levels, said).statistic)
        most = spearmanr(levels, rankdata(levels, "ordinal")).statistic
        values = (found[family], spearmanr(levels, true).statistic, most, spearmanr(true, said).statistic)
        lines.append([family, *(f"{value:.3f}" for value in values)])
    if lines:
        table(["Spearman", "P, auditor", "P, true share", "most possible", "true share, auditor"], lines)
    return found


def hit(row: Row) -> bool:
    """Return whether the strongest cell overlaps the planted marker's area (KeyError: this version does not say)."""
    peak = row["findings"]["reliance/where"]["peak"]
    if not peak:
        return False
    rows, columns = SIZE / peak["rows"], SIZE / peak["columns"]
    top, left = int(peak["row"] * rows), int(peak["column"] * columns)
    return bool(
        marked_area("marker")[
            top : max(top + 1, int((peak["row"] + 1) * rows)), left : max(left + 1, int((peak["column"] + 1) * columns))
        ].any()
    )


def marked(rows: Sequence[Row]) -> list[Row]:
    """Return the shortcut models whose nuisance is the marker, audited where it goes with the class."""
    return [
        row
        for row in rows
        if row["model"]["kind"] == "marker" and row["guilty"] and row["family"] not in ("uncorrelated", "context")
    ]


def where(rows: Sequence[Row]) -> None:
    """Print in how many marker models the strongest cell lies on the marker."""
    mine = marked(rows)
    levels = sorted({strength(row) for row in mine})
    hits = [counted(answers(hit, [row for row in mine if strength(row) == level])) for level in levels]
    if any(one != "-" for one in hits):
        table(["strongest cell on the marker", *(f"P = {level:g}" for level in levels)], [["reliance/where", *hits]])
    else:
        click.echo("  reliance/where: not offered by this version\n")


def targets(rows: Sequence[Row], found: Mapping[str, float]) -> list[tuple[str, bool | None, str]]:
    """Return what must be shown: the sentence, whether it holds (None: nothing to tell by), and the figure."""
    plain = [
        row
        for row in rows
        if row["family"] not in ("uncorrelated", "context") or (row["family"] == "context" and not row["guilty"])
    ]
    verdict, honest = RULES["outside-share: verdict"], [row for row in plain if not row["guilty"]]
    strong, middle = (
        [row for row in plain if row["guilty"] and test(strength(row))]
        for test in (lambda p: p >= 0.9, lambda p: p == 0.75)
    )
    wrong = [
        row
        for row in middle
        if verdict(row) is not None and verdict(row) != (row["truth"]["share"] > row["findings"][SHARE]["tolerance"])
    ]
    narrow = [row for row in rows if row["family"] == "context" and row["guilty"]]
    masked = [row for row in rows if row["family"] == "masked" and row["guilty"]]
    cleared = [answer is not False for answer in answers(RULES["exposure/outside: verdict"], masked)]
    apart = [row for row in rows if row["family"] == "uncorrelated" and row["guilty"] and strength(row) == 1.0]
    clean = [row for row in rows if row["family"] == "uncorrelated" and not row["guilty"]]
    least_rank = min(found.values(), default=None)
    rank = "-" if least_rank is None else f"least {least_rank:.3f}"
    hits = answers(hit, [row for row in marked(rows) if strength(row) >= 0.75])

    def least(sentence: str, flags: Sequence[bool | None], bound: float) -> tuple[str, bool | None, str]:
        return (
            sentence,
            None if not flags else sum(flag is True for flag in flags) >= bound * len(flags),
            counted(flags),
        )

    alarms = answers(verdict, honest)
    return [
        ("at least 60 honest twins", len(honest) >= 60, str(len(honest))),
        (
            "reliance verdict: false alarms on honest twins <= 2 %",
            sum(a is True for a in alarms) <= 0.02 * len(alarms) if alarms else None,
            counted(alarms),
        ),
        least("reliance verdict: sensitivity at P >= 0.9 is >= 95 %", answers(verdict, strong), 0.95),
        least("P = 0.75: the interval excludes 0 in >= 80 %", answers(_excludes_zero, middle), 0.80),
        (
            "P = 0.75: at most 5 % of verdicts contradict the true share",
            len(wrong) <= 0.05 * len(middle) if middle else None,
            f"{len(wrong)}/{len(middle)}",
        ),
        (
            "Spearman of strength and share >= 0.9 in every family",
            None if least_rank is None else least_rank >= 0.9,
            rank,
        ),
        least("strongest cell on the marker at P >= 0.75 in >= 90 %", hits, 0.90),
        least("context outside the mask: always accused", answers(verdict, narrow), 1.0),
        least("masked gradient and shortcut: reliance always accuses", answers(verdict, masked), 1.0),
        least("masked gradient and shortcut: exposure never clears", cleared, 1.0),
        least(
            "shortcut absent from the data: the factor names it in >= 95 %",
            answers(RULES["factor/nuisance: verdict"], apart),
            0.95,
        ),
        least(
            "the same, honest twins: the factor is silent",
            [a is not True for a in answers(RULES["factor/nuisance: verdict"], clean)],
            1.0,
        ),
    ]


def report(content: Mapping[str, Any]) -> bool:
    """Print every table; return whether no target is missed."""
    rows = content["rows"]
    agreement = content["agreement"]
    click.echo(
        f"{len(rows)} audits of {len({str(row['model']) for row in rows})} classifiers, auditor"
        f" {', '.join(sorted({row['code'] for row in rows}))}."
    )
    click.echo(
        f"In the audit data the nuisance goes with the class in {agreement:.0%} of the patients, for shortcut models"
        " and honest twins alike."
    )
    click.echo(
        "True share: by intervention, the same scene drawn with cue or nuisance flipped. Flips: outside the mask, pgd"
        " 10 steps, 8/255.\n"
    )
    usual = [
        row for row in rows if row["family"] != "uncorrelated" and not (row["family"] == "context" and row["guilty"])
    ]
    rules(usual)
    apart = [row for row in rows if row["family"] == "uncorrelated"]
    if apart:
        click.echo("The marker's models on data in which it tells nothing, declared as a factor:")
        rules(apart)
    oracle(rows)
    found = orders(rows)
    where(rows)
    goals = targets(rows, found)
    table(
        ["target", "", "figure"],
        [
            [sentence, {True: "met", False: "MISSED", None: "not measured"}[met], figure]
            for sentence, met, figure in goals
        ],
    )
    spent = sum(row["seconds"] for row in rows)
    click.echo(
        f"Last run: {content['seconds'] / 60:.0f} min in {content['jobs']} processes; the audits took"
        f" {spent / len(rows):.1f} s CPU each."
    )
    return all(met is not False for _, met, _ in goals)
