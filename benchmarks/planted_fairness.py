"""Audits of planted groups: many resampled from one large measured pool, some measured whole, each answer beside the
closed form.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from planted_groups import BUDGETS, CLASSES, LEVELS, PRIMARY, SIZE, Drawn, at, draw, write
from planted_populations import families

from auditor.checks import checks
from auditor.config.config import parse_audit
from auditor.core.displays import Disparity, Groups, Null, Rows, first
from auditor.core.facts import Facts
from auditor.core.records import Finding, Observation, Observations, Trial
from auditor.core.seeds import derive, generator
from auditor.engine.judge import adjusted, doubted, judge, observations_of, trials_of
from auditor.engine.prepare import prepare
from auditor.engine.prepared import Prepared
from auditor.engine.run import run

TIMES = 5
"""A pool is this many audits large."""
REACH = 2 * max(BUDGETS)
"""Grey levels up to which the smallest epsilon is searched."""
MINIMUM = 30
"""Smallest group that is compared."""
EXPOSURE = {"zones": ["everywhere", "outside"], "noise": False, "few_values": 0}
RELIANCE = {"where": 0}
CHECKED = ("answers", "wrong", "searches", "best")
"""Answers that the closed form can rule out, those that it does, searches whose best answer it knows, those that found
it.
"""
Found = dict[str, dict[str, Any]]
"""id of a finding -> what the tables read of it"""

torch.set_num_threads(1)  # sums in one order: repeatable on one kind of machine
logging.getLogger("auditor").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Case:
    """One family and how often it is audited."""

    name: str
    seed: int
    resampled: int
    """Audits drawn with replacement from the pool, judged alone."""
    whole: int
    """Audits of fresh people, through every stage but the report."""
    harm: bool = False
    reliance: bool = False

    @property
    def file(self) -> str:
        """Return the name of its result's file."""
        return f"{self.name}-{self.seed}-{self.resampled}-{self.whole}"

    @property
    def thorough(self) -> bool:
        """Return whether whole audits use the default attack and search for the smallest epsilon; they stand beside the
        resampled ones.
        """
        return self.resampled > 0


def cases(chosen: tuple[str, ...], *, seed: int, quick: bool) -> list[Case]:
    """Return every case of the chosen families, of which a name is the first word."""
    many, some, few, whole = (10, 5, 5, 2) if quick else (200, 100, 50, 20)
    found = []
    for name in families():
        first = name.partition("-")[0]
        if first in ("aimed", "shortcut"):  # fitted perturbations and donors see the whole data: nothing to resample
            found.append(Case(name, seed, 0, whole, harm=families()[name].aimed, reliance=first == "shortcut"))
        else:
            resampled = (
                many if first in ("fair", "units", "edge", "classmix") else some if first == "robustness" else few
            )
            found.append(Case(name, seed, resampled, int(not quick or name == "fair")))
    return [case for case in found if case.name.partition("-")[0] in chosen]


def audited(folder: Path, code: str, case: Case) -> dict[str, Any]:
    """Return what the audits of a family said and what is true."""
    place, started = folder / "fairness" / case.file, time.process_time()
    shutil.rmtree(place, ignore_errors=True)
    checked: dict[str, int] = dict.fromkeys(CHECKED, 0)
    resampled = list(_resampled(place, case, checked)) if case.resampled else []
    whole = [_whole(place, case, number, checked) for number in range(case.whole)]
    shutil.rmtree(place, ignore_errors=True)
    row = asdict(case) | {
        "code": code,
        "truth": truth(_pool(case)),
        "resampled": resampled,
        "whole": whole,
        "checked": checked,
        "seconds": time.process_time() - started,
    }
    file = place.with_name(f"{case.file}.json")
    file.with_suffix(".part").write_text(json.dumps(row))
    file.with_suffix(".part").replace(file)
    return row


