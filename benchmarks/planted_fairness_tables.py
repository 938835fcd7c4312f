"""The fairness tables of planted.py: what was planted beside what the audits said, and the targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click
import numpy as np
from planted_tables import counted, table

from auditor.stats.shares import proportion

Row = Mapping[str, Any]
Found = Mapping[str, Any]
Rule = Callable[[Found], bool]
Target = tuple[str, bool | None, str]
ALPHA, POWER, TOLERANCE = 0.05, 0.90, 0.10
PLANTED = ("family", "finding", "planted raw", "planted", "said raw", "said", "n")
VERDICTS = ("fail", "pass", "open", "not measured", "covered", "excludes 0", "and p < 0.05")
KINDS = ("accuracy-gap", "robustness-gap", "exposure-gap")


def failed(found: Found) -> bool:
    """Return whether a finding accuses."""
    return bool(found["verdict"] == "fail")


def seen(found: Found) -> bool:
    """Return whether its interval excludes 0."""
    estimate = found["estimate"]
    return estimate is not None and (estimate["low"] > 0 or estimate["high"] < 0)


def sure(found: Found) -> bool:
    """Return whether its interval excludes 0 and exchanged groups seldom differ as much."""
    return seen(found) and (found["chance"] is None or found["chance"] < ALPHA)


def looks_unfair(found: Found) -> bool:
    """Return whether two groups differ by more than the tolerance as they are, whatever their mix of classes."""
    return found["raw"] is not None and found["raw"] > TOLERANCE


def audits(row: Row) -> list[Mapping[str, Found]]:
    """Return the audits of a family that are counted: the resampled ones, or the whole ones where nothing can be
    resampled.
    """
    return row["resampled"] or row["whole"]


def asked(rows: Sequence[Row], end: str, rule: Rule) -> list[bool]:
    """Return what a rule says of every audit's finding whose id ends so."""
    return [rule(found) for row in rows for audit in audits(row) for name, found in audit.items() if name.endswith(end)]


def named(rows: Sequence[Row], *first: str) -> list[Row]:
    """Return the families whose names begin so, without their twins."""
    return [row for row in rows if row["name"].startswith(first) and not row["name"].endswith("-twin")]


def least(sentence: str, flags: Sequence[bool], bound: float = POWER) -> Target:
    """Return a target on the smallest share."""
    return sentence, sum(flags) >= bound * len(flags) if flags else None, counted(flags)


def most(sentence: str, flags: Sequence[bool], bound: float = ALPHA) -> Target:
    """Return a target on the largest share."""
    return sentence, sum(flags) <= bound * len(flags) if flags else None, counted(flags)


def not_above(sentence: str, flags: Sequence[bool], bound: float = ALPHA) -> Target:
    """Return a target that is missed only where the whole interval of a share is too large."""
    found = proportion([float(flag) for flag in flags])
    return sentence, None if found is None else found.low <= bound, counted(flags)


def gaps(rows: Sequence[Row]) -> None:
    """Print, for every family and finding, the planted gap beside the reported one, and how often it was accused, seen
    and cleared.
    """
    lines = []
    for row in rows:
        mine = audits(row)
        for name in sorted({name for audit in mine for name in audit}):
            found = [audit[name] for audit in mine if name in audit]
            known = [one["estimate"] for one in found if one["estimate"]]
            planted = row["truth"].get(name)
            raw = [one["raw"] for one in found if one["raw"] is not None]
            covered = [one["low"] <= planted["adjusted"] <= one["high"] for one in known] if planted else []
            truth = [f"{planted['raw']:.2f}", f"{planted['adjusted']:.2f}"] if planted else ["-", "-"]
            said = [
                f"{np.mean(raw):.2f}" if raw else "-",
                f"{np.mean([one['value'] for one in known]):.2f}" if known else "-",
            ]
            verdicts = [
                str(sum(one["verdict"] == verdict for one in found))
                for verdict in ("fail", "pass", "inconclusive", "not_measured")
            ]
            shares = [
                f"{np.mean(flags):.0%}" if flags else "-"
                for flags in (covered, [seen(one) for one in found], [sure(one) for one in found])
            ]
            lines.append(
                [row["name"], name.removeprefix("fairness/"), *truth, *said, str(len(found)), *verdicts, *shares]
            )
    table([*PLANTED, *VERDICTS], lines)


