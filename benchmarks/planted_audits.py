"""One planted classifier: its weights, the data that it is audited on, the audit, and what is true of it beside what
the audit said.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from planted_images import LESIONS, SIZE, dealt, render, scenes
from planted_models import load, save, train, truth

from auditor.checks import checks
from auditor.config.config import parse_audit
from auditor.core.displays import Map, of_kind
from auditor.core.records import Finding
from auditor.core.seeds import derive
from auditor.engine.judge import judge
from auditor.engine.prepare import prepare
from auditor.engine.run import run

if TYPE_CHECKING:
    from planted_cases import Case, Model

CLASSES = ("ring", "core")
PATIENTS, PER_PATIENT = 92, 2

torch.set_num_threads(1)  # sums in one order: repeatable on one kind of machine
logging.getLogger("auditor").setLevel(logging.ERROR)


def trained(folder: Path, model: Model) -> Path:
    """Return the file of a model's weights; trained now where there is none."""
    file = folder / "models" / f"{model.name}.pt"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        save(
            train(
                model.kind,
                LESIONS[model.looks],
                model.strength,
                seed=derive("training", model.series),
                levels=model.levels,
            ),
            file,
        )
    return file


def audited(folder: Path, code: str, case: Case, weights: Path) -> dict[str, Any]:
    """Return what the audit said and what is true; a broken-off audit by the same version of the auditor goes on where
    it stopped.
    """
    started = time.process_time()
    data, agreement = audit_data(folder, case)
    out = folder / "audits" / case.name
    findings = measured(out, code, declared(case, weights.resolve()), data)
    seed = derive("held out", case.model.series)
    row = asdict(case) | {
        "name": case.name,
        "code": code,
        "truth": truth(
            load(weights), case.model.kind, LESIONS[case.model.looks], seed=seed, agreement=agreement, mask=case.mask
        ),
        "findings": {finding.id: kept(finding) for finding in findings},
        "seconds": time.process_time() - started,
    }
    put(row, out.with_name(f"{case.name}.json"))
    return row


def measured(out: Path, code: str, audit: dict[str, Any], data: Path) -> list[Finding]:
    """Return what an audit of the data in a folder finds; its ledger goes to `out`."""
    stamp = out / "code"
    if not stamp.exists() or stamp.read_text() != code:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        stamp.write_text(code)
    prepared = prepare(parse_audit(audit, data / "audit"), base=data)
    run(prepared, out).close()  # auditor.audit without its report, which costs more than all the rest
    return judge(out)


def put(row: dict[str, Any], file: Path) -> None:
    """Write a result; a file that is there is whole."""
    file.with_suffix(".part").write_text(json.dumps(row))
    file.with_suffix(".part").replace(file)


def declared(case: Case, weights: Path) -> dict[str, Any]:
    """Return the audit as its file would declare it: reliance with its defaults, and a cheap attack for the naive
    rule.
    """
    chosen: dict[str, Any] = {
        "preflight": {},
        "reliance": {},
        "exposure": {"zones": ["outside"], "noise": False, "smallest": False, "few_values": 0},
    }
    if case.quality:
        chosen["attack_quality"] = {"samples": 24, "queries": 100}
    return declaration(
        case.name,
        weights,
        chosen,
        classes=CLASSES,
        channels=3 if case.model.kind == "colour" else 1,
        factors=("nuisance",) if case.factor else (),
    )


def declaration(
    name: str,
    weights: Path,
    chosen: dict[str, Any],
    *,
    classes: Sequence[str],
    channels: int,
    factors: Sequence[str] = (),
) -> dict[str, Any]:
    """Return an audit file of the chosen checks and no other."""
    columns = {"id": "id", "image": "path", "mask": "mask", "label": "label", "unit": "patient"}
    return {
        "title": f"Planted: {name}",
        "model": {
            "source": "torchscript",
            "path": str(weights),
            "classes": list(classes),
            "input": {"size": SIZE, "channels": channels},
        },
        "data": {"manifest": "manifest.csv", **columns} | ({"factors": list(factors)} if factors else {}),
        "threat": {"epsilon": ["8/255"]},
        "attack": {"name": "pgd", "settings": {"steps": 10}},
        "checks": {check: chosen.get(check, False) for check in checks.names("image")},
        "report": {"privacy": "none"},
    }


def audit_data(folder: Path, case: Case) -> tuple[Path, float]:
    """Return the folder with the images, masks and manifest of a case, and in which share of its images the nuisance
    agrees with the class.

    The models of one series are audited on the same images, the honest twin too.
    """
    seed, n = derive("audit", case.model.series), PATIENTS * PER_PATIENT
    drawn = scenes(n, seed=seed, looks=LESIONS[case.model.looks], per_patient=PER_PATIENT)
    labels = drawn.patients % 2
    nuisance = dealt(labels, drawn.patients, case.agreement, seed=seed)
    place = folder / "data" / f"{case.model.series}-{case.mask}-{case.agreement:g}-{n}"
    columns = {
        "label": [CLASSES[label] for label in labels],
        "patient": [f"p{patient:03d}" for patient in drawn.patients],
        "nuisance": ["yes" if one else "no" for one in nuisance],
    }
    put_data(place, render(drawn, labels, nuisance, case.model.kind), getattr(drawn, case.mask), columns)
    return place, float((nuisance == (labels == 1)).mean())


def put_data(
    place: Path, images: NDArray[np.uint8], masks: NDArray[np.bool_], columns: Mapping[str, Sequence[str]]
) -> None:
    """Write images, masks and their manifest to a folder, unless it is there; a folder that is there is whole."""
    if place.exists():
        return
    part = place.with_name(f"{place.name}.part{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    lines = [["id", "path", "mask", *columns]]
    for name in ("images", "masks"):
        (part / name).mkdir(parents=True)
    for row, (image, mask) in enumerate(zip(images, masks, strict=True)):
        Image.fromarray(image).save(part / f"images/{row:03d}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(part / f"masks/{row:03d}.png")
        where = [f"{name}/{row:03d}.png" for name in ("images", "masks")]
        lines.append([f"s{row:03d}", *where, *(values[row] for values in columns.values())])
    with (part / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
    try:
        part.rename(place)
    except OSError:  # another process was faster, with the same bytes
        shutil.rmtree(part)


def kept(finding: Finding) -> dict[str, Any]:
    """Return what the tables read of a finding."""
    found = finding.estimate
    estimate = None if found is None else {"value": found.value, "low": found.low, "high": found.high}
    peaks = (
        {"row": one.peak.row, "column": one.peak.column, "rows": one.rows, "columns": one.columns}
        for one in of_kind(finding.displays, Map)
    )
    return {
        "verdict": finding.verdict,
        "estimate": estimate,
        "tolerance": finding.tolerance,
        "peak": next(peaks, None),
        "question": finding.question,
        "primary": finding.primary,
    }