def _pool(case: Case) -> Drawn:
    return draw(families()[case.name], derive("pool", case.name, case.seed), times=TIMES, exact=True)


def truth(drawn: Drawn) -> dict[str, dict[str, float]]:
    """Return the planted gaps of a pool by finding: the largest difference of two groups large enough to be compared,
    raw and at one mix of classes.
    """
    columns = {name: drawn.column(name) for name in drawn.family.columns}
    if len(columns) > 1:
        columns["+".join(columns)] = [" / ".join(parts) for parts in zip(*columns.values(), strict=True)]
    every, right = np.ones(len(drawn), dtype=bool), drawn.correct
    flags = {
        "accuracy-gap": (right, every),
        "robustness-gap": (drawn.fooled("everywhere", PRIMARY), right),
        "exposure-gap": (drawn.fooled("outside", PRIMARY), right),
        "reliance-gap": (drawn.outside_share(), every),
    }
    planted = {
        f"fairness/{column}/{kind}": {
            name: max(shares) - min(shares) for name, shares in _shares(np.array(values), drawn.y, *flags[kind]).items()
        }
        for column, values in columns.items()
        for kind in flags
    }
    return planted | {
        f"fairness/{column}/targeted-harm": _harm(drawn, np.array(values))
        for column, values in columns.items()
        if drawn.family.aimed
    }


def _harm(drawn: Drawn, values: np.ndarray) -> dict[str, float]:
    """Return the largest excess of the best perturbation outside the mask for a group: who flips in it, less who flips
    among everyone else.
    """
    reads = np.array([hash(at(drawn.family.reads, people.style)) for people in drawn.family.people])[drawn.kind]
    flips, excess = drawn.fooled("outside", PRIMARY), []
    for value in sorted(set(values.tolist())):
        mine, alike = values == value, reads == reads[np.flatnonzero(values == value)[0]]
        excess.append(
            float((flips & alike)[mine & drawn.correct].mean() - (flips & alike)[~mine & drawn.correct].mean())
        )
    return {"raw": max(excess), "adjusted": max(excess)}


def _shares(values: np.ndarray, y: np.ndarray, flags: np.ndarray, among: np.ndarray) -> dict[str, list[float]]:
    """Return each group's share of flags, as it is and at the mix of classes of everyone together."""
    groups = [
        among & (values == value)
        for value in sorted(set(values.tolist()))
        if (values == value).sum() >= TIMES * MINIMUM
    ]
    mix = [(among & (y == label)).sum() for label in (0, 1)]
    return {
        "raw": [float(flags[mine].mean()) for mine in groups],
        "adjusted": [
            float(np.average([flags[mine & (y == label)].mean() for label in (0, 1)], weights=mix)) for mine in groups
        ],
    }


def _declared(case: Case, *, whole: bool) -> dict[str, Any]:
    """Return the audit as its file would declare it; the fast gradient sign is an exact attack on these classifiers."""
    family = families()[case.name]
    crossed: Any = [list(family.columns)] if len(family.columns) > 1 else "none"
    fairness: dict[str, Any] = {
        "minimum_group": MINIMUM,
        "targeted_harm": whole and case.harm,
        "intersections": crossed,
    }
    chosen: dict[str, Any] = {"fairness": fairness}
    chosen |= ({"exposure": EXPOSURE} if whole and case.thorough else {}) | (
        {"reliance": RELIANCE} if case.reliance else {}
    )
    network = str(Path(__file__).resolve().with_name("planted_populations.py")) + ":network"
    columns = {
        "id": "id",
        "image": "path",
        "mask": "mask",
        "label": "label",
        "unit": "patient",
        "groups": list(family.columns),
    }
    return {
        "title": f"Planted: {case.name}",
        "model": {
            "source": "python",
            "path": network,
            "settings": {"family": case.name},
            "classes": list(CLASSES),
            "input": {"size": SIZE, "channels": 1},
        },
        "data": {"manifest": "manifest.csv", **columns},
        "threat": {"epsilon": [f"{budget}/{LEVELS}" for budget in BUDGETS], "primary": f"{PRIMARY}/{LEVELS}"},
        **({} if whole and case.thorough else {"attack": {"name": "fgsm"}}),
        "checks": {name: chosen.get(name, False) for name in checks.names("image")},
        "report": {"privacy": "none"},
    }