def agreement(rows: Sequence[Row]) -> None:
    """Print how many estimates of whole audits, of fresh people and with the default attack, lie outside the range of
    the resampled ones.
    """
    outside, expected, count = 0, 0.0, 0
    for row in rows:
        for name, one in (
            (name, one) for audit in row["whole"] for name, one in audit.items() if one["estimate"] and row["resampled"]
        ):
            values = [
                audit[name]["estimate"]["value"] for audit in row["resampled"] if audit.get(name, {}).get("estimate")
            ]
            if values:
                outside += not min(values) <= one["estimate"]["value"] <= max(values)
                expected, count = expected + 2 / (len(values) + 1), count + 1
    click.echo(
        f"Whole audits with the default attack: {outside} of {count} estimates lie outside the range of the resampled"
        f" ones; {expected:.1f} are expected.\n"
    )


def honest(rows: Sequence[Row]) -> Iterator[Target]:
    """Yield the targets on those of whom nothing bad is true."""
    for name in ("fair", "units"):
        mine = named(rows, name)
        each = [any(map(failed, audit.values())) for row in mine for audit in audits(row)]
        yield most(f"{name}: audits with any failed verdict <= 5 %", each)
        for kind in KINDS:
            yield most(f"{name}: {kind} fails in <= 5 %", asked(mine, kind, failed))
            yield not_above(f"{name}: {kind} excludes 0 in about <= 5 %", asked(mine, kind, seen))
    yield most(
        "edge: a robustness-gap as large as the tolerance fails in <= 5 %",
        asked(named(rows, "edge"), "robustness-gap", failed),
    )
    mixed = named(rows, "classmix")
    for kind in KINDS:
        sentence, met, figure = most(f"classmix: {kind} never fails", asked(mixed, kind, failed), 0.0)
        yield (
            sentence,
            met,
            f"{figure}, the raw gap is above the tolerance in {counted(asked(mixed, kind, looks_unfair))}",
        )
    twins = [row for row in rows if row["name"].endswith("-twin")]
    for row in twins:
        flags = [any(map(failed, audit.values())) for audit in audits(row)]
        yield most(f"{row['name']}: audits with any failed verdict <= 5 %", flags)


def guilty(rows: Sequence[Row]) -> Iterator[Target]:
    """Yield the targets on planted defects, each with what must stay silent beside it."""
    for row in named(rows, "robustness"):
        _, low, high, groups = row["name"].split("-")
        yield least(
            f"robustness {low} to {high}, {groups} groups of 150: seen in >= 90 %", asked([row], "robustness-gap", sure)
        )
    for row in named(rows, "accuracy"):
        yield least(f"accuracy, {row['name'][-1]} groups of 150: seen in >= 90 %", asked([row], "accuracy-gap", sure))
    crossed = named(rows, "intersection")
    yield least(
        "intersection: the robustness-gap of both columns together fails in >= 90 %",
        asked(crossed, "sex+race/robustness-gap", failed),
    )
    yield least("outside: exposure-gap seen in >= 90 %", asked(named(rows, "outside"), "exposure-gap", sure))
    yield least("aimed: targeted harm seen in >= 90 %", asked(named(rows, "aimed"), "targeted-harm", sure))
    yield least("shortcut: reliance-gap seen in >= 90 %", asked(named(rows, "shortcut"), "reliance-gap", seen))


