"""The auditor's own test: classifiers whose defect, or innocence, was planted, audited like any other and counted like
a diagnostic test.

Run: python benchmarks/planted.py FOLDER [--quick] [--families marker --families kinds] [--jobs 2] [--seed 0] [--print]
Weights, data and finished audits stay in FOLDER: killed at any point, the next run goes on, and one with another
version of the auditor audits again without training again. Results lie in FOLDER/planted.json, from which --print makes
the tables.

The audit data of the trained classifiers are confounded on purpose, for shortcut models and honest twins alike: the
nuisance goes with the class in 95 of 100 patients. Only so can a shortcut show at all, and only so is the twin's
innocence put to the test.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import planted_fairness_tables
import planted_kinds_tables
import planted_tables
from planted_cases import AGREEMENT, FAMILIES, Case, cases, offers_factors
from planted_kinds import KINDS

FAIRNESS = (
    "fair",
    "units",
    "edge",
    "robustness",
    "accuracy",
    "intersection",
    "classmix",
    "tiny",
    "aimed",
    "outside",
    "shortcut",
)
"""Populations in groups (planted_populations.py), which need no training; the word 'fairness' names them all."""
SCRIPTS = ("planted_audits.py", "planted_images.py", "planted_models.py")
KINDS_SCRIPTS = ("planted_kinds.py", "planted_kinds_audits.py", "planted_kinds_models.py")
"""What the audits of the trained classifiers are made by, and those of the further kinds beside it."""
Rows = list[dict[str, Any]]


def version(*scripts: str) -> str:
    """Return a digest of the code of the auditor and of these audits: what another version found is measured again."""
    import auditor

    files = [
        *sorted(Path(str(auditor.__file__)).parent.rglob("*.py")),
        *(Path(__file__).with_name(script) for script in scripts),
    ]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def check_recipe(file: Path, mine: str) -> None:
    """Refuse a folder whose models were trained on other images (UsageError)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and file.read_text() != mine:
        raise click.UsageError(
            f"{file.parent}: expected models of recipe {mine}, got those of {file.read_text()}; name a new folder."
        )
    file.write_text(mine)


def cached(folder: Path, name: str, code: str) -> dict[str, Any] | None:
    """Return the result of a finished audit by this version of the auditor."""
    file = folder / f"{name}.json"
    row = json.loads(file.read_text()) if file.exists() else None
    return row if row and row["code"] == code else None


def work(job: tuple[Path, str, list[Case]]) -> Rows:
    """Return the results of every open case of one model; runs in a process of its own."""
    from planted_audits import audited, trained

    folder, code, mine = job
    weights = trained(folder, mine[0].model)
    return [audited(folder, code, case, weights) for case in mine]


def kinds_work(job: tuple[Path, str, list[Any]]) -> Rows:
    """Return the results of every open case of one model of the further kinds; runs in a process of its own."""
    from planted_kinds_audits import audited, trained

    folder, code, mine = job
    weights = trained(folder, mine[0].model)
    return [audited(folder, code, case, weights) for case in mine]


def results(
    folder: Path, wanted: Sequence[Any], jobs: int, *, scripts: Sequence[str], by: Callable[[Any], Rows]
) -> Iterator[Rows]:
    """Yield the results of one model after the other, cached ones first."""
    code, open_cases = version(*scripts), dict[Any, list[Any]]()
    for case in wanted:
        row = cached(folder / "audits", case.name, code)
        if row:
            yield [row]
        else:
            open_cases.setdefault(case.model, []).append(case)
    yield from spread(by, [(folder, code, mine) for mine in open_cases.values()], jobs)


def fairness_work(job: tuple[Path, str, Any]) -> Rows:
    """Return the result of one population; runs in a process of its own."""
    from planted_fairness import audited

    return [audited(*job)]


def fairness_cases(families: Sequence[str], *, seed: int, quick: bool) -> list[Any]:
    """Return the chosen populations in groups, of which 'fairness' names all."""
    chosen = tuple(name for name in FAIRNESS if name in families or "fairness" in families)
    if not chosen:
        return []
    from planted_fairness import cases

    return cases(chosen, seed=seed, quick=quick)