def prepared_audit(place: Path, case: Case, drawn: Drawn, seed: int, *, whole: bool) -> Prepared:
    """Return the audit of drawn people, their images written to a folder."""
    write(drawn, place, seed)
    return prepare(parse_audit(_declared(case, whole=whole), place / "audit"), base=place, trust_code=True)


def _resampled(folder: Path, case: Case, checked: dict[str, int]) -> Iterator[Found]:
    """Yield the findings of audits whose people are drawn from the pool, whole units with replacement: each is a fresh
    sample of the population.
    """
    drawn = _pool(case)
    prepared = prepared_audit(folder / "pool", case, drawn, derive("pixels", case.name, case.seed), whole=False)
    with run(prepared, folder / "pool" / "out") as store:
        trials = trials_of(prepared.lock, prepared.facts)
        observations = replace(observations_of(store), trials=tuple(trials))
        rows = {observations.key(trial): observations.of(trial) for trial in trials}
    compare(drawn, trials, {trial: rows[observations.key(trial)] for trial in trials}, checked)
    for number in range(case.resampled):
        positions, units = _drawn_again(drawn, case, number)
        facts, restricted = resample(
            prepared.facts, replace(observations, read=lambda key: rows.get(key, {})), positions, units
        )
        yield {finding.id: kept(finding) for finding in judged(prepared, facts, restricted)}


