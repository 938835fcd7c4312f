"""The auditor's own test: classifiers whose defect, or innocence, was planted, audited like any other and counted like
a diagnostic test.

Run: python benchmarks/planted.py FOLDER [--quick] [--families marker --families fairness] [--jobs 2] [--seed 0]
[--print]
Weights, data and finished audits stay in FOLDER: killed at any point, the next run goes on, and one with another
version of
the auditor audits again without training again. Results lie in FOLDER/planted.json, from which --print makes the
tables.

The audit data of the trained classifiers are confounded on purpose, for shortcut models and honest twins alike: the
nuisance goes with the class in 95 of 100
patients. Only so can a shortcut show at all, and only so is the twin's innocence put to the test.
"""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import planted_fairness_tables
import planted_tables

STRENGTHS = (0.5, 0.6, 0.75, 0.9, 1.0)
"""P(nuisance agrees with the class) in training; 0.5 is the honest twin."""
KINDS = ("marker", "text", "border", "texture", "colour", "scanner")
LOOKS = ("small", "large", "faint")
FAMILIES = (*KINDS, *LOOKS, "context", "masked", "uncorrelated")
AGREEMENT = 0.95
"""P(nuisance agrees with the class) in the audit data."""
GREY_LEVELS = 12
"""What a gradient-masked network sees: rounding leaves no gradient."""
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
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Model:
    """One classifier with a known truth."""

    kind: str
    looks: str
    strength: float
    seed: int
    levels: int = 0
    """Grey levels that it sees; 0: all of them."""

    @property
    def name(self) -> str:
        """Return its name, of which its file is made."""
        return f"{self.series}-{self.strength:g}"

    @property
    def series(self) -> str:
        """Return what it shares with its twins of other strengths: the scenes of training and audit; no two series
        share any.
        """
        return f"{self.kind}-{self.looks}-{self.seed}" + (f"-levels{self.levels}" if self.levels else "")


@dataclass(frozen=True)
class Case:
    """One audit of one classifier."""

    family: str
    model: Model
    guilty: bool
    """Whether the classifier reads something outside the mask, by construction."""
    mask: str = "mask"
    """Which mask the expert drew: of the lesion, or 'wide' with the second structure."""
    agreement: float = AGREEMENT
    factor: bool = False
    """Whether the audit declares the nuisance as a factor."""
    quality: bool = False
    """Whether the audit looks for signs of hidden gradients."""

    @property
    def name(self) -> str:
        """Return its name, of which its folder is made."""
        return f"{self.family}-{self.model.name}" + ("-wide" if self.mask == "wide" else "")


def cases(families: tuple[str, ...], *, seed: int, quick: bool) -> list[Case]:
    """Return every audit of the chosen families."""
    twins, copies = (2, 1) if quick else (8, 4)
    strengths = (0.5, 0.9, 1.0) if quick else STRENGTHS
    few = range(seed, seed + copies)
    many = range(seed, seed + twins)
    found = [
        Case(kind, Model(kind, "usual", p, s), p > 0.5)
        for s in many
        for kind in KINDS
        for p in strengths
        if p == 0.5 or s in few
    ]
    found += [Case(looks, Model("marker", looks, p, s), p > 0.5) for looks in LOOKS for p in (0.5, 0.9) for s in few]
    found += [
        Case("context", Model("marker", "context", 0.5, s), mask == "mask", mask)
        for mask in ("wide", "mask")
        for s in few
    ]
    found += [
        Case("masked", Model("marker", "usual", p, s, GREY_LEVELS), p > 0.5, quality=True)
        for p in (0.5, 1.0)
        for s in few
    ]
    if offers_factors():  # the nuisance tells nothing in these data: only the declared factor can name the shortcut
        found += [
            Case("uncorrelated", Model("marker", "usual", p, s), p > 0.5, agreement=0.5, factor=True)
            for p in strengths
            for s in few
        ]
    return [case for case in found if case.family in families]


@functools.cache
def offers_factors() -> bool:
    """Return whether this version of the auditor takes `data.factors`."""
    from auditor.core.errors import AuditorError
    from auditor.samples import data

    try:
        data.bind("images", {"manifest": "manifest.csv", "factors": ["nuisance"]})
    except AuditorError:
        return False
    return True


def version(*scripts: str) -> str:
    """Return a digest of the code of the auditor and of these audits: what another version found is measured again."""
    import auditor

    files = [
        *sorted(Path(str(auditor.__file__)).parent.rglob("*.py")),
        *(Path(__file__).with_name(script) for script in scripts),
    ]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def check_recipe(folder: Path) -> None:
    """Refuse a folder whose models were trained on other images (UsageError)."""
    from planted_models import recipe

    file, mine = folder / "recipe", recipe()
    folder.mkdir(parents=True, exist_ok=True)
    if file.exists() and file.read_text() != mine:
        raise click.UsageError(
            f"{folder}: expected models of recipe {mine}, got those of {file.read_text()}; name a new folder."
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


def results(folder: Path, wanted: list[Case], jobs: int) -> Iterator[Rows]:
    """Yield the results of one model after the other, cached ones first."""
    code, open_cases = version("planted_audits.py", "planted_images.py", "planted_models.py"), dict[Model, list[Case]]()
    for case in wanted:
        row = cached(folder / "audits", case.name, code)
        if row:
            yield [row]
        else:
            open_cases.setdefault(case.model, []).append(case)
    yield from spread(work, [(folder, code, mine) for mine in open_cases.values()], jobs)


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
    type=click.Choice((*FAMILIES, "fairness", *FAIRNESS)),
    default=(*FAMILIES, "fairness"),
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
        check_recipe(folder)
        wanted, started = cases(families, seed=seed, quick=quick), time.perf_counter()
        if "uncorrelated" in families and not offers_factors():
            click.echo("uncorrelated: left out, this version of the auditor has no data.factors", err=True)
        rows = told(results(folder, wanted, jobs), len(wanted))
        content = {
            "seconds": time.perf_counter() - started,
            "jobs": jobs,
            "agreement": AGREEMENT,
            "rows": _in_order(rows, wanted),
        }
        groups = fairness_cases(families, seed=seed, quick=quick)
        content["fairness"] = _in_order(told(fairness_results(folder, groups, jobs), len(groups)), groups)
        file.write_text(json.dumps(content, indent=1) + "\n")
    content = json.loads(file.read_text())
    met = [
        tables.report(content)
        for part, tables in (("rows", planted_tables), ("fairness", planted_fairness_tables))
        if content.get(part)
    ]
    raise SystemExit(not all(met))


def _in_order(rows: Rows, wanted: Sequence[Any]) -> Rows:
    order = {case.name: place for place, case in enumerate(wanted)}
    return sorted(rows, key=lambda row: order[row["name"]])


if __name__ == "__main__":
    main()
