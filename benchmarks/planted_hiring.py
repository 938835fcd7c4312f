"""Planted applicants: models of histories whose bias was planted at several strengths, audited like any other and
counted like a diagnostic test.

Run: python benchmarks/planted_hiring.py FOLDER [--quick] [--jobs 2] [--seed 0] [--print]
Finished audits stay in FOLDER; killed at any point, the next run goes on. Results lie in FOLDER/planted_hiring.json.

What is true of a model is not what was planted but what it learned: selection rates of 200,000 fresh applicants, the
outside share of 200,000 transplants
made here without the auditor, and for every audited applicant whether any of the 135 ways to fill in the outside
columns flips the decision.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from planted import version

from auditor.modalities.tables.demo.applicants import History, applicants
from auditor.modalities.tables.demo.hiring import NUMBERS, WORDS, trained, write_study

ASKED = (0.5, 1.0, 2.0, 3.0)
REFERRED = (0.55, 0.6, 0.7, 0.9)
AUDITED, FRESH = 1_500, 200_000
OUTSIDE = ("club", "channel", "font", "weekday")
COST, TOLERANCES = 2, {"impact": 0.8, "share": 0.05, "flips": 0.10}
SHOWN = ("reliance/outside-share", "exposure/outside", "fairness/sex/impact-ratio", "fairness/race/impact-ratio")


@dataclass(frozen=True)
class Case:
    """One model and its audit."""

    family: str
    kind: str
    strength: float
    seed: int

    @property
    def name(self) -> str:
        """Return its name, of which its folder is made."""
        return f"{self.family}-{self.kind}-{self.strength:g}-{self.seed}"

    @property
    def history(self) -> History:
        """Return what its model learned from."""
        return {
            "fair": History(),
            "proxy": History(asked_more=self.strength),
            "brittle": History(referred=self.strength),
        }[self.family]


def cases(*, seed: int, quick: bool) -> list[Case]:
    """Return every audit."""
    twins, copies = (
        (range(seed, seed + 2), range(seed, seed + 1)) if quick else (range(seed, seed + 20), range(seed, seed + 5))
    )
    kinds = ("linear", "trees")
    found = [Case("fair", kind, 0.0, one) for one in twins for kind in kinds]
    found += [Case("proxy", kind, asked, one) for one in copies for kind in kinds for asked in ASKED]
    return found + [Case("brittle", kind, share, one) for one in copies for kind in kinds for share in REFERRED]


def log_odds(model: Any, rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Return the log odds (n,) of the last class, which is to be rejected or hired by the order of the alphabet."""
    share = np.clip(
        model.predict_proba(rows[[*NUMBERS, *WORDS]])[:, list(model.classes_).index("hired")], 1e-9, 1 - 1e-9
    )
    return np.asarray(np.log(share / (1 - share)))


def truths(model: Any, case: Case, audited: pd.DataFrame) -> dict[str, Any]:
    """Return what is true of a model: impact ratio by sex and race, outside share, and the flips of the
    audited rows.
    """
    fresh = applicants(FRESH, 10_000 + case.seed)
    odds = log_odds(model, fresh)
    hired = pd.Series(odds > 0)
    rates = {column: hired.groupby(fresh[column]).mean() for column in ("sex", "race")}
    ratios = {
        column: float(
            found.drop(["", "Native"], errors="ignore").min() / found.drop(["", "Native"], errors="ignore").max()
        )
        for column, found in rates.items()
    }
    return {"impact": ratios, "share": outside_share(model, fresh, odds, case.seed), "flips": flips(model, audited)}