def _drawn_again(drawn: Drawn, case: Case, number: int) -> tuple[list[int], list[str]]:
    rng, positions, units = generator(case.seed, "resample", case.name, number), list[int](), list[str]()
    members = {int(unit): np.flatnonzero(drawn.unit == unit).tolist() for unit in np.unique(drawn.unit)}
    for kind, people in enumerate(drawn.family.people):
        mine = np.unique(drawn.unit[drawn.kind == kind])
        for unit in rng.choice(mine, -(-people.n // drawn.family.per_unit)).tolist():
            positions += members[unit]
            units += [f"p{len(positions):05d}"] * len(members[unit])
    return positions, units


def resample(
    facts: Facts, observations: Observations, positions: list[int], units: list[str]
) -> tuple[Facts, Observations]:
    """Return an audit of some samples of another one, each as a sample of its own even where it was drawn twice."""
    old = [facts.ids[position] for position in positions]
    names = tuple(f"r{row:05d}" for row in range(len(old)))

    def take(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(values[position] for position in positions)

    def read(key: str) -> Mapping[str, Observation]:
        rows = observations.read(key)
        return {name: replace(rows[one], sample=name) for name, one in zip(names, old, strict=True) if one in rows}

    groups = {name: take(values) for name, values in facts.groups.items()}
    mine = replace(
        facts, ids=names, y=take(facts.y), units=tuple(units), groups=groups, mask_share=take(facts.mask_share)
    )
    return mine, replace(observations, read=read)


def judged(prepared: Prepared, facts: Facts, observations: Observations) -> list[Finding]:
    """Return what the checks of an audit say of observations."""
    return doubted(
        adjusted([finding for check in prepared.checks.values() for finding in check.judge(facts, observations)])
    )


def _whole(folder: Path, case: Case, number: int, checked: dict[str, int]) -> Found:
    """Return the findings of an audit of fresh people."""
    place, drawn = (
        folder / f"whole-{number}",
        draw(families()[case.name], derive("whole", case.name, case.seed, number)),
    )
    prepared = prepared_audit(place, case, drawn, derive("pixels", case.name, case.seed, number), whole=True)
    with run(prepared, place / "out") as store:
        trials = trials_of(prepared.lock, prepared.facts)
        observations = replace(observations_of(store), trials=tuple(trials))
        compare(drawn, trials, {trial: observations.of(trial) for trial in trials}, checked)
    found = {finding.id: kept(finding) for finding in judge(place / "out") if finding.check == "fairness"}
    shutil.rmtree(place)
    return found


def compare(
    drawn: Drawn, trials: list[Trial], rows: Mapping[Trial, Mapping[str, Observation]], checked: dict[str, int]
) -> None:
    """Count answers, clean or attacked, and those that the closed form rules out; and how many searches found all that
    there is to find.
    """
    for trial in trials:
        known = {int(name[1:]): row.values for name, row in rows[trial].items() if row.missing is None}
        least = drawn.smallest(trial.zone) if trial.zone else None
        flips = drawn.fooled(trial.zone, round(trial.threat["epsilon"] * LEVELS)) if "epsilon" in trial.threat else None
        if trial.probe == "clean":
            wrong = [bool(values["correct"]) != drawn.correct[row] for row, values in known.items()]
        elif trial.probe == "evasion" and flips is not None:
            wrong = [bool(values["correct"] and values["fooled"]) != flips[row] for row, values in known.items()]
        elif trial.probe == "smallest" and least is not None:
            sizes = [
                (values.get("size", math.inf) * LEVELS, least[row])
                for row, values in known.items()
                if values["correct"] and least[row] > 0
            ]
            wrong = [size < one - 0.5 for size, one in sizes]
            _count(
                checked,
                searches=sum(one <= REACH for _, one in sizes),
                best=sum(abs(size - one) < 0.5 for size, one in sizes if one <= REACH),
            )
        elif trial.probe == "aimed" and flips is not None:
            aims = [
                (bool(flag), flips[row] and own)
                for row, values in known.items()
                for flag, own in _aims(drawn, trial, row, values)
            ]
            wrong = [flag and not most for flag, most in aims]
            _count(checked, searches=sum(bool(most) for _, most in aims), best=sum(flag for flag, most in aims if most))
        else:
            continue
        _count(checked, answers=len(wrong), wrong=sum(map(bool, wrong)))


def _aims(drawn: Drawn, trial: Trial, row: int, values: Mapping[str, float]) -> Iterator[tuple[float, bool]]:
    """Yield whether each group's perturbation flips a person, and whether that group is read along the same pixels."""
    family = drawn.family
    style_of = {people.groups["group"]: people.style for people in family.people}
    mine = at(family.reads, family.people[drawn.kind[row]].style)
    for place, name in enumerate(trial.settings["names"]):
        if f"fooled/{place}" in values:
            yield values[f"fooled/{place}"], at(family.reads, style_of[name]) == mine


def _count(checked: dict[str, int], **more: int) -> None:
    for name, n in more.items():
        checked[name] += int(n)


def kept(finding: Finding) -> dict[str, Any]:
    """Return what the tables read of a finding."""
    found, shown = finding.estimate, finding.displays
    tests, groups = first(shown, Rows, "tests"), first(shown, Groups)
    chance = [test.p for test in (tests.rows if tests else ()) if test.name.startswith("Permutation")]
    null, widest, rows = first(shown, Null), first(shown, Disparity), groups.rows if groups else ()
    measured = [{name: one for name, one in row.measures.items() if one} for row in rows if not row.few]
    best = [next((row[name] for name in ("success", "clean", "share") if name in row), None) for row in measured]
    shares = [one.value for one in best if one]
    return {
        "verdict": finding.verdict,
        "estimate": None if found is None else {"value": found.value, "low": found.low, "high": found.high},
        "pair": list(widest.pair) if widest else [],
        "raw": max(shares) - min(shares) if shares else None,
        "chance": null.p if null else chance[0] if chance else None,
        "reason": finding.reason,
        "notes": {row.name: [row.n, row.note] for row in rows},
    }