def silent(rows: Sequence[Row]) -> Iterator[Target]:
    """Yield the targets on what is honest about classifiers with another defect."""
    for name, end in (
        ("robustness", "accuracy-gap"),
        ("accuracy", "robustness-gap"),
        ("intersection", "/sex/robustness-gap"),
        ("intersection", "/race/robustness-gap"),
        ("outside", "robustness-gap"),
        ("aimed", "robustness-gap"),
        ("shortcut", "robustness-gap"),
    ):
        yield most(f"{name}: {end.strip('/')} fails in <= 5 %", asked(named(rows, name), end, failed))


def contradicts(found: Found, planted: float) -> bool:
    """Return whether a verdict accuses what is within the tolerance, or clears what is beyond it."""
    return bool(found["verdict"] == ("fail" if planted <= TOLERANCE else "pass"))


def misses(found: Found, planted: float) -> bool:
    """Return whether an interval leaves out what was planted."""
    estimate = found["estimate"]
    return estimate is not None and not estimate["low"] <= planted <= estimate["high"]


def against_truth(rows: Sequence[Row]) -> Iterator[Target]:
    """Yield the targets on every finding whose truth is planted, each by its worst family."""
    for sentence, rule, target in (
        ("no finding's verdict contradicts what was planted in > 5 %", contradicts, most),
        ("no finding's interval misses it in more than about 5 %", misses, not_above),
    ):
        worst: list[tuple[float, str, list[bool]]] = []
        for row in rows:
            for name, planted in row["truth"].items():
                flags = [rule(audit[name], planted["adjusted"]) for audit in audits(row) if name in audit]
                worst += (
                    [(float(np.mean(flags)), f"{row['name']} {name.removeprefix('fairness/')}", flags)] if flags else []
                )
        _, where, flags = max(worst, default=(0.0, "", []))
        said, met, figure = target(sentence, flags)
        yield said, met, f"{where} {figure}"


def tiny(rows: Sequence[Row]) -> Iterator[Target]:
    """Yield the targets on a group of 17, all of them flipped or none."""
    for row in named(rows, "tiny"):
        found = [one for audit in audits(row) for one in audit.values() if one["notes"]]
        shown = [
            "C" in one["notes"] and one["notes"]["C"][0] == 17 and one["notes"]["C"][1].startswith("too few to say")
            for one in found
        ]
        yield least(f"{row['name']}: the group of 17 is in every table, with 'too few to say'", shown, 1.0)
        yield least(
            f"{row['name']}: no pair and no verdict rests on it", ["C" not in one["pair"] for one in found], 1.0
        )
        yield least(
            f"{row['name']}: every reason names it as too few",
            ["too few to say for C" in one["reason"] for one in found],
            1.0,
        )


def report(content: Mapping[str, Any]) -> bool:
    """Print every table; return whether no target is missed."""
    rows = content["fairness"]
    count = sum(len(row["resampled"]) + len(row["whole"]) for row in rows)
    click.echo(
        f"{count} audits of {len(rows)} populations in groups, auditor"
        f" {', '.join(sorted({row['code'] for row in rows}))}."
    )
    click.echo(
        "Counted are audits resampled from a pool that was measured once; where donors or fits see the whole data,"
        " whole audits.\n"
    )
    gaps(rows)
    agreement(rows)
    answers, wrong, searches, best = (
        sum(row["checked"][name] for row in rows) for name in ("answers", "wrong", "searches", "best")
    )
    form: Target = (
        "no answer, clean or attacked, that the closed form rules out",
        wrong == 0,
        f"{answers - wrong}/{answers}",
    )
    found: Target = (
        "smallest epsilons and universal perturbations reach the closed form in >= 95 %",
        best >= 0.95 * searches,
        f"{best}/{searches}",
    )
    goals = [form, found, *honest(rows), *guilty(rows), *silent(rows), *against_truth(rows), *tiny(rows)]
    table(
        ["target", "", "figure"],
        [
            [sentence, {True: "met", False: "MISSED", None: "not measured"}[met], figure]
            for sentence, met, figure in goals
        ],
    )
    click.echo(f"The fairness audits took {sum(row['seconds'] for row in rows) / 60:.1f} min CPU.")
    return all(met is not False for _, met, _ in goals)