def kinds_cases(folder: Path, families: Sequence[str], *, seed: int, quick: bool) -> list[Any]:
    """Return the audits of the chosen further kinds, of which 'kinds' names all; the folder holds their models."""
    chosen = tuple(name for name in KINDS if name in families or "kinds" in families)
    if not chosen:
        return []
    from planted_kinds_audits import cases
    from planted_kinds_models import recipe

    check_recipe(folder / "recipe-kinds", recipe())
    return cases(chosen, seed=seed, quick=quick)


def fairness_results(folder: Path, wanted: Sequence[Any], jobs: int) -> Iterator[Rows]:
    """Yield the results of one population after the other, cached ones first."""
    code, todo = version("planted_fairness.py", "planted_groups.py", "planted_populations.py"), []
    for case in wanted:
        row = cached(folder / "fairness", case.file, code)
        if row:
            yield [row]
        else:
            todo.append((folder, code, case))
    yield from spread(fairness_work, todo, jobs)


def spread(function: Callable[[Any], Rows], todo: Sequence[Any], jobs: int) -> Iterator[Rows]:
    """Yield what a function says of each job, several at a time."""
    if jobs == 1 or len(todo) < 2:
        yield from map(function, todo)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:  # a fork would share torch's threads
        yield from pool.imap_unordered(function, todo)


def told(found: Iterator[Rows], wanted: int) -> Rows:
    """Return every result, saying how far it is."""
    rows, started = Rows(), time.perf_counter()
    for done in found:
        rows += done
        click.echo(f"{len(rows):3d} of {wanted}  {time.perf_counter() - started:5.0f} s  {done[-1]['name']}", err=True)
    return rows


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--families",
    multiple=True,
    type=click.Choice((*FAMILIES, "kinds", *KINDS, "fairness", *FAIRNESS)),
    default=(*FAMILIES, "kinds", "fairness"),
    help="Only these (repeatable).",
)
@click.option("--quick", is_flag=True, help="Few models of three strengths, few audits: does it work at all?")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=2, show_default=True, help="Processes, with one thread each."
)
@click.option("--seed", default=0, show_default=True, help="First seed; seeds count up from it.")
@click.option("--print", "only_print", is_flag=True, help="Print the tables of the last run again.")
def main(folder: Path, families: tuple[str, ...], quick: bool, jobs: int, seed: int, only_print: bool) -> None:
    """Train what has no weights, audit what has no result, print the tables; exit with 1 where a target is missed."""
    file = folder / "planted.json"
    if not only_print:
        file.parent.mkdir(parents=True, exist_ok=True)
        content = measured(folder, families, quick=quick, jobs=jobs, seed=seed)
        file.write_text(json.dumps(content, indent=1) + "\n")
    content = json.loads(file.read_text())
    met = [
        tables.report(content)
        for part, tables in (
            ("rows", planted_tables),
            ("kinds", planted_kinds_tables),
            ("fairness", planted_fairness_tables),
        )
        if content.get(part)
    ]
    raise SystemExit(not all(met))


def measured(folder: Path, families: Sequence[str], *, quick: bool, jobs: int, seed: int) -> dict[str, Any]:
    """Return the results of all chosen families, as planted.json holds them."""
    wanted, started = cases(tuple(families), seed=seed, quick=quick), time.perf_counter()
    if wanted:
        from planted_models import recipe

        check_recipe(folder / "recipe", recipe())
    if "uncorrelated" in families and not offers_factors():
        click.echo("uncorrelated: left out, this version of the auditor has no data.factors", err=True)
    found = results(folder, wanted, jobs, scripts=SCRIPTS, by=work)
    rows = _in_order(told(found, len(wanted)), wanted)
    spent = {"seconds": time.perf_counter() - started, "jobs": jobs, "agreement": AGREEMENT}
    further, started = kinds_cases(folder, families, seed=seed, quick=quick), time.perf_counter()
    found = results(folder, further, jobs, scripts=(*SCRIPTS, *KINDS_SCRIPTS), by=kinds_work)
    kinds = _in_order(told(found, len(further)), further)
    spent |= {"kinds_seconds": time.perf_counter() - started}
    groups = fairness_cases(families, seed=seed, quick=quick)
    fairness = _in_order(told(fairness_results(folder, groups, jobs), len(groups)), groups)
    return spent | {"rows": rows, "kinds": kinds, "fairness": fairness}


def _in_order(rows: Rows, wanted: Sequence[Any]) -> Rows:
    order = {case.name: place for place, case in enumerate(wanted)}
    return sorted(rows, key=lambda row: order[row["name"]])


if __name__ == "__main__":
    main()
