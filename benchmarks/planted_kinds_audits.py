"""One classifier of the further planted kinds: its weights, the data that it is audited on, and what was found beside
what is true.
"""

from __future__ import annotations

import functools
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from planted_audits import PATIENTS, PER_PATIENT, declaration, kept, measured, put, put_data
from planted_cases import AGREEMENT
from planted_images import scenes
from planted_kinds import KINDS, LEANS, planted
from planted_kinds_models import train, truth
from planted_models import load, save

from auditor.core.records import Finding, Verdict, worst
from auditor.core.seeds import derive

GUILTY, HONEST = (0.9, 1.0), 0.5
"""P(the value goes with the class) in training."""
WEAKER = {"cancel": (0.8, 0.9)}
"""The same of kinds that need both of two values: where each tells the class for sure, a network reads only one."""
TURNED = {"tilt-reversed": 1 - AGREEMENT, "tilt-uncorrelated": 0.5}
"""Further audits of the models of a kind: how often the value goes with the class in their data."""
CHECKS: dict[str, Any] = {"preflight": {}, "reliance": {"where": 0}}
QUESTION = 1


@dataclass(frozen=True)
class Model:
    """One classifier with a known truth."""

    kind: str
    guilty: bool
    strength: float
    seed: int

    @property
    def name(self) -> str:
        """Return its name, of which its file is made."""
        return f"{self.series}-{'guilty' if self.guilty else 'honest'}-{self.strength:g}"

    @property
    def series(self) -> str:
        """Return what it shares with its twins: the scenes of training and audit; no two series share any."""
        return f"{self.kind}-{self.seed}"


@dataclass(frozen=True)
class Case:
    """One audit of one classifier."""

    family: str
    model: Model
    data: int
    """Number of the audit data; each number has scenes of its own."""
    agreement: float = AGREEMENT

    @property
    def guilty(self) -> bool:
        """Return whether the classifier reads something outside the mask, by construction."""
        return self.model.guilty

    @property
    def name(self) -> str:
        """Return its name, of which its folder is made."""
        return f"{self.family}-{self.model.name.removeprefix(self.model.kind + '-')}-{self.data}"


def cases(chosen: tuple[str, ...], *, seed: int, quick: bool) -> list[Case]:
    """Return every audit of the chosen kinds."""
    return [
        Case(family, model, data, agreement)
        for kind in chosen
        for model in models(kind, seed=seed, quick=quick)
        for family, agreement in {kind: AGREEMENT, **TURNED}.items()
        if family == kind or family.startswith(f"{kind}-")
        for data in range(1 if quick else 3 if family == kind else 2)
    ]


def models(kind: str, *, seed: int, quick: bool) -> list[Model]:
    """Return the classifiers of a kind: four with the shortcut where there is one, and four without."""
    honest = [Model(kind, False, HONEST, one) for one in range(seed, seed + (1 if quick else 4))]
    if KINDS[kind].alone:
        return honest
    if kind == "interaction":  # cue and value make the class together in every image, or not at all
        return honest + [Model(kind, True, 1.0, one.seed) for one in honest]
    return honest + [
        Model(kind, True, p, one) for p in WEAKER.get(kind, GUILTY) for one in range(seed, seed + (1 if quick else 2))
    ]


def trained(folder: Path, model: Model) -> Path:
    """Return the file of a model's weights; trained now where there is none."""
    file = folder / "models" / f"{model.name}.pt"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        seed = derive("training", model.series, model.guilty)
        save(train(model.kind, model.strength, guilty=model.guilty, seed=seed), file)
    return file


@functools.lru_cache(maxsize=4)
def true_of(weights: Path, model: Model, agreement: float) -> dict[str, float]:
    """Return what is true of a classifier on data with this agreement, whichever scenes they show."""
    seed = derive("held out", model.series)
    return truth(load(weights), model.kind, guilty=model.guilty, seed=seed, agreement=agreement)


def audited(folder: Path, code: str, case: Case, weights: Path) -> dict[str, Any]:
    """Return what the audit said and what is true; a broken-off audit by the same version of the auditor goes on where
    it stopped.
    """
    started, how = time.process_time(), KINDS[case.model.kind]
    data, agreement = audit_data(folder, case)
    audit = declaration(case.name, weights.resolve(), CHECKS, classes=how.classes, channels=3 if how.colour else 1)
    out = folder / "audits" / case.name
    findings = measured(out, code, audit, data)
    row = asdict(case) | {
        "name": case.name,
        "code": code,
        "guilty": case.guilty,
        "truth": true_of(weights, case.model, agreement),
        "question1": answer(findings),
        "findings": {finding.id: kept(finding) for finding in findings},
        "seconds": time.process_time() - started,
    }
    put(row, out.with_name(f"{case.name}.json"))
    return row


def answer(findings: list[Finding]) -> Verdict:
    """Return the verdict of question 1: the worst of its primary findings."""
    return worst([finding.verdict for finding in findings if finding.primary and finding.question == QUESTION])


def audit_data(folder: Path, case: Case) -> tuple[Path, float]:
    """Return the folder with the images, masks and manifest of a case, and in which share of its images the value goes
    with the class.

    The models of one series are audited on the same images, the honest twin too; only where cue and value make the
    class together does the twin's class differ.
    """
    kind, how = case.model.kind, KINDS[case.model.kind]
    seed, n = derive("audit", case.model.series, case.data), PATIENTS * PER_PATIENT
    drawn = scenes(n, seed=seed, looks=how.looks, per_patient=PER_PATIENT)
    labels, cue, value = planted(kind, drawn.patients, case.agreement, guilty=case.guilty, seed=seed)
    twin = "-twin" if kind == "interaction" and not case.guilty else ""
    place = folder / "data" / f"kinds-{case.model.series}-{case.data}-{case.agreement:g}-{n}{twin}"
    columns = {
        "label": [how.classes[label] for label in labels],
        "patient": [f"p{patient:03d}" for patient in drawn.patients],
        "nuisance": ["+".join("yes" if one else "no" for one in np.atleast_1d(row)) for row in value],
    }
    put_data(place, how.pixels(drawn, cue, value), how.mask(drawn, cue), columns)
    first = value.reshape(n, -1)[:, 0]
    return place, float((first == labels)[labels < LEANS].mean())