def outside_share(model: Any, fresh: pd.DataFrame, odds: np.ndarray[Any, Any], seed: int) -> float:
    """Return the outside share of transplants between fresh applicants, by decision."""
    rng = np.random.default_rng(seed)
    hired = odds > 0
    pools = {flag: np.flatnonzero(hired == flag) for flag in (True, False)}
    same, other, third = (
        np.where(hired, rng.choice(pools[a], len(fresh)), rng.choice(pools[not a], len(fresh)))
        for a in (True, False, False)
    )
    own = np.arange(len(fresh))

    def margin(inside: np.ndarray[Any, Any], outside: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        rows = fresh.iloc[inside].reset_index(drop=True)
        rows[list(OUTSIDE)] = fresh.iloc[outside][list(OUTSIDE)].to_numpy()
        return np.where(hired, 1, -1) * log_odds(model, rows)

    a, b, c, d = (
        margin(own, same).mean(),
        margin(own, other).mean(),
        margin(other, same).mean(),
        margin(other, third).mean(),
    )
    inside, outside = ((a - c) + (b - d)) / 2, ((a - b) + (c - d)) / 2
    return float(outside / (abs(outside) + abs(inside)))


def flips(model: Any, audited: pd.DataFrame) -> dict[str, int | None]:
    """Return the smallest number of outside columns whose change flips each applicant's decision; None where no change
    does.
    """
    before = log_odds(model, audited) > 0
    best = np.full(len(audited), np.inf)
    levels = [sorted(audited[column].unique()) for column in OUTSIDE]
    for joint in itertools.product(*levels):
        rows = audited.copy()
        rows[list(OUTSIDE)] = np.array(joint, dtype=object)
        changed = (audited[list(OUTSIDE)].to_numpy() != np.array(joint, dtype=object)).sum(1)
        flipped = (log_odds(model, rows) > 0) != before
        best = np.where(flipped, np.minimum(best, changed), best)
    return {name: None if np.isinf(cost) else int(cost) for name, cost in zip(audited["applicant"], best, strict=True)}


def work(job: tuple[Path, str, Case]) -> dict[str, Any]:
    """Return one case's truth and what its audit found; runs in a process of its own."""
    folder, code, case = job
    file = folder / f"{case.name}.json"
    if file.exists() and (row := json.loads(file.read_text()))["code"] == code:
        return dict(row)
    started = time.time()
    model = trained(case.kind, case.history, 1_000 + case.seed)
    study = folder / case.name
    shutil.rmtree(study, ignore_errors=True)
    audit = write_study(study, {"model": ("Planted.", model)}, n=AUDITED, seed=50_000 + case.seed)["model"]
    found = audited(audit, study / "out")
    truth = truths(model, case, applicants(AUDITED, 50_000 + case.seed))
    row = {
        **asdict(case),
        "code": code,
        "seconds": time.time() - started,
        **found,
        "truth": {**truth, "flips": share_of(truth["flips"])},
    }
    row["search"] = compared(found.pop("rows"), truth["flips"])
    row.pop("rows", None)
    file.write_text(json.dumps(row))
    shutil.rmtree(study)
    return row


def audited(audit: Path, out: Path) -> dict[str, Any]:
    """Return the shown findings of an audit, and the cheapest flips that it found, by applicant."""
    from auditor.engine.judge import judge, observations_of, trials_of
    from auditor.engine.lock import read_lock
    from auditor.engine.prepare import prepare
    from auditor.engine.run import run

    prepared = prepare(audit, only=("preflight", "exposure", "reliance", "fairness"))
    store = run(prepared, out)
    trial = next(
        one
        for one in trials_of(read_lock(out), prepared.facts)
        if one.probe == "flip" and one.zone == "outside" and one.method == prepared.facts.attack
    )
    rows = {name: row.values for name, row in observations_of(store).of(trial).items() if row.missing is None}
    store.close()
    found = {
        one.id: {"verdict": one.verdict, "estimate": asdict(one.estimate) if one.estimate else None}
        for one in judge(out)
        if one.id in SHOWN
    }
    everything = {name: {"outcome": values["outcome"], "cost": values.get("cost")} for name, values in rows.items()}
    return {"findings": found, "rows": everything}


def share_of(costs: dict[str, int | None]) -> float:
    """Return the share of applicants that can be flipped at the audited cost."""
    return sum(cost is not None and cost <= COST for cost in costs.values()) / len(costs)


def compared(rows: dict[str, dict[str, Any]], truth: dict[str, int | None]) -> dict[str, int]:
    """Return how often the search said what brute force says: flips found at their cost, and rows said to be impossible
    that are.
    """
    flippable = [name for name in rows if truth[name] is not None]
    return {
        "searched": len(rows),
        "flippable": len(flippable),
        "at_cost": sum(
            rows[name]["cost"] is not None and abs(rows[name]["cost"] - (truth[name] or 0)) < 1e-9 for name in flippable
        ),
        "wrongly_impossible": sum(rows[name]["outcome"] == 3 for name in flippable),
        "wrongly_flipped": sum(rows[name]["cost"] is not None for name in rows if truth[name] is None),
        "impossible": sum(rows[name]["outcome"] == 3 for name in rows),
    }


def tables(rows: list[dict[str, Any]]) -> str:
    """Return the counted results as text."""
    lines = [
        "| family | strength | models | true impact ratio, sex | fail / open / pass | outside share | fail / open /"
        " pass | flips | fail / open / pass |"
    ]
    lines += ["|-|-|-|-|-|-|-|-|-|"]
    order = {"fair": 0, "proxy": 1, "brittle": 2}
    for (family, strength), group in itertools.groupby(
        sorted(rows, key=lambda one: (order[one["family"]], one["strength"])),
        lambda one: (one["family"], one["strength"]),
    ):
        some = list(group)
        cells = [spread([one["truth"]["impact"]["sex"] for one in some]), verdicts(some, "fairness/sex/impact-ratio")]
        cells += [spread([one["truth"]["share"] for one in some]), verdicts(some, "reliance/outside-share")]
        cells += [spread([one["truth"]["flips"] for one in some]), verdicts(some, "exposure/outside")]
        lines.append(f"| {family} | {strength:g} | {len(some)} | " + " | ".join(cells) + " |")
    wrong = [
        f"{one['family']}-{one['kind']}-{one['strength']:g}-{one['seed']}: {name}"
        for one in rows
        for name in against_truth(one)
    ]
    covered = [inside for one in rows for inside in coverage(one)]
    search = {key: sum(one["search"][key] for one in rows) for key in rows[0]["search"]}
    lines += [
        "",
        f"Verdicts against the truth: {len(wrong)} of {3 * len(rows)}. {'; '.join(wrong)}",
        f"Truth within the interval: {sum(covered)} of {len(covered)}.",
        f"Search: {search}",
    ]
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Return the smallest and the largest of some truths."""
    return f"{min(values):.3f} to {max(values):.3f}"


def verdicts(rows: list[dict[str, Any]], finding: str) -> str:
    """Return how often a finding failed, stayed open and passed."""
    found = [one["findings"][finding]["verdict"] for one in rows]
    return f"{found.count('fail')} / {len(found) - found.count('fail') - found.count('pass')} / {found.count('pass')}"


def pairs(row: dict[str, Any]) -> list[tuple[str, float, float, bool]]:
    """Return (finding, truth, tolerance, whether more is worse)."""
    truth = row["truth"]
    return [
        ("fairness/sex/impact-ratio", truth["impact"]["sex"], TOLERANCES["impact"], False),
        ("reliance/outside-share", truth["share"], TOLERANCES["share"], True),
        ("exposure/outside", truth["flips"], TOLERANCES["flips"], True),
    ]


def against_truth(row: dict[str, Any]) -> list[str]:
    """Return the findings whose verdict contradicts the truth."""
    said = {"fail": True, "pass": False}
    return [
        name
        for name, truth, bar, more in pairs(row)
        if said.get(row["findings"][name]["verdict"], (truth > bar) == more) != ((truth > bar) == more)
    ]


def coverage(row: dict[str, Any]) -> list[bool]:
    """Return whether each estimate's interval holds the truth."""
    found = [(row["findings"][name]["estimate"], truth) for name, truth, _, _ in pairs(row)]
    return [one["low"] <= truth <= one["high"] for one, truth in found if one]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--quick", is_flag=True, help="A few audits only.")
@click.option("--jobs", type=int, default=os.cpu_count() or 1)
@click.option("--seed", type=int, default=0)
@click.option("--print", "only_print", is_flag=True, help="Show the results that FOLDER holds.")
def main(folder: Path, quick: bool, jobs: int, seed: int, only_print: bool) -> None:
    """Audit planted applicants and count."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "planted_hiring.json"
    if not only_print:
        code = version("planted_hiring.py")
        with multiprocessing.get_context("spawn").Pool(jobs) as pool:
            rows = []
            for row in pool.imap_unordered(work, [(folder, code, case) for case in cases(seed=seed, quick=quick)]):
                rows.append(row)
                click.echo(
                    f"{len(rows)}: {row['family']}-{row['kind']}-{row['strength']:g}-{row['seed']}"
                    f" {row['seconds']:.0f} s",
                    err=True,
                )
        file.write_text(json.dumps(rows))
    click.echo(tables(json.loads(file.read_text())))


if __name__ == "__main__":
    main()
